"""Yes or no in a response: the first word, what is declared, the only one of the two that occurs.

`stance` reads a sentence that affirms or denies the question's own statement without either word. Pure, linear time.
"""

from __future__ import annotations

import re

from cambrian_eval.scoring import wording
from cambrian_eval.scoring.patterns import pattern
from cambrian_eval.scoring.reading import Reading, nothing
from cambrian_eval.scoring.reply import Reply, sentences
from cambrian_eval.scoring.text import clean

_SPOKEN = dict.fromkeys(
    (
        "yes",
        "yeah",
        "yep",
        "yup",
        "y",
        "是",
        "是的",
        "对",
        "有",
        "はい",
        "예",
        "네",
        "sí",
        "si",
        "oui",
        "ja",
        "да",
        "sim",
    ),
    "Yes",
)
_SPOKEN |= dict.fromkeys(
    ("no", "n", "否", "不", "不是", "没有", "いいえ", "아니요", "아니오", "non", "nein", "нет", "não"),
    "No",
)
_LATIN = "|".join(sorted((w for w in _SPOKEN if ord(w[0]) < 0x2E80), key=len, reverse=True))
_OTHER = "|".join(sorted((w for w in _SPOKEN if ord(w[0]) >= 0x2E80), key=len, reverse=True))
_FIRST = pattern(
    rf"[\W_]*(?:(?:well|sure|ok|okay|of course|so|thus|therefore)[,.!:]?\s+)?(?:({_LATIN})(?![\w'-])(?!/a\b)"
    rf"|({_OTHER})(?=$|[\s,.!;:]))",
    re.IGNORECASE,
)
_BACK_TO_BACK = pattern(
    r"[\W_]*(?:yes\W{0,3}\s?(?:and|or|&)?\s?\W{0,2}no|no\W{0,3}\s?(?:and|or|&)?\s?\W{0,2}yes)\b([^\n]{0,3})",
    re.IGNORECASE,
)
_PLAIN_PAIR = pattern(r"[\W_]*(?:yes|no)(?:\s+(?:and|or|&)\s+|\s*[/&|]\s*|\s+)(?:yes|no)\b", re.IGNORECASE)
_EITHER = pattern(r"\b(?:yes or no|no or yes)\b", re.IGNORECASE)
_WORD = pattern(r"(?<![\w-])(yes|no)(?![\w-])", re.IGNORECASE)
_QUOTED = pattern(r"(?<!\w)[\"'][^\"'\n]{0,200}(?:[\"'](?!\w)|$)")
"""A quotation, also one that is cut off: what a sign says is not what the response says."""
_NOT_AN_ANSWER = pattern(
    r"\bno\s+(?:doubt|idea|clue|way\s+(?:to|of)|(?:\w+\s)?information|indication|image|picture|answer|comment|one\sknows)\b"
    r"|(?:\bnot|n't)\s+(?:a\s+)?(?:yes|no)\b",
    re.IGNORECASE,
)


def leading(text: str) -> str | None:
    """ "Yes" or "No" where that is the first word (also "y", "n") and the other does not follow at once.

    >>> leading("yes, it is"), leading("Yes and no"), leading("Yesterday")
    ('Yes', None, None)
    """
    match = _FIRST.match(text)
    if match is None or _contradicts(text) or _NOT_AN_ANSWER.match(text, match.start(match.lastindex or 0)):
        return None
    return _SPOKEN[match[match.lastindex or 0].lower()]


def _contradicts(said: str) -> bool:
    pair = _BACK_TO_BACK.match(said)
    if pair is None:
        return False
    # "No, yes" contradicts itself; "Yes, no doubt" does not.
    return _PLAIN_PAIR.match(said) is not None or not pair[1].strip(" .!?,\"')")


def read(reply: Reply, question: str = "") -> Reading[str]:
    """ "Yes" or "No" as a careful reader takes it. With `question`, also from a sentence that affirms or denies it.

    >>> read(Reply("There is no dog.")).value, read(Reply("Answer: yes")).value, read(Reply("yes or no")).reason
    ('No', 'Yes', 'several answers')
    """
    if reply.silence:
        return nothing(reply.silence)
    said = reply.own
    if first := leading(said):
        return Reading(first, "the leading yes or no")
    if _contradicts(said):
        return nothing("several answers")
    for tail in wording.answers(said):
        if word := leading(tail):
            return Reading(word, "the declared answer")
    rest = _QUOTED.sub(" ", _EITHER.sub(" yes no ", _NOT_AN_ANSWER.sub(" ", said)))
    words = {word.capitalize() for word in _WORD.findall(rest)}
    if len(words) == 1:
        return Reading(words.pop(), "the only yes or no that occurs")
    if not words and question and _SAID_NO.match(said):
        return Reading("No", "a spoken no")
    if not words and question and (word := stance(said, question)):
        return Reading(word, "the question's statement, affirmed or denied")
    if words:
        return nothing("several answers")
    return nothing("refusal" if wording.refusal(said) else "nothing found", "no clear yes or no")


_SAID_NO = pattern(r"[\W_]*(?:nope|nah)\b", re.IGNORECASE)
_ASKS = pattern(r"(?:is|are|was|were|does|do|did|has|have|had|can|could|will|would|should)\b", re.IGNORECASE)
_SETTING = pattern(r"(?:according to|based on|for|from|in|given|among|after|before)\b[^?]{0,200}?,\s*", re.IGNORECASE)
"""What a question begins with before it asks: "According to the map, "."""
_SYMBOL = pattern(r"[<>≤≥]")
_SAME, _DIFFERENT = pattern(r"\b(?:same|equal)\b", re.IGNORECASE), pattern(r"\bdifferent\b", re.IGNORECASE)
_HEDGED = pattern(
    r"\b(?:if|whether|may|might|could|possibly|perhaps|maybe|should|unclear|appears? to|seems? to|suggests?"
    r"|assum\w+|likely|conclusively|definitively|perceiv\w+)\b",
    re.IGNORECASE,
)
_COMPARED = pattern(r"\b(?:more|less|fewer|most|least|\w{2,}(?:er|est))\b", re.IGNORECASE)
SAME_STATEMENT = 0.75
"""The share of the question's words that the sentence has to repeat."""


def stance(said: str, question: str) -> str | None:
    """Yes or no from a sentence that repeats the question's statement, or its denial.

    >>> stance("The function is not continuous.", "Is the function continuous?")
    'No'
    """
    pieces = (_SETTING.sub("", s, count=1) if _SETTING.match(s) else s for s in reversed(sentences(clean(question))))
    asked = next((s for s in pieces if _ASKS.match(s)), "")
    words = wording.content(asked)
    if len(words) < 1 or wording.denies(asked) or wording.refusal(said):
        return None
    asked_of, _, standard = asked.partition(" than ")
    compared = {quality.casefold() for quality in _COMPARED.findall(asked)}
    best, found = SAME_STATEMENT, set[str]()
    for piece in sentences(said):
        share = wording.echoes(piece, words)
        hedged = any(m[0] not in asked for m in _HEDGED.finditer(piece))
        if share < best or hedged or piece.endswith("?") or _turned(piece, asked_of, standard):
            continue
        if not set(_SYMBOL.findall(asked)) <= set(_SYMBOL.findall(piece)):
            continue
        if _SAME.search(piece) and _DIFFERENT.search(piece):
            continue
        if not compared <= {quality.casefold() for quality in _COMPARED.findall(piece)}:
            continue
        if share > best:
            best, found = share, set()
        found.add("No" if wording.denies(piece) else "Yes")
    return found.pop() if len(found) == 1 else None


def _turned(piece: str, asked_of: str, standard: str) -> bool:
    """Whether a comparison has its two sides the other way round than the question."""
    left, than, right = piece.partition(" than ")
    if not standard:
        return False
    own, other = (
        wording.content(asked_of) - wording.content(standard),
        wording.content(standard) - wording.content(asked_of),
    )
    return (
        not than
        or len(wording.content(left) & other) > len(wording.content(left) & own)
        or (len(wording.content(right) & own) > len(wording.content(right) & other))
    )
