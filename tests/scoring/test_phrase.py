"""How short free-text answers are read: declared answers, yes or no, one number, a few words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.scoring import number, phrase, yes_no
from cambrian_eval.scoring.phrase import plain
from cambrian_eval.scoring.reply import Reply


def forms(text: str) -> tuple[str, ...]:
    return phrase.forms(Reply(text))


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
        (r"\boxed{\frac{1}{2}}", "1/2"),
    ],
)
def test_declared_answers(text: str, answer: str) -> None:
    assert answer in forms(text)


def test_names_with_a_full_stop_keep_it() -> None:
    assert "St. Louis" in forms("The answer is St. Louis")


def test_nothing_declared_is_nothing() -> None:
    assert forms("The answer is") == ("The answer is",)
    assert forms(" \n ") == ()
    assert forms("blue") == ("blue",)
    assert plain(' "blue." ') == "blue"
    assert plain("and so on...") == "and so on..."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Yes", "Yes"),
        ("no, it is not", "No"),
        ("Yeah.", "Yes"),
        ("The answer is yes", "Yes"),
        ("There is no dog", "No"),
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
    assert yes_no.read(Reply(text)).value == said


@pytest.mark.parametrize(
    ("text", "said"),
    [("Not only a bus but also a tram is there.", "Yes"), ("There is not a bus but a tram.", "No")],
)
def test_not_only_is_no_denial(text: str, said: str) -> None:
    assert yes_no.read(Reply(text), "Is there a bus in the image?").value == said


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
    found = number.read(Reply(text)).value
    assert (None if found is None else found.value) == value


@given(st.lists(st.sampled_from(["stop", "sign", "red", "Ampel"]), min_size=1, max_size=3), st.booleans())
def test_case_articles_and_punctuation_do_not_matter(parts: list[str], lead: bool) -> None:
    gold = " ".join(parts)
    said = f"{'It is the ' if lead else 'The '}{gold.upper()}."
    assert phrase.same_words(Reply(said), gold) is not None
    assert phrase.same_words(Reply(f"not {gold}"), gold) is None


@given(st.text())
def test_reading_never_crashes(text: str) -> None:
    yes_no.read(Reply(text), text)
    number.read(Reply(text), text)
    phrase.same_words(Reply(text), text)


def test_a_megabyte() -> None:
    for text in ("no " * 330_000, r"\boxed{" * 140_000, "answer to " * 100_000, "= 3 " * 250_000, " " * 10**6):
        yes_no.read(Reply(text))
        number.read(Reply(text))
        phrase.same_words(Reply(text), "left")
