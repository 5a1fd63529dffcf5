"""MM-Vet: open questions that need several capabilities at once, graded by a judge (Yu et al., 2023).

Prompt: the question alone.
Score: the mean grade, x100, and by capability and combination. There is no rule: without a judge there is no score.
Replies of the judge that hold no grade are left out of the means and counted. Grades of different judges differ by
several points and are never compared; the name of the judge is on the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import Benchmark, Category, Graded, HubSource, PromptStyle, Unit, printed
from cambrian_eval.image import images
from cambrian_eval.sample import Sample
from cambrian_eval.scoring.judge.graded import Grade


class MMVet(Benchmark):
    """Free answers, graded from 0 to 1."""

    name = "mmvet"
    title = "MM-Vet"
    category: ClassVar[Category] = "General"
    paper = "Yu et al. MM-Vet: Evaluating Large Multimodal Models for Integrated Capabilities. ICML 2024"
    metric = "mean grade by a judge"
    max_new_tokens = 128
    typical_chance = 0.0
    judging = Grade()
    published = printed(
        "leaderboard of the authors and LLaVA model zoo, judged by gpt-4-0613",
        "GPT-4V 67.7, Gemini Pro 64.3, Claude 3 Opus 58.1, LLaVA-1.6-34B 57.4, LLaVA-1.5-13B 36.1, LLaVA-1.5-7B 31.1",
    )
    schema = schema_of({"string": "question_id question answer image_source capability", "image": "image"})

    @property
    def source(self) -> HubSource:
        """One table."""
        return HubSource(
            "lmms-lab/MMVet",
            "test",
            218,
            ("question_id", "image", "question", "answer", "capability"),
            revision="b310d12d0d9e765db953da28a7ef7ff43620dc83",
        )

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; its capabilities are a comma list."""
        stored = row["capability"]
        skills = [str(s).strip() for s in (stored.split(",") if isinstance(stored, str) else stored)]
        return Sample(
            id=str(row.get("question_id", index)),
            index=index,
            question=row["question"],
            answers=(str(row["answer"]),),
            images=images(row.get("image")),
            tags={"capability": tuple(skills), "combination": " + ".join(sorted(skills))},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """Nothing is added."""
        return sample.question

    def units(self, graded: Sequence[Graded], scorer: str) -> list[Unit]:
        """Samples with a grade."""
        return [Unit("all", g.verdict.value, (i,)) for i, g in enumerate(graded) if g.verdict.outcome != "undecided"]

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """A color to name."""
        scene = draw.scene("color")
        value = draw.balanced("value", scene.values)
        cells = {"question_id": f"v1_{row}", "image": scene.image(value), "question": scene.text, "answer": value}
        return [MiniRow({**cells, "image_source": "miniature", "capability": "rec,spat"}, 1 / len(scene.values))]
