"""The released rules: the executed examples, and a naive second reading of their definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.scoring.released import first_letter, keyword_rule, numeric_match, trimmed


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("The answer is B.", "b."),
        ("The answer is: B", ": b"),
        ("Answer: B", "b"),
        ("answer is A, no, the answer is B", "b"),
        ("Answer: the answer is C", "c"),
        ("the answer is answer: D", "d"),
        ("  Plain  ", "plain"),
        ("", ""),
    ],
)
def test_keyword_rule(text: str, rest: str) -> None:
    assert keyword_rule(text) == rest


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("A boat is visible", "a"), ("Cannot tell", "c"), ("Both look right", "b"), ("Definitely not D, it is B",
        "d"),
        ("The answer is: B", ":"), ("[B]", "["), ("*B*", "*"), ("Option B", "o"), ("(B)", "b"), ("B.", "b"),
        ("(B).", "b"),
        ("(B),", "b"), ("", ""), (".", ""),
    ],
)  # fmt: skip
def test_first_letter(text: str, letter: str) -> None:
    assert first_letter(text) == letter


def test_trailing_characters_differ_by_benchmark() -> None:
    assert trimmed("(b):", ".:,") == "b" and trimmed("(b):", ".") == "b):"


@given(st.text(alphabet="abc():.,isanwer \n", max_size=40))
def test_first_letter_by_a_second_reading(text: str) -> None:
    rest = text.lower().strip()
    for word in ("answer is", "answer is:", "answer:"):
        rest = rest.split(word)[-1]
    rest = rest.strip()
    while rest and rest[-1] in ".:,":
        rest = rest[:-1]
    while rest.startswith("("):
        rest = rest[1:]
    while rest.endswith(")"):
        rest = rest[:-1]
    assert first_letter(text) == (rest[0] if rest else "")


@pytest.mark.parametrize(
    ("gold", "said", "match"),
    [
        ("1000", "952.4", True), ("1000", "952.3", False), ("1000", "1052.6", True), ("1000", "1052.7", False),
        ("1000", "950", False), ("7", "inf", True), ("7", "infinity", True), ("7", "-inf", True), ("7", "nan", False),
        ("1000", "1_000", True), ("1000", "1,000", False), ("1000", "1000 g", False), ("5", "$5", False),
        ("50", "50%", False), ("abc", "abc", True), ("0", "0.0", True), ("0", "0.1", False), ("", "", True),
    ],
)  # fmt: skip
def test_numeric_match_is_relative_to_the_prediction(gold: str, said: str, match: bool) -> None:
    assert numeric_match(gold, said) is match
