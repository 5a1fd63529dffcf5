"""LLaVA-Bench (In-the-Wild): open questions about 24 images, scored against a reference by a judge (Liu et al., 2023).

Prompt: the question alone.
Score: the mean score of the responses over that of the references, x100 (a ratio of means), over all and by category.
There is no rule: without a judge there is no score. Reviews that cannot be read are left out of the means and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import Benchmark, Category, Graded, HubSource, PromptStyle, Unit, printed
from cambrian_eval.formula import Formula, Ratio
from cambrian_eval.image import images
from cambrian_eval.sample import Sample
from cambrian_eval.scoring.judge.graded import Pair


class LLaVAWild(Benchmark):
    """Free answers, each scored beside a reference."""

    name = "llava_wild"
    title = "LLaVA-Bench (In-the-Wild)"
    category: ClassVar[Category] = "General"
    paper = "Liu et al. Visual Instruction Tuning. NeurIPS 2023"
    metric = "mean score by a judge, relative to a reference"
    max_new_tokens = 1024
    typical_chance = 0.0
    gold_columns = ("gpt_answer",)
    judging = Pair()
    published = printed(
        "LLaVA model zoo, judged by gpt-4-0314",
        "LLaVA-1.6-34B 89.6, Bard 77.8, LLaVA-1.5-13B 72.5, Bing Chat 71.5, LLaVA-1.5-7B 65.4",
    )
    schema = schema_of(
        {"int64": "question_id", "string": "question category image_id caption gpt_answer", "image": "image"}
    )

    @property
    def source(self) -> HubSource:
        """The copy with one question a row."""
        return HubSource(
            "lmms-lab/llava-bench-in-the-wild",
            "train",
            60,
            ("question", "image", "category", "caption", "gpt_answer"),
            revision="2c88d835d509b1372066db42ab7799255dbe9da2",
        )

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question with its reference and the description that the judge reads."""
        caption = row["caption"]
        return Sample(
            id=str(row.get("question_id", index)),
            index=index,
            question=row["question"],
            answers=(str(row["gpt_answer"]),),
            images=images(row.get("image")),
            image_id=str(row["image_id"]) if row.get("image_id") is not None else None,
            tags={"category": str(row["category"])},
            extra={"caption": caption if isinstance(caption, str) else "\n".join(map(str, caption))},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """Nothing is added."""
        return sample.question

    def units(self, graded: Sequence[Graded], scorer: str) -> list[Unit]:
        """Both scores of each review, over all and by category; a failed request scores 0."""
        found = []
        for i, g in enumerate(graded):
            if g.verdict.outcome == "undecided":
                continue
            category, pair = str(g.sample.tags["category"]), (g.verdict.extracted or "").split()
            for prefix in ("", f"{category} "):
                found.append(Unit(f"{prefix}model", g.verdict.value, (i,)))
                if len(pair) == 2:
                    found.append(Unit(f"{prefix}reference", float(pair[0]) / 10, (i,)))
        return found

    def units_of_tag(self, units: Sequence[Unit]) -> list[Unit]:
        """The scores of the responses."""
        return [u for u in units if u.stratum == "model"]

    def metrics(self, strata: Sequence[str]) -> dict[str, Formula]:
        """The ratio, and the two means it is made of."""
        found: dict[str, Formula] = {"score": Ratio((({"model": 100.0}, {"reference": 1.0}),))}
        found |= {"mean_model": {"model": 100.0}, "mean_reference": {"reference": 100.0}}
        for category in (s.removesuffix(" model") for s in strata if s.endswith(" model")):
            upper, lower = {f"{category} model": 100.0}, {f"{category} reference": 1.0}
            found[f"relative_{category}"] = Ratio(((upper, lower),))
        return found

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """A place to describe."""
        scene = draw.scene("place")
        value = draw.balanced("value", scene.values)
        category = draw.kind(("conv", "detail", "complex"))
        cells = {"question_id": row, "question": scene.text, "image": scene.image(value), "category": category}
        about = {"image_id": f"{row:03d}", "caption": f"A drawing of a place: {value}.", "gpt_answer": value}
        return [MiniRow({**cells, **about}, 1 / len(scene.values))]
