"""MMMU-Pro, vision setting: the whole question is in one image.

Prompt: one sentence; the image holds question and options.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import HubSource, PromptStyle, printed
from cambrian_eval.image import images
from cambrian_eval.sample import LETTERS, Sample
from cambrian_eval.scoring import columns

from .mmmu_pro import DIRECT, FORMAT, STEPS, MMMUPro

READ = "Write out the multiple-choice question in the image and then solve it."
SOURCE = "released GPT-4o responses scored with the released code"


class MMMUProVision(MMMUPro):
    """Screenshots and photos of questions."""

    name = "mmmu_pro_vision"
    title = "MMMU-Pro (vision)"
    published = (
        *printed(f"{SOURCE}, direct (42.25 to 42.43)", "GPT-4o 42.3"),
        *printed(f"{SOURCE}, with reasoning", "GPT-4o 50.06"),
        *printed(
            "README of LLaVA-OneVision-1.5, by lmms-eval, which wants the letter alone",
            "Qwen2.5-VL-7B 32.83, LLaVA-OneVision-1.5-8B 25.15, LLaVA-OneVision-1.5-4B 23.53, Qwen2.5-VL-3B 21.27",
        ),
    )
    schema = schema_of({"string": "id options answer subject", "image": "image"})

    @property
    def source(self) -> HubSource:
        """The config without a question text."""
        return HubSource("MMMU/MMMU_Pro", "test", 1730, ("id", "image", "options", "answer"), config="vision")

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One image; its text is not in the row."""
        return replace(self._sample(row, index, "", columns.options(row["options"])), images=images(row.get("image")))

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The sentence alone."""
        return f"{READ} {FORMAT} {STEPS}" if self.settings["cot"] else f"{DIRECT} {FORMAT}"

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """A word and its options, all drawn into the image."""
        scene = draw.scene("listed")
        values, place = draw.options(scene, 4)
        subject = draw.balanced("subject", ("Art", "Physics", "Marketing"))
        cells = {"id": f"test_{subject}_{row}", "image": scene.image(values[place]), "options": str(values)}
        return [MiniRow({**cells, "answer": LETTERS[place], "subject": subject}, 1 / 4)]
