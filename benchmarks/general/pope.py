"""POPE: is this object in the image? Three ways to choose absent objects, 3,000 questions each (Li et al., 2023).

Prompt: the question and the short sentence.
Score: the mean of the F1 of the three splits, x100, "yes" being positive; accuracy, precision, recall, F1 and the
share of yes stand beside it for each split, and the accuracy over all rows. A response without yes or no is wrong and
counts as no "yes". The splits ask about the same 500 images, so intervals resample images over all of them.
Released scorer: the first word without trailing ".", ":" and "," equals the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import (
    SHORT_SENTENCE,
    Category,
    Graded,
    HubSource,
    PromptStyle,
    Unit,
    printed,
)
from cambrian_eval.formula import Formula, Ratio
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import released_letters

from ..kinds import YesOrNo, yes_or_no

SPLITS = ("adversarial", "popular", "random")


class POPE(YesOrNo):
    """Yes/no rows in three splits."""

    name = "pope"
    title = "POPE"
    category: ClassVar[Category] = "General"
    paper = "Li et al. Evaluating Object Hallucination in Large Vision-Language Models. EMNLP 2023"
    metric = "mean of the F1 of three splits"
    max_new_tokens = 128
    typical_chance = 50.0
    published = printed(
        "LLaVA model zoo, mean F1; for 1.5 the random split had 2,910 rows",
        "LLaVA-1.5-7B 85.9, LLaVA-1.5-13B 85.9, LLaVA-1.6-7B 86.5, LLaVA-1.6-13B 86.2, LLaVA-1.6-34B 87.7",
    )
    schema = schema_of({"string": "id question_id question answer image_source category", "image": "image"})

    @property
    def source(self) -> HubSource:
        """All three splits in one table."""
        return HubSource(
            "lmms-lab/POPE",
            "test",
            9000,
            ("question", "answer", "image_source", "image", "category"),
            revision="4db1276663dfa5eb8ad16a52d24c31a09e470896",
        )

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; ids may start anew in every split."""
        split, number = str(row["category"]).strip().lower(), row.get("id")
        if split not in SPLITS:
            raise ValueError(f"category {split[:40]!r} is none of {', '.join(SPLITS)}")
        return Sample(
            id=str(index) if number is None else f"{split}/{number}",
            index=index,
            question=row["question"],
            answers=(yes_or_no(row["answer"]),),
            images=images(row.get("image")),
            image_id=str(row["image_source"]) if row.get("image_source") else None,
            guesses=("Yes", "No"),
            tags={"split": split},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The same in the released code and in LLaVA."""
        return f"{sample.question}\n{SHORT_SENTENCE}"

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The first word."""
        return released_letters.first_word(sample, reply)

    def units(self, graded: Sequence[Graded], scorer: str) -> list[Unit]:
        """For each row: right, said yes, is yes, and both."""
        found = []
        for i, g in enumerate(graded):
            split, is_yes = str(g.sample.tags["split"]), g.sample.answers == ("Yes",)
            said = g.verdict.value if is_yes else _said_yes_wrongly(g.verdict)
            parts = {"": g.verdict.value, " said": said, " are": float(is_yes), " hits": said * is_yes}
            found += [Unit(split + part, value, (i,)) for part, value in parts.items()]
            found.append(Unit("rows", g.verdict.value, (i,)))
        return found

    def units_of_tag(self, units: Sequence[Unit]) -> list[Unit]:
        """Rows: the breakdown shows accuracy."""
        return [u for u in units if u.stratum == "rows"]

    def metrics(self, strata: Sequence[str]) -> dict[str, Formula]:
        """The five figures of each split, their F1 averaged, and the pooled accuracy."""
        splits = [s.removesuffix(" are") for s in strata if s.endswith(" are")]
        found: dict[str, Formula] = {
            "score": Ratio(tuple(_f1(split, 100.0 / len(splits)) for split in splits)),
            "accuracy": {"rows": 100.0},
        }
        for split in splits:
            hits = {f"{split} hits": 100.0}
            found[f"{split}_accuracy"] = {split: 100.0}
            found[f"{split}_precision"] = Ratio(((hits, {f"{split} said": 1.0}),))
            found[f"{split}_recall"] = Ratio(((hits, {f"{split} are": 1.0}),))
            found[f"{split}_f1"] = Ratio((_f1(split, 100.0),))
            found[f"{split}_yes_ratio"] = {f"{split} said": 100.0}
        return found

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """A true and a false claim about one image."""
        scene = draw.scene("presence")
        true = draw.balanced("value", scene.values)
        false = draw.rng.choice([v for v in scene.values if v != true])
        image, split = scene.image(true), draw.balanced("split", SPLITS)
        return [
            MiniRow(
                {
                    "id": str(row + i),
                    "question_id": str(row + i + 1),
                    "question": scene.claim.format(value=value),
                    "answer": answer,
                    "image_source": f"COCO_val2014_{draw.group:012d}",
                    "image": image,
                    "category": split,
                },
                1 / 2,
            )
            for i, (value, answer) in enumerate(draw.rng.sample([(true, "yes"), (false, "no")], 2))
        ]


def _f1(split: str, weight: float) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """2 x hits / (said yes + are yes)."""
    return {f"{split} hits": 2 * weight}, {f"{split} said": 1.0, f"{split} are": 1.0}


def _said_yes_wrongly(verdict: Verdict) -> float:
    """Whether the response to a question whose answer is no was "yes"; something else was neither."""
    if verdict.outcome != "read":
        return 0.0
    said = verdict.extracted
    return 1.0 - verdict.value if said is None or said.lower() in ("yes", "incorrect") else 0.0
