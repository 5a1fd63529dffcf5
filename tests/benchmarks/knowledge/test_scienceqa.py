"""ScienceQA: the worked examples, the image filter, prompts."""

from __future__ import annotations

from typing import Any

import pytest

from cambrian_eval.benchmarks.knowledge.scienceqa import ScienceQA
from cambrian_eval.results.grading import grade, grade_all


def row(answer: int = 2, choices: tuple[str, ...] = ("solid", "liquid", "gas"), **changes: Any) -> dict[str, Any]:
    about = {"hint": "", "subject": "natural science", "grade": "grade8"}
    return {"question": "What is air?", "choices": list(choices), "answer": answer} | about | changes


CASES = [
    ("C", 2, 1, 1), ("(C)", 2, 0, 1), ("C.", 2, 1, 1), ("C. gas", 2, 1, 1), ("The answer is C", 2, 1, 1),
    ("The answer is (C).", 2, 0, 1), ("GAS", 2, 1, 1), ("It is a gas.", 2, 0, 1), ("C gas", 2, 0, 1),
    ("C. liquid", 2, 1, 0), ("A gas", 2, 0, 1), ("A gas", 0, 0, 0), ("B, C", 1, 0, 0), ("", 2, 0, 0),
]  # fmt: skip


@pytest.mark.parametrize(("text", "gold", "official", "fuzzy"), CASES)
def test_verdicts(text: str, gold: int, official: int, fuzzy: int) -> None:
    assert grade("scienceqa", row(gold), text, "official").value == official
    assert grade("scienceqa", row(gold), text).value == fuzzy


def test_the_released_scorer_deletes_punctuation() -> None:
    assert grade("scienceqa", row(0, ("5.5 °C", "60 °C")), "55 °C", "official").value == 1


def test_prompts() -> None:
    sample = ScienceQA().to_sample(row(hint="Air fills a room."), 0)
    assert sample is not None
    asked = "Air fills a room. What is air?\nA. solid\nB. liquid\nC. gas\n"
    assert ScienceQA().prompt(sample) == (
        asked + "Please answer directly with only the letter of the correct option and nothing else."
    )
    assert ScienceQA().prompt(sample, "paper") == (
        asked + "Answer with the option's letter from the given choices directly."
    )


def test_only_rows_with_a_image_count() -> None:
    rows = [row(image=b"x"), row(image=None), row(1, ("no", "yes"), image=b"y", grade="grade3")]
    result = grade_all("scienceqa", rows, ["C", "C", "A"])
    assert result.n == 2 and result.score == 50
    assert result.chance == pytest.approx(100 * (1 / 3 + 1 / 2) / 2)
    assert result.breakdown["grade=7-12"] == 100 and result.breakdown["grade=1-6"] == 0
