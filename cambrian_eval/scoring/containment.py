"""Does a response contain a gold text, as whole words and whole numbers? The metric of OCRBench.

Handwritten formulas are compared without blanks and with their case. The published substring test is in `released`.
"""

from __future__ import annotations

from functools import lru_cache

from cambrian_eval.sample import Verdict
from cambrian_eval.scoring.patterns import pattern
from cambrian_eval.scoring.phrase import forms
from cambrian_eval.scoring.reading import unread
from cambrian_eval.scoring.reply import Reply
from cambrian_eval.scoring.text import clean, normal

_SEPARATOR = pattern(r"(?<=\d),(?=\d{3}(?!\d))")
_QUOTES = str.maketrans("‘’“”", "''\"\"")
_NEGATED = pattern(r"(?:\bnot|n't)(?: \w+)? [\"']?$")
_UNSPACED = pattern(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Scripts written without blanks (Thai, Lao, Kana, Han), where words have no visible limits."""
_MATH_FENCES = (("$$", "$$"), ("$", "$"), ("\\[", "\\]"), ("\\(", "\\)"))
_MATH_SPAN = pattern(r"\$\$?([^$]+)\$\$?")


def grade(reply: Reply, golds: tuple[str, ...], is_formula: bool) -> Verdict:
    """1 where the response contains a gold text, or equals a gold formula."""
    if reply.silence:
        return unread(reply.silence)
    found = formula(reply, golds) if is_formula else words(str(reply), golds)
    if is_formula:
        rule = f"the formula: {'differs from' if found is None else 'equal to'} the answer"
    else:
        rule = f"the answer {'does not stand' if found is None else 'stands'} in the response as whole words"
    return Verdict(float(found is not None), reply.strip() if found is None else found, rule)


LONGEST = 50_000
"""Characters of a response that are searched."""


def words(text: str, golds: tuple[str, ...]) -> str | None:
    """The first gold that stands in the text as whole words, not negated; empty golds never match."""
    said = _fold(text[:LONGEST])
    for gold in golds:
        wanted = _fold(gold)
        if wanted and _stands_alone(said, wanted):
            return gold
    return None


def formula(reply: Reply, golds: tuple[str, ...]) -> str | None:
    """The first gold formula that the response, its declared answer, its box or its only math span equals."""
    text = str(reply)[:LONGEST]
    spans = _MATH_SPAN.findall(text)
    raw = {_bare_formula(form) for form in (text, *(spans if len(spans) == 1 else ()))}
    plain = {_bare_formula(form) for form in forms(reply)}
    for gold in golds:
        bare = _bare_formula(gold)
        if bare and (bare in raw or _bare_formula(clean(gold)) in plain):
            return gold
    return None


def _fold(text: str) -> str:
    folded = " ".join(normal("NFKC", text).translate(_QUOTES).casefold().split())
    return _SEPARATOR.sub("", folded)


def _stands_alone(said: str, wanted: str) -> bool:
    """Whether the gold's words stand in the text; the last of several may go on: "Oxford Street" for "Oxford St"."""
    open_end = " " in wanted and wanted[-1].isalpha()
    start = said.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        alone = _free_left(said, start) and (open_end or _free_right(said, end))
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
    if "가" <= outside <= "힣" and inside.isascii():  # a Korean ending glued to a foreign word
        return True
    return not (outside.isdigit() and inside.isdigit()) and bool(_UNSPACED.match(outside) or _UNSPACED.match(inside))


@lru_cache(maxsize=4096)
def _bare_formula(text: str) -> str:
    bare = "".join(normal("NFKC", text).split())
    for left, right in _MATH_FENCES:
        if len(bare) > len(left) + len(right) and bare.startswith(left) and bare.endswith(right):
            return bare[len(left) : -len(right)]
    return bare
