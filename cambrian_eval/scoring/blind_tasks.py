"""Answers of VLMs Are Blind, read with care: numbers, single letters, pairs of a grid, yes or no.

First the content of the last braces, as the prompts ask for them; then what the response declares or names alone.
"""

from __future__ import annotations

import re

from cambrian_eval.sample import Verdict
from cambrian_eval.scoring import number, numerals, wording, yes_no
from cambrian_eval.scoring.patterns import pattern
from cambrian_eval.scoring.reading import Reading, nothing, unread
from cambrian_eval.scoring.reply import Reply

_BRACES = pattern(r"\{\s*([^{}\n]{1,40}?)\s*\}")
_FORMAT = pattern(r"[^.?!\n]*\b(?:curly|e\.g\.)[\s\S]*\Z")
"""The part of a question that shows its answer format: the numbers there are examples."""


def grade(reply: Reply, gold: str, question: str, kind: str) -> Verdict:
    """1 where the answer read is the gold one; `kind` is number, letter, grid or yes/no."""
    if reply.silence:
        return unread(reply.silence)
    asked = _FORMAT.sub("", question)
    if kind == "yes/no":
        found = yes_no.read(reply, asked)
        if found.value is None and found.reason == "nothing found" and _MEET.search(reply.own):
            found = Reading("No" if wording.denies(reply.own) else "Yes", "a statement that they meet or do not")
        return found.verdict(found.value == gold)
    if kind == "grid":
        pair = _grid(reply.own)
        return pair.verdict(pair.value == gold.replace(" ", ""))
    if kind == "letter":
        said = _letter(reply)
        return said.verdict(said.value is not None and said.value.casefold() == gold.casefold())
    for inside in reversed(_BRACES.findall(str(reply))):
        if (value := numerals.parse(inside)) is not None:
            return Reading(inside, "the number in braces").verdict(value.value == float(gold))
    read = number.read(reply, asked)
    if read.value is None and read.reason == "nothing found":
        times = {word.lower() for word in _TIMES.findall(reply.own)}
        if not times and _MEET.search(reply.own) and wording.denies(reply.own):
            times = {"never"}
        if len(times) == 1:
            word = times.pop()
            return Reading(word, "how often").verdict(TIMES[word] == float(gold))
    return read.verdict(read.value is not None and read.value.value == float(gold))


TIMES = {"never": 0, "once": 1, "twice": 2, "thrice": 3}
_TIMES = pattern(r"\b(never|once|twice|thrice)\b", re.IGNORECASE)
_MEET = pattern(r"\b(?:touch|overlap|intersect|cross|meet)(?:e?s|ing|ed)?\b", re.IGNORECASE)
_ROWS = pattern(r"\brows?\b\W{0,12}(?:(?:is|are)\W{1,4})?(\d{1,3}|[a-z]{3,6})\b", re.IGNORECASE)
_COLUMNS = pattern(r"\bcol(?:umn)?s?\b\W{0,12}(?:(?:is|are)\W{1,4})?(\d{1,3}|[a-z]{3,6})\b", re.IGNORECASE)
_ROWS_AFTER = pattern(r"\b(\d{1,3}|[a-z]{3,6})\W{0,4}\s+rows?\b", re.IGNORECASE)
_COLUMNS_AFTER = pattern(r"\b(\d{1,3}|[a-z]{3,6})\W{0,4}\s+col(?:umn)?s?\b", re.IGNORECASE)
_PAIR = pattern(
    r"[({\[]?\s*(\d{1,3})\s*[)}\]]?\s*(?:,|x|×|\*|\bby\b|and|\\times)\s*[({\[]?\s*(\d{1,3})\s*[)}\]]?"
    r"|\{\s*(\d{1,3})\s*\}\s*\{\s*(\d{1,3})\s*\}|[\"(]?(\d{1,3})\s*\\times\s*(\d{1,3})",
    re.IGNORECASE,
)


def _grid(said: str) -> Reading[str]:
    """Rows and columns as "rows,columns": labelled numbers in any order, else one pair of numbers."""
    for rows, columns in ((_ROWS_AFTER, _COLUMNS_AFTER), (_ROWS, _COLUMNS)):
        first, second = _only(rows, said), _only(columns, said)
        if first and second:
            return Reading(f"{first},{second}", "the labelled numbers")
    pairs = {tuple(int(n) for n in m.groups() if n) for m in _PAIR.finditer(said)}
    if len(pairs) == 1:
        return Reading(",".join(map(str, pairs.pop())), "the pair of numbers")
    return nothing("several answers" if pairs else "nothing found")


def _only(pattern: re.Pattern[str], said: str) -> str | None:
    """The number that every match gives; None where they give several."""
    values = {value.value for m in pattern.finditer(said) if (value := numerals.parse(m[1])) is not None}
    return f"{values.pop():g}" if len(values) == 1 else None


_MARKED = (
    pattern(r"\{\s*([A-Za-z])\s*\}"),
    pattern(r"\*\*\W?([A-Za-z])\W?\*\*"),
    pattern(r"[\"'“‘`]([A-Za-z])[\"'”’`]"),
    pattern(r"\(([A-Za-z])\)"),
)
_LAST = pattern(r"(?:\bis|\bletter|:)\W+([A-Za-z])\W*\Z")
_ALONE = pattern(r"(?<![\w'])([A-Za-z])(?![\w'])")


def _letter(reply: Reply) -> Reading[str]:
    """The letter alone, in braces, in bold or in quotes; else the only one that stands alone."""
    said = reply.own
    bare = said.strip(" \"'.()[]{}*`")
    if len(bare) == 1 and bare.isalpha():
        return Reading(bare, "the response is one letter")
    for tail in wording.answers(said):
        head = tail.strip(" \"'.()[]{}*`:")[:2].strip(" \"'.()[]{}*`,")
        if len(head) == 1 and head.isalpha():
            return Reading(head, "the declared answer")
    for mark in _MARKED:
        letters = {m.casefold() for m in mark.findall(str(reply))}
        if len(letters) == 1:
            return Reading(letters.pop(), "the letter that is marked")
        if letters:
            return nothing("several answers")
    if wording.refusal(said):
        return nothing("refusal")
    if last := _LAST.search(said):
        return Reading(last[1], "the last word is a letter")
    alone = [m for m in _ALONE.findall(said) if m not in ("a", "A", "I")]
    if len({m.casefold() for m in alone}) == 1:
        return Reading(alone[0], "the only letter that stands alone")
    return nothing("several answers" if alone else "nothing found")
