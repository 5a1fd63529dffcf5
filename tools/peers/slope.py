"""One measure for every harness: the processor time that a run takes for each further sample.

Each script of this folder hands its `run(rows)` to `measure`, which starts the script anew on two numbers of rows, one
process after the other, and divides the difference of their processor times by the difference of the numbers. So start
and imports do not count, and processes that a harness starts do. A first, uncounted run fills caches of compiled code.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
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
    parser.add_argument("--once", action="store_true", help="run over all rows once, unmeasured")
    given = parser.parse_args()
    if not given.rows.is_file():
        parser.error(f"{given.rows} is not a file; tools/bench.py writes one for the peers that it is given")
    if given.once:
        run(given.rows)
        return
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
            seconds.append(spent([sys.executable, sys.argv[0], str(part), "--once"]))
    _, less, most = seconds
    each = 1e6 * (most - less) / (more - fewer)
    print(json.dumps({"rows": [fewer, more], "seconds": [less, most], "us_each": each}))


def spent(command: list[str]) -> float:
    """Processor seconds of a command and of the processes that it started; what it prints is shown where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **QUIET})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stderr.strip() or f"{command[1]} failed without a message")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


QUIET = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
"""One thread for each process, and no download."""
