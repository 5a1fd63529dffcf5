"""ChartQA: questions about bar, line and pie charts, asked by people or generated (Masry et al., 2022).

Prompt: the question and "Answer the question using a single number or phrase."
Score: relaxed accuracy, x100. A text must be equal; a number may be off by 5 % of the gold one. The released
code reads numbers as Python does (no "%", no "1,000"); the default here reads them as people do, and a
year that is asked for must be exact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.benchmark import Benchmark, Category, HubSource, PromptStyle
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import folding, numbers, short, statement

INSTRUCTION = "Answer the question using a single number or phrase."
TOLERANCE = 0.05
LONGEST_LIST = 1000
"""Characters beyond which a reply is no list."""
_SLACK = 1e-9
"""Keeps exactly 5 % inside in spite of binary rounding."""
_YEAR_ASKED = re.compile(r"\b(?:years?|when)\b", re.IGNORECASE)
_YEAR = re.compile(r"1[5-9]\d\d|20\d\d|2100")
_SCALE = re.compile(r"(?<=\d)\s?(?:thousand|million|billion|trillion)s?\b", re.IGNORECASE)
_ITEMS = re.compile(r"\s*(?:[,;]\s+(?:and\s+)?|,(?!\d)|\s+and\s+)\s*")


class ChartQA(Benchmark):
    """Free answers, texts and numbers, with a tolerance for numbers."""

    name = "chartqa"
    title = "ChartQA"
    category: ClassVar[Category] = "OCR & Chart"
    paper = "Masry et al. ChartQA: A Benchmark for Question Answering about Charts. Findings of ACL 2022"
    metric = "relaxed accuracy (numbers within 5 %)"
    max_new_tokens = 128
    typical_chance = 0.0

    @property
    def source(self) -> HubSource:
        """The test split: half asked by people, half generated."""
        return HubSource("lmms-lab/ChartQA", "test", 2500, ("type", "question", "answer", "image"))

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; the data set has no ids."""
        return Sample(
            id=str(index),
            index=index,
            question=row["question"],
            answers=(str(row["answer"]),),
            images=images(row.get("image")),
            tags={"type": str(row.get("type", "unknown"))},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """Asks for a number or a phrase, in both styles alike."""
        return f"{sample.question}\n{INSTRUCTION}"

    def fuzzy(self, sample: Sample, text: str) -> Verdict:
        """Equal text first, then lists, yes or no, and numbers within the tolerance."""
        gold = sample.answers[0]
        for reply in statement.replies(text):
            if _same(reply, gold):
                return Verdict(1.0, reply, "equal text")
        if not text.strip():
            return Verdict(0.0, None, "empty response", outcome="unparsed")
        year = bool(_YEAR.fullmatch(gold.strip()) and _YEAR_ASKED.search(sample.question))
        if gold.strip().startswith("["):
            right = any(_same_list(reply, gold) for reply in statement.replies(text))
            return Verdict(float(right), statement.plain(text), "list compared item by item")
        if gold.strip().lower() in ("yes", "no"):
            said = short.yes_no(text)
            return Verdict(
                float(said == gold.strip().lower()),
                said,
                "yes or no",
                outcome="read" if said is not None else "unparsed",
            )
        wanted = numbers.parse(gold)
        if wanted is None:
            said = short.same_words(text, gold)
            return Verdict(float(said is not None), said or statement.plain(text), "same words")
        return _numeric(text, gold, wanted, year)

    def official(self, sample: Sample, text: str) -> Verdict:
        """Python floats within 5 % of the gold one, else equal lower-cased texts; nothing is trimmed."""
        said, gold = text.lower(), sample.answers[0].lower()
        try:
            difference = abs(float(said) - float(gold))
        except ValueError:
            return Verdict(float(said == gold), text, "released rule: equal text")
        return Verdict(float(difference <= TOLERANCE * abs(float(gold))), text, "released rule: within 5 %")


def _numeric(text: str, gold: str, wanted: numbers.Number, year: bool) -> Verdict:
    """A number against a gold number; "14 million" also answers 14 where the chart counts in millions."""
    said = short.number(text)
    if said is None:
        return Verdict(0.0, None, "no number found", outcome="unparsed")
    right = _near(said, wanted, year)
    if not right and not _SCALE.search(gold):
        unscaled = numbers.parse(_SCALE.sub("", said.text))
        right = unscaled is not None and unscaled.value != said.value and _near(unscaled, wanted, year)
    return Verdict(float(right), said.text, "year, exact" if year else "number within 5 %")


def _near(said: numbers.Number, wanted: numbers.Number, exact: bool) -> bool:
    """Within 5 % of the gold value; where only one side has a percent sign, 50 % is 50 or 0.5."""
    pairs = [(said.value, wanted.value)]
    if said.percent and not wanted.percent:
        pairs.append((said.value / 100, wanted.value))
    if wanted.percent and not said.percent:
        pairs.append((said.value, wanted.value / 100))
    allowed = 0.0 if exact else TOLERANCE + _SLACK
    return any(abs(value - gold) <= allowed * abs(gold) for value, gold in pairs)


def _same(text: str, gold: str) -> bool:
    return _bare(text) == _bare(gold) != ""


def _bare(text: str) -> str:
    bare = folding.normal("NFC", text).casefold().strip()
    return " ".join(bare.removesuffix(".").split())


def _same_list(text: str, gold: str) -> bool:
    """Item by item in order: equal texts, or numbers within the tolerance (years exactly)."""
    if len(text) > LONGEST_LIST:
        return False
    said, wanted = _list(text), _list(gold)
    return len(said) == len(wanted) and all(map(_same_item, said, wanted))


def _same_item(text: str, gold: str) -> bool:
    if _same(text, gold):
        return True
    said, wanted = numbers.parse(text), numbers.parse(gold)
    return said is not None and wanted is not None and _near(said, wanted, exact=bool(_YEAR.fullmatch(gold)))


def _list(text: str) -> list[str]:
    inner = statement.plain(text).strip("[]() ")
    return [item.strip(" '\"[]") for item in _ITEMS.split(inner) if item.strip(" '\"[]")]
