"""MMBench-EN (dev): multiple-choice questions asked once per rotation of their options (Liu et al., 2023).

Prompt: hint, question, " Options:", options "A. ..." and the letter sentence; absent options are skipped. The paper
writes "(A) ...", prints absent options as "nan" and has no "Options:".
Score: circular accuracy, the share of questions whose rotations are all right; rotations of a question share the
index modulo 1,000,000, and there is one for each option that changes its place: a missing one counts as wrong.
Row accuracy and the accuracy of the unrotated rows stand beside it.
Released scorer: first character of the trimmed response; rows are one question when category, question, image and
source agree, which merges different questions that share all four.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from math import prod
from typing import Any, ClassVar

from cambrian_eval.benchmark import LETTER_SENTENCE, Benchmark, Category, Graded, HubSource, PromptStyle, Unit
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import letter, released

ROTATION = 1_000_000
OPTIONS = ("A", "B", "C", "D")


class MMBench(Benchmark):
    """Lettered rows of which the rotations of one question make a unit."""

    name = "mmbench"
    title = "MMBench-EN (dev)"
    category: ClassVar[Category] = "General"
    paper = "Liu et al. MMBench: Is Your Multi-modal Model an All-around Player? ECCV 2024"
    metric = "circular accuracy: every rotation of a question right"
    max_new_tokens = 512
    typical_chance = 2.3
    """Guessing every rotation independently; between 1.2 and 3.3 by the numbers of options."""

    @property
    def source(self) -> HubSource:
        """Release 20230712, the one with 4,377 rows, which the published numbers belong to."""
        columns = ("index", "question", "hint", *OPTIONS, "answer", "category", "image", "source")
        return HubSource("lmms-lab/MMBench_EN", "dev", 4377, columns)

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One rotation; absent options are the text "nan" or nothing at all."""
        number = int(row["index"])
        options = {
            letter: str(row[letter])
            for letter in OPTIONS
            if not _absent(row[letter] if letter in "AB" else row.get(letter))
        }
        letters = tuple(options)
        answer = row["answer"]
        return Sample(
            id=str(number),
            index=index,
            question=row["question"],
            answers=() if _absent(answer) else (str(answer).strip().upper(),),
            choices=tuple(options.values()),
            labels=() if letters == OPTIONS[: len(letters)] else letters,
            images=images(row.get("image")),
            group=str(number % ROTATION),
            guesses=letters,
            tags={
                "l2-category": str(row.get("l2-category") or row.get("L2-category") or "none"),
                "category": str(row.get("category") or "none"),
            },
            extra={
                "hint": None if _absent(row.get("hint")) else str(row["hint"]),
                "source": str(row.get("source")),
            },
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """Absent options are skipped by the released code and printed by the paper."""
        hint = f"{sample.extra['hint']}\n" if sample.extra["hint"] else ""
        if style == "paper":
            listed = "".join(f"\n({letter}) {sample.options.get(letter, 'nan')}" for letter in OPTIONS)
            return f"{hint}{sample.question}{listed}\n{LETTER_SENTENCE}"
        listed = "".join(f"\n{letter}. {text}" for letter, text in sample.options.items())
        return f"{hint}{sample.question} Options:{listed}\n{LETTER_SENTENCE}"

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """One row alone: the option the response names, by letter or by text. Rotations meet in `units`."""
        return letter.grade(sample, reply)

    def official(self, sample: Sample, reply: str) -> Verdict:
        """First character of the trimmed response."""
        return released.letter(sample, reply, trailing=".:,")

    def units(self, graded: Sequence[Graded], scorer: str) -> list[Unit]:
        """Questions (all rotations), rows, and unrotated rows."""
        key = self.released_key if scorer == "official" else _question
        members: dict[Hashable, list[int]] = {}
        for i, g in enumerate(graded):
            members.setdefault(key(g.sample), []).append(i)
        found = [_circular(graded, rows, scorer) for rows in members.values()]
        found += [Unit("rows", g.verdict.value, (i,)) for i, g in enumerate(graded)]
        found += [Unit("base", g.verdict.value, (i,)) for i, g in enumerate(graded) if int(g.sample.id) < ROTATION]
        return found

    def released_key(self, sample: Sample) -> tuple[Hashable, ...]:
        """Category, question, image and source; without images the question's index stands for the image."""
        image = sample.image_id or (sample.images[0].sha256 if sample.images else f"question {sample.group}")
        return sample.tags["category"], sample.question, image, sample.extra["source"]

    def scoring_notes(self, scorer: str) -> tuple[str, ...]:
        """Says that the released grouping merges some questions."""
        if scorer == "official":
            return ("released grouping: rows with equal category, question, image and source are one question",)
        return ()

    def metrics(self, strata: Sequence[str]) -> dict[str, dict[str, float]]:
        """Circular accuracy, row accuracy and the accuracy of unrotated rows."""
        found = {"score": {"circular": 100.0}, "row_accuracy": {"rows": 100.0}}
        if "base" in strata:
            found["base_row_accuracy"] = {"base": 100.0}
        return found


def _absent(value: Any) -> bool:
    return value is None or value != value or str(value).strip().lower() in ("", "nan")


def _question(sample: Sample) -> Hashable:
    return sample.group


def _circular(graded: Sequence[Graded], rows: list[int], scorer: str) -> Unit:
    """One question; its unrotated row comes first and gives the category."""
    rows = sorted(rows, key=lambda i: int(graded[i].sample.id))
    value = prod(graded[i].verdict.value for i in rows)
    found = {graded[i].sample.id: graded[i].sample.choices for i in rows}
    if scorer != "official" and len(found) < _rotations(list(found.values())):
        value = 0.0
    return Unit("circular", value, tuple(rows))


def _rotations(options: Sequence[tuple[str, ...]]) -> int:
    """How many rotations the dataset has of a question: as many as it has options that change their place.

    In 53 questions the last of four options stays where it is, so there are three. A single row shows no change.
    """
    if len(options) == 1:
        return len(options[0])
    return sum(len(set(texts)) > 1 for texts in zip(*options, strict=False))
