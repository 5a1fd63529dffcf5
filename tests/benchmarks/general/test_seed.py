"""SEED: the image filter, the prompt, both scorers on the worked examples."""

from __future__ import annotations

from typing import Any

import pytest

from cambrian_eval.benchmarks.general.seed import SEED
from cambrian_eval.results.grading import grade, grade_all


def row(answer: str = "B", **changes: Any) -> dict[str, Any]:
    choices = dict(zip(("choice_a", "choice_b", "choice_c", "choice_d"), ("Zero", "Five", "Six", "Ten"), strict=True))
    about = {"question": "How many?", "data_type": "image", "question_id": "7", "question_type_id": 5, "data_id": "p1"}
    return {"answer": answer, "image": None, "segment": None} | choices | about | changes


CASES = [
    ("B", "B", 1, 1), ("(B)", "B", 1, 1), ("B.", "B", 1, 1), ("b", "B", 1, 1), ("The answer is B", "B", 1, 1),
    ("The answer is: B", "B", 0, 1), ("FIVE", "B", 0, 1), ("A pair of fives", "A", 1, 0), ("Both look right",
    "B", 1, 0),
    ("A, B", "A", 1, 0), ("B is wrong; C", "C", 0, 1), ("", "A", 0, 0), ("(B):", "B", 1, 1), ("5", "B", 0, 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "gold", "official", "fuzzy"), CASES)
def test_verdicts(text: str, gold: str, official: int, fuzzy: int) -> None:
    assert grade("seed", row(gold), text, "official").value == official
    assert grade("seed", row(gold), text).value == fuzzy


def test_prompt_is_the_same_in_code_and_paper() -> None:
    sample = SEED().to_sample(row(), 0)
    assert sample is not None
    expected = (
        "How many? Options:\nA. Zero\nB. Five\nC. Six\nD. Ten\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert SEED().prompt(sample) == SEED().prompt(sample, "paper") == expected
    assert sample.tags["dimension"] == "Instance Counting" and sample.image_id == "p1"


def test_videos_are_no_part_of_it() -> None:
    assert SEED().to_sample(row(data_type="video", question_type_id=11), 0) is None
    result = grade_all("seed", [row("B"), row("C"), row("A", data_type="video")], ["B", "B", "A"])
    assert result.n == 2 and result.score == 50 and result.chance == 25
