"""Measures the harness itself: processor time a sample with a model that responds at once, and start-up time.

    python tools/perf_overhead.py [--rows 5000] [--repeats 3] [--growth | --memory]

Rows are DocVQA-like with 64x64 PNGs in Parquet; the time covers everything `run` does (reading, decoding, storing,
scoring, intervals). A bare loop that does only what cannot be avoided is measured in turns with it. Start-up compares
commands, in turns, with `python -c 'import typer'` and with the import of all packages that `run` needs. `--growth`
runs `--rows` rows once and adds the peak resident memory; `--memory` does so for a GQA-sized dataset (12,578 rows,
398 images). All times are processor time.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
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
    """Writes rows as DocVQA has them, each with its own image, for `--data-root`.

    Five hundred images are drawn; a number behind the end of the encoded image makes each row's bytes its own.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    drawn = [image(i, 64, 64) for i in range(min(n, 500))]
    rows = [
        {
            "questionId": str(i),
            "question": f"What is number {i}?",
            "question_types": ["form"],
            "image": {"bytes": drawn[i % 500] + b"%d" % i, "path": None},
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


def overhead(root: Path) -> float:
    """Processor microseconds of `run` for each sample of the rows in a folder, from its call to its return."""
    import cambrian_eval

    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        outcome = cambrian_eval.run(Instant(), ["docvqa"], Path(folder) / "run", data_root=root)
        took = time.process_time() - start
    assert outcome.results[0].score == 100.0
    return 1e6 * took / outcome.n


def floor(root: Path) -> float:
    """The same for a bare loop that does only what cannot be avoided.

    Read the row, hash and decode its image, build and hash the request, write the question and the response each on a
    line, score it twice with the same scorers, write both verdicts, and resample each score 1,000 times.
    """
    import orjson
    import pyarrow.parquet as pq
    from PIL import Image

    from cambrian_eval.registry import load_benchmark
    from cambrian_eval.scoring.reply import Reply

    benchmark = load_benchmark("docvqa")
    with tempfile.TemporaryDirectory() as out:
        start = time.process_time()
        responses = os.open(Path(out) / "responses", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with (Path(out) / "samples").open("wb") as samples, (Path(out) / "verdicts").open("wb") as verdicts:
            values: list[tuple[float, float]] = []
            for batch in pq.ParquetFile(root / "docvqa" / "validation-0.parquet").iter_batches(500):
                for row in batch.to_pylist():
                    data = row["image"]["bytes"]
                    digest = hashlib.sha256(data).hexdigest()
                    with Image.open(io.BytesIO(data)) as picture:
                        picture.load()
                    sample = benchmark.to_sample(row | {"image": None}, len(values))
                    prompt = benchmark.prompt(sample)
                    key = hashlib.sha256(orjson.dumps(["instant-1", prompt, [digest], {"seed": 0}])).hexdigest()
                    text = f"answer {sample.id}"
                    about = {"id": sample.id, "question": sample.question, "answers": sample.answers}
                    samples.write(orjson.dumps(about) + b"\n")
                    line = {"id": sample.id, "key": key, "prompt": prompt, "images": [digest], "text": text}
                    body = orjson.dumps(line)
                    os.write(responses, b'%b,"sum":"%08x"}\n' % (body[:-1], zlib.crc32(body)))
                    reply = Reply(text)
                    pair = benchmark.fuzzy(sample, reply), benchmark.official(sample, reply)
                    for v in pair:
                        verdicts.write(orjson.dumps({"id": sample.id, "value": v.value, "rule": v.rule}) + b"\n")
                    values.append((pair[0].value, pair[1].value))
        os.fsync(responses)
        os.close(responses)
        resample(values)
        took = time.process_time() - start
    return 1e6 * took / len(values)


def resample(values: list[tuple[float, float]]) -> None:
    """1,000 bootstrap means of both scores."""
    import numpy as np

    table, rng = np.array(values), np.random.default_rng(0)
    for _ in range(1000):
        np.bincount(rng.integers(0, len(table), len(table)), minlength=len(table)) @ table


def beside_floor(rows: int, turns: int) -> dict[str, Any]:
    """Both, in turns, on the same rows."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_docvqa(root, rows)
        overhead(root), floor(root)
        pairs = [(overhead(root), floor(root)) for _ in range(turns)]
    ours, bare = (statistics.median(side) for side in zip(*pairs, strict=True))
    return {"rows": rows, "ours_us": ours, "floor_us": bare, "ratio": ours / bare}


def growth(rows: int) -> dict[str, Any]:
    """Processor time and peak resident memory for so many rows; this process must be a new one."""
    with tempfile.TemporaryDirectory() as folder:
        code = (
            "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
            "import perf_overhead; perf_overhead.write_docvqa(Path(sys.argv[1]), int(sys.argv[3]))"
        )
        here = str(Path(__file__).parent)
        subprocess.run([sys.executable, "-c", code, folder, here, str(rows)], check=True)
        took = overhead(Path(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return {"rows": rows, "ours_us": took, "peak_mib": peak}


def start_up(repeats: int) -> dict[str, float]:
    """Median processor seconds of each command; they run in turns."""
    script = str(Path(sys.executable).with_name("cambrian-eval"))
    with tempfile.TemporaryDirectory() as folder:
        one = ["run", "--model", "chance", "--benchmark", "mmvp", "--data", "mini", "--limit", "1", "--out"]
        commands = {
            "import typer": [sys.executable, "-c", "import typer"],
            "imports of run": [sys.executable, "-c", f"import {IMPORTS_OF_RUN}"],
            "--help": [script, "--help"],
            "list": [script, "list"],
            "run --model chance --limit 1": [script, *one],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(repeats + 1):
            for name, command in commands.items():
                target = [f"{folder}/{turn}"] if command[-1] == "--out" else []
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                subprocess.run([*command, *target], capture_output=True, check=True, env=CACHED)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                times[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {name: statistics.median(found[1:]) for name, found in times.items()}


IMPORTS_OF_RUN = (
    "typer, orjson, msgspec, concurrent.futures, csv, fractions, hashlib, html, importlib.metadata, json, logging, "
    "sqlite3, subprocess, tempfile, tomllib, PIL.Image, PIL.ImageDraw, PIL.ImageFont, PIL.PngImagePlugin"
)
"""What `run` imports of others for one drawn image; a floor of its start beside `import typer`."""
CACHED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""The environment of commands that keep their compiled modules, as installed ones do."""


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


def figures(rows: int, turns: int) -> dict[str, Any]:
    """The overhead of a sample beside its floor, and the start of commands beside `import typer`."""
    starts = start_up(turns)
    return {
        "overhead": beside_floor(rows, turns),
        "start_up_seconds": starts,
        "times_typer": {name: value / starts["import typer"] for name, value in starts.items()},
    }


def main() -> None:
    """Prints the results as JSON."""
    gc.set_threshold(100_000, 20, 100)  # as the command line sets it
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=3, help="turns of each side")
    parser.add_argument("--growth", action="store_true", help="only one run over --rows: time and peak memory")
    parser.add_argument("--memory", action="store_true", help="only a run over rows of GQA's size: peak memory")
    arguments = parser.parse_args()
    if arguments.memory:
        found: dict[str, Any] = memory()
    elif arguments.growth:
        found = growth(arguments.rows)
    else:
        found = figures(arguments.rows, arguments.repeats)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
