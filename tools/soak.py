"""Measures whether memory stays constant during a very long run.

    python tools/soak.py [--requests 200000] [--engine local|ray] [--json]

A model that responds at once, over DocVQA-like rows with an image of 3 kB each. The resident memory of this process is
recorded 20 times at equal distances. All samples are in memory before the first record; during the first third the
cache of encoded images grows to its limit (96 MiB); after that nothing may grow. The result compares the records half
way and at the end. With `--engine ray` the replicas' memory is recorded too.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cambrian_eval.engines.local import Completed, Job, LocalEngine
from cambrian_eval.model import Model

sys.path.insert(0, str(Path(__file__).parent))


def resident(process: int) -> float:
    """Resident memory of a process in MiB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def write_rows(root: Path, n: int) -> None:
    """Writes rows in row groups of 2,000, each row with its own 32 x 32 PNG."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    rng = np.random.default_rng(0)
    folder = root / "docvqa"
    folder.mkdir(parents=True)
    writer = None
    for start in range(0, n, 2000):
        rows = []
        for i in range(start, min(n, start + 2000)):
            buffer = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(buffer, "PNG")
            rows.append(
                {
                    "questionId": str(i),
                    "question": f"What is number {i}?",
                    "question_types": ["form"],
                    "image": {"bytes": buffer.getvalue(), "path": None},
                    "docId": i,
                    "ucsf_document_id": f"d{i}",
                    "ucsf_document_page_no": "1",
                    "answers": [f"answer {i}"],
                    "data_split": "val",
                }
            )
        table = pa.Table.from_pylist(rows)
        writer = writer or pq.ParquetWriter(folder / "validation-0.parquet", table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


class Recorded:
    """An engine that records memory while responses pass."""

    def __init__(self, engine: Any, model: Model | None, every: int) -> None:
        self.engine, self.model, self.every = engine, model, every
        self.notes: list[dict[str, Any]] = []

    def run(self, model: Model, jobs: Iterator[Job], stop: threading.Event) -> Iterator[Completed]:
        """Passes responses on; after each `every` of them, records the memory of this process and of the replicas."""
        began = time.perf_counter()
        for n, completed in enumerate(self.engine.run(self.model or model, jobs, stop), 1):
            if n % self.every == 0:
                places = [handle.place for handle in getattr(self.engine, "_handles", ())]
                self.notes.append(
                    {
                        "responses": n,
                        "seconds": round(time.perf_counter() - began, 1),
                        "driver_mib": round(resident(os.getpid()), 1),
                        "replicas_mib": [round(resident(int(p.split()[-1])), 1) for p in places if p],
                    }
                )
            yield completed

    def facts(self) -> dict[str, Any]:
        """The engine's own facts, for run.json."""
        return dict(self.engine.facts())

    def state(self) -> dict[str, Any]:
        """The engine's own state, for `status`."""
        return dict(self.engine.state())


def main() -> None:
    """Runs to the end, checks that nothing failed, and prints the records as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    from perf_scale import Fixed

    import cambrian_eval

    every = max(1, arguments.requests // 20)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_rows(root / "data", arguments.requests)
        if arguments.engine == "ray":
            from cambrian_eval.engines.ray import RayEngine

            inner = RayEngine(replicas=2)
            recorded = Recorded(inner, inner.open(Fixed(0.0), {}), every)
        else:
            recorded = Recorded(LocalEngine(), None, every)
        model = recorded.model or Fixed(0.0)
        outcome = cambrian_eval.run(model, ["docvqa"], root / "run", data_root=root / "data", engine=recorded)
        assert outcome.n == arguments.requests and outcome.n_failed == 0
        if arguments.engine == "ray":
            recorded.engine.close()
    half = recorded.notes[len(recorded.notes) // 2 - 1 :]
    found = {
        "engine": arguments.engine,
        "requests": arguments.requests,
        "driver_mib_half_way_and_at_the_end": [half[0]["driver_mib"], half[-1]["driver_mib"]],
        "notes": recorded.notes,
    }
    print(json.dumps(found) if arguments.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
