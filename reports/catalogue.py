"""The vocabulary of every table and figure: benchmarks in the paper's order, titles, categories, sizes.

Owns how a benchmark is called, which category it counts in, what its score is divided by before it enters an
average, and how large its bubble is. The paper's names are written here so that a table of scores can be read
without importing an adapter; a benchmark that is not the paper's is looked up among the installed ones. How
benchmarks are scored is left to the adapters.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from cambrian_eval.benchmark import PAPER
from cambrian_eval.errors import UserError

CATEGORIES = tuple(PAPER)
OTHER = "Other"
"""Category of a benchmark nobody declared."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One column of a score table."""

    name: str
    title: str
    short: str
    """As in the paper's table heads and figures."""
    category: str
    size: int | None
    """Questions, as the paper's bubbles count them; None where the paper draws none."""
    divisor: float = 1.0
    """What a score is divided by before it enters an average or a common axis (20 for MME)."""
    scale: float = 100.0


_PAPER = (
    Entry("mme", "MME (Perception)", "MME", "General", 2400, 20.0, 2000.0),
    Entry("mmbench", "MMBench", "MMB", "General", 4300),
    Entry("seed", "SEED-Bench (image)", "SEED-I", "General", 17990),
    Entry("gqa", "GQA", "GQA", "General", 12000),
    Entry("scienceqa", "ScienceQA (image)", "SQA-I", "Knowledge", 4200),
    Entry("mmmu", "MMMU (validation)", "MMMU", "Knowledge", 300),
    Entry("mathvista", "MathVista (testmini)", "MathVista", "Knowledge", 6000),
    Entry("ai2d", "AI2D", "AI2D", "Knowledge", 3000),
    Entry("chartqa", "ChartQA", "ChartQA", "OCR & Chart", 2500),
    Entry("ocrbench", "OCRBench", "OCRBench", "OCR & Chart", 1000),
    Entry("textvqa", "TextVQA", "TextVQA", "OCR & Chart", 5000),
    Entry("docvqa", "DocVQA", "DocVQA", "OCR & Chart", 10000),
    Entry("mmvp", "MMVP", "MMVP", "Vision-Centric", 300),
    Entry("realworldqa", "RealWorldQA", "RealWorldQA", "Vision-Centric", 750),
    Entry("cvbench_2d", "CV-Bench 2D", "CV-Bench2D", "Vision-Centric", 1438),
    Entry("cvbench_3d", "CV-Bench 3D", "CV-Bench3D", "Vision-Centric", 1200),
    Entry("cvbench", "CV-Bench", "CV-Bench", "Vision-Centric", 1700),
)
ENTRIES = {entry.name: entry for entry in _PAPER}
SIXTEEN = tuple(entry.name for entry in _PAPER if entry.name != "cvbench")

_ALIASES = {
    "mmep": "mme", "mmeperception": "mme", "mmb": "mmbench", "mmbenchen": "mmbench", "seedi": "seed",
    "seedbench": "seed", "seedbenchimage": "seed", "seedimage": "seed", "sqai": "scienceqa", "sqa": "scienceqa",
    "scienceqaimg": "scienceqa", "scienceqaimage": "scienceqa", "mmmuv": "mmmu", "mmmuval": "mmmu",
    "mmmuvalidation": "mmmu", "mathvistam": "mathvista", "mathvistatestmini": "mathvista",
    "rwqa": "realworldqa", "realworld": "realworldqa", "cvbench2d": "cvbench_2d", "cv2d": "cvbench_2d",
    "cvbench3d": "cvbench_3d", "cv3d": "cvbench_3d",
}  # fmt: skip


def canonical(name: str) -> str | None:
    """The benchmark a column head means, or None: spelling, case, spaces and the paper's short forms do not matter."""
    text = name.strip().lower().replace("^", "")
    if text in ENTRIES:
        return text
    bare = "".join(c for c in text if c.isalnum())
    if bare in ENTRIES:
        return bare
    return _ALIASES.get(bare)


@cache
def entry(name: str) -> Entry:
    """How a benchmark is shown: the paper's own, else what its adapter declares, else its bare name."""
    if name in ENTRIES:
        return ENTRIES[name]
    from cambrian_eval.registry import benchmark_names, load_benchmark

    if name in benchmark_names():
        declared = load_benchmark(name)
        return Entry(
            name, declared.title, declared.title, declared.category, declared.source.n_rows,
            declared.average_divisor, declared.scale,
        )  # fmt: skip
    return Entry(name, name, name, OTHER, None)


def in_order(names: Iterable[str]) -> list[str]:
    """Names in the paper's order, others after, by category and name."""
    rank = {name: i for i, name in enumerate(ENTRIES)}
    found = dict.fromkeys(names)
    known = sorted((n for n in found if n in rank), key=rank.__getitem__)
    return known + sorted(n for n in found if n not in rank)


def categories_of(names: Iterable[str]) -> list[str]:
    """Categories that occur, in the paper's order, `Other` last."""
    found = {entry(name).category for name in names}
    return [c for c in (*CATEGORIES, OTHER) if c in found]


def shipped(name: str) -> list[dict[str, str]]:
    """Rows of a data file of this package: the paper's recovered figures."""
    path = files("cambrian_eval.reports") / name
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing from this installation; reinstall cambrian-eval") from error
    return list(csv.DictReader(text.splitlines()))
