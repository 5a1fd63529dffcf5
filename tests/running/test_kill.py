"""`kill -9` at random moments, many times, then resume: the run equals one that was never interrupted."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval.running.records import Cell
from cambrian_eval.running.store import open_run

SCRIPT = """
import sys
from tests.conftest import Scripted, answer_number
import cambrian_eval

root, out = sys.argv[1:3]
cambrian_eval.run(Scripted(answer_number, delay=0.004), ["docvqa"], out, data_root=root, vision=["on", "shuffled"])
"""


def start(root: Path, out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(root), str(out)], cwd=Path(__file__).parents[2])


def content(out: Path) -> tuple[dict[str, Any], bytes]:
    """Responses without their order, and the results byte for byte."""
    run = open_run(out)
    records = {(c.stem, i): r for c in run.cells() for i, r in run.responses(c).items()}
    return records, (out / "results.json").read_bytes()


@pytest.mark.slow
def test_killed_many_times_and_resumed(docvqa_root: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert start(docvqa_root, whole).wait() == 0
    rng = random.Random(11)
    kills = 0
    for _ in range(10):
        process = start(docvqa_root, broken)
        deadline = time.monotonic() + 60
        lines = broken / "responses"
        before = sum(f.stat().st_size for f in lines.glob("*.jsonl")) if lines.is_dir() else 0
        wanted = before + rng.randint(0, 4000)  # a random position in the file, not a random time
        while process.poll() is None and time.monotonic() < deadline:
            if lines.is_dir() and sum(f.stat().st_size for f in lines.glob("*.jsonl")) > wanted:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.0005)
        if process.wait() == 0:
            break
        kills += 1
    assert kills >= 5
    assert start(docvqa_root, broken).wait() == 0
    assert content(broken) == content(whole)
    run = open_run(broken)
    for cell in (Cell("docvqa", "on"), Cell("docvqa", "shuffled")):
        stored = (broken / "responses" / f"{cell.stem}.jsonl").read_text().splitlines()
        identities = [json.loads(line)["id"] for line in stored]
        assert len(identities) == len(set(identities)) == 60
        assert run.verdicts(cell, "fuzzy") == open_run(whole).verdicts(cell, "fuzzy")
