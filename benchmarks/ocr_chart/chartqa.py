"""ChartQA: questions about bar, line and pie charts, asked by people or generated (Masry et al., 2022).

Prompt: the question and "Answer the question using a single number or phrase."
Score: relaxed accuracy, x100. A text must be equal; a number may be off by 5 % of the gold one. The released
code reads numbers as Python does (no "%", no "1,000"); the default here reads them as people do. Years fall under the
5 % as in the published metric; with `exact_years` one that is asked for must be exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.benchmark import Benchmark, Category, HubSource, PromptStyle
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import relaxed, released
from cambrian_eval.scoring.reply import Reply

INSTRUCTION = "Answer the question using a single number or phrase."


class ChartQA(Benchmark):
    """Free answers, texts and numbers, with a tolerance for numbers."""

    name = "chartqa"
    title = "ChartQA"
    category: ClassVar[Category] = "OCR & Chart"
    paper = "Masry et al. ChartQA: A Benchmark for Question Answering about Charts. Findings of ACL 2022"
    metric = "relaxed accuracy (numbers within 5 %)"
    max_new_tokens = 128
    typical_chance = 0.0
    settings_schema: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "exact_years": (False, "fuzzy scorer: a year that is asked for must be exact instead of within 5 %"),
    }

    @property
    def source(self) -> HubSource:
        """The test split: half asked by people, half generated."""
        return HubSource("lmms-lab/ChartQA", "test", 2500, ("type", "question", "answer", "image"))

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; the dataset has no ids."""
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

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """Equal text first, then lists, yes or no, and numbers within the tolerance."""
        return relaxed.grade(Reply(reply), sample.answers[0], sample.question, self.settings["exact_years"])

    def official(self, sample: Sample, reply: str) -> Verdict:
        """Python floats within 5 % of the gold one, else equal lower-cased texts; nothing is trimmed."""
        return released.relaxed(sample, reply)

    def scoring_notes(self, scorer: str) -> tuple[str, ...]:
        """Stricter scores are not comparable with published ones."""
        if scorer == "fuzzy" and self.settings["exact_years"]:
            return ("years that are asked for must be exact; not comparable with published relaxed accuracy",)
        return ()
