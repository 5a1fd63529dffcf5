"""MMSI-Bench: spatial questions over several images (Yang et al., 2025), two and more a question.

Prompt: the stored question, which holds its options, and the authors' sentence. All images stand in front, in order.
Score: accuracy over rows, x100, by type of question.
Released scorer: the text inside two or one backticks, then the first capital A to D that no blank and letter follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import LETTER_SENTENCE, Category, HubSource, PromptStyle, printed
from cambrian_eval.image import images
from cambrian_eval.sample import LETTERS, Sample, Verdict
from cambrian_eval.scoring import released_letters
from cambrian_eval.scoring.listed import listed_options

from ..kinds import Lettered


class MMSIBench(Lettered):
    """Four options a question, listed in the text."""

    name = "mmsi_bench"
    title = "MMSI-Bench"
    category: ClassVar[Category] = "Vision-Centric"
    paper = "Yang et al. MMSI-Bench: A Benchmark for Multi-Image Spatial Intelligence. arXiv 2505.23764"
    metric = "accuracy"
    max_new_tokens = 2048
    typical_chance = 25.0
    published = printed(
        "README of the authors",
        "human 97.2, o3 41.0, GPT-4.5 40.3, Gemini-2.5-Pro 36.9, GPT-4.1 30.9, Qwen2.5-VL-72B 30.7, GPT-4o 30.3, "
        "InternVL3-78B 28.5, Qwen2.5-VL-3B 26.5, Qwen2.5-VL-7B 25.9, InternVL3-8B 25.7, LLaVA-OneVision-7B 24.5",
    )
    schema = schema_of(
        {
            "int64": "id",
            "list[image]": "images",
            "string": "question_type question answer thought difficulty",
            "float64": "mean_normed_duration_seconds",
        }
    )

    @property
    def source(self) -> HubSource:
        """One table with a list of images."""
        return HubSource("RunsenXu/MMSI-Bench", "test", 1000, ("id", "images", "question_type", "question", "answer"))

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; its type is spelt with a hyphen or an en dash."""
        stem, options = listed_options(row["question"])
        tags = {"type": str(row["question_type"]).replace("–", "-")}
        return Sample(
            id=str(row.get("id", index)),
            index=index,
            question=stem,
            answers=(str(row["answer"]).strip().upper(),),
            choices=tuple(options.values()),
            labels=tuple(options),
            images=images(row.get("images")),
            guesses=tuple(options) or tuple("ABCD"),
            tags=tags | ({"difficulty": str(row["difficulty"])} if row.get("difficulty") else {}),
            extra={"text": row["question"]},
        )

    def images_needed(self, sample: Sample) -> int:
        """Every question needs at least two."""
        return 2

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The sentence ends in two backticks with nothing between."""
        return f"{sample.extra['text']}\n{LETTER_SENTENCE} Enclose the option's letter within ``."

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The letter inside backticks, or the first capital that stands alone."""
        return released_letters.backticks(sample, reply)

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """Two views; the question is about one of them."""
        kind = draw.kind(("Positional Relationship (Cam.–Obj.)", "Attribute (Appr.)", "MSR"))
        first, second = draw.scene("corner"), draw.scene("place")
        values, place = draw.options(first, 4)
        asked = draw.rng.choice((0, 1))
        shown = [second.image(draw.rng.choice(second.values))] * 2
        shown[asked] = first.image(values[place])
        options = ", ".join(f"{label}: {text}" for label, text in zip(LETTERS, values, strict=False))
        question = f"In the {('first', 'second')[asked]} image: {first.text}\nOptions: {options}"
        cells = {"id": row, "images": shown, "question_type": kind, "question": question, "answer": LETTERS[place]}
        about = {"thought": "", "mean_normed_duration_seconds": 1.0, "difficulty": "easy"}
        return [MiniRow({**cells, **about}, 1 / 4)]
