"""Data, the clean run everything is compared with, and the counts that are reported at the end."""

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


class Bench:
    """A data set and its clean run."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "data"
        rows = [docvqa_row(i, png(i // 3) if i != 36 else b"torn", page=i // 3) for i in range(60)]
        write_parquet(self.root / "docvqa/validation-0.parquet", rows, group=20)
        self.clean = folder / "clean"
        evaluate(self.root, self.clean)
        self.answers = answers(open_run(self.clean))

    def check(self, out: Path, failed: dict[str, str] | None = None) -> None:
        """The run opens, holds every sample once, and equals the clean one but for what was declared failed."""
        run = open_run(out)
        found = answers(run)
        differing = {i for (cell, i), record in found.items() if record != self.answers[cell, i]}
        assert found.keys() == self.answers.keys()
        assert differing == set(failed or {})
        for (_, i), record in found.items():
            if i in differing:
                assert record.finish == "failed" and (failed or {})[i] in (record.error or "")
        assert stored_lines(run) == len(found)
        if not failed:
            assert (out / "results.json").read_bytes() == (self.clean / "results.json").read_bytes()
        assert not list(out.rglob("*.tmp"))

    def resume(self, out: Path) -> None:
        """Goes on, and must end where the clean run ended."""
        evaluate(self.root, out)
        self.check(out)


def answers(run: Run) -> dict[Any, Any]:
    return {(cell, i): r for cell in run.cells() for i, r in run.responses(cell).items()}


def stored_lines(run: Run) -> int:
    return sum(f.read_bytes().count(b"\n") for f in (run.path / "responses").glob("*.jsonl"))


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"))
