"""Short answers that are no lettered choices: yes or no, one number, a few words.

Reads the answer out of a reply; what counts as equal for numbers (exact, 5 %, years) is left to benchmarks.
"""

from __future__ import annotations

import re
from functools import lru_cache

from cambrian_eval.scoring.folding import normal
from cambrian_eval.scoring.numbers import Number, find, parse
from cambrian_eval.scoring.statement import replies

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SPOKEN = {"yes": "yes", "yeah": "yes", "yep": "yes", "no": "no", "nope": "no"}
_NO_ANSWER = re.compile(r"\bno (?:idea|clue|information|way|answer|indication|image|picture)\b", re.IGNORECASE)
_UNSURE = re.compile(
    r"n['’]t\b|\b(?:not|no|never|neither|nor|or|cannot|unable|unsure|unclear|unknown|maybe|perhaps|between|"
    r"(?:more|less|fewer|greater|other) than|at (?:least|most))\b",
    re.IGNORECASE,
)
_SENTENCE = 200
"""The only number of a longer text is not its answer."""
_LEAD = re.compile(
    r"^(?:(?:it|this|that|there|they|these|the (?:answer|color|colour|sign|object))(?: is| are|'s|'re) )+",
)
_PUNCTUATION = re.compile(r"(?<!\d)[.,]|[.,](?!\d)|[^\w\s.,%$€£]")
_ARTICLES = frozenset(("a", "an", "the"))
_SIGNS = str.maketrans({"’": "'", "‘": "'", "–": " ", "—": " ", "-": " ", "/": " ", "_": " "})


def yes_no(text: str) -> str | None:
    """The first word of the reply or its declared answer if it is yes or no, else the only one said."""
    for reply in replies(text):
        first = _WORD.search(reply[:_SENTENCE])
        word = _SPOKEN.get(first[0].lower()) if first else None
        if word and not _retracted(reply, word):
            return word
    said = {w for w in (m[0].lower() for m in _WORD.finditer(text)) if w in ("yes", "no")}
    return said.pop() if len(said) == 1 and not _NO_ANSWER.search(text) else None


def _retracted(reply: str, word: str) -> bool:
    """ "Yes and no", "no yes", "No idea": the first word is not an answer."""
    other = "no" if word == "yes" else "yes"
    start = reply[:_SENTENCE].lower()
    return bool(re.match(rf"\W*{word}(?:\W+(?:and|or))?\W+{other}\b", start) or _NO_ANSWER.match(start))


def number(text: str) -> Number | None:
    """The reply (or its declared answer) as one number, else the only number of a short, plain sentence."""
    said = replies(text)
    for reply in said:
        if (whole := parse(reply)) is not None:
            return whole
    if said and words(said[-1]) == "none":
        return Number(0.0, text=said[-1])
    if said and (result := parse(said[-1].rpartition("=")[2])) is not None:
        return result
    for reply in said:
        if len(reply) > _SENTENCE or _UNSURE.search(reply):
            continue
        inside = find(reply)
        if len({(n.value, n.percent) for n in inside}) == 1:  # "two (2)" says one number twice
            return inside[0]
    return None


@lru_cache(maxsize=8192)
def words(text: str) -> str:
    """The text without case, punctuation, articles and a leading "it is"."""
    folded = _LEAD.sub("", normal("NFC", text).casefold().translate(_SIGNS).strip())
    bare = _PUNCTUATION.sub("", folded).split()
    return " ".join([word for word in bare if word not in _ARTICLES] or bare)


def same_words(text: str, gold: str) -> str | None:
    """The form of the reply whose words are those of the gold text."""
    wanted = words(gold)
    return next((reply for reply in replies(text) if len(reply) <= _SENTENCE and words(reply) == wanted), None)
