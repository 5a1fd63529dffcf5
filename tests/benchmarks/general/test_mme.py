"""MME: prompts, both scorers on the worked examples, pairs and the released row parity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from cambrian_eval.benchmarks.general.mme import MME
from cambrian_eval.errors import UserError
from cambrian_eval.results.grading import grade, grade_all

Row = dict[str, Any]


def row(question_id: str, answer: str, category: str = "existence") -> Row:
    question = "Is there a dog? Please answer yes or no."
    return {"question_id": question_id, "question": question, "answer": answer, "category": category, "image": None}


def pairs(n: int, category: str = "existence") -> list[Row]:
    return [row(f"{category}/{i}.png", gold, category) for i in range(n) for gold in ("Yes", "No")]


CASES = [
    ("Yes", "Yes", 1, 1), ("yes.", "Yes", 1, 1), ("Yes, it is", "Yes", 0, 1), ("Answer: yes", "Yes", 0, 1),
    ("Y", "Yes", 0, 1), ("Yes and no", "Yes", 0, 0), ("Yesterday", "Yes", 0, 0), ("", "Yes", 0, 0),
    ("No", "No", 1, 1), ("No, it is not.", "No", 0, 1), ("Nothing", "No", 0, 0), ("There is no dog.", "No", 0, 1),
    ("Not sure", "No", 0, 0), ("yes no", "Yes", 0, 0), ("no yes", "No", 0, 0), ("**No**", "No", 0, 1),
    ("The answer is no, although many would say yes.", "No", 0, 1), ("I have no idea.", "No", 0, 0),
    ("N/A", "No", 0, 0), ("Yes, no doubt about it", "Yes", 0, 1), ("n", "No", 0, 1), ("No, yes", "No", 0, 0),
]  # fmt: skip


@pytest.mark.parametrize(("text", "gold", "official", "fuzzy"), CASES)
def test_verdicts(text: str, gold: str, official: int, fuzzy: int) -> None:
    assert grade("mme", row("a", gold), text, "official").value == official
    assert grade("mme", row("a", gold), text, "fuzzy").value == fuzzy


def test_prompts() -> None:
    sample = MME().to_sample(row("a", "Yes"), 0)
    asked = "Is there a dog? Please answer yes or no.\n"
    assert MME().prompt(sample) == asked + "Answer the question using a single word or phrase."
    assert MME().prompt(sample, "paper") == asked + "Please answer the question using a single word or phrase."


def score(rows: Sequence[Row], texts: Sequence[str], scorer: str = "fuzzy") -> float | None:
    return grade_all("mme", rows, texts, scorer).score


@pytest.mark.parametrize("scorer", ["fuzzy", "official"])
@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Yes", "No"] * 4, 200.0),
        (["Yes"] * 8, 50.0),
        (["Yes", "No", "Yes", "Yes", "Yes", "No", "Yes", "Yes"], 125.0),
        (["Yes", "No", "No", "Yes", "Yes", "Yes", "No", "No"], 75.0),
        (["Yes", "No", "", ""] * 2, 100.0),
    ],
)
def test_one_category(texts: list[str], expected: float, scorer: str) -> None:
    assert score(pairs(4), texts, scorer) == pytest.approx(expected)


def test_sentences_cost_everything_in_the_released_scorer() -> None:
    texts = ["Yes, it is", "No, it is not."] * 4
    assert score(pairs(4), texts, "official") == 0.0
    assert score(pairs(4), texts) == 200.0


def test_interleaved_pairs_are_found_by_key_but_not_by_parity() -> None:
    a_yes, a_no, b_yes, b_no = pairs(2)
    rows, texts = [a_yes, b_yes, a_no, b_no], ["Yes", "No", "No", "Yes"]
    assert score(rows, texts) == pytest.approx(50 + 50)
    assert score(rows, texts, "official") == pytest.approx(50 + 0)


def test_a_lost_row_costs_its_pair_but_not_in_the_released_scorer() -> None:
    rows = pairs(2)[1:]
    assert score(rows, ["No", "Yes", "No"]) == pytest.approx(100 + 50)
    assert score(rows, ["No", "Yes", "No"], "official") == pytest.approx(200)


def test_headline_is_perception_and_cognition_stands_beside_it() -> None:
    rows = pairs(2, "count") + pairs(1, "OCR") + pairs(2, "code_reasoning")
    result = grade_all("mme", rows, ["Yes", "No"] * 2 + ["Yes", "Yes"] + ["Yes", "No", "No", "No"])
    assert result.score == pytest.approx(200 + 50)
    assert result.breakdown["cognition"] == pytest.approx(75 + 50)
    assert result.breakdown["count"] == 200 and result.breakdown["OCR"] == 50
    assert result.breakdown["accuracy"] == pytest.approx(100 * 5 / 6)
    assert result.breakdown["category=OCR"] == pytest.approx(50)
    assert result.scale == 2000 and result.chance == pytest.approx(150)


def test_an_unknown_category_is_named() -> None:
    with pytest.raises(UserError, match="existance"):
        grade("mme", row("a", "Yes", "existance"), "Yes")
