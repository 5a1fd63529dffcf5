"""Measures the harness itself: samples per second with a model that responds at once, and start-up time.

    python tools/perf_overhead.py [--rows 5000] [--repeats 5] [--json]

Rows are DocVQA-like with 64x64 PNGs in Parquet; the time covers everything `run` does (reading, decoding, storing,
scoring, intervals). Start-up compares `--help` and `list` with `python -c 'import typer'`, in turns, so that all are
measured under the same load. `--memory` instead runs a GQA-sized dataset (12,578 rows, 398 images) in a new process
and prints its peak resident memory.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cambrian_eval.sample import Request, Response


class Instant:
    """Responds at once."""

    name, fingerprint = "instant", "instant-1"
    max_images: int | None = 1

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """One response for each request; the image is not used."""
        for request in requests:
            yield Response(request.id, f"answer {request.id}")

    def describe(self) -> Mapping[str, Any]:
        """Nothing: there are no weights."""
        return {}


def image(seed: int, width: int, height: int) -> bytes:
    """An image with some detail, so that decoding takes a realistic time; PNG where 64 wide, else JPEG."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (max(1, height // 8), max(1, width // 8), 3), dtype=np.uint8))
    buffer = io.BytesIO()
    small.resize((width, height)).save(buffer, "PNG" if width == 64 else "JPEG", quality=95)
    return buffer.getvalue()


def write_docvqa(root: Path, n: int) -> None:
    """Writes rows as DocVQA has them, each with its own image, for `--data-root`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {
            "questionId": str(i),
            "question": f"What is number {i}?",
            "question_types": ["form"],
            "image": {"bytes": image(i, 64, 64), "path": None},
            "docId": i,
            "ucsf_document_id": f"d{i}",
            "ucsf_document_page_no": "1",
            "answers": [f"answer {i}"],
            "data_split": "val",
        }
        for i in range(n)
    ]
    folder = root / "docvqa"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "validation-0.parquet", row_group_size=500)


def write_gqa(root: Path, questions: int = 12_578, images: int = 398) -> int:
    """Writes a GQA-sized dataset where every row repeats its image, in a single row group: the worst layout."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    encoded = [image(i, 640, 480) for i in range(images)]
    rows = [
        {
            "id": str(i),
            "imageId": f"n{i % images}",
            "question": f"What is number {i}?",
            "answer": "yes",
            "fullAnswer": "Yes.",
            "types": {"structural": "verify", "semantic": "obj", "detailed": "exist"},
            "image": {"bytes": encoded[i % images], "path": None},
        }
        for i in range(questions)
    ]
    folder = root / "gqa"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet", row_group_size=questions)
    return (folder / "rows.parquet").stat().st_size


def throughput(rows: int) -> float:
    """Samples per second, from the call of `run` to its return."""
    import cambrian_eval

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_docvqa(root / "data", rows)
        start = time.perf_counter()
        outcome = cambrian_eval.run(Instant(), ["docvqa"], root / "run", data_root=root / "data")
        took = time.perf_counter() - start
        assert outcome.n == rows and outcome.results[0].score == 100.0
    return rows / took


def start_up(repeats: int) -> dict[str, float]:
    """Median seconds of each command; the three run in turns."""
    script = str(Path(sys.executable).with_name("cambrian-eval"))
    commands = {
        "import typer": [sys.executable, "-c", "import typer"],
        "--help": [script, "--help"],
        "list": [script, "list"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(repeats + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found[1:]) for name, found in times.items()}


def memory() -> dict[str, float]:
    """Peak resident memory of a run over the GQA-sized dataset in this process, which must be a new one."""
    import cambrian_eval

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        code = (
            "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
            "import perf_overhead; print(perf_overhead.write_gqa(Path(sys.argv[1])))"
        )
        made = subprocess.run(
            [sys.executable, "-c", code, str(root / "data"), str(Path(__file__).parent)],
            capture_output=True,
            text=True,
            check=True,
        )
        outcome = cambrian_eval.run(Instant(), ["gqa"], root / "run", data_root=root / "data")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"rows": outcome.n, "parquet_gib": int(made.stdout) / 2**30, "peak_resident_gib": peak}


def main() -> None:
    """Prints the results as JSON: throughput and start-up, or memory only."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.memory:
        found: dict[str, Any] = memory()
    else:
        throughput(200)
        rates = [throughput(arguments.rows) for _ in range(3)]
        starts = start_up(arguments.repeats)
        base = starts["import typer"]
        found = {
            "samples_per_second": {"min": min(rates), "median": statistics.median(rates), "max": max(rates)},
            "start_up_seconds": starts,
            "times_typer": {name: value / base for name, value in starts.items()},
        }
    print(json.dumps(found) if arguments.json else json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
