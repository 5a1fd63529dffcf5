"""AI2D: the worked examples, digits against the stored index, prompts."""

from __future__ import annotations

from typing import Any

import pytest

from cambrian_eval.benchmarks.knowledge.ai2d import AI2D
from cambrian_eval.errors import UserError
from cambrian_eval.results.grading import grade


def row(answer: object = "1", options: tuple[str, ...] = ("stem", "root", "leaf", "flower")) -> dict[str, Any]:
    return {"question": "Which part?", "options": list(options), "answer": answer, "image": None}


CASES = [
    ("B", "1", 1, 1), ("(B)", "1", 1, 1), ("B.", "1", 1, 1), ("b", "1", 1, 1), ("The answer is B", "1", 1, 1),
    ("B. root", "1", 1, 1), ("ROOT", "1", 0, 1), ("A root", "1", 0, 1), ("A root", "0", 1, 0),
    ("Below the ground", "1", 1, 0), ("1", "1", 1, 0), ("B or D", "1", 1, 0), ("", "1", 0, 0),
]  # fmt: skip


@pytest.mark.parametrize(("text", "stored", "official", "fuzzy"), CASES)
def test_verdicts(text: str, stored: str, official: int, fuzzy: int) -> None:
    assert grade("ai2d", row(stored), text, "official").value == official
    assert grade("ai2d", row(stored), text).value == fuzzy


def test_a_digit_is_compared_with_the_index_by_the_released_scorer() -> None:
    numbers = ("7", "5", "3", "9")
    assert grade("ai2d", row("3", numbers), "3", "official").value == 1
    assert grade("ai2d", row("2", numbers), "3", "official").value == 0
    assert grade("ai2d", row("2", numbers), "3").value == 1
    assert grade("ai2d", row("3", numbers), "3").value == 0


def test_options_that_are_letters() -> None:
    letters = ("c", "D", "b", "a")
    assert grade("ai2d", row("2", letters), "C").value == 1
    undecided = grade("ai2d", row("2", letters), "c")
    assert undecided.value == 0 and not undecided.parsed


def test_prompts() -> None:
    sample = AI2D().to_sample(row(), 5)
    sentence = "Answer with the option's letter from the given choices directly."
    assert AI2D().prompt(sample) == f"Which part?\nA. stem\nB. root\nC. leaf\nD. flower\n{sentence}"
    assert AI2D().prompt(sample, "paper") == f"Which part?\n(A) stem\n(B) root\n(C) leaf\n(D) flower\n{sentence}"


def test_an_impossible_gold_is_an_error() -> None:
    with pytest.raises(UserError, match="ai2d row 0"):
        grade("ai2d", row("4"), "A")
