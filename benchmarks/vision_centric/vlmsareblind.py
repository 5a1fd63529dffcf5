"""VLMs Are Blind: seven tasks on simple drawings, from line crossings to grids (Rahmanzadehgervi et al., 2024).

Prompt: the stored text, which names its answer format.
Score: the plain mean of eight task accuracies (both grids together, circles and pentagons apart), x100; `micro` is the
mean over rows, of which line crossings are 45 %. Every image is asked with two prompts.
Released scorer: the authors released none; it is lmms-eval's, one pattern for each task, whose mean leaves out a task
without a single right answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import Benchmark, Category, Graded, HubSource, PromptStyle, Unit, printed
from cambrian_eval.formula import Formula, Ratio
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import blind_tasks, released_words
from cambrian_eval.scoring.reply import Reply

COUNTS = " counts"
"""Ends the strata that say whether a task counts."""
KINDS = (("Touching", "yes/no"), ("Circled Letter", "letter"), ("Grid", "grid"))
"""A part of the task's name -> the kind of its answer; all others are numbers."""


class VLMsAreBlind(Benchmark):
    """Numbers, letters, grids and yes or no, averaged by task."""

    name = "vlmsareblind"
    title = "VLMs Are Blind"
    category: ClassVar[Category] = "Vision-Centric"
    paper = "Rahmanzadehgervi et al. Vision Language Models Are Blind. ACCV 2024"
    metric = "mean of eight task accuracies"
    max_new_tokens = 32
    official_note = (
        "the authors released no scorer: this is lmms-eval's rule, which leaves out tasks without a right answer"
    )
    typical_chance = 6.25
    """50 on yes/no rows, 0 on free answers. The paper's line, which draws from each task's golds, is 24.0."""
    gold_columns = ("groundtruth",)
    published = printed(
        "README of lmms-eval",
        "GPT-4o 50.23, Gemini-1.5 Pro 58.48, Claude 3 Sonnet 45.73, Claude 3.5 Sonnet 77.84, Qwen3-VL-2B 41.99, "
        "Qwen3-VL-4B 57.85, Qwen3-VL-8B 59.38, random guess 24.0",
    )
    schema = schema_of({"string": "task prompt groundtruth metadata", "image": "image"})

    @property
    def source(self) -> HubSource:
        """One table of all tasks."""
        return HubSource("XAI/vlmsareblind", "valid", 8016, ("task", "image", "prompt", "groundtruth"))

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; the two grid tasks are one task."""
        task, gold = str(row["task"]), str(row["groundtruth"]).strip()
        kind = next((kind for part, kind in KINDS if part in task), "number")
        if kind == "number" and not gold.isdecimal():
            raise ValueError(f"the answer {gold[:40]!r} is not a whole number")
        return Sample(
            id=str(index),
            index=index,
            question=row["prompt"],
            answers=(gold.capitalize() if kind == "yes/no" else gold,),
            images=images(row.get("image")),
            guesses=("Yes", "No") if kind == "yes/no" else (),
            tags={"task": "Counting Grid" if kind == "grid" else task},
            extra={"kind": kind},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """As it is stored."""
        return sample.question

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """By kind: braces first, then the number, letter, word or pair that the response gives."""
        return blind_tasks.grade(Reply(reply), sample.answers[0], sample.question, sample.extra["kind"])

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The first match of the task's pattern."""
        return released_words.blind_task(sample, reply)

    def units(self, graded: Sequence[Graded], scorer: str) -> list[Unit]:
        """Rows by task, and all rows; for `official` also whether the task of a row counts: one with a right answer."""
        found = [Unit(str(g.sample.tags["task"]), g.verdict.value, (i,)) for i, g in enumerate(graded)]
        if scorer == "official":
            right = {u.stratum for u in found if u.value}
            found += [Unit(u.stratum + COUNTS, float(u.stratum in right), u.members) for u in found]
        return found + [Unit("rows", g.verdict.value, (i,)) for i, g in enumerate(graded)]

    def units_of_tag(self, units: Sequence[Unit]) -> list[Unit]:
        """Rows."""
        return [u for u in units if u.stratum == "rows"]

    def metrics(self, strata: Sequence[str]) -> dict[str, Formula]:
        """All tasks that count weigh the same."""
        tasks = [stratum for stratum in strata if stratum != "rows" and not stratum.endswith(COUNTS)]
        counted = {stratum: 1.0 for stratum in strata if stratum.endswith(COUNTS)}
        score: Formula = {task: 100.0 / len(tasks) for task in tasks}
        if counted:
            score = Ratio(((dict.fromkeys(tasks, 100.0), counted),))
        return {"score": score, "micro": {"rows": 100.0}}

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """A question about shapes that has the form of one task."""
        tasks = (
            ("Line Plot Intersections", "count", "Put your answer in curly brackets, e.g., {2}."),
            ("Touching Circles", "presence", "Answer with Yes/No."),
            ("Circled Letter", "letter", "Answer with a single letter."),
            ("Nested Squares", "count", "Answer with a number in curly brackets, e.g., {3}."),
        )
        task, name, sentence = draw.kind(tasks)
        scene = draw.scene(name)
        gold, text, prior = draw.balanced("value", scene.values), scene.text, 1 / len(scene.values)
        image = scene.image(gold)
        if task == "Touching Circles":
            other = draw.rng.choice([v for v in scene.values if v != gold])
            answer = draw.balanced("answer", ("Yes", "No"))
            text, gold, prior = scene.claim.format(value=gold if answer == "Yes" else other), answer, 1 / 2
        cells = {"task": task, "image": image, "prompt": f"{text} {sentence}", "groundtruth": gold, "metadata": "{}"}
        return [MiniRow(cells, prior)]
