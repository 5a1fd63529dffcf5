"""Finds the declared answer in a free-text reply: after "the answer is", in \\boxed{} or in `<answer>`.

For benchmarks whose answers are words or numbers; lettered choices have their own rules in `choices`.
"""

from __future__ import annotations

import re

_TAGGED = re.compile(r"<answer>([^<]*)</answer>", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\s?\{((?:[^{}]|\{[^{}]*\})*)\}")
_UPRIGHT = re.compile(r"\\(?:text|mathrm|mathbf)\s?\{([^{}]*)\}")
_PHRASE = re.compile(
    r"\banswer(?:\s(?:is|was|would be|should be))?\s?[:=]|\banswer (?:is|was|would be)\b"
    r"|\banswer to [^.:\n]{1,80}? (?:is|was)\b:?",
    re.IGNORECASE,
)
_EDGES = " \t\r\n*_`\"'“”‘’«»"
_SENTENCE_END = re.compile(r"[.!](?=\s)")
_REASON = re.compile(r",?\s(?:because|since)\s|,\s?as\s", re.IGNORECASE)
_BOUND = 300
"""Longest declared answer; what lies beyond belongs to an essay."""


def plain(text: str) -> str:
    """The text without outer blanks, quotes and markdown emphasis, and without a full stop at its end."""
    text = text.strip(_EDGES)
    return text[:-1].rstrip(_EDGES) if text.endswith((".", "!")) and not text.endswith("..") else text


def declared(text: str) -> tuple[str, ...]:
    """The last answer the text declares: its line, its sentence, that without the reason; longest first."""
    for pattern in (_TAGGED, _BOXED):
        found = pattern.findall(text)
        if found:
            return _some(plain(_UPRIGHT.sub(r"\1", str(found[-1]))))
    last = None
    for last in _PHRASE.finditer(text):  # noqa: B007
        pass
    if last is None:
        return ()
    line = text[last.end() : last.end() + _BOUND].lstrip(_EDGES + ":=").split("\n", 1)[0]
    sentence = _SENTENCE_END.split(line, maxsplit=1)[0]
    return _some(plain(line), plain(sentence), plain(_REASON.split(sentence, maxsplit=1)[0]))


def replies(text: str) -> tuple[str, ...]:
    """What may be compared with a gold text: the reply, the reply bare, its declared answer."""
    whole = text.strip()
    return _some(whole, plain(whole), plain(_REASON.split(whole, maxsplit=1)[0]), *declared(whole))


def _some(*texts: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))
