"""Open answers of MMMU: which parts of a response may be the answer, and when they equal a gold answer.

Candidates are the declared answer, else the tails of sentences after words such as "so" and "is", else the whole.
A numeric gold equals a number in a candidate at the gold's own precision; any other gold must stand in a candidate
as whole words. One of several golds is enough. Pure, linear time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from cambrian_eval.sample import Verdict
from cambrian_eval.scoring import final, numbers
from cambrian_eval.scoring.choices import extract
from cambrian_eval.scoring.negation import negated_before
from cambrian_eval.scoring.options import clean

_BLANKS = re.compile(r"\s+")
_SINGLE_LETTERS = {letter: "" for letter in "ABCDEFGHI"}


LONGEST = 5000
"""Characters of a candidate that are read."""
MOST_CANDIDATES = 200
"""How many of the last candidates are compared."""


def grade(gold_answers: Sequence[str], text: str) -> Verdict:
    """1 where a candidate of the response equals one of the golds."""
    said = clean(text)
    if not said:
        return Verdict(0.0, None, "empty response", outcome="unparsed")
    declared = final.declared(said)
    candidates = [declared] if declared else list(dict.fromkeys([*final.tails(said), *_short(said)]))
    candidates = [candidate[:LONGEST] for candidate in candidates[-MOST_CANDIDATES:]]
    for gold in gold_answers:
        if rule := _matches(gold, candidates, said):
            return Verdict(1.0, gold, rule)
    return Verdict(0.0, candidates[-1][:200], "no candidate equals a gold answer")


def _short(said: str) -> list[str]:
    """The whole response, where it is short enough to be an answer."""
    return [said] if len(said) <= 60 and len(final.sentences(said)) == 1 else []


def _matches(gold: str, candidates: Sequence[str], said: str) -> str | None:
    number = numbers.parse(gold)
    if number is not None:
        slack = max(0.5 * 10.0**-number.places, 1e-6)
        if "/" in gold or "frac" in gold or not number.value:
            slack = 1e-6  # a fraction has no last place, and nothing but nothing is 0
        for candidate in candidates:
            for found in _values(candidate):
                if abs(found - number.value) <= slack + 1e-12 * abs(number.value):
                    return "a number equal at the gold's precision"
        return None
    key = _fold(gold)
    if len(key) == 1 and key.isalpha() and gold.strip() == gold.strip().upper():
        return "the letter" if extract(said, _SINGLE_LETTERS).letter == key.upper() else None
    if key and any(_fold(c).replace(" ", "") == key.replace(" ", "") for c in candidates):
        return "equal to the gold but for blanks"
    pattern = _whole_words(key)
    for candidate in candidates:
        folded = _fold(candidate)
        for match in pattern.finditer(folded) if key else ():
            if not negated_before(folded, match.start(), one_word_between=True):
                return "the gold's words in a final part of the response"
    return None


def _values(candidate: str) -> list[float]:
    whole = numbers.parse(candidate)
    return [whole.value] if whole is not None else [n.value for n in final.asserted(candidate)]


def _fold(text: str) -> str:
    """Case, blanks, dollar signs and the outer full stop folded."""
    return _BLANKS.sub(" ", clean(text).replace("$", "").casefold()).strip(" .,;:!?\"'")


@lru_cache(maxsize=1024)
def _whole_words(key: str) -> re.Pattern[str]:
    before = r"(?<!\w)" if key[:1].isalnum() else ""
    after = r"(?!\w)" if key[-1:].isalnum() else ""
    return re.compile(before + re.escape(key) + after)
