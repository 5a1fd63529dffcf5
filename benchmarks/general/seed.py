"""SEED-Bench-Image: four-option questions over nine dimensions of image understanding (Li et al., 2023).

Only rows whose `data_type` is "image" belong to it (14,233 of 17,990; the others are videos).
Prompt: the question, " Options:", four options "A. ..." and the letter sentence.
Score: accuracy over image questions; accuracies by dimension beside it.
Released scorer: first character of the response after trimming dots.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.benchmark import LETTER_SENTENCE, Benchmark, Category, HubSource, PromptStyle
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import letter, released

CHOICES = ("choice_a", "choice_b", "choice_c", "choice_d")
DIMENSIONS = {
    1: "Scene Understanding",
    2: "Instance Identity",
    3: "Instance Attribute",
    4: "Instance Location",
    5: "Instance Counting",
    6: "Spatial Relation",
    7: "Instance Interaction",
    8: "Visual Reasoning",
    9: "Text Recognition",
}


class SEED(Benchmark):
    """Four options a question, on one image each."""

    name = "seed"
    title = "SEED-Bench-Image"
    category: ClassVar[Category] = "General"
    paper = "Li et al. SEED-Bench: Benchmarking Multimodal LLMs with Generative Comprehension. CVPR 2024"
    metric = "accuracy over image questions"
    max_new_tokens = 512
    typical_chance = 25.0

    @property
    def source(self) -> HubSource:
        """Images and videos together; `to_sample` keeps the images. Two published copies lack one of them."""
        columns = ("question", *CHOICES, "answer", "data_type", "question_id", "question_type_id", "image")
        return HubSource("lmms-lab/SEED-Bench", "test", 17990, columns, n_kept=(14233, 14232))

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample | None:
        """One image question; None for videos."""
        if row.get("data_type", "image") != "image":
            return None
        dimension = row.get("question_type_id")
        image = row.get("data_id")
        return Sample(
            id=str(row.get("question_id", index)),
            index=index,
            question=row["question"],
            answers=(str(row["answer"]).strip().upper(),),
            choices=tuple(str(row[c]) for c in CHOICES),
            images=images(row.get("image"))[:1],
            image_id=None if image is None else str(image),
            guesses=("A", "B", "C", "D"),
            tags={} if dimension is None else {"dimension": DIMENSIONS.get(int(dimension), str(dimension))},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """In both styles options as "A. ..." after " Options:"."""
        listed = "".join(f"\n{letter}. {text}" for letter, text in sample.options.items())
        return f"{sample.question} Options:{listed}\n{LETTER_SENTENCE}"

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """The option the response names, by letter or by text."""
        return letter.grade(sample, reply)

    def official(self, sample: Sample, reply: str) -> Verdict:
        """First character of the trimmed response; only dots are trimmed at its end."""
        return released.letter(sample, reply, trailing=".")
