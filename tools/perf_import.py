"""Time and memory of importing logs with 62,000 rows of GQA: LLaVA's answers, which have ids, and lmms-eval's samples.

    python tools/perf_import.py [--rows 62000] [--json]

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
    parser.add_argument("--json", action="store_true", help="print JSON: seconds of processor time, and MiB")
    given = parser.parse_args()
    n, found = given.rows, dict[str, float]()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "data/gqa").mkdir(parents=True)
        logs = {name: folder / f"{name}_samples_gqa.jsonl" for name in ("llava", "lmms_eval")}
        with (
            (folder / "data/gqa/rows.jsonl").open("w") as rows,
            logs["llava"].open("w") as llava,
            logs["lmms_eval"].open("w") as lmms,
        ):
            for i in range(n):
                question = f"What color is the {i % 997}th object to the left of the {i % 31}th chair?"
                answer, said = f"color {i % 7}", f"Color {i % 5}"
                prompt = question + PROMPT
                row = {"id": str(i), "imageId": f"n{i // 30}", "question": question, "answer": answer}
                rows.write(json.dumps(row) + "\n")
                line = {"question_id": str(i), "prompt": prompt, "text": said, "model_id": "m"}
                llava.write(json.dumps(line) + "\n")
                line = {"doc_id": i, "target": answer, "filtered_resps": said, "input": prompt, "exact_match": 0.0}
                lmms.write(json.dumps(line) + "\n")
        start = time.process_time()
        for line in logs["llava"].open():
            json.loads(line)
        found["json"] = time.process_time() - start
        if not given.json:
            print(f"json alone: {found['json']:.2f} s of processor time")
        for name, log in logs.items():
            command = [sys.executable, "-m", "cambrian_eval", "import", str(log), "--benchmark", "gqa"]
            command += ["--data-root", str(folder / "data"), "--out", str(folder / name)]
            before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - begun
            found[name] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            if not given.json:
                print(f"{name}: {found[name]:.1f} s of processor time, {wall:.1f} s of wall-clock time")
        found["peak_mib"] = after.ru_maxrss / 2**10
    print(json.dumps(found) if given.json else f"peak memory: {found['peak_mib'] / 2**10:.2f} GiB")


if __name__ == "__main__":
    main()
