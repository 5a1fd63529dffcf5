"""The VQA normaliser and soft accuracy against the worked examples and the definition."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.scoring import vqa

NFD = unicodedata.normalize("NFD", "café")
EXAMPLES = [
    ("nokia", ["nokia"] * 3 + ["samsung"] * 7, 0.9, 0.9),
    ("the Nokia.", ["nokia"] * 10, 1, 1),
    ("3", ["three"] * 10, 1, 1),
    ("twelve", ["12"] * 10, 0, 1),
    ("1,000", ["1000"] * 10, 1, 1),
    ("1,000-2,000", ["1000-2000"] * 10, 1, 1),
    ("5.99.", ["5.99"] * 10, 1, 1),
    ("3.14", ["314"] * 10, 0, 0),
    ("coca - cola", ["coca-cola"] * 10, 1, 1),
    ("dont walk", ["don't walk"] * 10, 1, 1),
    ("", ["a"] * 3 + ["b"] * 7, 0.9, 0),
    ("the", ["A"] * 10, 1, 0),
    (NFD, ["café"] * 10, 0, 1),
    ("don’t walk", ["don't walk"] * 10, 0, 1),
    ("twenty-one", ["21"] * 10, 0, 1),
    ("the", ["The"] * 10, 1, 1),
]


@pytest.mark.parametrize(("text", "golds", "released", "careful"), EXAMPLES)
def test_worked_examples(text: str, golds: list[str], released: float, careful: float) -> None:
    assert vqa.soft_accuracy(text, golds, vqa.released) == pytest.approx(released)
    assert vqa.soft_accuracy(text, golds, vqa.careful) == pytest.approx(careful)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("What's up?", "what 's up"),
        ("x/y; z", "x y z"),
        ("end; x", "end x"),
        ("U.S.A.", "usa"),
        ("no. 5", "no 5"),
        (".5", ".5"),
        ("line\none\ttwo", "line 1 2"),
        ("." * 40, "." * 8),
        ("couldnt've", "couldn't've"),
        ("twas", "'twas"),
        ("none of them", "0 of them"),
    ],
)
def test_released_normaliser_step_by_step(text: str, normal: str) -> None:
    assert vqa.released(text) == normal


@given(st.integers(0, 10))
def test_ten_answers_give_the_closed_form(k: int) -> None:
    value = vqa.soft_accuracy("yes", ["yes"] * k + ["no"] * (10 - k), vqa.released)
    assert value == pytest.approx(min(1, 0.3 * k))


@given(st.integers(4, 14), st.data())
def test_other_counts_give_the_leave_one_out_mean(n: int, data: st.DataObject) -> None:
    golds = data.draw(st.lists(st.sampled_from(["yes", "no"]), min_size=n, max_size=n))
    sets = [golds[:i] + golds[i + 1 :] for i in range(n)]
    naive = sum(min(1, others.count("yes") / 3) for others in sets) / n
    assert vqa.soft_accuracy("yes", golds, vqa.released) == pytest.approx(naive)


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    assert vqa.soft_accuracy(text, [text] * 10, vqa.careful) == pytest.approx(1)
    assert vqa.soft_accuracy(text, [text] * 10, vqa.released) == pytest.approx(1)
