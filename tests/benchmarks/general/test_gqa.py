"""GQA: strict, relaxed and released matching on the worked examples; prompts; the join."""

from __future__ import annotations

from typing import Any

import pytest

from cambrian_eval.benchmarks.general.gqa import GQA
from cambrian_eval.results.grading import grade


def row(answer: str) -> dict[str, Any]:
    types = {"structural": "verify", "semantic": "obj", "detailed": "existTrue"}
    return {"id": "1", "imageId": "n7", "question": "Is it?", "answer": answer, "types": types, "image": None}


CASES = [
    ("Yes", "yes", 1, 1, 1), ("yes.", "yes", 1, 1, 1), ("Yes!", "yes", 0, 1, 1), ("Yes, it is", "yes", 0, 1, 1),
    ("Answer: yes", "yes", 0, 1, 1), ("a table", "table", 0, 0, 1), ("tables", "table", 0, 0, 1),
    ("t-shirt.", "t-shirt", 1, 1, 1), ("tshirt", "t-shirt", 0, 0, 1), ("2", "two", 0, 0, 1),
    ("chair and table", "table", 0, 0, 0), ("", "yes", 0, 0, 0), ("**Table**", "table", 0, 1, 1),
    ("The answer is table.", "table", 0, 1, 1), ("It is on the table.", "table", 0, 0, 1),
    ("no", "yes", 0, 0, 0), ("Yes and no", "yes", 0, 0, 0), ("not a table", "table", 0, 0, 0),
    ("\"left\"", "left", 0, 1, 1), ("U.S.A.", "usa", 0, 0, 0),
]  # fmt: skip


@pytest.mark.parametrize(("text", "gold", "official", "strict", "relaxed"), CASES)
def test_verdicts(text: str, gold: str, official: int, strict: int, relaxed: int) -> None:
    assert grade("gqa", row(gold), text, "official").value == official
    assert grade("gqa", row(gold), text).value == strict
    assert grade(GQA(relaxed=True), row(gold), text).value == relaxed


def test_prompts_and_sample() -> None:
    sample = GQA().to_sample(row("yes"), 3)
    assert GQA().prompt(sample) == "Is it?\nAnswer the question using a single word or phrase."
    assert GQA().prompt(sample, "paper") == "Is it?\nAnswer the question using single word or phrase."
    assert sample.image_id == "n7" and sample.tags == {"structural": "verify", "semantic": "obj"}


def test_images_come_from_the_second_table() -> None:
    join = GQA().source.join
    assert join is not None and (join.key, join.foreign_key, join.columns) == ("imageId", "id", ("image",))


def test_relaxed_says_so() -> None:
    assert GQA().scoring_notes("fuzzy") == ()
    assert "not comparable" in GQA(relaxed="true").scoring_notes("fuzzy")[0]


@pytest.mark.parametrize(
    ("said", "gold"),
    [
        ("buses", "bus"),
        ("berries", "berry"),
        ("dresses", "dress"),
        ("on the left", "left"),
        ("traffic-lights", "traffic light"),
    ],
)
def test_relaxed_forgives_form_not_meaning(said: str, gold: str) -> None:
    assert grade(GQA(relaxed=True), row(gold), said).value == 1
    assert grade(GQA(relaxed=True), row(gold), f"{said} or table").value == 0
    assert grade(GQA(), row(gold), said).value == 0
