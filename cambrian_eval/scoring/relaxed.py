"""ChartQA's relaxed accuracy: texts are equal, numbers may be off by 5 % of the gold one."""

from __future__ import annotations

import re

from cambrian_eval.sample import Verdict
from cambrian_eval.scoring import number, numerals, phrase, yes_no
from cambrian_eval.scoring.numerals import Number
from cambrian_eval.scoring.patterns import pattern
from cambrian_eval.scoring.reading import unread
from cambrian_eval.scoring.reply import Reply
from cambrian_eval.scoring.text import normal

TOLERANCE = 0.05
LONGEST_LIST = 1000
"""Characters beyond which a response is no list."""
_SLACK = 1e-9
"""Keeps exactly 5 % inside in spite of binary rounding."""
_YEAR_ASKED = pattern(r"\b(?:years?|when)\b", re.IGNORECASE)
_YEAR = pattern(r"1[5-9]\d\d|20\d\d|2100")
_SCALE = pattern(r"(?<=\d)\s?(?:thousand|million|billion|trillion)s?\b", re.IGNORECASE)
_ITEMS = pattern(r"\s*(?:[,;]\s+(?:and\s+)?|,(?!\d)|\s+and\s+)\s*")


def grade(reply: Reply, gold: str, question: str, exact_years: bool = False) -> Verdict:
    """Equal text first, then lists, yes or no, and numbers within the tolerance (with `exact_years`, years equal)."""
    if reply.silence:
        return unread(reply.silence)
    forms = phrase.forms(reply)
    for form in forms:
        if _same(form, gold):
            return Verdict(1.0, form, "the text: equal to the answer")
    if gold.strip().startswith("["):
        right = any(_same_list(form, gold) for form in forms)
        compared = "equal to" if right else "differs from"
        return Verdict(float(right), phrase.plain(reply.own), f"a list, item by item: {compared} the answer")
    if gold.strip().lower() in ("yes", "no"):
        polar = yes_no.read(reply)
        return polar.verdict((polar.value or "").lower() == gold.strip().lower())
    wanted = numerals.parse(gold)
    if wanted is None:
        said = phrase.same_words(reply, gold)
        compared = "equal to" if said is not None else "differ from"
        return Verdict(float(said is not None), said or phrase.plain(reply.own), f"the words: {compared} the answer")
    year = exact_years and bool(_YEAR.fullmatch(gold.strip()) and _YEAR_ASKED.search(question))
    found = number.read(reply, question)
    right = found.value is not None and near(found.value, wanted, gold, year)
    return found.verdict(right, "the answer" if year else "the answer within 5 %")


def near(said: Number, wanted: Number, gold: str, exact: bool = False) -> bool:
    """Within 5 % of the gold value.

    Where only one side has a percent sign, 50 % is 50 or 0.5; where only the response has a scale word, "14 million"
    also answers 14, for charts that count in millions.
    """
    pairs = [(said.value, wanted.value)]
    if said.scale != 1.0 and not _SCALE.search(gold):
        pairs.append((said.value / said.scale, wanted.value))
    if said.percent and not wanted.percent:
        pairs.append((said.value / 100, wanted.value))
    if wanted.percent and not said.percent:
        pairs.append((said.value, wanted.value / 100))
    allowed = 0.0 if exact else TOLERANCE + _SLACK
    return any(abs(value - target) <= allowed * abs(target) for value, target in pairs)


def _same(text: str, gold: str) -> bool:
    return _bare(text) == _bare(gold) != ""


def _bare(text: str) -> str:
    bare = normal("NFC", text).casefold().strip()
    return " ".join(bare.removesuffix(".").split())


def _same_list(text: str, gold: str) -> bool:
    """Item by item in order: equal texts, equal years, or other numbers within the tolerance."""
    if len(text) > LONGEST_LIST:
        return False
    said, wanted = _list(text), _list(gold)
    return len(said) == len(wanted) and all(_same_item(s, w) for s, w in zip(said, wanted, strict=True))


def _same_item(text: str, gold: str) -> bool:
    if _same(text, gold):
        return True
    said, wanted = numerals.parse(text), numerals.parse(gold)
    return said is not None and wanted is not None and near(said, wanted, gold, exact=bool(_YEAR.fullmatch(gold)))


def _list(text: str) -> list[str]:
    inner = phrase.plain(text).strip("[]() ")
    return [item.strip(" '\"[]") for item in _ITEMS.split(inner) if item.strip(" '\"[]")]
