"""EmbSpatial-Bench: spatial relations in indoor scenes as an embodied agent sees them (Du et al., 2024).

Prompt: a note that only the letter is wanted, the question, options as "A) ..". The authors fix no prompt and
released no scorer; both are lmms-eval's.
Score: accuracy over rows, x100. The gold is a zero-based index.
Released scorer: the first letter of whatever is said, after brackets and blanks, in any case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import Category, HubSource, PromptStyle, listed, printed, sides_exchanged
from cambrian_eval.image import images
from cambrian_eval.sample import LETTERS, Sample, Verdict
from cambrian_eval.scoring import columns, released_letters

from ..kinds import Lettered


class EmbSpatial(Lettered):
    """Four options a question: objects, or whole sentences."""

    name = "embspatial"
    title = "EmbSpatial-Bench"
    category: ClassVar[Category] = "Vision-Centric"
    paper = "Du et al. EmbSpatial-Bench: Benchmarking Spatial Understanding for Embodied Tasks. ACL 2024"
    metric = "accuracy"
    max_new_tokens = 1024
    typical_chance = 25.0
    official_note = "the authors released no scorer: this is the rule of lmms-eval"
    published = (
        *printed("Qwen3-VL technical report", "Qwen3-VL-4B 79.6, Qwen3-VL-8B 78.5"),
        *printed("EASI leaderboard, its own reader", "Qwen3-VL-4B 78.70, Qwen3-VL-8B 77.70"),
        *printed(
            "README of HY-Embodied, with its own settings",
            "HY-Embodied-0.5-2B 82.8, Qwen3-VL-2B 75.9, RoboBrain-2.5-4B 73.8, MiMo-Embodied-7B 76.2",
        ),
        *printed(
            "model card of Qwen3.5-397B-A17B",
            "Qwen3.5-397B-A17B 84.5, GPT-5.2 81.3, Claude Opus 4.5 75.7, Gemini 3 Pro 61.2",
        ),
        *printed("lmms-eval, its own reader", "Qwen3-VL-4B 76.81, Qwen3-VL-8B 77.42"),
    )
    schema = schema_of(
        {
            "string": "question_id data_source scene_id question relation",
            "image": "image",
            "list[string]": "answer_options",
            "int64": "answer",
            "list[struct{name: string, bbox: list[int64]}]": "objects",
        }
    )

    @property
    def source(self) -> HubSource:
        """The edition with decoded images."""
        wanted = ("question_id", "question", "relation", "answer_options", "answer")
        return HubSource("FlagEval/EmbSpatial-Bench", "test", 3640, wanted)

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; older editions hold the image as base64 text."""
        options = columns.options(row["answer_options"])
        return Sample(
            id=str(row.get("question_id", index)),
            index=index,
            question=row["question"],
            answers=(columns.letter_at(row["answer"], options),),
            choices=options,
            images=images(row["image"] if row.get("image") is not None else row.get("image_base64")),
            guesses=tuple(LETTERS[: len(options)]),
            tags={"relation": str(row["relation"]), "source": str(row.get("data_source", "unknown"))},
        )

    def mirrored(self, sample: Sample) -> Sample | None:
        """Sentences exchange left and right; all other answers stay."""
        return sides_exchanged(sample)

    def images_needed(self, sample: Sample) -> int:
        """One, in whichever column it is."""
        return 1

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The note names the letters that the row has."""
        note = f"Note: You only need to respond with {', '.join(sample.options)} without providing any additional"
        return f"{note} information.\n{sample.question}\n{listed(sample.options, '{}) {}')}"

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The first letter."""
        return released_letters.first_character(sample, reply)

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """One relation of two shapes, as whole sentences."""
        scene = draw.scene("relation")
        values, place = draw.options(scene, 4)
        sentences = [scene.claim.format(value=value) for value in values]
        return [
            MiniRow(
                {
                    "question_id": f"mp3d_{row}",
                    "data_source": draw.balanced("source", ("mp3d", "ai2thor", "scannet")),
                    "scene_id": f"scene{row}",
                    "question": scene.text,
                    "relation": draw.rng.choice(("above", "under", "left", "right")),
                    "image": scene.image(values[place]),
                    "answer_options": sentences,
                    "answer": place,
                    "objects": [],
                },
                1 / 4,
            )
        ]
