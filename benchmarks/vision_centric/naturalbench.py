"""NaturalBench: two questions about two images, with opposite answers each way (Li et al., 2024).

Prompt: the question, immediately followed by the sentence of its type.
Score: groups of four with all right (G-Acc), x100; beside it both images of a question (Q-Acc), both questions of an
image (I-Acc) and rows (Acc). Row i belongs to group i // 4, in the order (question 0, image 0), (0, 1), (1, 0), (1, 1);
the answers of every group are Yes, No, No, Yes or A, B, B, A, which gives the answer where the column is absent.
Released scorer: whichever of the words yes and no (A and B) occurs first, in any case; the article "a" is option A.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import Benchmark, Category, Graded, HubSource, PromptStyle, Unit, printed, whole_group
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import letter, released_words, yes_no
from cambrian_eval.scoring.reply import Reply

GOLDS = {"yes_no": ("Yes", "No", "No", "Yes"), "multiple_choice": ("A", "B", "B", "A")}
SENTENCES = {
    "yes_no": "Please answer Yes or No.",
    "multiple_choice": "Please output the letter corresponding to the correct option.",
}
_OPTIONS = re.compile(r"\s*Options?:\s*A:\s*(.*?)\s*;?\s*B:\s*(.*?)\s*;?\s*\Z", re.DOTALL)
PAIRS = {"questions": ((0, 1), (2, 3)), "images": ((0, 2), (1, 3)), "groups": ((0, 1, 2, 3),)}


class NaturalBench(Benchmark):
    """Yes/no and two-option rows in overlapping pairs, four a group."""

    name = "naturalbench"
    title = "NaturalBench"
    category: ClassVar[Category] = "Vision-Centric"
    paper = "Li et al. NaturalBench: Evaluating Vision-Language Models on Natural Adversarial Samples. NeurIPS 2024"
    metric = "groups of two questions and two images with all four answers right"
    max_new_tokens = 16
    typical_chance = 6.25
    gold_columns = ("Answer",)
    answers_may_be_absent = True
    published = printed(
        "arXiv 2410.14669, Table 1, G-Acc",
        "human 92.1, OpenAI o3 55.1, Gemini 2.5 Pro 47.3, GPT-4o 39.6, Qwen2-VL-72B 36.9, Qwen2-VL-7B 29.1, "
        "LLaVA-OneVision-7B 28.8, Cambrian-1-34B 26.6, GPT-4V 26.2, Cambrian-1-13B 25.5, Cambrian-1-8B 19.4, "
        "LLaVA-1.5-13B 14.8, LLaVA-1.5-7B 12.7",
    )
    schema = schema_of({"int64": "Index", "image": "Image", "string": "Question Answer Question_Type"})

    @property
    def source(self) -> HubSource:
        """The copy with one sample a row."""
        columns = ("Index", "Image", "Question", "Question_Type")
        revision = "2289cddb8d2eeb1ce034401545cb535a298fa247"
        return HubSource("BaiqiL/NaturalBench-lmms-eval", "test", 7600, columns, revision=revision)

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question about one image; its place in the group follows from the index."""
        number, kind = int(row["Index"]), str(row["Question_Type"])
        if kind not in GOLDS:
            raise ValueError(f"Question_Type {kind[:40]!r} is neither yes_no nor multiple_choice")
        place = number % 4
        stored = str(row.get("Answer") or "").strip().strip(".").capitalize()
        found = _OPTIONS.search(row["Question"]) if kind == "multiple_choice" else None
        return Sample(
            id=str(number),
            index=index,
            question=row["Question"][: found.start()] if found else row["Question"],
            answers=(stored if stored in GOLDS[kind] else GOLDS[kind][place],),
            choices=found.groups() if found else (),
            images=images(row.get("Image")),
            group=str(number // 4),
            guesses=GOLDS[kind][:2],
            tags={"question type": kind},
            extra={"text": row["Question"], "place": place},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """Without a blank in between, as the authors join them."""
        return f"{sample.extra['text']}{SENTENCES[str(sample.tags['question type'])]}"

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """Yes or no, also from a statement; options by letter or text."""
        if sample.tags["question type"] == "multiple_choice":
            return letter.grade(sample, reply)
        found = yes_no.read(Reply(reply), sample.question)
        return found.verdict(found.value in sample.answers)

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The first of the two words."""
        return released_words.first_of_two(sample, reply)

    def units(self, graded: Sequence[Graded], scorer: str) -> list[Unit]:
        """Groups, questions, images and rows; one that lacks a member is wrong."""
        groups: dict[str | None, dict[int, int]] = {}
        for i, g in enumerate(graded):
            groups.setdefault(g.sample.group, {})[g.sample.extra["place"]] = i
        found = [Unit("rows", g.verdict.value, (i,)) for i, g in enumerate(graded)]
        for places in groups.values():
            for stratum, parts in PAIRS.items():
                for part in parts:
                    if members := [places[p] for p in part if p in places]:
                        found.append(whole_group(graded, members, stratum, len(part)))
        return found

    def metrics(self, strata: Sequence[str]) -> dict[str, dict[str, float]]:
        """Group accuracy is the headline."""
        names = {"score": "groups", "Q_Acc": "questions", "I_Acc": "images", "Acc": "rows"}
        return {name: {stratum: 100.0} for name, stratum in names.items()}

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """A group about one scene with two values."""
        kind = draw.kind(("yes_no", "yes_no", "yes_no", "multiple_choice"))
        scene = draw.scene("shape" if kind == "yes_no" else "corner")
        values = draw.rng.sample(scene.values, 2)
        asked = [scene.claim.format(value=value) for value in values]
        if kind == "multiple_choice":
            asked = [f"{scene.text}\nOption: A:{a}; B:{b};" for a, b in (values, values[::-1])]
        shown = [scene.image(value) for value in values]
        return [
            MiniRow(
                {
                    "Index": row + i,
                    "Image": shown[i % 2],
                    "Question": asked[i // 2],
                    "Answer": GOLDS[kind][i],
                    "Question_Type": kind,
                },
                1 / 2,
            )
            for i in range(4)
        ]
