"""Open answers of MMMU: does the answer that a response concludes equal one of the gold answers?

A numeric gold is compared with the number that `number` reads, at the gold's own precision; a letter with the letter;
any other gold must stand as whole words in what the response declares or concludes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from cambrian_eval.sample import LETTERS, Verdict
from cambrian_eval.scoring import letter, number, numerals, phrase, wording
from cambrian_eval.scoring.numerals import Number
from cambrian_eval.scoring.reading import unread
from cambrian_eval.scoring.reply import Reply
from cambrian_eval.scoring.text import clean, squeezed

ROUNDING = 0.01
"""The largest relative difference that counts as rounding: 2499.9 is 2500, and 2.4 is not 2."""
_SINGLE_LETTERS = {letter: "" for letter in LETTERS[:9]}


def grade(golds: Sequence[str], reply: Reply, question: str = "") -> Verdict:
    """1 where what the response concludes equals one of the golds."""
    if reply.silence:
        return unread(reply.silence)
    values = [n for gold in golds if (n := numerals.parse(gold)) is not None]
    if values:
        read = number.read(reply, question)
        verdict = read.verdict(read.value is not None and any(equal(read.value, n) for n in values))
        if verdict.value or len(values) == len(golds):
            return verdict
    if len(golds) == 1 and len(golds[0].strip()) == 1 and golds[0].strip() in _SINGLE_LETTERS:
        said = letter.read(reply, _SINGLE_LETTERS)
        return said.verdict(said.value == golds[0].strip())
    concluded = phrase.concluded(reply, question)
    if not concluded:
        return unread("refusal")
    for gold in golds:
        if any(_holds(part, gold) for part in concluded):
            return Verdict(1.0, gold, "the words of the conclusion: equal to the answer")
    return Verdict(0.0, concluded[-1][:200], "the words of the conclusion: differ from the answer")


def equal(said: Number, wanted: Number) -> bool:
    """Equal within half a unit of the gold's last place and within 1 %; a fraction and zero have no last place."""
    whole = bool(wanted.value) and not any(sign in wanted.text for sign in ("/", "frac", "√"))
    rounding = min(0.5 * 10.0**-wanted.places, ROUNDING * abs(wanted.value))
    slack = max(rounding, 1e-6) if whole else 1e-6
    return abs(said.value - wanted.value) <= slack + 1e-12 * abs(wanted.value)


def _holds(part: str, gold: str) -> bool:
    """Whether the gold's words stand in a text, not denied, or the two are equal but for blanks."""
    key, folded = _fold(gold), _fold(part)
    if not key:
        return False
    if key.replace(" ", "") == folded.replace(" ", ""):
        return True
    found = _whole_words(key).finditer(folded)
    return any(not wording.negated_before(folded, m.start(), one_word_between=True) for m in found)


def _fold(text: str) -> str:
    """Case, blanks, dollar signs and the outer full stop folded."""
    return squeezed(clean(text).replace("$", "")).strip(" .,;:!?\"'")


@lru_cache(maxsize=1024)
def _whole_words(key: str) -> re.Pattern[str]:
    before = r"(?<!\w)" if key[:1].isalnum() else ""
    after = r"(?!\w)" if key[-1:].isalnum() else ""
    return re.compile(before + re.escape(key) + after)
