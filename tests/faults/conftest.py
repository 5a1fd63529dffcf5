"""The dataset, the clean run that all others are compared with, and the counts that are printed at the end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval.running.store import Run, open_run
from tests.conftest import docvqa_row, png, write_parquet
from tests.engines.cluster import cluster  # noqa: F401 - the fixture
from tests.faults.children import evaluate

COUNTS: Counter[str] = Counter()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if COUNTS:
        terminalreporter.section("faults injected")
        for name, count in sorted(COUNTS.items()):
            terminalreporter.line(f"{count:5d}  {name}")


@pytest.fixture
def count() -> Counter[str]:
    return COUNTS


class CleanRun:
    """A dataset and a run without faults."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "data"
        rows = [docvqa_row(i, png(i // 3) if i != 36 else b"truncated", page=i // 3) for i in range(60)]
        write_parquet(self.root / "docvqa/validation-0.parquet", rows, group=20)
        self.path = folder / "clean"
        evaluate(self.root, self.path)
        self.responses = responses(open_run(self.path))

    def check(self, out: Path, failed: dict[str, str] | None = None) -> None:
        """The run opens, has one response for every sample, and equals the clean run except for the given failures."""
        run = open_run(out)
        found = responses(run)
        differing = {i for (cell, i), record in found.items() if record != self.responses[cell, i]}
        assert found.keys() == self.responses.keys()
        assert differing == set(failed or {})
        for (_, i), record in found.items():
            if i in differing:
                assert record.finish == "failed" and (failed or {})[i] in (record.error or "")
        assert stored_lines(run) == len(found)
        if not failed:
            assert (out / "results.json").read_bytes() == (self.path / "results.json").read_bytes()
        assert not list(out.rglob("*.tmp"))

    def resume(self, out: Path) -> None:
        """Resumes the run; it must end equal to the clean run."""
        evaluate(self.root, out)
        self.check(out)


def responses(run: Run) -> dict[Any, Any]:
    return {(cell, i): r for cell in run.cells() for i, r in run.responses(cell).items()}


def stored_lines(run: Run) -> int:
    return sum(f.read_bytes().count(b"\n") for f in (run.path / "responses").glob("*.jsonl"))


@pytest.fixture(scope="session")
def clean_run(tmp_path_factory: pytest.TempPathFactory) -> CleanRun:
    return CleanRun(tmp_path_factory.mktemp("clean-run"))
