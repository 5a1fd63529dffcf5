"""`cambrian-eval run --engine ray` as a user types it, with its own cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def call(*words: Any) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("cambrian-eval")), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200)


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")  # skips or fails where Ray is not installed
def test_one_machine_needs_only_the_flag(docvqa_root: Path, tmp_path: Path) -> None:
    words = ["run", "--model", "chance", "--benchmark", "docvqa", "--data-root", docvqa_root]
    done = call(*words, "--out", tmp_path / "ray", "--engine", "ray", "--replicas", 2, "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["samples"] == 60  # the only line
    assert call(*words, "--out", tmp_path / "local").returncode == 0
    assert (tmp_path / "ray/results.json").read_bytes() == (tmp_path / "local/results.json").read_bytes()


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--replicas", "2"], "--replicas 2 needs --engine ray"),
        (["--ray-address", "auto"], "--ray-address auto needs --engine ray"),
        (["--gpus-per-replica", "1"], "needs --engine ray"),
        (["--engine", "ray", "--ray-address", "127.0.0.1:1"], "no Ray cluster is reachable at 127.0.0.1:1"),
        (["--engine", "rey"], "did you mean ray?"),
        (["--shard", "3/2"], "--shard '3/2'"),
    ],
)
def test_wrong_flags_are_one_line_errors(docvqa_root: Path, tmp_path: Path, words: list[str], hint: str) -> None:
    common = ["run", "--model", "chance", "--benchmark", "docvqa", "--data-root", docvqa_root, "--out", tmp_path / "a"]
    done = call(*common, *words)
    (line,) = [text for text in done.stderr.splitlines() if not text.startswith("warning: docvqa: 60 rows")]
    assert done.returncode == 2 and line.startswith("error: ") and hint in line
    assert not (tmp_path / "a/run.json").exists()
