"""What CV-Bench 2D and 3D share: the row schema, the prompt, the careful scorer (Tong et al., 2024).

Prompt: the row's own `prompt` (question, choices as "(A) ..") and the letter sentence.
A photo is named by its source file, so that questions about one photo are resampled together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.benchmark import LETTER_SENTENCE, Benchmark, Category, HubSource, PromptStyle
from cambrian_eval.errors import UserError
from cambrian_eval.image import images
from cambrian_eval.sample import LETTERS, Sample, Verdict
from cambrian_eval.scoring import columns, letter

REVISION = "bc284db50d036958861cb60cdd7b77612052ce0d"
COLUMNS = ("idx", "type", "task", "image", "question", "choices", "answer", "prompt", "source")
_LETTER = re.compile(r"\(?([A-Z])\)?")


class CVBench(Benchmark):
    """The common part of the two declarations."""

    category: ClassVar[Category] = "Vision-Centric"
    paper = "Tong et al. Cambrian-1: A Fully Open, Vision-Centric Exploration of Multimodal LLMs. NeurIPS 2024"
    max_new_tokens = 512
    kind: ClassVar[str]
    """"2D" or "3D": the config of the dataset and the `type` of its rows."""
    n_rows: ClassVar[int]

    @property
    def source(self) -> HubSource:
        """One config of the published dataset."""
        return HubSource("nyu-visionx/CV-Bench", "test", self.n_rows, COLUMNS, config=self.kind, revision=REVISION)

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample | None:
        """One row; rows of the other half (the joint config holds both) are left out."""
        if row.get("type", self.kind) != self.kind:
            return None
        options = columns.options(row["choices"])
        gold = _LETTER.fullmatch(str(row["answer"]).strip().upper())
        if gold is None or LETTERS.index(gold[1]) >= len(options):
            raise UserError(f"{self.name} row {index}: answer {row['answer']!r} is not a letter of its choices")
        photo = row.get("source_filename") or row.get("filename")
        return Sample(
            id=str(row.get("idx", index)),
            index=index,
            question=row["question"],
            answers=(gold[1],),
            choices=options,
            images=images(row.get("image")),
            image_id=f"{row.get('source_dataset')}/{photo}" if photo else None,
            guesses=tuple(LETTERS[: len(options)]),
            tags={
                "task": str(row.get("task", "unknown")),
                "source": row["source"] if self.kind == "2D" else row.get("source", "Omni3D"),
            },
            extra={} if row.get("prompt") is None else {"prompt": row["prompt"]},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The row's own prompt text, verbatim, in both styles."""
        if "prompt" not in sample.extra:
            raise UserError(f"{self.name}: the rows have no column 'prompt'; it holds the text to ask")
        return f"{sample.extra['prompt']}\n{LETTER_SENTENCE}"

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """Letters in any wrapping, option texts, declared answers."""
        return letter.grade(sample, reply)
