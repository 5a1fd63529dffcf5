"""MMVP: pairs of images CLIP cannot tell apart, one question, opposite answers (Tong et al., 2024).

Prompt: the question, " Options:", the options as "A. .." and "B. ..", the letter sentence. The paper prints
the options as "(a) .." and "(b) ..".
Score: pairs with both questions right, x100. A pair is questions 2p-1 and 2p by the data's own index; one
that misses a member counts as wrong. The released code pairs by the order of the rows instead.
Two pairs of the original (99/100 and 279/280) have their answers swapped. The published numbers were measured
with them, so they are the default and copies that have them corrected are put back; `corrected` corrects them.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from cambrian_eval.benchmark import (
    LETTER_SENTENCE,
    Benchmark,
    Category,
    Graded,
    HubSource,
    PromptStyle,
    Unit,
)
from cambrian_eval.errors import UserError
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import letter, released

CORRECTED = {99: ("B", "tusk"), 100: ("A", "tusk"), 279: ("B", "elderly"), 280: ("A", "elderly")}
"""Question number -> the answer the original has wrong, and a word that proves it is that question."""
_OPTIONS = re.compile(r"\s*\(a\)\s*(.*?)\s*\(b\)\s*(.*)", re.DOTALL | re.IGNORECASE)
_COLUMNS = ("Index", "Question", "Options", "Correct Answer")


class MMVP(Benchmark):
    """Two options a question, two questions a pair, pairs as the unit."""

    name = "mmvp"
    title = "MMVP"
    category: ClassVar[Category] = "Vision-Centric"
    paper = "Tong et al. Eyes Wide Shut? Exploring the Visual Shortcomings of Multimodal LLMs. CVPR 2024"
    metric = "pairs with both questions right"
    max_new_tokens = 512
    typical_chance = 25.0
    settings_schema: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "corrected": (False, "correct the answers of questions 99, 100, 279 and 280, swapped in the original"),
    }

    @property
    def source(self) -> HubSource:
        """The copy that is a table; the original is plain files, read by `rows_from_folder`."""
        return HubSource("lmms-lab-eval/MMVP", "train", 300, (*_COLUMNS, "image"))

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; the index column is misspelt in one published version."""
        number = int(row["lndex"] if "lndex" in row else row["Index"])
        options = _OPTIONS.fullmatch(row["Options"])
        gold = str(row["Correct Answer"]).strip().strip("().").upper()
        if options is None or gold not in ("A", "B"):
            raise UserError(f"mmvp row {index}: expected options '(a) .. (b) ..' and an answer '(a)' or '(b)'")
        return Sample(
            id=str(number),
            index=index,
            question=row["Question"],
            answers=(self._gold(number, gold, f"{row['Question']} {row['Options']}"),),
            choices=(options[1].strip(), options[2].strip()),
            images=images(row.get("image")),
            image_id=f"{number}.jpg",
            group=str((number + 1) // 2),
            guesses=("A", "B"),
            extra={"options": row["Options"]},
        )

    def _gold(self, number: int, gold: str, text: str) -> str:
        """The answer under the `corrected` setting, whatever the copy at hand says."""
        right, word = CORRECTED.get(number, (gold, ""))
        if number not in CORRECTED or word not in text.lower():
            return gold
        return right if self.settings["corrected"] else "AB"[right == "A"]

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The paper writes options as "(a) ...", the released code as "A. ..."."""
        first, second = ("A.", "B.") if style == "official" else ("(a)", "(b)")
        options = f"{first} {sample.choices[0]}\n{second} {sample.choices[1]}"
        return f"{sample.question} Options:\n{options}\n{LETTER_SENTENCE}"

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """Letters in any wrapping, option texts, declared answers."""
        return letter.grade(sample, reply)

    def official(self, sample: Sample, reply: str) -> Verdict:
        """Equality with the letter or with the option's text, which the released code cuts at every "("."""
        return released.letter_or_piece(sample, reply)

    def units(self, graded: Sequence[Graded], scorer: str) -> list[Unit]:
        """Pairs, and every question alone for `question_accuracy`."""
        pairs = _by_row_order(graded) if scorer == "official" else _by_index(graded)
        return pairs + [Unit("questions", g.verdict.value, (i,)) for i, g in enumerate(graded)]

    def metrics(self, strata: Sequence[str]) -> dict[str, dict[str, float]]:
        """Pair accuracy is the headline."""
        return {"score": {"pairs": self.scale}, "question_accuracy": {"questions": self.scale}}

    def rows_from_folder(self, folder: Path) -> Sequence[Mapping[str, Any]] | None:
        """The original layout: Questions.csv, read by position, and "MMVP Images/<number>.jpg"."""
        table = folder / "Questions.csv"
        if not table.is_file():
            return None
        with table.open(encoding="utf-8-sig", newline="") as file:
            _, *lines = csv.reader(file)
        if any(len(line) < len(_COLUMNS) for line in lines if line):
            raise UserError(f"{table}: every line needs four columns: index, question, options, correct answer")
        rows = [dict(zip(_COLUMNS, line[:4], strict=True)) for line in lines if line]
        for row in rows:
            image = folder / "MMVP Images" / f"{row['Index'].strip()}.jpg"
            if not image.is_file():
                raise UserError(f"{table} has question {row['Index']} but {image} does not exist")
            row["image"] = str(image)
        return rows

    def scoring_notes(self, scorer: str) -> tuple[str, ...]:
        """Which answers of the two disputed pairs were used."""
        if self.settings["corrected"]:
            return ("answers of questions 99, 100, 279, 280 corrected; not comparable with published numbers",)
        return ("original answers, swapped in pairs 99/100 and 279/280, as in the published numbers",)


def _by_index(graded: Sequence[Graded]) -> list[Unit]:
    """Pairs by the data's index; fewer or more than two members can never be a right pair."""
    groups: dict[str | None, list[int]] = defaultdict(list)
    for i, g in enumerate(graded):
        groups[g.sample.group].append(i)
    return [_pair(graded, members) for members in groups.values()]


def _by_row_order(graded: Sequence[Graded]) -> list[Unit]:
    """Rows two by two in the order given; the released code counts questions and keeps a right last row."""
    ends = range(0, len(graded) - 1, 2)
    pairs = [_pair(graded, [i, i + 1]) for i in ends]
    if len(graded) % 2 == 0:
        return pairs
    # Every question of a pair stands for half of it, so that the unpaired one weighs half a pair.
    last = len(graded) - 1
    halves = [half for pair in pairs for half in (pair, pair)]
    return [*halves, Unit("pairs", graded[last].verdict.value, (last,))]


def _pair(graded: Sequence[Graded], members: Sequence[int]) -> Unit:
    values = [graded[i].verdict.value for i in members]
    return Unit("pairs", values[0] * values[1] if len(values) == 2 else 0.0, tuple(members))
