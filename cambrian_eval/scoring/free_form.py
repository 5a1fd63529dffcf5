"""Free answers by kind: numbers that are equal, lists, yes or no, words. The metric of MathVista and RealWorldQA."""

from __future__ import annotations

from cambrian_eval.sample import Verdict
from cambrian_eval.scoring import number, numerals, phrase, wording, yes_no
from cambrian_eval.scoring.numerals import Number
from cambrian_eval.scoring.reading import unread
from cambrian_eval.scoring.reply import Reply


def grade(reply: Reply, gold: str, question: str, kind: str, precision: int | None = None) -> Verdict:
    """The verdict by the kind of the gold answer: `integer`, `float`, `number`, `list`, `yes/no`; else words.

    `precision` is the number of decimals to which a `float` is compared; None takes the gold's own.
    """
    if reply.silence:
        return unread(reply.silence)
    if kind == "list":
        return _list(reply, gold)
    if kind == "yes/no":
        polar = yes_no.read(reply, question)
        return polar.verdict((polar.value or "").lower() == gold.lower())
    wanted = numerals.parse(gold)
    if kind in ("integer", "float", "number") and wanted is not None:
        found = number.read(reply, question)
        places = wanted.places if precision is None else precision
        slack = 0.5 * 10.0**-places if kind == "float" else 0.0
        right = found.value is not None and equal(found.value, wanted, slack)
        return found.verdict(right, f"the answer after rounding to {places} decimals" if slack else "the answer")
    said = phrase.same_words(reply, gold)
    if said is not None:
        return Verdict(1.0, said, "the words: equal to the answer")
    if wording.refusal(reply.own):
        return unread("refusal")
    return Verdict(0.0, phrase.plain(reply.own), "the words: differ from the answer")


def equal(said: Number, wanted: Number, slack: float) -> bool:
    """Equal values; a unit on one side does not matter, two different ones do.

    Where the gold has no scale word, "197.3 billion" also answers 197.3.
    """
    units = {n.unit.rstrip("s.") for n in (said, wanted) if n.unit}
    values = {said.value, said.value / said.scale if wanted.scale == 1.0 else said.value}
    allowed = slack + 1e-9 * max(1.0, abs(wanted.value))
    return len(units) < 2 and any(abs(value - wanted.value) <= allowed for value in values)


def _list(reply: Reply, gold: str) -> Verdict:
    """Lists element by element; the last bracketed list of the response, else what it declares, else the whole."""
    said = reply.own
    start, end = said.rfind("["), said.rfind("]")
    declared = wording.answers(said)
    inner = said[start : end + 1] if 0 <= start < end else (declared[0] if declared else said)
    wanted, found = numerals.parse_list(gold), numerals.parse_list(inner)
    if found is None or wanted is None:
        if phrase.short(inner) == phrase.short(gold):
            return Verdict(1.0, inner, "the text: equal to the answer")
        return unread("refusal" if wording.refusal(said) else "nothing found", "no list in the response")
    right = len(found) == len(wanted) and all(
        abs(f.value - w.value) <= (0.5 * 10.0**-w.places if w.places else 0.0) + 1e-9
        for f, w in zip(found, wanted, strict=True)
    )
    return Verdict(
        float(right), inner, f"a list, element by element: {'equal to' if right else 'differs from'} the answer"
    )
