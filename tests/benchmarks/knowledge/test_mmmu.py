"""MMMU: options as Python text, tags, several images, open answers, both scorers on the worked examples."""

from __future__ import annotations

from typing import Any

import pytest

from cambrian_eval.benchmarks.knowledge.mmmu import MMMU
from cambrian_eval.errors import UserError
from cambrian_eval.results.grading import grade, grade_all

STYLES = "['Baroque', 'Gothic', 'Rococo', 'Romanesque']"


def row(answer: str = "B", options: str = STYLES, kind: str = "multiple-choice", **changes: Any) -> dict[str, Any]:
    about = {"id": "validation_Art_Theory_7", "question": "Which style is <image 1>?", "question_type": kind}
    return {"answer": answer, "options": options} | about | changes


def open_row(answer: str) -> dict[str, Any]:
    return row(answer, "[]", "open")


CASES = [
    (row(), "B", 1, 1), (row(), "(B)", 1, 1), (row(), "B.", 1, 1), (row(), "b", 1, 1), (row(),
    "The answer is B", 1, 1),
    (row(), "gothic", 0, 1), (row(), "The style of this church is clearly Gothic", 0, 1),
    (row(), "A Gothic church", 0, 1), (row("A"), "A Gothic church", 1, 0), (row(), "A or B", 0, 0), (row(), "", 0, 0),
    (open_row("1500"), "1,500", 0, 1), (open_row("1500"), "1500 dollars", 0, 1), (open_row("1500"), "1,490", 0, 0),
    (open_row("1500"), "1430", 1, 0), (open_row("1500"), "1430.0", 1, 0), (open_row("1500"), "1575", 1, 0),
    (open_row("0.5"), "50%", 0, 0), (open_row("0.5"), "0.5", 1, 1), (open_row("2"), "two", 0, 1),
    (open_row("7"), "inf", 1, 0), (open_row("['12/7', '1.714']"), "12/7", 0, 1),
    (open_row("['12/7', '1.714']"), "So the result is 1.714.", 0, 1), (open_row("['Tampa','Florida']"),
    "It is Tampa.", 0, 1),
    (open_row("['$MgS$','MgS']"), "MgS", 0, 1), (open_row("0.01"), "0", 0, 0), (open_row("5"), "15", 0, 0),
    (open_row("5"), "x = 5", 0, 1), (open_row("-3"), "−3", 0, 1), (open_row("0.75"), "3/4", 0, 1),
    (open_row("A"), "The answer is A.", 1, 1), (open_row("A"), "A dog is seen", 0, 0), (open_row("1500"),
    "not 1500", 0, 0),
    (open_row("1500"), "It cost 1400 in May, so the final answer is $1,500.", 0, 1), (open_row("Tampa"),
    "Tampax", 0, 0),
    (open_row("3.43"), "3.429", 1, 1), (open_row("3.43"), "3.44", 1, 0),
]  # fmt: skip


@pytest.mark.parametrize(("given", "text", "official", "fuzzy"), CASES)
def test_verdicts(given: dict[str, Any], text: str, official: int, fuzzy: int) -> None:
    assert grade("mmmu", given, text, "official").value == official
    assert grade("mmmu", given, text).value == fuzzy


def test_prompts_lose_their_image_tags() -> None:
    sample = MMMU().to_sample(row(options="['<image 2>', 'a <image 3> b']"), 0)
    assert MMMU().prompt(sample) == (
        "Which style is ? Options:\nA. \nB. a  b\nAnswer with the option's letter from the given choices directly."
    )
    asked = MMMU().to_sample(open_row("5"), 0)
    assert MMMU().prompt(asked) == "Which style is ?\nAnswer the question using a single word or phrase."


def test_quotes_in_options() -> None:
    stored = """["Newton's law", 'Ohm']"""
    assert MMMU().to_sample(row("A", stored), 0).choices == ("Newton's law", "Ohm")
    broken = MMMU(options="single_quote").to_sample(row("A", stored), 0)
    assert broken.choices == ("s law", "Ohm") or broken.choices == tuple(stored.split("'")[1::2])


def test_images_all_or_first() -> None:
    given = row(image_1=b"1", image_2=b"2", image_3=None)
    assert len(MMMU().to_sample(given, 0).images) == 2
    assert [p.data() for p in MMMU(images="first").to_sample(given, 0).images] == [b"1"]
    with pytest.raises(UserError, match=r"mmmu\.images"):
        MMMU(images="none")


def test_tags_and_chance() -> None:
    sample = MMMU().to_sample(row(image_1=b"1", image_2=b"2"), 0)
    assert sample.tags == {
        "subject": "Art_Theory",
        "domain": "Art and Design",
        "question_type": "multiple-choice",
        "images": "several",
    }
    result = grade_all("mmmu", [row(), open_row("5") | {"id": "validation_Math_1"}], ["B", "4"])
    assert result.score == 50 and result.chance == pytest.approx(12.5)


def test_malformed_options_are_an_error() -> None:
    with pytest.raises(UserError, match="mmmu row 0"):
        grade("mmmu", row(options="[A, B"), "A")


@pytest.mark.parametrize("empty", ["[]", "  []"])
def test_a_multiple_choice_question_without_options_is_an_error(empty: str) -> None:
    with pytest.raises(UserError, match="options"):
        grade("mmmu", row(options=empty), "A")


@pytest.mark.parametrize(
    ("gold", "text", "value"),
    [
        ("0", "0.01", 0), ("0", "0", 1), ("x+1", "x + 1", 1), ("8.4", "8.42", 1), ("8.4", "8.5", 0), ("0.1", "1/10", 1),
        ("75", "75%", 1), ("1,000", "1000", 1), ("10 N", "10", 1), ("hydrogen bond", "It is a Hydrogen Bond.", 1),
        ("C", "Carbon", 0), ("C", "The answer is (c).", 1), ("no", "I do not know", 0), ("5", "The answer is 50", 0),
        ("1500", "The interest is $1,500 over 3 years.", 1), ("1e-3", "0.001", 1), ("Tampa", "not Tampa", 0),
    ],
)  # fmt: skip
def test_open_answers(gold: str, text: str, value: int) -> None:
    assert grade("mmmu", open_row(gold), text).value == value


@pytest.mark.parametrize(
    ("gold", "said", "right"),
    [
        ("2500", "2499.9", True),  # rounds to the gold, and is within 1 %
        ("551", "550.6", True),
        ("8.4", "8.42", True),
        ("2", "2.0", True),
        ("2", "2.4", False),  # rounds to the gold, but is 20 % away
        ("2", "1.5", False),
        ("0.3", "0.33", False),
        ("2500", "2499.4", False),
        ("24/7", "3.43", False),  # a fraction has no last place
    ],
)
def test_open_answers_may_be_rounded(gold: str, said: str, right: bool) -> None:
    row = {"id": "validation_Math_1", "question": "How many?", "options": "[]", "answer": gold, "question_type": "open"}
    assert grade("mmmu", row, said).value == right
