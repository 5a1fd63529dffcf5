"""HallusionBench: yes/no questions about figures, their edited versions, and no figure at all (Guan et al., 2024).

Prompt: the question alone; the setting `suffix` adds a request for the word.
Score: the mean of aAcc (rows), fAcc (figures) and qAcc (questions over their figures), x100. Keys hold the category VD
or VS, which two harnesses drop: `ocr` exists in both with the same numbers, so their groups merge, and leaderboards
print that mean (`score_merged`). Rows without a figure (178) are added by `rows=all`; beside the headline stand the
figures for rows with and without image.
Released scorer: the authors ask GPT-4; the rule is VLMEvalKit's, exactly one of the words yes and no.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import (
    Category,
    Graded,
    HubSource,
    Mirror,
    PromptStyle,
    Unit,
    grouped,
    printed,
    whole_group,
)
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import released_words

from ..kinds import YesOrNo, yes_or_no

Key = Callable[[Sample], tuple[Any, ...] | None]
"""What a sample is grouped by; None leaves it out."""
ROWS = {"image": ("image", 951), "all": ("image+non_image", 1129)}
SUFFIX = "Please answer YES or NO without an explanation."
LEADERBOARD = "leaderboard of the authors, graded by GPT-4, mean of aAcc, fAcc and qAcc over all 1,129 rows"


class HallusionBench(YesOrNo):
    """Yes/no rows, grouped by figure and by question."""

    name = "hallusionbench"
    title = "HallusionBench"
    category: ClassVar[Category] = "Vision-Centric"
    paper = "Guan et al. HallusionBench: An Advanced Diagnostic Suite for Entangled Language Hallucination. CVPR 2024"
    metric = "mean of the accuracies over rows, figures and questions"
    max_new_tokens = 128
    typical_chance = 31.0
    official_note = "the authors grade by GPT-4: this is the rule of VLMEvalKit"
    gold_columns = ("gt_answer",)
    settings_schema: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "rows": ("image", "image (951 rows with a figure) or all (also 178 without)"),
        "suffix": (False, "ask for YES or NO after the question"),
    }
    setting_choices: ClassVar[Mapping[str, Collection[str]]] = {"rows": ROWS}
    published = printed(
        LEADERBOARD,
        "GPT-4V 44.65, Claude 3 35.74, LLaVA-1.5 27.45, Gemini Pro Vision 17.74, Qwen-VL 17.24, BLIP2-T5 27.92",
    )
    schema = schema_of(
        {
            "string": "category subcategory visual_input set_id figure_id sample_note question_id question "
            "gt_answer_details gt_answer",
            "string|null": "filename",
            "image|null": "image",
        }
    )

    @property
    def source(self) -> HubSource:
        """One split, or both."""
        split, n_rows = ROWS[self.settings["rows"]]
        wanted = ("category", "subcategory", "visual_input", "set_id", "figure_id", "question_id", "question")
        mirrors = (Mirror("rayguan/HallusionBench"),)
        return HubSource("lmms-lab/HallusionBench", split, n_rows, (*wanted, "gt_answer", "image"), mirrors=mirrors)

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample | None:
        """One question about one figure."""
        category, about = str(row["category"]), str(row["subcategory"])
        key = {name: str(row[name]) for name in ("set_id", "figure_id", "question_id", "visual_input")}
        if key["visual_input"] == "0" and self.settings["rows"] == "image":
            return None
        return Sample(
            id=f"{category}_{about}_{key['set_id']}_{key['figure_id']}_{key['question_id']}",
            index=index,
            question=row["question"],
            answers=(yes_or_no(row["gt_answer"]),),
            images=images(row.get("image")),
            image_id=f"{category}/{about}/{key['set_id']}_{key['figure_id']}" if key["visual_input"] != "0" else None,
            group=f"{category}/{about}/{key['set_id']}",
            guesses=("Yes", "No"),
            tags={"category": category, "subcategory": f"{category} {about}"},
            extra=key,
        )

    def images_needed(self, sample: Sample) -> int:
        """None where the question has no figure."""
        return int(sample.extra["visual_input"] != "0")

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The question, with a request for the word where the setting says so."""
        return f"{sample.question}\n{SUFFIX}" if self.settings["suffix"] else sample.question

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The only one of the two words."""
        return released_words.yes_or_no(sample, reply)

    def units(self, graded: Sequence[Graded], scorer: str) -> list[Unit]:
        """Rows, figures (without those that have none) and questions; easy and hard questions apart."""
        found = []
        for i, g in enumerate(graded):
            with_image = "with image" if g.sample.extra["visual_input"] != "0" else "without image"
            found += [Unit(stratum, g.verdict.value, (i,)) for stratum in ("rows", with_image)]
        keys: dict[str, Key] = {"figures": _figure, "pairs": _question, "easy": _easy, "hard": _hard}
        keys |= {"merged figures": _without_category(_figure), "merged pairs": _without_category(_question)}
        for stratum, key in keys.items():
            found += [whole_group(graded, members, stratum) for members in grouped(graded, key)]
        return found

    def units_of_tag(self, units: Sequence[Unit]) -> list[Unit]:
        """Rows."""
        return [u for u in units if u.stratum == "rows"]

    def metrics(self, strata: Sequence[str]) -> dict[str, dict[str, float]]:
        """The three accuracies and their mean."""
        parts = [s for s in ("rows", "figures", "pairs") if s in strata]
        names = {"aAcc": "rows", "fAcc": "figures", "qAcc": "pairs", "qAcc_easy": "easy", "qAcc_hard": "hard"}
        names |= {"aAcc_with_image": "with image", "aAcc_without_image": "without image"}
        found = {name: {stratum: 100.0} for name, stratum in names.items() if stratum in strata}
        merged = [s for s in ("rows", "merged figures", "merged pairs") if s in strata]
        found["score_merged"] = {part: 100.0 / len(merged) for part in merged}
        return {"score": {part: 100.0 / len(parts) for part in parts}} | found

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """Two questions about a figure and about its edited version."""
        category, about, name = draw.kind((("VD", "ocr", "shape"), ("VS", "chart", "color"), ("VS", "ocr", "corner")))
        scene = draw.scene(name)
        values = draw.rng.sample(scene.values, 2)
        figures = [scene.image(value) for value in values]
        cells = {"category": category, "subcategory": about, "set_id": str(draw.group), "sample_note": ""}
        return [
            MiniRow(
                {
                    **cells,
                    "visual_input": str(figure + 1),
                    "figure_id": str(figure + 1),
                    "question_id": str(question),
                    "question": scene.claim.format(value=values[question]),
                    "gt_answer_details": values[figure],
                    "gt_answer": str(int(figure == question)),
                    "filename": f"./{category}/{about}/{draw.group}_{figure + 1}.png",
                    "image": figures[figure],
                },
                1 / 2,
            )
            for figure in (0, 1)
            for question in (0, 1)
        ]


def _figure(sample: Sample) -> tuple[Any, ...] | None:
    """Category VS without a figure is no figure."""
    extra = sample.extra
    if sample.tags["category"] == "VS" and extra["figure_id"] == "0":
        return None
    return sample.tags["subcategory"], extra["set_id"], extra["figure_id"]


def _question(sample: Sample) -> tuple[Any, ...]:
    return sample.tags["subcategory"], sample.extra["set_id"], sample.extra["question_id"]


def _without_category(key: Key) -> Key:
    """The key of a figure or question with the subcategory alone."""

    def merged(sample: Sample) -> tuple[Any, ...] | None:
        found = key(sample)
        return found and (str(found[0]).split(" ", 1)[1], *found[1:])

    return merged


def _easy(sample: Sample) -> tuple[Any, ...] | None:
    return _question(sample) if sample.extra["visual_input"] != "2" else None


def _hard(sample: Sample) -> tuple[Any, ...] | None:
    return _question(sample) if sample.extra["visual_input"] == "2" else None
