"""Numeric options take finite numbers only, on every command."""

from __future__ import annotations

import pytest

from tests.command import call


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
@pytest.mark.parametrize(
    "words",
    [
        ["run", "--model", "chance", "--benchmark", "mmvp", "--data", "mini:2", "--out", "x", "--budget"],
        ["run", "--model", "chance", "--benchmark", "mmvp", "--data", "mini:2", "--out", "x", "--timeout"],
        ["cvbench", "build", "--out", "x", "--min-area"],
    ],
)
def test_not_finite(words: list[str], value: str) -> None:
    done = call(*words, value)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert words[-1] in done.stderr and any(word in done.stderr for word in ("finite", "range", "between"))
