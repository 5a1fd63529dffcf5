"""Short free-form answers as phrases: unwrapping, and a relaxed comparison. Pure, linear time."""

from __future__ import annotations

import re
from functools import lru_cache

from cambrian_eval.scoring import numbers
from cambrian_eval.scoring.options import clean

_LEAD = re.compile(
    r"^(?:(?:so|therefore|thus|hence),?\s+)?(?:the\s+|my\s+)?(?:final\s+|correct\s+|short\s+)?"
    r"answer(?:\s+to\s+the\s+question)?\s*(?:is\b\s*:?|:|-|=)\s*",
    re.IGNORECASE,
)
_OUTER = " \t\n.,;:!?\"'()[]{}<>~-…#|"
_BLANKS = re.compile(r"\s+")
_ARTICLE = re.compile(r"^(?:an?|the)\s+")
_JOINERS = re.compile(r"\b(?:and|or|not|nor|neither|no|versus|vs)\b|n't\b|[,;/&]")
_MOST_WORDS = 12


def answer(text: str) -> str:
    """The answer without its wrapping: markup, "the answer is", outer punctuation; lower case, single blanks.

    >>> answer("**The answer is:** Yes!")
    'yes'
    """
    said = clean(text)
    lead = _LEAD.match(said)
    if lead and said[lead.end() :].strip(_OUTER):
        said = said[lead.end() :]
    return _BLANKS.sub(" ", said.strip(_OUTER)).lower()


def relaxed(said: str, gold: str) -> str | None:
    """The rule under which two unwrapped answers mean the same, or None.

    >>> relaxed("a table", "table") is not None, relaxed("chair and table", "table")
    (True, None)
    """
    wanted = _canonical(gold)
    if _canonical(said) == wanted:
        return "equal but for articles, number words, hyphens or the plural"
    words = said.split()
    if len(words) > _MOST_WORDS or _JOINERS.search(said):
        return None
    k = len(gold.split())
    hits = sum(_canonical(" ".join(words[i : i + k]).strip(_OUTER)) == wanted for i in range(len(words) - k + 1))
    return "the answer stands once in a short sentence" if wanted and hits == 1 else None


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    bare = _ARTICLE.sub("", text)
    number = numbers.parse(bare)
    if number is not None and not number.unit and not number.percent:
        return repr(number.value)
    return "".join(_singular(word) for word in bare.replace("-", " ").split())


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("shes", "ches", "xes", "sses")):
        return word[:-2]
    if word.endswith("buses"):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
