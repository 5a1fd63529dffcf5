"""MMMU-Pro, standard setting: up to ten options, images at the marks of question and options.

Prompt: question, options as "A. ..", one sentence. Images are sent in the order of the marks `<image N>`; one that is
named twice is sent twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import HubSource, PromptStyle, listed, printed
from cambrian_eval.image import images
from cambrian_eval.sample import LETTERS, Sample
from cambrian_eval.scoring import columns

from .mmmu import IMAGES
from .mmmu_pro import DIRECT, FORMAT, STEPS, MMMUPro

SOURCE = "released GPT-4o responses scored with the released code"


class MMMUProStandard(MMMUPro):
    """Lettered rows with up to seven images."""

    name = "mmmu_pro_standard"
    title = "MMMU-Pro (standard, 10 options)"
    published = (
        *printed(f"{SOURCE}, direct", "GPT-4o 40.17"),
        *printed(f"{SOURCE}, with reasoning", "GPT-4o 55.03"),
        *printed(
            "README of LLaVA-OneVision-1.5, by lmms-eval",
            "LLaVA-OneVision-1.5-8B 37.40, Qwen2.5-VL-7B 36.30, LLaVA-OneVision-1.5-4B 33.24, Qwen2.5-VL-3B 31.10",
        ),
    )
    schema = schema_of(
        {
            "string": "id question options explanation img_type answer topic_difficulty subject",
            "image|null": " ".join(IMAGES),
        }
    )

    @property
    def source(self) -> HubSource:
        """The config with ten options."""
        wanted = ("id", "question", "options", "answer", *IMAGES)
        return HubSource("MMMU/MMMU_Pro", "test", 1730, wanted, config="standard (10 options)")

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; `<image N>` means the column `image_N`."""
        found = self._sample(row, index, row["question"], columns.options(row["options"]))
        shown = [images(row.get(name)) for name in IMAGES]
        numbers = [str(n) for n, cell in enumerate(shown, 1) if cell]
        return replace(found, images=tuple(p for cell in shown for p in cell), extra={"numbers": numbers})

    def places_images(self, style: PromptStyle) -> bool:
        """In question and options."""
        return True

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The marks are numbered by column; where a column is empty, they are numbered by what is there."""
        sentence = DIRECT
        if self.settings["cot"]:
            sentence = f"Answer the preceding multiple choice question. {FORMAT} {STEPS}"
        text = f"{sample.question}\n{listed(sample.options)}\n{sentence}"
        for place, number in enumerate(sample.extra["numbers"], 1):
            text = text.replace(f"<image {number}>", f"<image {place}>")
        return text

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """Two scenes side by side, the question about one of them."""
        first, second = draw.scene("color"), draw.scene("corner")
        k, asked = draw.balanced("options", (4, 6, 8)), draw.rng.choice((1, 2))
        values, place = draw.options(first, k)
        shown = [first.image(values[place]), second.image(draw.rng.choice(second.values))]
        cells = dict.fromkeys(IMAGES) | {f"image_{asked}": shown[0], f"image_{3 - asked}": shown[1]}
        subject = draw.balanced("subject", ("Art", "Physics", "Marketing"))
        return [
            MiniRow(
                {
                    "id": f"test_{subject}_{row}",
                    "question": f"Look at <image 1> and <image 2>. In <image {asked}>: {first.text}",
                    "options": str(values),
                    "explanation": "?",
                    **cells,
                    "img_type": "['Diagrams']",
                    "answer": LETTERS[place],
                    "topic_difficulty": draw.rng.choice(("Easy", "Medium", "Hard")),
                    "subject": subject,
                },
                1 / k,
            )
        ]
