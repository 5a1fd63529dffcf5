"""CountBenchQA: how many objects there are, two to ten (Paiss et al., 2023; questions by Beyer et al., 2024).

Prompt: the sentence of the Hub copy's author before the question. The column `text` is a caption that states the
count, and never enters a prompt.
Score: the number is equal, x100. Released scorer: the stripped response equals the digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.artist import Artist, MiniRow
from cambrian_eval.benchmark import Benchmark, Category, HubSource, PromptStyle, printed
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import number, released_words
from cambrian_eval.scoring.reply import Reply

INSTRUCTION = (
    "Look at the image carefully and count the objects. Answer with just a number, without any additional text."
)


class CountBenchQA(Benchmark):
    """Free answers that are whole numbers."""

    name = "countbenchqa"
    title = "CountBenchQA"
    category: ClassVar[Category] = "Vision-Centric"
    paper = "Paiss et al. Teaching CLIP to Count to Ten. ICCV 2023; Beyer et al. PaliGemma. arXiv 2407.07726"
    metric = "equal number"
    max_new_tokens = 16
    typical_chance = 0.0
    gold_columns = ("number",)
    published = (
        *printed("specifications of Moondream, release 2025-01-09", "Moondream 2B 80.0"),
        *printed(
            "Gemma 3 technical report, Table 12, fine-tuned on the tasks it reports",
            "PaliGemma 2 2B 82.0, PaliGemma 2 9B 85.3, PaliGemma 2 27B 87.4",
        ),
        *printed(
            "Gemma 3 technical report, Table 11, pre-trained checkpoints, zero-shot",
            "Gemma 3 4B 26.1, Gemma 3 12B 17.8, Gemma 3 27B 68.0",
        ),
    )
    schema: ClassVar[Mapping[str, str]] = {"image": "image", "question": "string", "number": "int64", "text": "string"}

    @property
    def source(self) -> HubSource:
        """The 491 images of CountBench that are still available."""
        return HubSource("vikhyatk/CountBenchQA", "test", 491, ("image", "question", "number"))

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; the dataset has no ids."""
        gold = str(int(row["number"]))
        return Sample(
            id=str(index),
            index=index,
            question=row["question"],
            answers=(gold,),
            images=images(row.get("image")),
            tags={"number": gold},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The sentence first."""
        return f"{INSTRUCTION} {sample.question}"

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """The number that the response gives as its answer, in digits or words."""
        found = number.read(Reply(reply), sample.question)
        return found.verdict(found.value is not None and found.value.value == float(sample.answers[0]))

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The whole response is the digits."""
        return released_words.digits(sample, reply)

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """Two to ten shapes."""
        scene = draw.scene("count")
        value = draw.balanced("number", [v for v in scene.values if int(v) > 1])
        cells = {"image": scene.image(value), "question": scene.text, "number": int(value)}
        return [MiniRow({**cells, "text": f"{value} shapes"}, 1 / 9)]
