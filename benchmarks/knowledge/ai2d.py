"""AI2D: multiple-choice questions about school-book diagrams (Kembhavi et al., 2016), test set with masked labels.

Prompt: the question, four options "A. ...", and the letter sentence; the paper writes options as "(A) ...".
Score: accuracy over 3,088 questions. The gold answer is stored as a zero-based index in text.
Released scorer: first character of the trimmed response, a to d turned into 0 to 3, compared with the stored index;
a response that is a digit is therefore compared with the index, not with the options.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.benchmark import LETTER_SENTENCE, Benchmark, Category, HubSource, PromptStyle
from cambrian_eval.image import images
from cambrian_eval.sample import LETTERS, Sample, Verdict
from cambrian_eval.scoring import columns, letter, released


class AI2D(Benchmark):
    """Four options a diagram, the gold one stored by its number."""

    name = "ai2d"
    title = "AI2D"
    category: ClassVar[Category] = "Knowledge"
    paper = "Kembhavi et al. A Diagram Is Worth a Dozen Images. ECCV 2016"
    metric = "accuracy"
    max_new_tokens = 512
    typical_chance = 25.0

    @property
    def source(self) -> HubSource:
        """The masked edition; editions without mask score higher and are not comparable."""
        return HubSource("lmms-lab/ai2d", "test", 3088, ("question", "options", "answer", "image"))

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; rows have no id of their own."""
        options = columns.options(row["options"])
        return Sample(
            id=str(index),
            index=index,
            question=row["question"],
            answers=(columns.letter_at(row["answer"], options),),
            choices=options,
            images=images(row.get("image")),
            guesses=tuple(LETTERS[: len(options)]),
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """Options as "A. ..." in the released code, "(A) ..." in the paper."""
        form = "\n({}) {}" if style == "paper" else "\n{}. {}"
        listed = "".join(form.format(letter, text) for letter, text in sample.options.items())
        return f"{sample.question}{listed}\n{LETTER_SENTENCE}"

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """The option the response names; a bare digit is never read as the stored index."""
        return letter.grade(sample, reply)

    def official(self, sample: Sample, reply: str) -> Verdict:
        """First character, letters turned into indices, compared with the stored index."""
        return released.index(sample, reply)
