"""Benchmark: what an adapter declares.

An adapter is one class in one file: its source, how a row becomes a `Sample`, the prompt, two deterministic
scorers and, where the metric is more than a mean, how verdicts combine. Everything else (loading, running,
intervals, chance, reports) is derived from that declaration.

Scores are written in one general form so that the bootstrap can resample any of them: verdicts become *units*
(a sample, a pair, a circular group), units lie in *strata*, and a metric is a weighted sum of stratum means.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from math import prod
from numbers import Number
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from cambrian_eval.artist import Artist, MiniRow
from cambrian_eval.errors import UserError, unknown
from cambrian_eval.formula import Formula, strata_of
from cambrian_eval.html_repr import card
from cambrian_eval.image import IMAGE_COLUMN, LazyImage
from cambrian_eval.judging import Judging
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.source import HubSource as HubSource
from cambrian_eval.source import Join as Join
from cambrian_eval.source import Mirror as Mirror
from cambrian_eval.source import Printed as Printed
from cambrian_eval.source import printed as printed

Category = Literal["General", "Knowledge", "OCR & Chart", "Vision-Centric"]
"""The paper's four groups of benchmarks."""
PAPER: Mapping[str, tuple[str, ...]] = {
    "General": ("mme", "mmbench", "seed", "gqa"),
    "Knowledge": ("scienceqa", "mmmu", "mathvista", "ai2d"),
    "OCR & Chart": ("chartqa", "ocrbench", "textvqa", "docvqa"),
    "Vision-Centric": ("mmvp", "realworldqa", "cvbench_2d", "cvbench_3d"),
}
"""The paper's sixteen benchmarks by category, in its order; a category average is the mean of its four."""
PromptStyle = Literal["official", "paper", "authors"]
"""The prompts of the released code, those printed in the paper's appendix, or those of the benchmark's own authors."""

LETTER_SENTENCE = "Answer with the option's letter from the given choices directly."
"""Ends the prompts of lettered questions."""
SHORT_SENTENCE = "Answer the question using a single word or phrase."
"""Ends the prompts of questions with a free answer of a word or two."""
ONLY_LETTER = "Please answer directly with only the letter of the correct option and nothing else."
"""Ends the released prompts of some lettered questions."""


def listed(options: Mapping[str, str], form: str = "{}. {}") -> str:
    """Options as lines.

    >>> listed({"A": "cat", "B": "dog"})
    'A. cat\\nB. dog'
    """
    return "\n".join(form.format(letter, text) for letter, text in options.items())


class Unit(NamedTuple):
    """The smallest thing a metric averages: one sample, or a pair or group that counts together."""

    stratum: str
    """The group of units whose mean it enters."""
    value: float
    """What it contributes, from 0 to 1."""
    members: tuple[int, ...]
    """Positions in the sequence of graded samples."""


class Graded(NamedTuple):
    """A sample with the verdict of one scorer on its response."""

    sample: Sample
    """The question."""
    verdict: Verdict
    """The scorer's verdict on the response."""


SIDES = re.compile(
    r"\b(?:left|right|(?:counter|anti)?-?clockwise|mirror|(?:north|south)?(?:east|west))|[左右东西镜]|[顺逆]时针",
    re.IGNORECASE,
)
"""Words whose meaning changes when an image is mirrored; `right` for correct counts too, to be on the safe side."""


def sides_exchanged(sample: Sample) -> Sample | None:
    """The sample with `left` for `right` in its gold answers, where exactly its options name sides; else None."""
    if SIDES.search(sample.question):
        return None
    other = {text: _SIDE.sub(lambda found: _OTHER[found[0].lower()], text) for text in sample.choices}
    letters = {text: letter for letter, text in sample.options.items()}
    if any(other[text] not in letters for text in sample.choices):
        return None
    if any(answer not in sample.options for answer in sample.answers):
        return None
    return replace(sample, answers=tuple(letters[other[sample.options[answer]]] for answer in sample.answers))


_OTHER = {"left": "right", "right": "left"}
_SIDE = re.compile(r"\b(?:left|right)\b", re.IGNORECASE)


class Benchmark(ABC):
    """The declaration of one benchmark. Subclasses fill in class attributes and the abstract methods."""

    name: ClassVar[str]
    """What commands and files call it; equal to the name of its entry point."""
    title: ClassVar[str]
    """What tables and figures call it."""
    category: ClassVar[Category]
    """The group whose average it enters."""
    paper: ClassVar[str]
    """Citation in one line."""
    metric: ClassVar[str]
    """The headline metric in words."""
    max_new_tokens: ClassVar[int]
    """The limit of an answer, unless a run sets another."""
    scale: ClassVar[float] = 100.0
    """Largest headline score (2000 for MME)."""
    average_divisor: ClassVar[float] = 1.0
    """What the headline is divided by before it enters an average (20 for MME)."""
    typical_chance: ClassVar[float]
    """Chance score on the published data; `grading.chance` computes it for given samples."""
    gold_columns: ClassVar[tuple[str, ...]] = ("answer", "answers", "Correct Answer")
    """Columns that hold the gold answer; those count that a row has."""
    answers_may_be_absent: ClassVar[bool] = False
    """Whether some samples may lack a gold answer. By default all have one, or it is withheld from all."""
    prompt_styles: ClassVar[tuple[PromptStyle, ...]] = ("official", "paper")
    """The prompts it has; where the paper prints none, `paper` is the text of `official`."""
    schema: ClassVar[Mapping[str, str]] = {}
    """Column -> type, as the dataset publishes them; the miniature rows have the same. See `demo.miniature.schemas`."""
    published: ClassVar[tuple[Printed, ...]] = ()
    """Scores of public models, for a reader to compare with."""
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Names for settings that are chosen together: `NAME:full` on the command line."""
    official_note: ClassVar[str] = ""
    """Whose rule `official` is where it is not the authors', or where it has to differ from the released code."""
    judging: ClassVar[Judging | None] = None
    """How a judge grades responses; None where rules decide. Without a judge such a benchmark has no score."""
    settings_schema: ClassVar[Mapping[str, tuple[Any, str]]] = {}
    """Settings: name -> (default, what it does). Booleans, or strings with the choices named in the text."""
    setting_choices: ClassVar[Mapping[str, Collection[str]]] = {}
    """The values a setting may have, where they are words."""

    def __init__(self, **settings: Any) -> None:
        self.settings: dict[str, Any] = {name: default for name, (default, _) in self.settings_schema.items()}
        for name, value in settings.items():
            if name not in self.settings_schema:
                raise unknown(f"setting of {self.name}", name, self.settings_schema)
            self.settings[name] = _coerce(value, self.settings[name], f"{self.name}.{name}")
            if self.settings[name] not in self.setting_choices.get(name, (self.settings[name],)):
                raise unknown(f"value of {self.name}.{name}", self.settings[name], self.setting_choices[name])

    def __repr__(self) -> str:
        rows = "" if not self.source.n_rows else f", {self.source.n_rows:,} rows"
        return f"<Benchmark {self.name}: {self.title}, {self.category}{rows}>"

    def _repr_html_(self) -> str:
        source = self.source
        facts = [("category", self.category), ("metric", self.metric), ("paper", self.paper)]
        facts += [("dataset", f"{source.repo} ({source.split})"), ("rows", f"{source.n_rows or 'not known'}")]
        return card(f"{self.title} ({self.name})", [*facts, *((name, str(v)) for name, v in self.settings.items())])

    @property
    @abstractmethod
    def source(self) -> HubSource:
        """Where the rows come from under the current settings."""

    @abstractmethod
    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample | None:
        """One row as a sample; None for rows that are not part of the benchmark. Image columns may be absent."""

    @abstractmethod
    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The user's text, complete, without any image mark, unless `places_images` says so."""

    def places_images(self, style: PromptStyle) -> bool:
        """Whether marks `<image N>` in the prompt say where the N-th image goes; else images stand in front."""
        return False

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """The default scorer: the benchmark's own metric over a careful extraction.

        A benchmark that a judge grades leaves this method out; it then has no `fuzzy` score.
        """
        raise UserError(f"{self.name} is graded by a judge, so it has no fuzzy score")

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The verdict of the authors' released scoring code, quirks included.

        A benchmark without released scoring code leaves this method out; it then has no `official` score.
        """
        raise UserError(f"{self.name} has no released scoring code, so it has no official score")

    def images_needed(self, sample: Sample) -> int:
        """How many images a sample must have to be asked with vision; one with fewer is a failed sample.

        By default one, where the source declares an image column, a table of images, or plain files. Benchmarks with
        some questions that have no image override this.
        """
        return self._declares_images

    @cached_property
    def _declares_images(self) -> int:
        source = self.source
        joined = () if source.join is None else source.join.columns
        return int(bool(source.files) or any(IMAGE_COLUMN.fullmatch(c) for c in (*source.columns, *joined)))

    @cached_property
    def _answer_columns(self) -> tuple[str, ...]:
        """The declared columns that hold options or gold answers."""
        return tuple(c for c in self.source.columns if c in _OPTIONS or _GOLD.fullmatch(c))

    def mirrored(self, sample: Sample) -> Sample | None:
        """The sample with the gold answers that hold when left and right of its images are exchanged.

        None where that is not known. By default a sample whose words name a side is not known, and all others keep
        their answers; a benchmark whose options are sides returns `sides_exchanged(sample)`.
        """
        words = (sample.question, *sample.choices, *sample.answers)
        return None if any(map(SIDES.search, words)) else sample

    def units(self, graded: Sequence[Graded], scorer: str) -> list[Unit]:
        """Verdicts to units, in dataset order. Default: every sample counts alone.

        Combined units multiply the values of their members (all right or nothing), so that feeding
        probabilities through the same function gives the expectation of independent guessing.
        """
        return [Unit("all", g.verdict.value, (i,)) for i, g in enumerate(graded)]

    def metrics(self, strata: Sequence[str]) -> Mapping[str, Formula]:
        """Metric name -> its formula over the strata that occur; "score" is the headline."""
        return {"score": {"all": self.scale}}

    def units_of_tag(self, units: Sequence[Unit]) -> list[Unit]:
        """Those of the units that the breakdown by tag averages; by default those of the headline metric."""
        headline = strata_of(self.metrics(sorted({u.stratum for u in units})).get("score", {}))
        return [u for u in units if u.stratum in headline]

    def subset(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """The samples that a run asks by default, where it does not ask all; fixed, whatever the machine."""
        return samples

    def data_notes(self, samples: Sequence[Sample]) -> tuple[str, ...]:
        """What is known to be wrong with a copy of the dataset, a line each, recognized from its samples."""
        return ()

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """Drawn rows in the dataset's own columns: one, or all of a pair or group; `row` is the first one's number.

        A benchmark without this method has no rows in the miniature suite.
        """
        raise UserError(f"{self.name} has no rows in miniature")

    def rows_from_folder(self, folder: Path) -> Sequence[Mapping[str, Any]] | None:
        """Rows from the dataset's original plain-file layout, or None where the folder does not hold it."""
        return None

    def submission(self, samples: Sequence[Sample], texts: Sequence[str]) -> tuple[str, str] | None:
        """File name and content for a challenge server, where answers are withheld; else None."""
        return None

    def scoring_notes(self, scorer: str) -> tuple[str, ...]:
        """What a reader of this scorer's number must know, in words."""
        return (self.official_note,) if self.official_note and scorer == "official" else ()


def whole_group(graded: Sequence[Graded], members: Sequence[int], stratum: str, size: int | None = None) -> Unit:
    """The unit of a group that is right when every member is; one that lacks a member is wrong."""
    value = prod(graded[i].verdict.value for i in members)
    return Unit(stratum, value if size is None or len(members) == size else 0.0, tuple(members))


def grouped(graded: Sequence[Graded], key: Callable[[Sample], Any]) -> list[list[int]]:
    """Positions of the samples with equal keys, in dataset order; samples without a key are left out."""
    found: dict[Any, list[int]] = {}
    for i, g in enumerate(graded):
        if (name := key(g.sample)) is not None:
            found.setdefault(name, []).append(i)
    return list(found.values())


def _coerce(value: Any, default: Any, name: str) -> Any:
    """A setting's value from the command line or a config file, in the type of its default."""
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        words = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)
        if str(value).lower() in words:
            return words[str(value).lower()]
        raise UserError(f"setting {name}={value!r} is not true or false")
    return str(value)


def absent_answer(benchmark: Benchmark, row: Mapping[str, Any], sample: Sample) -> str | None:
    """The column whose gold answer is empty in a row; None where the sample has an answer."""
    empty = _empty_gold(benchmark, row)
    if empty is None and not sample.answers:
        return next((c for c in benchmark.gold_columns if c in row), "answer")
    return empty


def _empty_gold(benchmark: Benchmark, row: Mapping[str, Any]) -> str | None:
    """The first gold column of a row that is empty."""
    return next((c for c in benchmark.gold_columns if c in row and _empty(row[c])), None)


def _empty(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_empty, value))
    return value is None or value != value or (isinstance(value, str) and not value.strip())


def check_answers(
    benchmark: Benchmark, samples: Sequence[Sample], absent: Sequence[tuple[str, str]], place: str
) -> list[str]:
    """Refuses samples of which some lack a gold answer; returns what must be said about the others.

    `absent` has the place (a row or line) and the column of each empty answer; `place` names where the rows are.
    """
    withheld = not any(s.answers for s in samples)
    if absent and not benchmark.answers_may_be_absent and not (withheld and len(absent) == len(samples)):
        where, column = absent[0]
        raise UserError(
            f"{benchmark.name} {where}: the gold answer (column {column!r}) is empty, as in {len(absent)} of "
            f"{len(samples)} samples of {place}; fill in the answers or remove the rows"
        )
    lost = [s.id for s in samples if s.choices and s.guesses and not set(s.answers) <= s.options.keys()]
    if lost and not withheld:
        named = ", ".join(map(repr, lost[:3])) + (", ..." if len(lost) > 3 else "")
        return [f"{benchmark.name}: the gold answer of {len(lost)} samples is not among their options: {named}"]
    return []


def row_to_sample(benchmark: Benchmark, row: Mapping[str, Any], index: int) -> Sample | None:
    """A row as a sample; a missing or malformed column is named.

    An empty gold answer is no error here: `check_answers` decides, when all rows are known.
    """
    where = f"{benchmark.name} row {index}"
    try:
        sample = benchmark.to_sample(row, index)
    except KeyError as error:
        found = ", ".join(sorted(map(str, row)))
        raise UserError(f"{where}: column {error} is missing; found: {found}") from error
    except (TypeError, ValueError, ArithmeticError, IndexError, AttributeError, UserError) as error:
        if column := _empty_gold(benchmark, row):
            raise UserError(f"{where}: the gold answer (column {column!r}) is empty") from error
        if isinstance(error, UserError):
            raise
        raise UserError(f"{where}: a column has an unexpected value ({error})") from error
    if sample is not None and (problem := _problem(benchmark, row, sample)) is not None:
        raise UserError(f"{where}: {problem}; fix the row")
    return sample


_GOLD = re.compile(r"(correct )?answers?", re.IGNORECASE)
"""Columns that hold gold answers."""
_OPTIONS = ("options", "choices")
"""Columns that hold a list of options."""


def _problem(benchmark: Benchmark, row: Mapping[str, Any], sample: Sample) -> str | None:
    """Why a sample cannot be asked or scored although its adapter made it: a cell that is no text, or half a text."""
    for question in (row.get("question", row.get("Question", sample.question)), sample.question):
        if not isinstance(question, str):
            return f"the question is {_kind(question)}, not text"
    if not isinstance(sample.id, str) or not sample.id.strip() or sample.id in ("None", "nan"):
        return "the id is missing"
    if sample.id[0] in "[{" and any(isinstance(v, (dict, list)) and str(v) == sample.id for v in row.values()):
        return "the id is not a text or a number"
    for name in benchmark._answer_columns:
        if name not in row:
            continue
        value = row[name]
        if name in _OPTIONS:
            if isinstance(value, (dict, int, float)):
                return f"{name!r} is {_kind(value)}, not a list"
        elif not _is_gold(value) and not _empty(value):
            return f"the gold answer in {name!r} is not text"
    texts = [sample.question, sample.id, *[a for a in sample.answers if a is not None], *sample.choices]
    try:
        "".join(texts).encode("utf-8")
    except TypeError:
        wrong = next(text for text in texts if not isinstance(text, str))
        return f"an answer or an option is not text: {getattr(wrong, 'problem', None) or type(wrong).__name__}"
    except UnicodeEncodeError:
        return "a text holds a lone surrogate, which is half of a character"
    labels = [x for tag in sample.tags.values() for x in (tag if isinstance(tag, tuple) else (tag,))]
    if not all([isinstance(label, str) for label in labels]):
        return "a column for the breakdown is not text"
    if not (isinstance(sample.image_id, str | None) and isinstance(sample.group, str | None)):
        return "the name of the image or of the group is not text"
    return None


def _is_gold(value: Any) -> bool:
    """Whether a cell holds a gold answer: text, a number, or a list of those."""
    if isinstance(value, str) or (type(value) is list and set(map(type, value)) == {str}):  # most do
        return True
    if isinstance(value, Number):
        return bool(value == value)  # not NaN
    members = list(value) if hasattr(value, "__iter__") and not isinstance(value, (Mapping, bytes)) else []
    members = [m.get("answer") if isinstance(m, Mapping) else m for m in members]
    return bool(members) and all(m is not None and not isinstance(m, (Mapping, list, bytes)) for m in members)


def _kind(value: Any) -> str:
    """What a cell holds instead of text; an unreadable image tells its own reason."""
    if isinstance(value, LazyImage):
        return value.problem or "bytes"
    return "null" if value is None else f"a {type(value).__name__}"
