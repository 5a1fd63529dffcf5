"""The measuring script runs with one command, compares both sides, and needs few packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT

ABSENT = (
    *("accelerate", "datasets", "pyarrow", "pandas", "pycocotools", "rapidfuzz", "matplotlib", "sklearn", "scipy"),
    *("msgspec", "orjson", "openai", "typer", "click", "ray", "jinja2", "sentencepiece", "psutil"),
)


def run(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The script in a process that cannot import what a bare machine lacks."""
    lacking = f"import sys; sys.modules.update(dict.fromkeys({ABSENT!r}))\n"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", lacking + code, *words],
        capture_output=True,
        text=True,
        cwd=ROOT / "tools",
        env=environment,
        timeout=200,
    )


@pytest.mark.slow
def test_both_sides_are_measured_and_agree(tmp_path: Path) -> None:
    code = "import perf_inference; perf_inference.main()"
    record = tmp_path / "made" / "perf.json"
    words = ("--size", "tiny", "--device", "cpu", "--dtype", "float32", "--workloads", "b", "--compare", "8")
    done = run(code, *words, "--json", str(record))
    assert done.returncode == 0, done.stderr[-2000:]
    assert "| (b) 32 questions an image, one word |" in done.stdout
    found = json.loads(record.read_text())
    assert set(found["workloads"]) == {"b"}
    for result in found["workloads"].values():
        assert result["differing"] == 0
        assert result["times"] > 0 and result["floor"] > 0 and result["naive_floor"] > 0
    assert found["device"] and (found["size"], found["dtype"]) == ("tiny", "float32")
    assert found["compared"]["questions"] == 8 and found["compared"]["ids_differing"] == 0
    assert found["compared"]["largest_logit_gap"] < 1e-4
