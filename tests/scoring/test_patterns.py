"""Expressions that are tried at certain words alone find what they find when they are tried everywhere."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cambrian_eval.scoring import letter, number, patterns, wording
from cambrian_eval.scoring.patterns import Worded
from cambrian_eval.scoring.reply import Reply
from tests.scoring.letters import LAMP, PLANT

PHRASES = (
    "sorry", "I apologise", "I do not know", "I don't have", "no idea", "no clue", "unclear", "insufficient",
    "unanswerable", "cannot tell", "can't accurately say", "can not see", "could not read", "couldn't find",
    "unable to answer", "not possible to know", "impossible to", "no way to tell", "hard to say", "difficult to see",
    "not sure", "not enough", "does not show any data", "doesn't match a value", "do not mention it: no answer",
    "did not give an equation", "do not have the details", "not one of the options", "without an image given",
    "no information available", "need more", "need to see", "more information is", "more context would",
    "more details are", "the answer is not given", "options are not listed", "choice wasn't included",
    "values aren't shown", "result is not in", "question letter is not clear", "information was not found",
    "table isn't available", "figure is not present", "functions are not specified", "text is not known",
    "is unknown", "is missing", "is not specified", "n/a", "not applicable", "none of the above", "both are",
    "all look", "neither of", "none seem", "ans: 3", "The answer is B.", "answer (s)", "result = 7",
    "the options in the solution: C", "option C", "choice (b)", "choices in the conclusion: D", "I'd say B",
    "I'll pick C", "I would choose D", "I will go with A", "i select b", "my guess is B", "my choice is C",
    "best match is A", "closest one is B", "correct letter is D", "right term is C", "most likely explanation is B",
    "B is the correct", "(A) was therefore right", "probably 7", "the leaf", "3 chairs", "respuesta: B", "so C",
    "if not,", "\u017forry", "\u212a", "\u00e9", "\u7b54\u6848\u662fB",
)  # fmt: skip
"""A phrase for each branch of the expressions that readers share, and others to stand between them."""
GAPS = (" ", " ", "  ", "\n", "\t", ". ", ", ", "\x1f", "\u00a0", "")


@st.composite
def texts(draw: st.DrawFn) -> str:
    pieces = draw(st.lists(st.sampled_from(PHRASES), max_size=6))
    text = "".join(piece + draw(st.sampled_from(GAPS)) for piece in pieces)
    return draw(st.sampled_from((str, str.upper, lambda text: text.replace(" ", "\n"))))(text)


def readings(text: str) -> tuple[object, ...]:
    reply = Reply(text)
    options = (letter.read(reply, PLANT), letter.read(reply, LAMP, "Which one is not closer?"))
    return (*options, number.read(reply), wording.answers(text), wording.refusal(text), wording.last_refusal(text))


def assert_equal_everywhere(text: str) -> None:
    found = readings(text)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(patterns, "places", lambda text, words: range(len(text)))
        assert readings(text) == found


@pytest.mark.parametrize("phrase", PHRASES)
def test_every_phrase_is_found_as_if_expressions_were_tried_everywhere(phrase: str) -> None:
    for text in (phrase, f"Well, {phrase} B", f"It {phrase.upper()}\nB", phrase.replace(" ", "\n")):
        assert_equal_everywhere(text)


@settings(max_examples=150)
@given(texts() | st.text(max_size=80))
def test_every_response_is_read_as_if_expressions_were_tried_everywhere(text: str) -> None:
    assert_equal_everywhere(text)


def test_answers_in_other_languages_are_found_beside_english_ones() -> None:
    assert wording.answers("No solution. Opcao: 3") == ["3"]
    assert wording.answers("Antwort: 4. The answer is 5.") == ["5.", "4. The answer is 5."]


@given(st.text("aAnNoO t\n\t.é", max_size=60))
def test_matches_are_those_of_the_plain_expression(text: str) -> None:
    expression = r"\b(?:no|not\sa|an)(?:\s+\w)?"
    plain = patterns.pattern(expression, re.IGNORECASE)
    worded = Worded(("no", "not a", "an"), expression)
    assert [m.span() for m in worded.finditer(text)] == [m.span() for m in plain.finditer(text)]
    assert (worded.search(text) is None) == (plain.search(text) is None)
