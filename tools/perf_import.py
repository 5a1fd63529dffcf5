"""Time and memory of importing a log with 62,000 rows in the form of LLaVA's answers to GQA.

    python tools/perf_import.py [--rows 62000]

Prints processor time, wall-clock time and peak resident memory of `cambrian-eval import` with both scorers, and the
processor time of reading the same log with `json` alone for comparison.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROMPT = "\nAnswer the question using a single word or phrase."


def main() -> None:
    """Writes rows and log, imports them, and prints what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=62_000)
    n = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data/gqa").mkdir(parents=True)
        with (folder / "data/gqa/rows.jsonl").open("w") as rows, (folder / "log.jsonl").open("w") as log:
            for i in range(n):
                question = f"What color is the {i % 997}th object to the left of the {i % 31}th chair?"
                row = {"id": str(i), "imageId": f"n{i // 30}", "question": question, "answer": f"color {i % 7}"}
                rows.write(json.dumps(row) + "\n")
                said = {"question_id": str(i), "prompt": question + PROMPT, "text": f"Color {i % 5}", "model_id": "m"}
                log.write(json.dumps(said) + "\n")
        start = time.process_time()
        for line in (folder / "log.jsonl").open():
            json.loads(line)
        print(f"json alone: {time.process_time() - start:.2f} s of processor time")
        command = [sys.executable, "-m", "cambrian_eval", "import", str(folder / "log.jsonl"), "--benchmark", "gqa"]
        command += ["--data-root", str(folder / "data"), "--out", str(folder / "run")]
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall = time.perf_counter() - begun
        print(f"import: {used.ru_utime + used.ru_stime:.1f} s of processor time, {wall:.1f} s of wall-clock time")
        print(f"peak memory: {used.ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
