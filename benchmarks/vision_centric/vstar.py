"""V*Bench: small details in large photos (Wu and Xie, 2023), 191 questions.

Prompt: the stored text, which holds options and the letter sentence. Images are files of the repository.
Score: accuracy over rows, x100, and by category.
Released scorer: the first character of what follows "answer is", whatever it begins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import LETTER_SENTENCE, Category, HubSource, Mirror, PromptStyle, printed
from cambrian_eval.errors import UserError
from cambrian_eval.image import images
from cambrian_eval.json_input import parse_object
from cambrian_eval.sample import LETTERS, Sample, Verdict
from cambrian_eval.scoring import released

from ..kinds import Lettered

_OPTION = re.compile(r"^\s*\(([A-Z])\)\s*(.*?)\s*$", re.MULTILINE)
TABLE = "test_questions.jsonl"


class VStar(Lettered):
    """Two to four options, listed in the text."""

    name = "vstar"
    title = "V*Bench"
    category: ClassVar[Category] = "Vision-Centric"
    paper = "Wu, Xie. V*: Guided Visual Search as a Core Mechanism in Multimodal LLMs. CVPR 2024"
    metric = "accuracy"
    max_new_tokens = 32
    typical_chance = 36.0
    gold_columns = ("label",)
    published = (
        *printed(
            "arXiv 2312.14135, overall accuracy, not checked against the paper; LLaVA with the lowest-loss method",
            "SEAL 75.39, GPT-4V 54.97, LLaVA-1.5-7B 48.68, random choice 35.99",
        ),
        *printed(
            "model card of Qwen3.5-397B-A17B, without tools",
            "Qwen3.5-397B-A17B 91.1, Gemini 3 Pro 88.0, Qwen3-VL-235B-A22B 85.9, GPT-5.2 75.9",
        ),
    )
    schema = schema_of({"image": "image", "string": "text category question_id label"})

    @property
    def source(self) -> HubSource:
        """Plain files: a list of questions, and a folder of images for each category."""
        return HubSource(
            "craigwu/vstar_bench",
            "test",
            191,
            ("image", "text", "category", "label"),
            revision="d9ae62c903da0c98336e85c5ee89cd863b04b4da",
            files=(TABLE, "direct_attributes/*", "relative_position/*"),
            mirrors=(Mirror("lmms-lab-encoder/vstar-bench"),),
        )

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; options are the lines that begin with a letter in brackets."""
        text = str(row["text"])
        options = _OPTION.findall(text)
        first = _OPTION.search(text)
        return Sample(
            id=str(row.get("question_id") if row.get("question_id") is not None else index),
            index=index,
            question=(text[: first.start()] if first else text).strip(),
            answers=(str(row["label"]).strip().strip("()").upper(),),
            choices=tuple(words for _, words in options),
            labels=tuple(label for label, _ in options),
            images=images(row.get("image")),
            image_id="/".join(Path(row["image"]).parts[-2:]) if isinstance(row.get("image"), str) else None,
            guesses=tuple(label for label, _ in options),
            tags={"category": str(row.get("category", "unknown"))},
            extra={"text": text},
        )

    def rows_from_folder(self, folder: Path) -> Sequence[Mapping[str, Any]] | None:
        """The original layout; question ids repeat between the categories there."""
        table = folder / TABLE
        if not table.is_file():
            return None
        lines = [line for line in table.read_text("utf-8").splitlines() if line.strip()]
        rows = [parse_object(line, f"{table} line {i}") for i, line in enumerate(lines, 1)]
        seen = [str(row.get("question_id")) for row in rows]
        for i, row in enumerate(rows):
            path = Path(str(row.get("image")))
            if path.is_absolute() or ".." in path.parts:
                raise UserError(f"{table} line {i + 1}: the image path {str(path)!r} leaves the folder; fix the line")
            row["image"] = str(folder / path)
            row["question_id"] = seen[i] if seen.count(seen[i]) == 1 else f"{row.get('category')}/{seen[i]}"
        return rows

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The text as it is."""
        return str(sample.extra["text"])

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The first character; only full stops are dropped at the end."""
        return released.letter(sample, reply, trailing=".")

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """A color with four options, or a side with two."""
        category, name, k = draw.kind((("direct_attributes", "color", 4), ("relative_position", "side", 2)))
        scene = draw.scene(name)
        values, place = draw.options(scene, k)
        listed = "".join(f"\n({label}) {text}" for label, text in zip(LETTERS, values, strict=False))
        cells = {"image": scene.image(values[place]), "text": f"{scene.text}{listed}\n{LETTER_SENTENCE}"}
        return [MiniRow({**cells, "category": category, "question_id": str(row), "label": LETTERS[place]}, 1 / k)]
