"""Names and order of benchmarks, conditions and scorers in every table and figure.

Owns the short names and bubble sizes of the paper's figures, the spellings under which a benchmark is found, and the
order of columns. What an adapter, a condition or a scorer declares (category, scale, divisor, title, color) is read
from the registry, so that a third party's appears like the built-in ones.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from cambrian_eval.benchmark import PAPER
from cambrian_eval.condition import Dose
from cambrian_eval.errors import UserError
from cambrian_eval.registry import (
    CATEGORIES,
    average_divisor,
    benchmark_names,
    conditions,
    load_benchmark,
    load_condition,
    scorers,
)

OTHER = "Other"
"""Category of a benchmark that no installed adapter declares."""
SIXTEEN = tuple(name for names in PAPER.values() for name in names)
"""The paper's benchmarks in its order."""


@dataclass(frozen=True, slots=True)
class Entry:
    """How tables and figures show a benchmark."""

    name: str
    short: str
    """As in the paper's table heads and figures."""
    category: str
    size: int | None
    """Number of questions, which the bubbles of the PCA figure show; None where it is not known."""
    divisor: float
    """What a score is divided by before it enters an average or an axis from 0 to 100 (20 for MME)."""
    scale: float
    """The largest score."""


@dataclass(frozen=True, slots=True)
class ConditionStyle:
    """How tables, figures and the page show a vision condition."""

    title: str
    summary: str
    color: str
    hatch: str


_PAPER: Mapping[str, tuple[str, int]] = {
    "mme": ("MME", 2400),
    "mmbench": ("MMB", 4300),
    "seed": ("SEED-I", 17990),
    "gqa": ("GQA", 12000),
    "scienceqa": ("SQA-I", 4200),
    "mmmu": ("MMMU", 300),
    "mathvista": ("MathVista", 6000),
    "ai2d": ("AI2D", 3000),
    "chartqa": ("ChartQA", 2500),
    "ocrbench": ("OCRBench", 1000),
    "textvqa": ("TextVQA", 5000),
    "docvqa": ("DocVQA", 10000),
    "mmvp": ("MMVP", 300),
    "realworldqa": ("RealWorldQA", 750),
    "cvbench_2d": ("CV-Bench2D", 1438),
    "cvbench_3d": ("CV-Bench3D", 1200),
}
"""Short name and bubble size as the paper prints and draws them; its sizes differ from the datasets' row counts."""
CVBENCH = Entry("cvbench", "CV-Bench", "Vision-Centric", 1700, 1.0, 100.0)
"""The mean of CV-Bench 2D and 3D, which the paper's figures draw as one benchmark; it has no adapter."""

_ALIASES = {
    "mmep": "mme",
    "mmeperception": "mme",
    "mmb": "mmbench",
    "mmbenchen": "mmbench",
    "seedi": "seed",
    "seedbench": "seed",
    "seedbenchimage": "seed",
    "seedimage": "seed",
    "sqai": "scienceqa",
    "sqa": "scienceqa",
    "scienceqaimg": "scienceqa",
    "scienceqaimage": "scienceqa",
    "mmmuv": "mmmu",
    "mmmuval": "mmmu",
    "mmmuvalidation": "mmmu",
    "mathvistam": "mathvista",
    "mathvistatestmini": "mathvista",
    "rwqa": "realworldqa",
    "realworld": "realworldqa",
    "cvbench2d": "cvbench_2d",
    "cv2d": "cvbench_2d",
    "cvbench3d": "cvbench_3d",
    "cv3d": "cvbench_3d",
}


def canonical(name: str) -> str | None:
    """The benchmark a column head means, or None: spelling, case, spaces and the paper's short forms do not matter."""
    text = name.strip().lower().replace("^", "")
    known = (*SIXTEEN, CVBENCH.name)
    if text in known:
        return text
    bare = "".join(c for c in text if c.isalnum())
    return bare if bare in known else _ALIASES.get(bare)


@cache
def entry(name: str) -> Entry:
    """How a benchmark is shown: the paper's short name, else the adapter's title, else its bare name."""
    if name == CVBENCH.name:
        return CVBENCH
    if name not in benchmark_names():
        return Entry(name, name, OTHER, None, 1.0, 100.0)
    declared = load_benchmark(name)
    short, size = _PAPER.get(name, (declared.title, declared.source.n_rows))
    return Entry(name, short, declared.category, size, average_divisor(name), declared.scale)


def paper_category(name: str) -> str:
    """The category of the paper's four that a benchmark is in; `Other` for further categories and none."""
    category = entry(name).category
    return category if category in CATEGORIES else OTHER


def in_order(names: Iterable[str]) -> list[str]:
    """Benchmarks in the paper's order, others after by name."""
    return _ordered(names, (*SIXTEEN, CVBENCH.name))


def categories_of(names: Iterable[str]) -> list[str]:
    """Categories of the benchmarks: the paper's in its order, others by name, `Other` last."""
    found = {entry(name).category for name in names}
    return [c for c in _ordered(found, CATEGORIES) if c != OTHER] + [OTHER] * (OTHER in found)


def conditions_in_order(names: Iterable[str]) -> list[str]:
    """Vision conditions in the registry's order, amounts rising; those that are not installed after, by name."""
    order = list(conditions())

    def place(name: str) -> tuple[int, float, str]:
        base = name.partition(":")[0]
        return (order.index(base) if base in order else len(order), amount_of(name) or 0.0, name)

    return sorted(set(names), key=place)


def amount_of(condition: str) -> float | None:
    """The amount of a condition such as `blur:2`; None for one without."""
    try:
        found = load_condition(condition)
    except UserError:
        return None
    return found.amount if isinstance(found, Dose) else None


def changes_answers(condition: str) -> bool:
    """Whether gold answers may be others under a condition."""
    try:
        return load_condition(condition).changes_answers
    except UserError:
        return False


@cache
def condition_style(name: str) -> ConditionStyle:
    """How a vision condition is shown; one whose plug-in is not installed is shown by its name, in gray."""
    try:
        found = load_condition(name)
    except UserError:
        return ConditionStyle(name, "", "#8a8a8a", "xx")
    return ConditionStyle(found.title, found.summary, found.color, found.hatch)


def scorers_in_order(names: Iterable[str]) -> list[str]:
    """Scorers in the registry's order; judges and those of plug-ins that are not installed after, by name."""
    return _ordered(names, scorers())


def _ordered(names: Iterable[str], order: Iterable[str]) -> list[str]:
    """Distinct names: those of `order` in that order, others sorted."""
    found = set(names)
    known = [name for name in order if name in found]
    return known + sorted(found.difference(known))


def shipped(name: str) -> list[dict[str, str]]:
    """Rows of a data file of this package: the paper's recovered figures."""
    path = files("cambrian_eval.reports") / name
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing from this installation; reinstall cambrian-eval") from error
    return list(csv.DictReader(text.splitlines()))
