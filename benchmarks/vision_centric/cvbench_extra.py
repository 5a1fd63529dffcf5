"""CV-Bench extra: further questions from the same annotations, built with `cambrian-eval cvbench`; not published.

Rows: real-world size, front or behind, which class is more frequent, distance in meters; and every rotation of the
options, or mirrored pairs, of any built rows (`cvbench export --format circular`, `mirrored`). There is no dataset on
the Hub: give the build with `--data-root`.
Prompt: the row's own `prompt`, and the letter sentence where there are options.
Score: mean over tasks of the share of questions that are right; of rotations or mirrored pairs, all must be right. A
number is right within 25 % of the answer. `mean_relative_accuracy` is the share of ten tolerances, 50 % down to 5 %,
within which a number lies (Yang et al., Thinking in Space, 2025). No released scoring code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from cambrian_eval.benchmark import LETTER_SENTENCE, Graded, HubSource, PromptStyle, Unit
from cambrian_eval.errors import UserError
from cambrian_eval.image import images
from cambrian_eval.sample import LETTERS, Sample, Verdict
from cambrian_eval.scoring import columns, letter, number
from cambrian_eval.scoring.reply import Reply

from .cvbench import COLUMNS, CVBench

TOLERANCE = 0.25
TOLERANCES = tuple(i / 20 for i in range(1, 11))
ROWS, RELATIVE = "all rows", "relative accuracy"
_METERS = {
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), 0.001),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), 0.01),
    **dict.fromkeys(("km", "kilometer", "kilometers", "kilometre", "kilometres"), 1000.0),
    **dict.fromkeys(("ft", "foot", "feet"), 0.3048),
    **dict.fromkeys(("inch", "inches"), 0.0254),
}
"""Meters per unit that a response may name; any other word counts as meters."""


class CVBenchExtra(CVBench):
    """Questions in groups that must be all right, and numbers in meters."""

    name = "cvbench_extra"
    title = "CV-Bench extra"
    metric = "mean over tasks of the share of questions whose variants are all right"
    kind = "extra"
    n_rows = 0
    typical_chance = 50.0

    @property
    def source(self) -> HubSource:
        """There is no published dataset, only local builds in the same layout."""
        return HubSource("nyu-visionx/CV-Bench", "test", self.n_rows, (*COLUMNS, "key"), config=self.name)

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample | None:
        """One row; its key up to "/" names the group of variants that it belongs to."""
        if row.get("type", self.kind) != self.kind:
            return None
        options = columns.options(row["choices"])
        answer = str(row["answer"]).strip()
        if options:
            gold = answer.strip("()").upper()
            if gold not in LETTERS[: len(options)]:
                raise UserError(f"{self.name} row {index}: answer {row['answer']!r} is not a letter of its choices")
        else:
            gold = answer
            if not re.fullmatch(r"\d+(\.\d+)?", gold) or float(gold) <= 0:
                raise UserError(f"{self.name} row {index}: answer {row['answer']!r} is not a positive number")
        key = str(row["key"])
        group, _, variant = key.partition("/")
        photo = row.get("source_filename") or row.get("filename")
        return Sample(
            id=key,
            index=index,
            question=row["question"],
            answers=(gold,),
            choices=options,
            images=images(row.get("image")),
            image_id=f"{row.get('source_dataset')}/{photo}" if photo else None,
            group=group if variant else None,
            guesses=tuple(LETTERS[: len(options)]),
            tags={"task": str(row["task"]), "source": str(row["source"])},
            extra={} if row.get("prompt") is None else {"prompt": row["prompt"]},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The row's own prompt text; a question without options says itself what to answer."""
        text = super().prompt(sample, style)
        return text if sample.choices else text.removesuffix(f"\n{LETTER_SENTENCE}")

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """The option, or the number within the tolerance."""
        if sample.choices:
            return letter.grade(sample, reply)
        read = number.read(Reply(reply), sample.question)
        if read.value is None:
            return read.verdict(False)
        word = read.value.unit.split()[0].strip(".,") if read.value.unit.split() else ""
        meters = read.value.value * _METERS.get(word, 1.0)
        gold = float(sample.answers[0] or 0)
        right = abs(meters - gold) <= TOLERANCE * gold
        where = "within" if right else "not within"
        return Verdict(float(right), f"{meters:g}", f"{read.rule}: {where} {TOLERANCE:.0%} of the answer")

    def units(self, graded: Sequence[Graded], scorer: str) -> list[Unit]:
        """Each group of variants once in its task; each row once among all rows; each number by its closeness."""
        groups: dict[str, list[int]] = {}
        for i, g in enumerate(graded):
            groups.setdefault(g.sample.group or g.sample.id, []).append(i)
        units = []
        for members in groups.values():
            task = graded[members[0]].sample.tags["task"]
            units.append(Unit(f"task {task}", prod(graded[i].verdict.value for i in members), tuple(members)))
        for i, g in enumerate(graded):
            units.append(Unit(ROWS, g.verdict.value, (i,)))
            if not g.sample.choices:
                units.append(Unit(RELATIVE, relative_accuracy(g.sample, g.verdict), (i,)))
        return units

    def metrics(self, strata: Sequence[str]) -> dict[str, dict[str, float]]:
        """The tasks weigh the same."""
        tasks = [s for s in strata if s.startswith("task ")]
        found = {"score": {s: self.scale / len(tasks) for s in tasks}, "row_accuracy": {ROWS: self.scale}}
        return {**found, "mean_relative_accuracy": {RELATIVE: self.scale}} if RELATIVE in strata else found


def relative_accuracy(sample: Sample, verdict: Verdict) -> float:
    """The share of the ten tolerances within which the number lies.

    A verdict that is not about a response, such as that of a guess, has no number and counts as 0.
    """
    if verdict.extracted is None or sample.choices:
        return 0.0
    gold = float(sample.answers[0] or 0)
    error = abs(float(verdict.extracted) - gold) / gold
    return sum(error <= t + 1e-9 for t in TOLERANCES) / len(TOLERANCES)
