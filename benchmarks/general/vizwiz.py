"""VizWiz-VQA: spoken questions of blind people about their own photos, ten answers each (Gurari et al., 2018), val.

Prompt: the question, the sentence about insufficient information, and the short sentence.
Score: soft accuracy over the ten answers, x100; "unanswerable" is an answer like any other. The careful reading takes a
response that declines to answer for "unanswerable". Published figures are mostly on the withheld test split.
Released scorer: the TextVQA evaluator on lower-cased texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import SHORT_SENTENCE, Category, HubSource, PromptStyle, printed
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import columns, released, vqa, wording
from cambrian_eval.scoring.reply import Reply

from ..kinds import TenAnswers

_DECLINES = re.compile(
    r"\b(?:not|n't)\s(?:possible|clear|legible|readable)\b|\btoo (?:blurry|blurred|dark|small|bright)\b"
    r"|^\W*(?:unknown|unclear|illegible|unreadable)\W*$",
    re.IGNORECASE,
)
INSUFFICIENT = "When the provided information is insufficient, respond with 'Unanswerable'."


class VizWiz(TenAnswers):
    """Free answers, worth more the more of ten people gave them."""

    name = "vizwiz"
    title = "VizWiz-VQA (val)"
    kind_tag = "category"
    category: ClassVar[Category] = "General"
    paper = "Gurari et al. VizWiz Grand Challenge: Answering Visual Questions from Blind People. CVPR 2018"
    published = printed(
        "LLaVA model zoo, test-dev, not comparable with val",
        "LLaVA-1.5-7B 50.0, LLaVA-1.5-13B 53.6, LLaVA-1.6-7B 57.6, LLaVA-1.6-13B 60.5, LLaVA-1.6-34B 63.8",
    )
    schema = schema_of({"string": "question_id question category", "list[string]": "answers", "image": "image"})

    @property
    def source(self) -> HubSource:
        """The validation split; the answers of the test split are withheld."""
        return HubSource(
            "lmms-lab/VizWiz-VQA",
            "val",
            4319,
            ("question_id", "image", "question", "answers"),
            revision="d428a2dae984f79cf1b9d99467dfa883e0c30686",
        )

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; the id is the name of the image."""
        return Sample(
            id=str(row.get("question_id", index)),
            index=index,
            question=row["question"],
            answers=() if row["answers"] is None else columns.golds(row["answers"]),
            images=images(row.get("image")),
            image_id=str(row["question_id"]) if row.get("question_id") else None,
            tags={"category": str(row["category"])} if row.get("category") else {},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The same in the released code and in LLaVA."""
        return f"{sample.question}\n{INSUFFICIENT}\n{SHORT_SENTENCE}"

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """Soft accuracy by the careful normalizer; a refusal means unanswerable."""
        found = super().fuzzy(sample, reply)
        if not found.value and (wording.refusal(said := Reply(reply).own) or _DECLINES.search(said)):
            value = vqa.soft_accuracy("unanswerable", sample.answers, vqa.careful)
            return Verdict(value, "unanswerable", "soft accuracy: the response declines to answer")
        return found

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The released evaluator, which insists on ten answers."""
        return released.soft_accuracy(sample, reply)

    def scoring_notes(self, scorer: str) -> tuple[str, ...]:
        """Which split it is."""
        return ("validation split; most published figures are on the withheld test split",)

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """A word with ten answers, most of them alike."""
        scene = draw.scene("word")
        value = draw.balanced("value", scene.values)
        golds = [value.lower()] * 8 + ["unanswerable", "unsuitable"]
        cells = {"question_id": f"VizWiz_val_{row:08d}", "image": scene.image(value), "question": scene.text}
        return [MiniRow({**cells, "answers": golds, "category": "other"}, 1 / len(scene.values))]
