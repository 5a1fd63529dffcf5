"""Does a reply contain the text that stands in the image? The rules of OCRBench.

`released_match` is the published code's bare substring test; `careful_match` asks for whole words and whole
numbers. Handwritten formulas are compared without blanks and with their case.
"""

from __future__ import annotations

import re
from functools import lru_cache

from cambrian_eval.scoring.folding import normal
from cambrian_eval.scoring.statement import replies

_SEPARATOR = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_QUOTES = str.maketrans("‘’“”", "''\"\"")
_NEGATED = re.compile(r"(?:\bnot|n't)(?: \w+)? [\"']?$")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Scripts written without blanks (Thai, Lao, Kana, Han), where words have no visible limits."""
_MATH_FENCES = (("$$", "$$"), ("$", "$"), ("\\[", "\\]"), ("\\(", "\\)"))
_MATH_SPAN = re.compile(r"\$\$?([^$]+)\$\$?")


def released_text(text: str, formula: bool) -> str:
    """A text as the released code compares it: formulas without blanks, the rest in lower case."""
    if formula:
        return text.strip().replace("\n", " ").replace(" ", "")
    return text.lower().strip().replace("\n", " ")


def released_match(text: str, golds: tuple[str, ...], formula: bool, whole: bool = False) -> str | None:
    """The first gold that is a substring of the text (with `whole`: all of it); an empty gold always is."""
    said = released_text(text, formula)
    for gold in golds:
        wanted = released_text(gold, formula)
        if (wanted == said) if whole else (wanted in said):
            return gold
    return None


def careful_match(text: str, golds: tuple[str, ...]) -> str | None:
    """The first gold that stands in the text as whole words, not negated; empty golds never match."""
    said = _fold(text)
    for gold in golds:
        wanted = _fold(gold)
        if wanted and _stands_alone(said, wanted):
            return gold
    return None


def formula_match(text: str, golds: tuple[str, ...]) -> str | None:
    """The first gold formula that the reply, its declared answer or its only math span equals."""
    spans = _MATH_SPAN.findall(text)
    said = {_bare_formula(reply) for reply in (*replies(text), *(spans if len(spans) == 1 else ()))}
    return next((gold for gold in golds if _bare_formula(gold) and _bare_formula(gold) in said), None)


def _fold(text: str) -> str:
    folded = " ".join(normal("NFKC", text).translate(_QUOTES).casefold().split())
    return _SEPARATOR.sub("", folded)


def _stands_alone(said: str, wanted: str) -> bool:
    start = said.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        alone = _free_left(said, start) and _free_right(said, end)
        if alone and not _NEGATED.search(said[max(0, start - 40) : start]):
            return True
        start = said.find(wanted, start + 1)
    return False


def _free_left(said: str, start: int) -> bool:
    """Whether a word or number can begin here."""
    if start == 0:
        return True
    before, first = said[start - 1], said[start]
    if before == "." and first.isdigit():
        return start > 1 and said[start - 2].isalpha()
    return not before.isalnum() or _unspaced(before, first)


def _free_right(said: str, end: int) -> bool:
    """Whether a word or number can end here."""
    if end == len(said):
        return True
    last, after = said[end - 1], said[end]
    if after == "." and last.isdigit():
        return not said[end + 1 : end + 2].isdigit()
    return not after.isalnum() or _unspaced(after, last)


def _unspaced(outside: str, inside: str) -> bool:
    return not (outside.isdigit() and inside.isdigit()) and bool(_UNSPACED.match(outside) or _UNSPACED.match(inside))


@lru_cache(maxsize=4096)
def _bare_formula(text: str) -> str:
    bare = "".join(normal("NFKC", text).split())
    for left, right in _MATH_FENCES:
        if len(bare) > len(left) + len(right) and bare.startswith(left) and bare.endswith(right):
            return bare[len(left) : -len(right)]
    return bare
