"""MME: yes/no questions in pairs about one image (Fu et al., 2023).

Prompt: the stored question, which already ends with "Please answer yes or no.", and the short sentence.
Score: per category accuracy plus accuracy over pairs (acc+, both questions of an image right), each x100;
the headline is the sum over the ten perception categories (0 to 2000), cognition is the sum over the other four.
Pairs are keyed by category and question id; a missing member counts as wrong for acc+.
Released scorer: the lower-cased response without trailing dots must equal yes or no. Its acc+ counts right rows in
file order and takes one back at every second row of the file while the category's count is odd, so it is only
right when pairs are adjacent and complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, ClassVar

from cambrian_eval.benchmark import SHORT_SENTENCE, Benchmark, Category, Graded, HubSource, PromptStyle, Unit
from cambrian_eval.errors import UserError, unknown
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import released, yes_no
from cambrian_eval.scoring.reading import unread
from cambrian_eval.scoring.reply import Reply

PERCEPTION = tuple(
    ["existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR"]
)
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
PAIRED = "+"
"""Ends the name of a stratum that holds pairs."""


class MME(Benchmark):
    """Yes/no questions in pairs, with a headline that goes to 2000."""

    name = "mme"
    title = "MME (Perception)"
    category: ClassVar[Category] = "General"
    paper = "Fu et al. MME: A Comprehensive Evaluation Benchmark for Multimodal LLMs. arXiv 2306.13394"
    metric = "sum over ten perception categories of accuracy + accuracy over pairs, each x100"
    max_new_tokens = 32
    scale = 2000.0
    average_divisor = 20.0
    typical_chance = 750.0
    settings_schema: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "rule": (
            "cambrian",
            "official scorer: cambrian (the whole response is yes or no) or tool (MME's own tool: yes or no within the "
            "first four characters, pairs by image)",
        ),
    }

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if self.settings["rule"] not in ("cambrian", "tool"):
            raise UserError(f"mme.rule={self.settings['rule']!r} does not exist; use cambrian or tool")

    @property
    def source(self) -> HubSource:
        """Perception and cognition together."""
        return HubSource("lmms-lab/MME", "test", 2374, ("question_id", "image", "question", "answer", "category"))

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; its pair has the same category and question id."""
        category, pair = row["category"], str(row["question_id"])
        if category not in PERCEPTION + COGNITION:
            raise unknown("MME category", str(category), PERCEPTION + COGNITION)
        key = f"{category}/{pair}"
        return Sample(
            id=f"{pair}:{index}",
            index=index,
            question=row["question"],
            answers=(str(row["answer"]).strip().capitalize(),),
            images=images(row.get("image")),
            image_id=key,
            group=key,
            guesses=("Yes", "No"),
            tags={"category": category},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The paper's sentence begins with "Please"."""
        sentence = "Please " + SHORT_SENTENCE[0].lower() + SHORT_SENTENCE[1:] if style == "paper" else SHORT_SENTENCE
        return f"{sample.question}\n{sentence}"

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """Yes or no as a careful reader takes it; the question asks for the word, so a statement is no answer."""
        found = yes_no.read(Reply(reply))
        return found.verdict(found.value in sample.answers)

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The whole response, blanks included, is yes or no, but for case and trailing dots; or the tool's rule."""
        return _tool(sample, reply) if self.settings["rule"] == "tool" else released.whole(sample, reply)

    def units(self, graded: Sequence[Graded], scorer: str) -> list[Unit]:
        """Questions and pairs, each in a stratum per category and one for all of perception."""
        found: list[Unit] = []
        for i, g in enumerate(graded):
            found.append(Unit(_category(g), g.verdict.value, (i,)))
        found += _kept_rows(graded) if scorer == "official" and self.settings["rule"] != "tool" else _pairs(graded)
        for unit in list(found):
            if unit.stratum.removesuffix(PAIRED) in PERCEPTION:
                pooled = "perception" + (PAIRED if unit.stratum.endswith(PAIRED) else "")
                found.append(Unit(pooled, unit.value, unit.members))
        return found

    def metrics(self, strata: Sequence[str]) -> dict[str, dict[str, float]]:
        """Perception (headline), cognition, every category's 0 to 200, and both accuracies over perception."""
        present = [c for c in PERCEPTION + COGNITION if c in strata]
        both = {c: {c: 100.0, c + PAIRED: 100.0} for c in present}
        found = {"score": {s: w for c in present if c in PERCEPTION for s, w in both[c].items()}}
        if cognition := {s: w for c in present if c in COGNITION for s, w in both[c].items()}:
            found["cognition"] = cognition
        if "perception" in strata:
            found["accuracy"] = {"perception": 100.0}
            found["accuracy_plus"] = {"perception" + PAIRED: 100.0}
        return found | both

    def scoring_notes(self, scorer: str) -> tuple[str, ...]:
        """Says where the rule is that of MME's own tool."""
        if scorer == "official" and self.settings["rule"] == "tool":
            return ("the rule of MME's own tool, not of the released Cambrian-1 script",)
        return ()

    def units_of_tag(self, units: Sequence[Unit]) -> list[Unit]:
        """Questions alone: a mean over questions and pairs together would say nothing."""
        return [u for u in units if u.stratum != "perception" and not u.stratum.endswith(PAIRED)]


def _category(graded: Graded) -> str:
    return str(graded.sample.tags["category"])


def _tool(sample: Sample, reply: str) -> Verdict:
    """MME's own tool: a response that is yes or no, else yes before no within the first four characters."""
    start = reply.lower()[:4]
    found = next((word for word in ("yes", "no") if word in start), None)
    if found is None:
        return unread("nothing found")
    return Verdict(float(found.capitalize() in sample.answers), found, "released: first four characters")


def _pairs(graded: Sequence[Graded]) -> list[Unit]:
    """A unit per image: both questions right; an image with one question left has lost the pair."""
    members: dict[tuple[str, str | None], list[int]] = {}
    for i, g in enumerate(graded):
        members.setdefault((_category(g), g.sample.group), []).append(i)
    return [
        Unit(category + PAIRED, prod(graded[i].verdict.value for i in rows) if len(rows) > 1 else 0.0, tuple(rows))
        for (category, _), rows in members.items()
    ]


def _kept_rows(graded: Sequence[Graded]) -> list[Unit]:
    """The released acc+: right rows of a category, one taken back at odd rows of the file while their count is odd."""
    kept: dict[str, list[int]] = {}
    for i, g in enumerate(graded):
        rows = kept.setdefault(_category(g), [])
        if g.verdict.value == 1.0:
            rows.append(i)
        if i % 2 == 1 and len(rows) % 2 == 1:
            rows.pop()
    survivors = {i for rows in kept.values() for i in rows}
    return [Unit(_category(g) + PAIRED, float(i in survivors), (i,)) for i, g in enumerate(graded)]
