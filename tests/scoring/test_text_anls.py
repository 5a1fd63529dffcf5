"""ANLS against the worked examples and a naive second implementation."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.scoring.anls import anls, challenge_anls

NFD = unicodedata.normalize("NFD", "café")

EXAMPLES = [
    ("itc limited", ["ITC Limited"], 1, 1),
    ("  ITC   Limited ", ["ITC Limited"], 1, 1),
    ("ITC Limited.", ["ITC Limited"], 11 / 12, 11 / 12),
    ("abcxy", ["abcde"], 0.6, 0.6),
    ("abxyz", ["abcde"], 0, 0),
    ("abxy", ["abcd"], 0.5, 0.5),
    ("The answer is ITC Limited", ["ITC Limited"], 0, 0),
    ("jan 8 1993", ["1993", "Jan 8, 1993"], 10 / 11, 10 / 11),
    ("6", ["5"], 0, 0),
    ("1994", ["1993"], 0.75, 0.75),
    ("abxyz     ", ["abcde"], 0.7, 0),
    (NFD, ["café"], 0.6, 1),
    ("", ["ITC Limited"], 0, 0),
    ("", [""], 1, 1),
    ("anything", [], 0, 0),
]


@pytest.mark.parametrize(("text", "golds", "script", "normalised"), EXAMPLES)
def test_worked_examples(text: str, golds: list[str], script: float, normalised: float) -> None:
    assert challenge_anls(text, golds) == pytest.approx(script)
    assert anls(text, golds) == pytest.approx(normalised)


def naive(text: str, gold: str) -> float:
    a, b = " ".join(text.lower().split()), " ".join(gold.lower().split())
    rows = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, rows[0] = rows[0], i
        for j, y in enumerate(b, 1):
            last, rows[j] = rows[j], min(rows[j] + 1, rows[j - 1] + 1, last + (x != y))
    length = max(len(text), len(gold))
    score = 1 - (rows[-1] / length if length else 0)
    return score if score >= 0.5 else 0.0


@given(st.text("abC 1", max_size=9), st.lists(st.text("abc 1", max_size=9), min_size=1, max_size=3))
def test_script_value_equals_a_naive_edit_distance(text: str, golds: list[str]) -> None:
    assert challenge_anls(text, golds) == pytest.approx(max(naive(text, gold) for gold in golds))


def test_a_megabyte_of_anything_is_answered() -> None:
    marks = "a" + "\u0323\u0301".join(["", ""] * 250_000)
    for text in ("x" * 10**6, " " * 10**6, marks, "\ud800" * 10_000, "مرحبا 🙂 " * 10**5):
        assert anls(text, ["ITC Limited"]) == 0
        challenge_anls(text, ["ITC Limited"])
