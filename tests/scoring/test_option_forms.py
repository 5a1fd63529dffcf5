"""The quick look before comparing a response with options' texts, and declarations that are read at once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cambrian_eval.scoring import option_forms
from cambrian_eval.scoring.letter import read
from cambrian_eval.scoring.options import OptionTexts
from cambrian_eval.scoring.reading import Reading
from cambrian_eval.scoring.reply import Reply
from cambrian_eval.scoring.text import clean, squeezed

WORDS = (
    *("cat", "Cats", "left", "glass", "X-ray", "5", "-3", "$4", "5 degrees", "90°", "degree", "Straße", "non - stop"),
    *("it is", "the", "a", "(from the viewer)", "(", ")", "yes,", "No", "they would", "s", "-", "'", "é", "１２"),
)
text = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).flatmap(
    lambda words: st.sampled_from([" ", "", "-", "  "]).map(lambda blank: blank.join(words))
)
dressed = st.sampled_from(
    ["{}", "{}.", "It is the {}", "({})", "{}s", "{} (not the other)", "${}$", "**{}**", '"{}"', "a {}!"]
)


@given(option=text, other=text, form=dressed, said_other=st.booleans(), joined=st.booleans())
@settings(max_examples=400, deadline=None)
def test_no_option_that_equals_a_response_in_a_coarser_form_is_passed_over(
    option: str, other: str, form: str, said_other: bool, joined: bool
) -> None:
    said = form.format(other if said_other else option)
    said = clean(said.replace(" ", "").replace("-", "") if joined else said)
    options = [clean(option), clean(other)]
    folded = squeezed(said)
    alike = any(
        one == another
        for own in options
        for one, another in zip(
            (folded, *option_forms.coarser(said, folded)),
            (squeezed(own), *option_forms.coarser(own, squeezed(own))),
            strict=True,
        )
    )
    quick = option_forms.may_equal(said, option_forms.bare(folded), option_forms.solid(" ".join(options)))
    assert quick or not alike


@pytest.mark.parametrize(
    ("said", "options", "letter"),
    [
        ("it is 5 degrees.", {"A": "5°", "B": "6°"}, "A"),
        ("5°", {"A": "5 degrees", "B": "6 degrees"}, "A"),
        ("left", {"A": "left (from the viewer)", "B": "right (from the viewer)"}, "A"),
        ("right (from the viewer)", {"A": "left", "B": "right"}, "B"),
        ("left side", {"A": "left (from the viewer) side", "B": "right (from the viewer) side"}, "A"),
        ("xray", {"A": "an X-ray", "B": "a photo"}, "A"),
        ("The glasses.", {"A": "glass", "B": "cats"}, None),
        ("It is the cat!", {"A": "cats", "B": "dogs"}, "A"),
        ("yes", {"A": "Yes, it is", "B": "No, it is not"}, "A"),
        ("cat and dog", {"A": "cat", "B": "dog"}, None),
    ],
)
def test_coarser_forms_name_the_option(said: str, options: dict[str, str], letter: str | None) -> None:
    assert OptionTexts(tuple(options.items())).equal(said) == letter


OPTIONS = {"A": "a red car", "B": "B+", "C": "The answer is D.", "I": "none of these"}


@pytest.mark.parametrize("letter", ["A", "B", "C", "I"])
@pytest.mark.parametrize("form", ["{}", "{}.", "({})", "({})."])
@pytest.mark.parametrize(
    ("before", "head"),
    [
        ("The ", "answer is "),
        ("", "Answer: "),
        ("", "ANSWER:"),
        ("The correct ", "option is "),
        ("the best ", "choice is: "),
    ],
)
def test_a_declaration_alone_is_read_like_one_behind_a_sentence(before: str, head: str, form: str, letter: str) -> None:
    part = head + form.format(letter)
    expected = Reading(letter, "the last declared answer", text=part)
    assert read(Reply(before + part), OPTIONS) == expected
    assert read(Reply(f"Look at the sky.\n{before}{part}"), OPTIONS) == expected


def test_an_option_that_is_a_declaration_itself_comes_first() -> None:
    assert read(Reply("The answer is D."), OPTIONS) == Reading("C", "the response equals an option's text")


def test_a_declared_letter_that_is_no_option_is_not_read() -> None:
    assert read(Reply("The answer is D."), {"A": "cat", "B": "dog"}).value is None
