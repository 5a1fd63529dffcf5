"""A stored run to judge, and an API key that must never be written to disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cambrian_eval import run
from cambrian_eval.running.store import Run
from tests.conftest import Scripted, docvqa_row, png, write_parquet

KEY = "sk-test-Zx81kQpV7nR2-never-on-disk"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An API key, a cache for each test, and retries without backoff."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("CAMBRIAN_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr("cambrian_eval.endpoint.client.backoff", lambda tries: 0.01)


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., Run]:
    """Creates a DocVQA run with n responses; by default those of even rows are correct and those of odd rows wrong."""

    def make(n: int = 12, answer: Callable[[int], str] | None = None, name: str = "run") -> Run:
        root = tmp_path / f"data-{n}"
        if not root.exists():
            write_parquet(
                root / "docvqa" / "validation-00000-of-00001.parquet",
                [docvqa_row(i, png(i, (8, 8))) for i in range(n)],
            )
        say = answer or (lambda i: f"answer {i}" if i % 2 == 0 else f"something else {i}")
        model = Scripted(lambda request: say(int(request.id)))
        return run(model, ["docvqa"], tmp_path / name, data_root=root).run.stored

    return make


def right(response: str, golds: list[str]) -> bool:
    """How the judge of the tests decides: the response equals a gold answer."""
    return response in golds
