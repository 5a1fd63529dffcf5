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

WORDS = (
    "sorry apologies I i'd i'll my do does did not n't don't doesn't cannot can't could couldn't unable to no idea "
    "clue way unclear insufficient unanswerable impossible hard difficult sure certain enough tell determine provide "
    "contain information details given provided an one of the options option choice without image answer ans result solution "
    "conclusion is are was were : = -> . , ; ? ( ) [ ] need more further context value question table figure unknown "
    "missing n/a applicable none neither both all seem guess pick choose select say best closest correct right most "
    "likely match statement description A B C D b (a) root leaf lamp chair 3 7 twelve % if so therefore respuesta opcao"
)
GAPS = st.sampled_from((" ", " ", " ", "  ", "\n", "\n\n", "\t", "", "\x1f", "\u00a0"))
TEXTS = st.lists(
    st.tuples(st.sampled_from(WORDS.split()) | st.sampled_from(("ſo", "\u212a", "é", "答案")), GAPS), max_size=25
).map(lambda pieces: "".join(word + gap for word, gap in pieces))


def readings(text: str) -> tuple[object, ...]:
    reply = Reply(text)
    options = (letter.read(reply, PLANT), letter.read(reply, LAMP, "Which one is not closer?"))
    return (*options, number.read(reply), wording.answers(text), wording.refusal(text), wording.last_refusal(text))


@settings(max_examples=300)
@given(TEXTS | TEXTS.map(str.upper) | st.text(max_size=80))
def test_every_response_is_read_as_if_expressions_were_tried_everywhere(text: str) -> None:
    found = readings(text)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(patterns, "places", lambda text, words: range(len(text)))
        assert readings(text) == found


@given(st.text("aAnNoO t\n\t.é", max_size=60))
def test_matches_are_those_of_the_plain_expression(text: str) -> None:
    expression = r"\b(?:no|not\sa|an)(?:\s+\w)?"
    plain = patterns.pattern(expression, re.IGNORECASE)
    worded = Worded(("no", "not a", "an"), expression)
    assert [m.span() for m in worded.finditer(text)] == [m.span() for m in plain.finditer(text)]
    assert (worded.search(text) is None) == (plain.search(text) is None)
