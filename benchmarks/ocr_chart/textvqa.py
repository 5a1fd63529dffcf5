"""TextVQA: questions about text in photographs, ten human answers each (Singh et al., 2019).

Prompt: the question, a line with the dataset's OCR tokens (unless `ocr_tokens` is off), and "Answer the
question using a single word or phrase." Numbers with and without the tokens must not be compared.
Score: a normalised answer given by k of the ten people is worth min(1, 0.3 k); mean over questions, x100.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.benchmark import SHORT_SENTENCE, Category, HubSource, PromptStyle
from cambrian_eval.errors import UserError
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import columns, released

from ..kinds import TenAnswers


class TextVQA(TenAnswers):
    """Free answers, worth more the more of ten people gave them."""

    name = "textvqa"
    title = "TextVQA"
    category: ClassVar[Category] = "OCR & Chart"
    paper = "Singh et al. Towards VQA Models That Can Read. CVPR 2019"
    max_new_tokens = 512
    settings_schema: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "ocr_tokens": (True, "put the dataset's OCR tokens into the prompt, as the released code does"),
    }

    @property
    def source(self) -> HubSource:
        """The validation split; not every copy of the dataset has OCR tokens."""
        wanted = ("question_id", "image_id", "question", "image", "answers")
        tokens = ("ocr_tokens",) if self.settings["ocr_tokens"] else ()
        return HubSource("lmms-lab/textvqa", "validation", 5000, wanted + tokens)

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; the OCR tokens go along for the prompt."""
        column = row.get("ocr_tokens")
        tokens = [] if column is None else [str(token) for token in column]
        return Sample(
            id=str(row.get("question_id", index)),
            index=index,
            question=row["question"],
            answers=columns.golds(row["answers"]),
            images=images(row.get("image")),
            image_id=row.get("image_id"),
            tags={"ocr_tokens": "some" if tokens else "none"},
            extra={"ocr_tokens": tokens} if "ocr_tokens" in row else {},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The same text in code and paper; without tokens the line ends after its colon."""
        if not self.settings["ocr_tokens"]:
            return f"{sample.question}\n{SHORT_SENTENCE}"
        if "ocr_tokens" not in sample.extra:
            raise UserError("textvqa: rows lack column 'ocr_tokens'; add it or --set textvqa.ocr_tokens=false")
        tokens = sample.extra["ocr_tokens"]
        listed = f" {', '.join(tokens)}" if tokens else ""
        return f"{sample.question}\nReference OCR tokens:{listed}\n{SHORT_SENTENCE}"

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The released evaluator, which insists on ten answers and lets an empty response match an article."""
        return released.soft_accuracy(sample, reply)

    def scoring_notes(self, scorer: str) -> tuple[str, ...]:
        """Whether the prompt carried text read from the image."""
        if self.settings["ocr_tokens"]:
            return ("prompts carry the dataset's OCR tokens, also where the image is withheld",)
        return ("prompts carry no OCR tokens; not comparable with numbers that were measured with them",)
