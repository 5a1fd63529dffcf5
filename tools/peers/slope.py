"""One measure for every harness: the processor time that a run takes for each further sample.

Each script of this folder hands its `run(rows)` to `measure`, which calls it on two numbers of rows and divides the
difference of the processor times by the difference of the numbers. So what a run takes once does not count, and
processes that a harness starts do. Imports and a first run, with the smaller number, are not measured.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq


def measure(run: Callable[[Path], None], description: str | None) -> None:
    """The command line of a script: prints rows, seconds, and the microseconds of a sample as JSON.

    `run` gets a Parquet file, evaluates all its rows, and raises SystemExit with the reason where one was not scored.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, metavar="ROWS.parquet", help="rows as perf_overhead.py writes them")
    parser.add_argument("--sizes", type=int, nargs=2, default=(200, 1000), metavar="N", help="the two numbers of rows")
    given = parser.parse_args()
    if not given.rows.is_file():
        parser.error(f"{given.rows} is not a file; tools/bench.py writes one for the peers that it is given")
    fewer, more = given.sizes
    table = pq.read_table(given.rows)
    if not 0 < fewer < more <= len(table):
        parser.error(f"--sizes {fewer} {more}: two rising numbers up to the {len(table):,} rows of {given.rows}")
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for turn, n in enumerate((fewer, fewer, more)):
            part = Path(folder) / f"{turn}" / "docvqa" / "validation-0.parquet"
            part.parent.mkdir(parents=True)
            pq.write_table(table.slice(0, n), part, row_group_size=500)
            before = spent()
            with contextlib.redirect_stdout(sys.stderr):
                run(part)
            gc.collect()  # pools of processes end, and their time counts
            seconds.append(spent() - before)
    _, less, most = seconds
    each = 1e6 * (most - less) / (more - fewer)
    print(json.dumps({"rows": [fewer, more], "seconds": [less, most], "us_each": each}))


def spent() -> float:
    """Processor seconds of this process so far, and of those that it started and that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
