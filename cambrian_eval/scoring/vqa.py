"""Soft accuracy over ten human answers (TextVQA) and the answer normalizer it stands on.

Two normalizers: `released` reproduces the published evaluation code with its quirks; `careful` fixes them
(one Unicode form, straight apostrophes, number words beyond ten, no limit on full stops). The word tables
are data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from cambrian_eval.sample import Verdict
from cambrian_eval.scoring.patterns import pattern
from cambrian_eval.scoring.phrase import LONGEST, forms
from cambrian_eval.scoring.reading import unread
from cambrian_eval.scoring.reply import Reply
from cambrian_eval.scoring.text import normal

_STOP = pattern(r"\.(?!\d)")
_QUOTES = str.maketrans({mark: "'" for mark in "‘’ʼ′"})
_RELEASED_STOPS = 32
"""The released code deletes at most this many full stops: it passes a flag in the place of the count."""


@dataclass(frozen=True, slots=True)
class _Words:
    about: str
    punctuation: str
    articles: tuple[str, ...]
    number_words: dict[str, str]
    teens: dict[str, str]
    """Number words the released table lacks."""
    tens: dict[str, str]
    contractions: dict[str, str]


@cache
def _table() -> _Words:
    return _Words(**json.loads((files("cambrian_eval.scoring") / "vqa_words.json").read_text("utf-8")))


@cache
def _replaced() -> frozenset[str]:
    """The words that `_words` replaces or leaves out."""
    table = _table()
    return frozenset((*table.articles, *table.number_words, *table.contractions))


@lru_cache(maxsize=16_384)
def released(text: str) -> str:
    """The released normalizer."""
    return " ".join(_words(_split(text, _RELEASED_STOPS)))


@lru_cache(maxsize=16_384)
def careful(text: str) -> str:
    """The fixed normalizer; a text of articles alone keeps them, so that it is never equal to no answer."""
    words = _split(text if text.isascii() else normal("NFC", text).translate(_QUOTES), 0)
    return " ".join(_words(_join_number_words(words)) or words)


def _split(text: str, stops: int) -> list[str]:
    """Lower case, punctuation handled, full stops dropped, split at blanks."""
    text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    text = text.replace("\n", " ").replace("\t", " ").strip()
    if text.replace(" ", "").isalnum():
        return text.split()
    before = text
    for mark in _table().punctuation:
        if mark in before:
            beside_blank = f"{mark} " in before or f" {mark}" in before
            text = text.replace(mark, "" if beside_blank else " ")
    return _STOP.sub("", text, count=stops).split()


def _words(words: list[str]) -> list[str]:
    table = _table()
    if _replaced().isdisjoint(words):
        return words
    digits = (table.number_words.get(word, word) for word in words)
    return [table.contractions.get(word, word) for word in digits if word not in table.articles]


def plain_words(text: str) -> str:
    """A lower-cased text without articles, with digits for number words and apostrophes in contractions."""
    return " ".join(_words(text.split()))


def _join_number_words(words: list[str]) -> list[str]:
    """Number words above ten as digits: "twelve", "twenty one"."""
    table = _table()
    if table.tens.keys().isdisjoint(words) and table.teens.keys().isdisjoint(words):
        return words
    out: list[str] = []
    after_tens = False
    for word in words:
        unit = table.number_words.get(word, "0")
        if after_tens and len(unit) == 1 and unit != "0":
            out[-1] = out[-1][0] + unit
            after_tens = False
        else:
            after_tens = word in table.tens
            out.append(table.tens.get(word) or table.teens.get(word) or word)
    return out


def grade(reply: Reply, golds: Sequence[str]) -> Verdict:
    """Soft accuracy by the careful normalizer of the first form of the response that any human gave."""
    if reply.silence:
        return unread(reply.silence)
    said = forms(reply)
    for form in said:
        if len(form) <= LONGEST and (value := soft_accuracy(form, golds, careful)):
            return Verdict(value, form, "soft accuracy over the human answers")
    return Verdict(0.0, said[-1], "soft accuracy: no human answered this")


LONGEST_ANSWER = 5_000
"""Characters from which a response is looked at in part first."""


def soft_accuracy(text: str, golds: Sequence[str], normalize: Callable[[str], str]) -> float:
    """Mean over leave-one-out sets of min(1, matches / 3); for ten golds this is min(1, 0.3 x matches)."""
    n = len(golds)
    if len(text) > LONGEST_ANSWER and len(normalize(text[:LONGEST_ANSWER])) > LONGEST_ANSWER // 10:
        return 0.0  # the whole is at least as long, and no human wrote that much
    said = normalize(text)
    matches = list(map(normalize, golds)).count(said)
    if n < 2:
        return float(matches)
    needed = min(3, n - 1)
    held_out_match = min(1.0, (matches - 1) / needed)
    held_out_other = min(1.0, matches / needed)
    return max(0.0, (matches * held_out_match + (n - matches) * held_out_other) / n)
