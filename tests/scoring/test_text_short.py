"""How short free-text answers are read: declared answers, yes or no, one number, a few words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.scoring import short
from cambrian_eval.scoring.statement import declared, plain, replies


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is blue.", "blue"),
        ("Answer: blue", "blue"),
        ("**Answer:** blue", "blue"),
        ("The answer is: **blue**.", "blue"),
        ("The answer to the question is blue.", "blue"),
        ("The answer is red. No, wait. The answer is blue", "blue"),
        ("The answer is blue because the bar is.\nIndeed.", "blue"),
        ("<answer>blue</answer> or so", "blue"),
        (r"so \boxed{\text{blue}}", "blue"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
    ],
)
def test_declared_answers(text: str, answer: str) -> None:
    assert answer in declared(text)


def test_names_with_a_full_stop_keep_it() -> None:
    assert "St. Louis" in declared("The answer is St. Louis")


def test_nothing_declared_is_nothing() -> None:
    assert declared("blue") == ()
    assert declared("The answer is") == ()
    assert replies(" \n ") == ()
    assert replies("blue") == ("blue",)
    assert plain(' "blue." ') == "blue"
    assert plain("and so on...") == "and so on..."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Yes", "yes"),
        ("no, it is not", "no"),
        ("Yeah.", "yes"),
        ("The answer is yes", "yes"),
        ("There is no dog", "no"),
        ("Not sure", None),
        ("No idea", None),
        ("I have no idea", None),
        ("Yes and no", None),
        ("no yes", None),
        ("either yes or no", None),
        ("Yesterday", None),
        ("Nothing", None),
        ("", None),
    ],
)
def test_yes_and_no(text: str, said: str | None) -> None:
    assert short.yes_no(text) == said


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("three cars", 3),
        ("There are 3 cars.", 3),
        ("1 + 2 = 3", 3),
        ("The answer is 3, as 1 and 2 are hidden.", 3),
        ("3 because 1 is hidden", 3),
        ("none", 0),
        ("There are not 3 cars.", None),
        ("3 or 4", None),
        ("3 cars and 2 trucks", None),
        ("more than 3", None),
        ("no number here", None),
        ("", None),
    ],
)
def test_one_number(text: str, value: float | None) -> None:
    found = short.number(text)
    assert (None if found is None else found.value) == value


@given(st.lists(st.sampled_from(["stop", "sign", "red", "Ampel"]), min_size=1, max_size=3), st.booleans())
def test_case_articles_and_punctuation_do_not_matter(parts: list[str], lead: bool) -> None:
    gold = " ".join(parts)
    said = f"{'It is the ' if lead else 'The '}{gold.upper()}."
    assert short.same_words(said, gold) is not None
    assert short.same_words(f"not {gold}", gold) is None


@given(st.text())
def test_reading_never_crashes(text: str) -> None:
    short.yes_no(text)
    short.number(text)
    short.same_words(text, text)


@pytest.mark.slow
def test_a_megabyte() -> None:
    for text in ("no " * 330_000, r"\boxed{" * 140_000, "answer to " * 100_000, "= 3 " * 250_000, " " * 10**6):
        short.yes_no(text)
        short.number(text)
        short.same_words(text, "left")
