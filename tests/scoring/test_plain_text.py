"""Plain short texts, which most responses are, are read with less work: the result must be that of the whole work."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.scoring import anls, phrase, text, vqa
from cambrian_eval.scoring.reply import Reply

WORDS = st.sampled_from(
    ["twenty", "one", "twelve", "thirty", "zero", "none", "a", "the", "an", "dont", "its", "hes", "red", "as", "2", "B"]
)
PLAIN = st.lists(WORDS, max_size=6).map(" ".join)
PUNCTUATED = st.text(alphabet="aB1 .,'\"*“é。\n-", max_size=14)


@given(st.text(alphabet="ab7Z  ", max_size=12))
def test_plain_text_is_cleaned_of_blanks_alone(plain: str) -> None:
    assert text.clean(plain) == " ".join(plain.split())


TENS = {"twenty": 20, "thirty": 30}
NUMBERS = {"one": "1", "twelve": "12", "zero": "0", "none": "0"}
CONTRACTIONS = {"dont": "don't", "hes": "he's"}


def naive(plain: str) -> str:
    """The rules by hand: tens join the unit behind them, number words are digits, articles go unless all are."""
    words: list[str] = []
    tens = 0
    for word in plain.lower().split():
        if tens and word == "one":
            words[-1], tens = str(tens + 1), 0
        elif tens := TENS.get(word, 0):
            words.append(str(tens))
        else:
            words.append(word)
    kept = [CONTRACTIONS.get(w, NUMBERS.get(w, w)) for w in words if w not in ("a", "an", "the")]
    return " ".join(kept or words)


@given(PLAIN)
def test_words_of_human_answers_are_normalized_one_by_one(plain: str) -> None:
    assert vqa.careful(plain) == naive(plain)


@given(PLAIN | PUNCTUATED)
def test_forms_are_the_answer_and_what_is_left_of_it_bare(said: str) -> None:
    reply = Reply(said)
    whole, own = said.strip(), reply.own
    before_reason = re.split(r",?\s(?:because|since)\s|,\s?as\s", own, maxsplit=1, flags=re.IGNORECASE)[0]
    expected = [whole, phrase.plain(whole), own, phrase.plain(own)]
    expected += [phrase.plain(before_reason)] if len(said) > 6 else []
    assert phrase.forms(reply) == tuple(dict.fromkeys(form for form in expected if form))


@given(PUNCTUATED, st.lists(PUNCTUATED, min_size=1, max_size=3))
def test_the_better_of_the_cleaned_and_the_written_answer_counts(said: str, golds: list[str]) -> None:
    reply = Reply(said)
    if reply.silence is None:
        better = max(anls.anls(reply.said, golds), anls.anls(said.strip(), golds))
        assert anls.grade(reply, golds).value == better
