"""The final answer of a response that explains itself: what follows the last "answer is", the last number.

Pure, linear time. What the answer is compared with is left to the benchmarks.
"""

from __future__ import annotations

import re

from cambrian_eval.scoring import numbers
from cambrian_eval.scoring.numbers import Number
from cambrian_eval.scoring.options import clean

_DECLARED = re.compile(
    r"\b(?:answer|ans|result|solution|答案)\b\.?(?:\s+(?:to|for|of)\s[^.:;?\n]{0,80}?)?"
    r"(?:\s*(?:(?:is|are|was|would\sbe|should\sbe|must\sbe|will\sbe|equals)\b|=>|[:=]|->|-(?!\d)))+"
    r"(?:\s*(?:therefore|thus|approximately|about|roughly|around|exactly|simply|just|then|the\svalue)\b)*(?P<not>\s*not\b)?",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_INDICATOR = re.compile(
    r"\b(?:could be|so|is|are|was|thus|therefore|final|answer|result|equals|total of)\b[\s:,]+", re.IGNORECASE
)
_NOT_BEFORE = re.compile(r"(?:\bnot|n't|\brather than|\binstead of)\s+(?:\w+\s+)?[$€£]?$", re.IGNORECASE)
_TAIL = 600
WINDOW = 50_000
"""A final answer is looked for in this many characters at the end."""


def declared(said: str) -> str | None:
    """The sentence after the last un-negated "the answer is"; None where nothing is declared.

    >>> declared("2 + 3 is 5. So the answer is 5 apples. Done.")
    '5 apples.'
    """
    for match in reversed(list(_DECLARED.finditer(said, max(0, len(said) - WINDOW)))[-20:]):
        tail = said[match.end() : match.end() + _TAIL].lstrip(" \t\n:")
        first = _SENTENCE.split(tail, maxsplit=1)[0].strip()
        if first and not match["not"]:
            return first
    return None


def sentences(said: str) -> list[str]:
    """The response cut at line ends and at punctuation followed by a blank."""
    return [s for piece in _SENTENCE.split(said) if (s := piece.strip())]


def tails(said: str) -> list[str]:
    """For every sentence that has one, what follows its last indicator ("so", "is", "=", ...); else the whole text."""
    pieces = sentences(said[-WINDOW:])
    found = []
    for i, piece in enumerate(pieces):
        last = max(_INDICATOR.finditer(piece), key=re.Match.end, default=None)
        tail = piece[last.end() :] if last else ""
        if i == len(pieces) - 1 and "=" in (tail or piece):
            tail = (tail or piece).rpartition("=")[2]
        if tail.strip():
            found.append(tail.strip())
    return found or [said]


def asserted(text: str) -> list[Number]:
    """The numbers of a text without those it denies ("not 5", "rather than 5")."""
    folded = numbers.fold(text)
    found, at = [], 0
    for number in numbers.find(folded):
        start = folded.find(number.text.lstrip("-"), at)
        if start < 0:
            start = at
        if not _NOT_BEFORE.search(folded[max(0, start - 40) : start]):
            found.append(number)
        at = start + 1
    return found


def number(text: str) -> Number | None:
    """The number a response ends up with: the whole of it, what it declares, after "=", the last of the last sentence.

    >>> number("There are 3 + 4 = 7 dogs.").value
    7.0
    """
    said = clean(text)
    if (whole := numbers.parse(said)) is not None:
        return whole
    tail = declared(said)
    if tail is not None:
        return _first(tail)
    for piece in reversed(sentences(said[-WINDOW:])):
        if "=" in piece and (after := asserted(piece.rpartition("=")[2])):
            return after[0]
        if found := asserted(piece):
            return found[-1]
    return None


def _first(tail: str) -> Number | None:
    """The number a declared answer names: after its last "=", else the first one."""
    if "=" in tail:
        tail = tail.rpartition("=")[2]
    if (whole := numbers.parse(tail)) is not None:
        return whole
    found = asserted(tail)
    return found[0] if found else None
