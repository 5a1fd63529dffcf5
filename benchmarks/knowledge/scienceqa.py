"""ScienceQA-Image: school science questions with two to five options (Lu et al., 2022), test rows with an image.

Prompt: hint and question on one line, options "A. ...", and the dataset's own sentence; the paper uses the letter
sentence instead. Lecture and solution are never shown.
Score: accuracy over the 2,017 rows that have an image. A letter beside another option's text is wrong.
Released scorer: after the keyword rule, the response equals the gold option's text but for punctuation, or what
stands before the first dot is the gold letter, whatever text follows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.benchmark import LETTER_SENTENCE, Benchmark, Category, HubSource, PromptStyle
from cambrian_eval.image import images
from cambrian_eval.sample import LETTERS, Sample, Verdict
from cambrian_eval.scoring import columns, letter, released

SENTENCE = "Please answer directly with only the letter of the correct option and nothing else."


class ScienceQA(Benchmark):
    """Two to five options, with a hint before some questions."""

    name = "scienceqa"
    title = "ScienceQA-Image"
    category: ClassVar[Category] = "Knowledge"
    paper = "Lu et al. Learn to Explain: Multimodal Reasoning via Thought Chains for Science QA. NeurIPS 2022"
    metric = "accuracy over questions with an image"
    max_new_tokens = 512
    typical_chance = 35.6

    @property
    def source(self) -> HubSource:
        """All test questions; `to_sample` keeps those with an image."""
        columns = ("question", "choices", "answer", "hint", "image")
        return HubSource("derek-thomas/ScienceQA", "test", 4241, columns, n_kept=(2017,))

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample | None:
        """One question; None where the image column holds nothing."""
        if "image" in row and row["image"] is None:
            return None
        options = columns.options(row["choices"])
        return Sample(
            id=str(index),
            index=index,
            question=row["question"],
            answers=(columns.letter_at(row["answer"], options),),
            choices=options,
            images=images(row.get("image")),
            guesses=tuple(LETTERS[: len(options)]),
            tags={"choices": str(len(options))} | _tags(row),
            extra={"hint": row.get("hint") or ""},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The paper puts the letter sentence where the released code has the dataset's own."""
        hint = f"{sample.extra['hint']} " if sample.extra["hint"] else ""
        listed = "".join(f"\n{letter}. {text}" for letter, text in sample.options.items())
        return f"{hint}{sample.question}{listed}\n{LETTER_SENTENCE if style == 'paper' else SENTENCE}"

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """The option the response names; a letter beside another option's text names none."""
        return letter.grade(sample, reply)

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The gold option's text without punctuation, or the gold letter before the first dot."""
        return released.letter_or_text(sample, reply)


def _tags(row: Mapping[str, Any]) -> dict[str, str]:
    """Subject and grade band, where the row says them."""
    found = {"subject": str(row["subject"])} if row.get("subject") else {}
    if grade := re.fullmatch(r"(?:grade)?\s*(\d{1,2})", str(row.get("grade"))):
        found["grade"] = "1-6" if int(grade[1]) <= 6 else "7-12"
    return found
