"""VQAv2: short questions about COCO photos, ten answers each (Goyal et al., 2017), validation split.

Prompt: the question and the short sentence.
Score: soft accuracy over the ten answers, x100, by type of answer. A run asks a fixed subset of 5,000 questions (whole
images, in the order of a hash of their ids); `vqav2:full` asks all 214,354.
Released scorer: the VQA evaluation code, which normalizes nothing where the ten answers are all equal: "Yes" is wrong
for ten times "yes".
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import SHORT_SENTENCE, Category, HubSource, PromptStyle, printed
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import columns, released_words

from ..kinds import TenAnswers

SUBSET = 5_000
"""Questions of the subset, at most those of one image more."""


class VQAv2(TenAnswers):
    """Free answers, worth more the more of ten people gave them."""

    name = "vqav2"
    title = "VQAv2 (val)"
    kind_tag = "answer_type"
    category: ClassVar[Category] = "General"
    paper = "Goyal et al. Making the V in VQA Matter. CVPR 2017"
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {"full": {"rows": "full"}, "subset": {"rows": "subset"}}
    settings_schema: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "rows": ("subset", "subset (5,000 questions, always the same) or full (all 214,354)"),
    }
    setting_choices: ClassVar[Mapping[str, Collection[str]]] = {"rows": ("subset", "full")}
    published = (
        *printed(
            "LLaVA model zoo, test-dev, not comparable with val",
            "LLaVA-1.5-7B 78.5, LLaVA-1.5-13B 80.0, LLaVA-1.6-34B 83.7",
        ),
        *printed("arXiv 2409.17146 (Molmo), test-dev", "Cambrian-1-8B 81.2, Cambrian-1-34B 83.8"),
    )
    schema = schema_of(
        {
            "string": "question_type multiple_choice_answer answer_type question",
            "list[struct{answer: string, answer_confidence: string, answer_id: int64}]": "answers",
            "int64": "image_id question_id",
            "image": "image",
        }
    )

    @property
    def source(self) -> HubSource:
        """The validation split; the answers of the test splits are withheld."""
        wanted = ("question_id", "image_id", "question", "answers", "image")
        return HubSource("lmms-lab/VQAv2", "validation", 214354, wanted)

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; an answer is a text, or a struct that holds it."""
        golds = [a["answer"] if isinstance(a, Mapping) else a for a in row["answers"] or ()]
        kinds = {name: str(row[name]) for name in ("answer_type", "question_type") if row.get(name)}
        return Sample(
            id=str(row.get("question_id", index)),
            index=index,
            question=row["question"],
            answers=columns.golds(golds),
            images=images(row.get("image")),
            image_id=str(row["image_id"]) if row.get("image_id") is not None else None,
            tags=kinds,
        )

    def subset(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """Whole images in the order of a hash of their ids, until there are enough questions."""
        if self.settings["rows"] == "full" or len(samples) <= SUBSET:
            return samples
        counts: dict[str, int] = {}
        for sample in samples:
            counts[str(sample.image_id)] = counts.get(str(sample.image_id), 0) + 1
        kept, total = set[str](), 0
        for name in sorted(counts, key=lambda name: hashlib.sha256(f"vqav2 subset {name}".encode()).digest()):
            if total >= SUBSET:
                break
            kept.add(name)
            total += counts[name]
        return [s for s in samples if str(s.image_id) in kept]

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """As LLaVA asks."""
        return f"{sample.question}\n{SHORT_SENTENCE}"

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The evaluation code with its rule for unanimous answers."""
        return released_words.vqa_accuracy(sample, reply)

    def scoring_notes(self, scorer: str) -> tuple[str, ...]:
        """Which rows and which split."""
        rows = (
            "the fixed subset of 5,000 questions (vqav2:full asks all)"
            if self.settings["rows"] != "full"
            else "all questions"
        )
        return (f"validation split, {rows}; published figures are mostly on test-dev",)

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """A color, a count or a yes/no question."""
        kind, name = draw.kind((("other", "color"), ("number", "count"), ("yes/no", "presence")))
        scene = draw.scene(name)
        value = draw.balanced("value", scene.values)
        text, gold, prior = scene.text, value, 1 / len(scene.values)
        if kind == "yes/no":
            gold, prior = draw.balanced("answer", ("yes", "no")), 1 / 2
            other = draw.rng.choice([v for v in scene.values if v != value])
            text = scene.claim.format(value=value if gold == "yes" else other)
        answers = [{"answer": gold, "answer_confidence": "yes", "answer_id": i + 1} for i in range(10)]
        return [
            MiniRow(
                {
                    "question_type": " ".join(text.lower().split()[:2]),
                    "multiple_choice_answer": gold,
                    "answers": answers,
                    "image_id": draw.group,
                    "answer_type": kind,
                    "question_id": row,
                    "question": text,
                    "image": scene.image(value),
                },
                prior,
            )
        ]
