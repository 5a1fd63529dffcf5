"""OCRBench's containment rules against the worked examples, and what the careful rule adds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.sample import Sample
from cambrian_eval.scoring.containment import formula, words
from cambrian_eval.scoring.released import contains
from cambrian_eval.scoring.reply import Reply


def released_match(text: str, golds: tuple[str, ...], is_formula: bool, whole: bool = False) -> str | None:
    verdict = contains(Sample("1", 0, "?", answers=golds), text, is_formula, whole)
    return verdict.extracted if verdict.value else None


def careful_match(text: str, golds: tuple[str, ...]) -> str | None:
    return words(text, golds)


def formula_match(text: str, golds: tuple[str, ...]) -> str | None:
    return formula(Reply(text), golds)


TEXT = [
    ("The text reads CENTRE.", "CENTRE", True, False, True),
    ("TAN WOON\nYANN", "TAN WOON YANN", True, True, True),
    ("Tan Woon  Yann", "TAN WOON YANN", False, False, True),
    ("$15.00", "5.00", True, False, False),
    ("12345", "1234", True, False, False),
    ("I do not know", "no", True, False, False),
    ("milkshake", "milk", True, False, False),
    ("ＡＢＣ１２３", "ABC123", False, False, True),
    ("ABC123", "ＡＢＣ１２３", False, False, True),
    ("1,000", "1000", False, False, True),
    ("", "CENTRE", False, False, False),
    ("anything", "", True, False, False),
]


@pytest.mark.parametrize(("text", "gold", "substring", "equal", "careful"), TEXT)
def test_worked_examples(text: str, gold: str, substring: bool, equal: bool, careful: bool) -> None:
    assert (released_match(text, (gold,), False) is not None) is substring
    assert (released_match(text, (gold,), False, whole=True) is not None) is equal
    assert (careful_match(text, (gold,)) is not None) is careful


@pytest.mark.parametrize(
    ("text", "gold", "substring", "equal", "careful"),
    [
        (r"\frac{1}{2}", r"\frac { 1 } { 2 }", True, True, True),
        ("x^{2}", "X ^ { 2 }", False, False, False),
        (r"\frac{1}{2}+3", r"\frac { 1 } { 2 }", True, False, False),
        (r"$\frac{1}{2}$", r"\frac { 1 } { 2 }", True, False, True),
        (r"The formula is $x+1$", "x + 1", True, False, True),
        ("", "x", False, False, False),
    ],
)
def test_formulas(text: str, gold: str, substring: bool, equal: bool, careful: bool) -> None:
    assert (released_match(text, (gold,), True) is not None) is substring
    assert (released_match(text, (gold,), True, whole=True) is not None) is equal
    assert (formula_match(text, (gold,)) is not None) is careful


@pytest.mark.parametrize(
    ("text", "gold", "right"),
    [
        ("It costs 15.", "15", True),
        ("It costs 15.5", "15", False),
        ("It costs .5", "5", False),
        ("No.5 on the list", "5", True),
        ("1,234,567 units", "234", False),
        ("It is 1234567 units", "1,234,567", True),
        ("It says 'OPEN'", "open", True),
        ("It is not OPEN", "open", False),
        ("This isn't an open shop, it reads open", "open", True),
        ("答案是中国银行。", "中国银行", True),
        ("第12345号", "1234", False),
        ("second gold wins", "wins", True),
    ],
)
def test_whole_words_and_numbers(text: str, gold: str, right: bool) -> None:
    assert (careful_match(text, ("absent", gold)) is not None) is right


@given(st.text(min_size=1), st.text("abc 1,.", max_size=20))
def test_whatever_is_careful_never_crashes_and_equality_is_found(text: str, more: str) -> None:
    careful_match(text + more, (more, text))
    if text.strip() and "".join(text.split()):
        assert careful_match(text, (text,)) == text


def test_a_megabyte() -> None:
    for text in ("a" * 10**6, "open " * 200_000, "not " * 250_000, "$" * 10**6, "1,000," * 150_000):
        careful_match(text, ("shut", "a" * 20, "1000"))
        formula_match(text, ("x",))
        released_match(text, ("x",), True)
