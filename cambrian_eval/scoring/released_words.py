"""Rules of released scoring code for words and numbers outside the paper's sixteen; the others are in `released`."""

from __future__ import annotations

import re

from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import vqa
from cambrian_eval.scoring.patterns import pattern
from cambrian_eval.scoring.released import verdict

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_DIGIT_COMMA = pattern(r"\d,\d")
_STOP, _LONE_STOP = pattern(r"\.(?!\d)"), pattern(r"(?<!\d)\.(?!\d)")
_STOPS = 32
"""The code deletes at most this many full stops: it passes a flag in the place of the count."""


def without_punctuation(text: str, stop: re.Pattern[str] = _STOP) -> str:
    """The punctuation step of the VQA code: a mark beside a blank anywhere is deleted, others become blanks."""
    found = text
    thousands = _DIGIT_COMMA.search(text) is not None
    for mark in _MARKS:
        if mark in text:
            beside = thousands or f"{mark} " in text or f" {mark}" in text
            found = found.replace(mark, "" if beside else " ")
    return stop.sub("", found, count=_STOPS)


def yes_or_no(sample: Sample, text: str) -> Verdict:
    """HallusionBench (VLMEvalKit): exactly one of the words yes and no occurs."""
    words = set(without_punctuation(text.lower(), _LONE_STOP).split()) & {"yes", "no"}
    said = words.pop().capitalize() if len(words) == 1 else ""
    return verdict(said in sample.answers, said, "the only one of the words yes and no")


def first_of_two(sample: Sample, text: str) -> Verdict:
    """NaturalBench (authors): whichever of the two words occurs first, in any case; the article "a" is option A."""
    places = []
    for word in sample.guesses:
        if found := re.search(rf"\b{word}\b", text, re.IGNORECASE):
            places.append((found.start(), word))
    said = min(places)[1] if places else ""
    return verdict(said in sample.answers, said, f"first of the words {' and '.join(sample.guesses)}")


def digits(sample: Sample, text: str) -> Verdict:
    """CountBenchQA (moondream): the stripped, lower-cased response equals the digits."""
    said = text.strip().lower()
    return verdict(said in sample.answers, said, "the whole response")


def vqa_accuracy(sample: Sample, text: str) -> Verdict:
    """VQAv2 (its evaluation code): nothing is normalized where the people all gave the same answer."""
    said, golds = _plain(text), [_plain(gold) for gold in sample.answers]
    if len(set(golds)) > 1:
        said, golds = _normalized(said), [_normalized(gold) for gold in golds]
    matches = sum(gold == said for gold in golds)
    values = [min(1.0, (matches - (gold == said)) / 3) for gold in golds]
    return Verdict(sum(values) / max(len(values), 1), text, "released rule: soft accuracy of the VQA evaluation code")


def _plain(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def _normalized(text: str) -> str:
    return vqa.plain_words(without_punctuation(text).lower())


_RUN, _LETTER = pattern(r"\{?(\d+)\}?"), pattern(r"[a-z]")
_GRIDS = (
    pattern(r"\{(\d+)\}\s*\{(\d+)\}"),
    pattern(r"\((\d+)\s*,\s*(\d+)\)"),
    pattern(r"rows=\{(\d+)\}\scolumns=\{(\d+)\}"),
)


def blind_task(sample: Sample, text: str) -> Verdict:
    """VLMs Are Blind (lmms-eval): one pattern for each task; the first match is the answer."""
    low, kind = text.lower().strip(), str(sample.extra["kind"])
    if kind == "yes/no":
        said = low if low in ("yes", "no") else ""
    elif kind == "grid":
        found = next((m for pattern in _GRIDS if (m := pattern.search(low))), None)
        said = f"{found[1]},{found[2]}" if found else ""
    else:
        first = (_LETTER if kind == "letter" else _RUN).search(low)
        said = first[first.lastindex or 0] if first else ""
    return verdict(said == sample.answers[0].lower(), said, f"first match of the pattern for a {kind}")
