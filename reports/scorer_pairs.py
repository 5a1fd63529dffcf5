"""Two scorers over the same stored responses, as a figure draws them; or as the paper prints them.

What agreement means (which responses count, kappa) is decided in `cambrian_eval.results.agreement`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cambrian_eval.errors import UserError
from cambrian_eval.results.agreement import Confusion, agreement_of
from cambrian_eval.results.published_scores import published as printed

from .catalogue import entry, in_order
from .runs import NamedRun, Scored


@dataclass(frozen=True, slots=True)
class ScorerPair:
    """One benchmark of one model under two scorers."""

    model: str
    benchmark: str
    a: float
    b: float
    """Scores on the common 0 to 100 axis."""
    kappa: float | None
    """None where samples are not known (published numbers) or no scorer ever varies."""
    same: float | None
    """Share of samples with the same verdict, right or wrong."""
    n: int | None


@dataclass(frozen=True)
class ScorerPairs:
    """Every model and benchmark that two scorers scored."""

    rows: tuple[ScorerPair, ...]
    a: str
    b: str
    """The scorers' names."""
    source: str


def between(runs: Sequence[Scored], a: str, b: str, condition: str, source: str) -> ScorerPairs:
    """The scores of both scorers, wherever both exist."""
    found = []
    for named in runs:
        both = [
            name
            for name in in_order(r.benchmark for r in named.results)
            if all((r := named.result(name, condition, s)) is not None and r.score is not None for s in (a, b))
        ]
        counted: dict[str, Confusion] = {}
        if both and isinstance(named, NamedRun):
            counted = {c.benchmark: c.confusion for c in agreement_of(named.run, a, b, both, condition)}
        for name in both:
            one, other = (_score(named, name, condition, s) for s in (a, b))
            cells = counted.get(name)
            agreed = (None, None, None) if cells is None else (cells.kappa, cells.raw, cells.n)
            found.append(ScorerPair(named.name, name, one, other, *agreed))
    if not found:
        where = ", ".join(n.name for n in runs)
        raise UserError(f"{where}: no benchmark was scored by both {a!r} and {b!r}; score the run with each first")
    return ScorerPairs(tuple(found), a, b, source)


def _score(named: Scored, benchmark: str, condition: str, scorer: str) -> float:
    """A score that is known to exist, on the common axis."""
    result = named.result(benchmark, condition, scorer)
    return math.nan if result is None or result.score is None else result.score / entry(benchmark).divisor


def published() -> ScorerPairs:
    """Fuzzy matching and GPT-3.5 grading as the paper prints them for its 8B model."""
    rows = [r for r in printed() if r.table == "Table 24" and "8B" in r.model and not r.benchmark.startswith("avg_")]
    fuzzy = {r.benchmark: r.score for r in rows if r.setting.startswith("fuzzy matching") and "(" not in r.setting}
    graded = {r.benchmark: r.score for r in rows if r.setting.startswith("GPT-3.5")}
    pairs = [
        ScorerPair("Cambrian-1-8B", name, fuzzy[name], graded[name], None, None, None)
        for name in in_order(fuzzy)
        if name in graded
    ]
    return ScorerPairs(tuple(pairs), "fuzzy matching", "GPT-3.5 grading", "the paper's Table 24")
