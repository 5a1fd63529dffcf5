"""Yes or no in a response: the leading word, else the only one of the two that occurs. Pure, linear time."""

from __future__ import annotations

import re

from cambrian_eval.scoring.options import clean

_FIRST = re.compile(r"[\W_]*(yes|no|y|n)(?![\w'-])(?!/a\b)", re.IGNORECASE)
_BACK_TO_BACK = re.compile(
    r"[\W_]*(?:yes\W{0,3}\s?(?:and|or|&)?\s?\W{0,2}no|no\W{0,3}\s?(?:and|or|&)?\s?\W{0,2}yes)\b([^\n]{0,3})",
    re.IGNORECASE,
)
_PLAIN_PAIR = re.compile(r"[\W_]*(?:yes|no)(?:\s+(?:and|or|&)\s+|\s*[/&|]\s*|\s+)(?:yes|no)\b", re.IGNORECASE)
_DECLARED = re.compile(
    r"\banswer\b(?:\s+(?:to|for)\s[^.:;?\n]{0,80}?)?\s*(?:is|was|would be|should be|:|=|-)+\s*"
    r"[\"'(\[]?(yes|no)\b(?!\s+(?:or|and)\b)",
    re.IGNORECASE,
)
WINDOW = 50_000
"""A declared answer is looked for in this many characters at the end."""
_WORD = re.compile(r"(?<![\w-])(yes|no)(?![\w-])", re.IGNORECASE)
_NOT_AN_ANSWER = re.compile(
    r"\bno\s+(?:idea|clue|way\s+(?:to|of)|information|image|picture|answer|comment)\b"
    r"|(?:\bnot|n't)\s+(?:a\s+)?(?:yes|no)\b",
    re.IGNORECASE,
)


def leading(text: str) -> str | None:
    """ "Yes" or "No" where that is the first word (also "y", "n") and the other does not follow at once.

    >>> leading("yes, it is"), leading("Yes and no"), leading("Yesterday")
    ('Yes', None, None)
    """
    return _leading(clean(text))


def _leading(said: str) -> str | None:
    match = _FIRST.match(said)
    if match is None or _contradicts(said) or _NOT_AN_ANSWER.match(said, match.start(1)):
        return None
    return "Yes" if match[1][0] in "yY" else "No"


def _contradicts(said: str) -> bool:
    pair = _BACK_TO_BACK.match(said)
    if pair is None:
        return False
    # "No, yes" contradicts itself; "Yes, no doubt" does not.
    return _PLAIN_PAIR.match(said) is not None or not pair[1].strip(" .!?,\"')")


def read(text: str) -> str | None:
    """ "Yes" or "No" as a careful reader takes it: the first word, a declared answer, or the only one that occurs.

    >>> read("There is no dog."), read("Answer: yes"), read("yes or no"), read("Not sure")
    ('No', 'Yes', None, None)
    """
    said = clean(text)
    if first := _leading(said):
        return first
    if _contradicts(said):
        return None
    declared = _DECLARED.findall(said[-WINDOW:])
    if declared:
        return str(declared[-1]).capitalize()
    words = {word.lower() for word in _WORD.findall(_NOT_AN_ANSWER.sub(" ", said))}
    return words.pop().capitalize() if len(words) == 1 else None
