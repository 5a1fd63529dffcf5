"""Clock pairs: "Which hour does the clock show?", asked about a clock and about its mirror image.

Prompt: the question, four options "A. ...", and the letter sentence.
Score: pairs with both questions right, x100. The question and its options are the same for both images, so a model
that uses only the text gives the same response twice and gets no pair right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, ClassVar

from cambrian_eval.benchmark import LETTER_SENTENCE, Benchmark, Category, Graded, HubSource, PromptStyle, Unit
from cambrian_eval.image import images
from cambrian_eval.sample import LETTERS, Sample, Verdict
from cambrian_eval.scoring import letter

COLUMNS = ("id", "pair", "question", "options", "answer", "dial", "image")


class ClockPairs(Benchmark):
    """The declaration; the docstring of the module has the rules."""

    name = "clock_pairs"
    title = "Clock pairs"
    category: ClassVar[Category] = "Vision-Centric"
    paper = "Drawn for the guide to adding a benchmark"
    metric = "pairs with both questions right"
    max_new_tokens = 16
    typical_chance = 6.25

    @property
    def source(self) -> HubSource:
        """A name for the dataset. There is no copy on the Hub, so rows come from `--data-root`."""
        return HubSource("example/clock-pairs", "test", 40, COLUMNS)

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; the members of a pair share a group."""
        options = tuple(row["options"])
        letters = tuple(LETTERS[: len(options)])
        return Sample(
            id=row["id"],
            index=index,
            question=row["question"],
            answers=(letters[options.index(row["answer"])],),
            choices=options,
            images=images(row.get("image")),
            group=row["pair"],
            guesses=letters,
            tags={"dial": row["dial"]},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The same text in both styles, because no paper has published another prompt."""
        listed = "".join(f"\n{letter}. {text}" for letter, text in sample.options.items())
        return f"{sample.question}{listed}\n{LETTER_SENTENCE}"

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """Reads letters, option texts and sentences such as "The answer is B"."""
        return letter.grade(sample, reply)

    def units(self, graded: Sequence[Graded], scorer: str) -> list[Unit]:
        """Pairs for the headline, and single questions for `question_accuracy`."""
        pairs: dict[str | None, list[int]] = defaultdict(list)
        for i, g in enumerate(graded):
            pairs[g.sample.group].append(i)
        both = [_pair(graded, members) for members in pairs.values()]
        return both + [Unit("questions", g.verdict.value, (i,)) for i, g in enumerate(graded)]

    def metrics(self, strata: Sequence[str]) -> dict[str, dict[str, float]]:
        """Pair accuracy is the headline; question accuracy is reported next to it."""
        return {"score": {"pairs": self.scale}, "question_accuracy": {"questions": self.scale}}


def _pair(graded: Sequence[Graded], members: Sequence[int]) -> Unit:
    """1 if both questions are right, else 0; a pair with only one response counts as wrong."""
    value = prod(graded[i].verdict.value for i in members) if len(members) == 2 else 0.0
    return Unit("pairs", value, tuple(members))
