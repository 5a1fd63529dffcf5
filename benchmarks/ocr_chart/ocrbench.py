"""OCRBench: a thousand questions about text in images, in five groups (Liu et al., 2023).

Prompt: the question and "Give the short answer directly."
Score: a reply that contains a gold text is right; formulas must equal it without blanks. The released code
takes any substring ("12345" contains "1234"), the default here whole words and numbers. Right rows in %;
times ten it is the usual count out of 1000.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from cambrian_eval.benchmark import Benchmark, Category, HubSource, PromptStyle
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import columns, containment, released
from cambrian_eval.scoring.reply import Reply

INSTRUCTION = "Give the short answer directly."
FORMULA = "Handwritten Mathematical Expression Recognition"
RECOGNITION = frozenset(
    f"{kind} Recognition"
    for kind in (
        "Regular Text",
        "Irregular Text",
        "Artistic Text",
        "Handwriting",
        "Digit String",
        "Non-Semantic Text",
    )
)


class OCRBench(Benchmark):
    """Free answers that have to contain a gold text; formulas have to equal one."""

    name = "ocrbench"
    title = "OCRBench"
    category: ClassVar[Category] = "OCR & Chart"
    paper = "Liu et al. OCRBench: On the Hidden Mystery of OCR in Large Multimodal Models. 2023"
    metric = "responses that contain a gold text, percent"
    max_new_tokens = 512
    typical_chance = 0.0
    settings_schema: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "equality": (
            False,
            "official scorer: the whole reply must equal a gold text instead of containing it",
        ),
    }

    @property
    def source(self) -> HubSource:
        """One table without ids; the row's place is its id."""
        wanted = ("dataset", "question", "question_type", "answer", "image")
        return HubSource("echo840/OCRBench", "test", 1000, wanted)

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; six recognition types form the group Text Recognition, the other types are groups."""
        kind, gold = row["question_type"], row["answer"]
        return Sample(
            id=str(index),
            index=index,
            question=row["question"],
            answers=columns.golds(gold),
            images=images(row.get("image")),
            tags={"group": "Text Recognition" if kind in RECOGNITION else kind, "question_type": kind},
            extra={"formula": kind == FORMULA},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """Every type of question is asked for the short answer, in both styles alike."""
        return f"{sample.question}\n{INSTRUCTION}"

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """Whole words and whole numbers; formulas equal."""
        return containment.grade(Reply(reply), sample.answers, sample.extra["formula"])

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The released substring test, or equality where the setting says so."""
        return released.contains(sample, reply, sample.extra["formula"], self.settings["equality"])

    def metrics(self, strata: Sequence[str]) -> dict[str, dict[str, float]]:
        """Percent, and the count as it would be out of 1000."""
        return {"score": {"all": 100.0}, "points_of_1000": {"all": 1000.0}}
