"""MathVista: answer types, precision, lists, both scorers on the worked examples, prompts."""

from __future__ import annotations

from typing import Any

import pytest

from cambrian_eval.benchmarks.knowledge.mathvista import MathVista
from cambrian_eval.errors import UserError
from cambrian_eval.results.grading import grade


def row(answer: str, kind: str, precision: float | None = None, **changes: Any) -> dict[str, Any]:
    choices = ["30°", "45°", "60°", "90°"] if kind == "text" else None
    about = {"pid": "9", "question": "How big?", "query": "Hint: ...\nQuestion: How big?", "unit": None}
    types = {"question_type": "multi_choice" if kind == "text" else "free_form", "answer_type": kind}
    skills = {"metadata": {"category": "general-vqa", "skills": ["arithmetic reasoning", "geometry reasoning"]}}
    return {"answer": answer, "choices": choices, "precision": precision} | about | types | skills | changes


ANGLE, TWO, HALF = row("60°", "text"), row("2", "integer"), row("0.5", "float", 1.0)
SIX_TENTHS, LIST = row("0.6", "float", 1.0), row("[2014, 2016]", "list")
CASES = [
    (ANGLE, "C", 1, 1), (ANGLE, "(C)", 0, 1), (ANGLE, "C.", 0, 1), (ANGLE, "The answer is C", 0, 1),
    (ANGLE, "60°", 0, 1),
    (ANGLE, "So angle A is 60°", 0, 1), (ANGLE, "A is 30°, so the answer is C", 0, 1), (ANGLE, "B or C", 0, 0),
    (ANGLE, "", 0, 0), (row("2500", "integer"), "2,500", 0, 1), (row("2500", "integer"), "2500 ml", 0, 1),
    (row("2500", "integer"), "2400", 1, 0), (row("2011", "integer"), "2019", 1, 0), (TWO, "two", 0, 1),
    (row("50", "integer"), "50%", 0, 1), (row("6", "integer"), "inf", 1, 0), (HALF, "0.5", 1, 1),
    (HALF, "0.52", 1, 1),
    (SIX_TENTHS, "0.57", 0, 1), (SIX_TENTHS, "0.64", 0, 1), (SIX_TENTHS, "0.66", 0, 0), (row("14", "integer"),
    "14.9", 0, 0),
    (row("14", "integer"), "14.0", 1, 1), (row("14", "integer"), "14 years", 0, 1), (LIST, "[2014,2016]", 0, 1),
    (LIST, "[2014, 2016]", 1, 1), (LIST, "The answer is [2014, 2016].", 0, 1), (LIST, "2014 and 2016", 0, 1),
    (LIST, "[2016, 2014]", 0, 0), (LIST, "[2014]", 0, 0), (row("7", "integer"), "There are 3 + 4 = 7 dogs.", 0, 1),
    (row("7", "integer"), "He has 3 cats and 4 dogs. So the answer is 7.", 0, 1), (row("0", "integer"), "0", 1, 1),
    (row("7", "integer"), "\\boxed{7}", 0, 1), (row("-2", "integer"), "x = −2", 0, 1), (row("7", "integer"),
    "unclear", 0, 0),
    (row("1.25", "float", 2.0), "5/4", 0, 1), (row("7", "integer"), "**7**", 0, 1), (row("2500", "integer"),
    "The total is $2,500.", 0, 1),
]  # fmt: skip


@pytest.mark.parametrize(("given", "text", "official", "fuzzy"), CASES)
def test_verdicts(given: dict[str, Any], text: str, official: int, fuzzy: int) -> None:
    assert grade("mathvista", given, text, "official").value == official
    found = grade("mathvista", given, text)
    assert found.value == fuzzy, found


def test_prompts() -> None:
    reasoning = "First show your reasoning process and then give the final answer."
    choice, free = MathVista().to_sample(ANGLE, 0), MathVista().to_sample(TWO, 1)
    assert MathVista().prompt(choice) == f"Hint: ...\nQuestion: How big?\n{reasoning}"
    assert MathVista().prompt(free) == (
        "Hint: ...\nQuestion: How big?\nAnswer the question using a single word or phrase."
    )
    assert MathVista().prompt(choice, "paper") == MathVista().prompt(free, "paper") == f"How big?\n{reasoning}"


def test_tags_and_guesses() -> None:
    sample = MathVista().to_sample(ANGLE, 0)
    assert sample.tags["skills"] == ("arithmetic reasoning", "geometry reasoning")
    assert sample.guesses == ("A", "B", "C", "D") and sample.answers == ("C",)
    assert MathVista().to_sample(TWO, 0).guesses == ()


def test_a_gold_that_is_no_choice_is_an_error() -> None:
    with pytest.raises(UserError, match="not one of the choices"):
        grade("mathvista", row("61°", "text"), "A")
