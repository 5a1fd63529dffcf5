"""Rows that several tests use, drawn once per session."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import pytest

from cambrian_eval.demo import miniature

Rows = Sequence[dict[str, Any]]
GROUPS = {
    **dict.fromkeys(("mme", "gqa", "docvqa", "mmvp", "pope", "3dsrbench"), 2),
    **dict.fromkeys(("mmbench", "mmbench_cn", "naturalbench", "hallusionbench"), 4),
}
"""The most rows that belong together; 1 elsewhere."""


@pytest.fixture(scope="session")
def rows_of() -> Callable[[str, int, str], Rows]:
    """`miniature.rows`, cached."""

    @cache
    def made(name: str, n: int, split: str) -> Rows:
        return miniature.rows(name, n, "train" if split == "train" else "eval")

    return made


@pytest.fixture(scope="session")
def images_in() -> Callable[[Mapping[str, Any]], list[bytes]]:
    """The encoded images of a row, in column order."""

    def found(row: Mapping[str, Any]) -> list[bytes]:
        items = [item for value in row.values() for item in (value if isinstance(value, list) else [value])]
        return [item["bytes"] for item in items if isinstance(item, dict) and "bytes" in item]

    return found
