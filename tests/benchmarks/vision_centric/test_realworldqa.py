"""RealWorldQA: kinds of rows, options read from the question, prompts, the worked examples, chance."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.benchmarks.vision_centric.realworldqa import RealWorldQA, parse_options
from cambrian_eval.sample import Sample

LETTER_LINE = "Please answer directly with only the letter of the correct option and nothing else."
WORD_LINE = "Please answer directly with a single word or number."
TURN = f"Where may this car go?\n\nA. Left\nB. Straight\nC. Right\n{LETTER_LINE}"


def sample(question: str = TURN, answer: str = "C", **more: Any) -> Sample:
    return RealWorldQA().to_sample({"question": question, "answer": answer, **more}, 5)


def test_sample_and_prompts() -> None:
    made = sample()
    assert (made.id, made.choices, made.answers) == ("5", ("Left", "Straight", "Right"), ("C",))
    assert made.guesses == ("A", "B", "C")
    assert made.question == "Where may this car go?"
    assert RealWorldQA().prompt(made) == TURN
    expected = (
        "Where may this car go?\n\nA. Left\nB. Straight\nC. Right\nAnswer the question using a single word or phrase."
    )
    assert RealWorldQA().prompt(made, "paper") == expected


@pytest.mark.parametrize(
    ("text", "stem", "options"),
    [
        ("Which?\nA: one\nB: two\n" + LETTER_LINE, "Which?", ("one", "two")),
        ("Which?\nA) one\nB) two", "Which?", ("one", "two")),
        ("Which?\n(A) one\n(B) two\n(C) three", "Which?", ("one", "two", "three")),
        ("Which is closer? A. The car B. The bus C. Neither " + LETTER_LINE, "Which is closer?",
         ("The car", "The bus", "Neither")),
        ("Which is closer?A. The car\nB. The bus", "Which is closer?", ("The car", "The bus")),
        ("What is in lane A. or so?\nA. a U.S. Route\nB. nothing", "What is in lane A. or so?",
         ("a U.S. Route", "nothing")),
        ("Is there a car?\n" + WORD_LINE, "Is there a car?", ()),
        ("Did A. Miller win?", "Did A. Miller win?", ()),
    ],
)  # fmt: skip
def test_options_are_read_however_they_are_written(text: str, stem: str, options: tuple[str, ...]) -> None:
    assert parse_options(text) == (stem, options)


@pytest.mark.parametrize(
    ("text", "official", "fuzzy"),
    [
        ("C", 1, 1),
        ("c", 1, 1),
        ("(C)", 0, 1),
        ("C. Right", 0, 1),
        ("Right", 0, 1),
        ("The answer is: C", 0, 1),
        ("", 0, 0),
        ("The answer is C.", 1, 1),
        ("B", 0, 0),
    ],
)
def test_worked_examples_of_choices(text: str, official: int, fuzzy: int) -> None:
    assert RealWorldQA().official(sample(), text).value == official
    assert RealWorldQA().fuzzy(sample(), text).value == fuzzy


def test_the_article_is_not_a_letter_but_the_released_rule_thinks_so() -> None:
    made = sample(answer="A")
    assert RealWorldQA().official(made, "A car is parked there").value == 1
    assert RealWorldQA().fuzzy(made, "A car is parked there").value == 0


@pytest.mark.parametrize(
    ("text", "gold", "official", "fuzzy"),
    [
        ("Yes, it is.", "Yes", 0, 1),
        ("yes.", "Yes", 1, 1),
        ("The answer is no", "No", 1, 1),
        ("There is no car.", "No", 0, 1),
        ("Yes and no", "Yes", 1, 0),
        ("Yeah", "Yes", 0, 1),
        ("none", "0", 0, 1),
        ("-3", "3", 0, 0),
        ("No idea", "No", 1, 0),
        ("Not sure", "No", 0, 0),
        ("three", "3", 0, 1),
        ("3 cars", "3", 1, 1),
        ("There are three cars.", "3", 0, 1),
        ("4", "3", 0, 0),
        ("3.1", "3", 0, 0),
        ("2 or 3", "3", 0, 0),
        ("25", "25 mph", 0, 1),
        ("25 km/h", "25 mph", 0, 0),
        ("Stop sign", "Stop sign", 0, 1),
        ("A stop sign.", "Stop sign", 0, 1),
        ("It is a stop sign.", "Stop sign", 0, 1),
        ("left or right", "Left", 1, 0),
        ("Left.", "Left", 1, 1),
        ("", "Left", 0, 0),
    ],
)
def test_free_form_rows(text: str, gold: str, official: int, fuzzy: int) -> None:
    made = sample("What is there?\n" + WORD_LINE, gold)
    assert RealWorldQA().official(made, text).value == official
    assert RealWorldQA().fuzzy(made, text).value == fuzzy


@pytest.mark.parametrize(
    ("question", "gold", "kind", "guesses"),
    [
        (TURN, "C", "multiple choice", 3),
        ("Is it?", "Yes", "yes/no", 2),
        ("How many?", "3", "number", 0),
        ("How many?", "three", "number", 0),
        ("How fast?", "25 mph", "number", 0),
        ("What?", "One way", "other", 0),
        ("What?", "Stop", "other", 0),
    ],
)
def test_kinds_and_guesses(question: str, gold: str, kind: str, guesses: int) -> None:
    made = sample(question, gold)
    assert made.tags == {"kind": kind}
    assert len(made.guesses) == guesses


def test_an_empty_reply_stops_the_released_code_and_says_so() -> None:
    for text in ("", "  ", "The answer is", "..."):
        verdict = RealWorldQA().official(sample(), text)
        assert (verdict.value, verdict.parsed) == (0, False)
        assert "stops" in verdict.rule


@given(st.text(max_size=60), st.sampled_from(["C", "Yes", "3", "Stop sign"]))
def test_no_text_crashes_a_scorer(text: str, gold: str) -> None:
    made = sample(answer=gold)
    RealWorldQA().fuzzy(made, text)
    RealWorldQA().official(made, text)
