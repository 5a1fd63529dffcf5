"""MMBench: prompts with absent options and hints, rotations, and the released grouping."""

from __future__ import annotations

from typing import Any

import pytest

from cambrian_eval.benchmarks.general.mmbench import MMBench
from cambrian_eval.results.grading import grade, grade_all

Row = dict[str, Any]
TEXTS = ["apple", "A basket", "Cherry", "plum"]


def row(index: int, answer: str = "A", k: int = 3, **changes: Any) -> Row:
    options = {letter: (TEXTS[i] if i < k else "nan") for i, letter in enumerate("ABCD")}
    found = {"index": index, "question": "What is it?", "hint": "nan", "answer": answer, "category": "object"}
    return found | options | {"source": "web", "l2-category": "coarse_perception", "image": None} | changes


def rotations(base: int, k: int = 4) -> list[Row]:
    """The k rotations of a question whose right option is "apple"."""
    rows = []
    for turn in range(k):
        texts = TEXTS[:k][-turn:] + TEXTS[:k][:-turn] if turn else TEXTS[:k]
        options = {letter: (texts[i] if i < k else "nan") for i, letter in enumerate("ABCD")}
        rows.append(row(base + turn * 1_000_000, "ABCD"[texts.index("apple")], k, **options))
    return rows


CASES = [
    ("A", "A", 1, 1), ("(A)", "A", 1, 1), ("A.", "A", 1, 1), ("The answer is A", "A", 1, 1),
    ("The answer is: A", "A", 0, 1), ("Option A", "A", 0, 1), ("APPLE", "A", 1, 1), ("A basket", "B", 0, 1),
    ("A basket", "A", 1, 0), ("cherry", "C", 1, 1), ("Can not tell", "C", 1, 0), ("A and C", "A", 1, 0),
    ("Not A, C", "C", 0, 1), ("", "A", 0, 0), ("D", "C", 0, 0),
]  # fmt: skip


@pytest.mark.parametrize(("text", "gold", "official", "fuzzy"), CASES)
def test_verdicts(text: str, gold: str, official: int, fuzzy: int) -> None:
    assert grade("mmbench", row(1, gold), text, "official").value == official
    assert grade("mmbench", row(1, gold), text).value == fuzzy


LETTER = "Answer with the option's letter from the given choices directly."


def test_prompts_skip_or_print_absent_options() -> None:
    sample = MMBench().to_sample(row(1, hint="Look closely."), 0)
    assert MMBench().prompt(sample) == (
        f"Look closely.\nWhat is it? Options:\nA. apple\nB. A basket\nC. Cherry\n{LETTER}"
    )
    assert MMBench().prompt(sample, "paper") == (
        f"Look closely.\nWhat is it?\n(A) apple\n(B) A basket\n(C) Cherry\n(D) nan\n{LETTER}"
    )


@pytest.mark.parametrize("absent", ["nan", None, float("nan")])
def test_absent_options_in_every_form_keep_the_letters_of_the_others(absent: object) -> None:
    sample = MMBench().to_sample(row(1, "C", B=absent, hint=absent), 0)
    assert sample.options == {"A": "apple", "C": "Cherry"}
    assert sample.guesses == ("A", "C")
    assert MMBench().prompt(sample) == f"What is it? Options:\nA. apple\nC. Cherry\n{LETTER}"


def test_a_question_counts_only_when_all_rotations_are_right() -> None:
    rows = rotations(7) + rotations(8) + rotations(9, k=2)
    letters = [r["answer"] for r in rows]
    assert grade_all("mmbench", rows, letters).score == 100
    letters[5] = "D" if letters[5] != "D" else "A"
    result = grade_all("mmbench", rows, letters)
    assert result.score == pytest.approx(200 / 3)
    assert result.breakdown["row_accuracy"] == pytest.approx(90)
    assert result.breakdown["base_row_accuracy"] == 100
    assert result.chance == pytest.approx(100 * (4**-4 + 4**-4 + 2**-2) / 3)


def test_always_the_same_letter_scores_nothing() -> None:
    result = grade_all("mmbench", rotations(7), ["A"] * 4)
    assert result.score == 0 and result.breakdown["row_accuracy"] == 25


def test_the_option_text_in_every_pass() -> None:
    assert grade_all("mmbench", rotations(7), ["apple"] * 4).score == 100
    assert grade_all("mmbench", rotations(7), ["apple"] * 4, "official").score == 0


def test_a_missing_rotation_is_wrong_but_not_in_the_released_scorer() -> None:
    rows = rotations(7)[:3] + rotations(8)
    letters = [r["answer"] for r in rows]
    assert grade_all("mmbench", rows, letters).score == 50
    rows = [r | {"question": f"Question {r['index'] % 10}?"} for r in rows]
    assert grade_all("mmbench", rows, letters, "official").score == 100


def test_the_released_grouping_merges_questions_with_equal_text_and_image() -> None:
    image = {"bytes": b"one picture", "path": None}
    rows = [row(1, "A", image=image), row(2, "B", image=image)]
    assert grade_all("mmbench", rows, ["A", "C"], "official").score == 0
    apart = [rows[0], row(2, "B", image=image, source="book")]
    assert grade_all("mmbench", apart, ["A", "C"], "official").score == 50


def test_without_images_the_index_tells_questions_apart() -> None:
    assert grade_all("mmbench", [row(1, "A"), row(2, "B")], ["A", "C"], "official").score == 50


def test_three_rotations_are_all_where_the_last_of_four_options_stays() -> None:
    texts = [("apple", "pear", "plum", "fig"), ("pear", "plum", "apple", "fig"), ("plum", "apple", "pear", "fig")]
    rows = [
        row(7 + 1_000_000 * k, "ABCD"[four.index("apple")], **dict(zip("ABCD", four, strict=True)))
        for k, four in enumerate(texts)
    ]
    right = [r["answer"] for r in rows]
    assert grade_all("mmbench", rows, right).score == 100
    assert grade_all("mmbench", rows[:2], right[:2]).score == 0


def test_rows_without_gold_are_withheld() -> None:
    assert MMBench().to_sample(row(1, "nan"), 0).answers == ()
