"""Two scorers over the same stored responses: scores side by side and Cohen's kappa on right and wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cambrian_eval.errors import UserError
from cambrian_eval.published import published as printed
from cambrian_eval.reports.catalogue import entry, in_order
from cambrian_eval.reports.runs import NamedRun, Scored
from cambrian_eval.store import Cell


@dataclass(frozen=True, slots=True)
class Agreement:
    """One benchmark of one model under two scorers."""

    model: str
    benchmark: str
    a: float
    b: float
    """Scores on the common 0 to 100 axis."""
    kappa: float | None
    """None where the samples are not known (published numbers); NaN where one scorer never varies."""
    same: float | None
    """Share of samples with the same verdict, right or wrong."""
    n: int | None


def kappa(a: Sequence[bool], b: Sequence[bool]) -> float:
    """Cohen's kappa of two binary judgements; NaN where agreement by chance is certain."""
    n = len(a)
    if n == 0:
        return math.nan
    observed = sum(x == y for x, y in zip(a, b, strict=True)) / n
    yes_a, yes_b = sum(a) / n, sum(b) / n
    expected = yes_a * yes_b + (1 - yes_a) * (1 - yes_b)
    return math.nan if expected >= 1.0 - 1e-12 else (observed - expected) / (1 - expected)


def between(runs: Sequence[Scored], a: str, b: str, condition: str = "on") -> list[Agreement]:
    """Every model and benchmark that both scorers graded. A verdict counts as right from one half."""
    found = []
    for named in runs:
        for name in in_order(r.benchmark for r in named.results):
            left, right = named.result(name, condition, a), named.result(name, condition, b)
            if left is None or right is None or left.score is None or right.score is None:
                continue
            divisor = entry(name).divisor
            one, other = left.score / divisor, right.score / divisor
            if isinstance(named, NamedRun):
                agreed = _samples(named, Cell(name, condition), a, b)
                found.append(Agreement(named.name, name, one, other, *agreed))
            else:
                found.append(Agreement(named.name, name, one, other, None, None, None))
    if not found:
        where = ", ".join(n.name for n in runs)
        raise UserError(f"{where}: no benchmark was graded by both {a!r} and {b!r}; score the run with each first")
    return found


def _samples(named: NamedRun, cell: Cell, a: str, b: str) -> tuple[float | None, float | None, int | None]:
    """Kappa, share of equal judgements and number of samples that both scorers graded."""
    one, other = named.run.verdicts(cell, a), named.run.verdicts(cell, b)
    shared = [i for i in one if i in other]
    if not shared:
        return None, None, 0
    x, y = [one[i].value >= 0.5 for i in shared], [other[i].value >= 0.5 for i in shared]
    return kappa(x, y), sum(p == q for p, q in zip(x, y, strict=True)) / len(shared), len(shared)


def published() -> list[Agreement]:
    """Fuzzy matching and GPT-3.5 grading as the paper prints them for its 8B model."""
    rows = [r for r in printed() if r.table == "Table 24" and "8B" in r.model and not r.benchmark.startswith("avg_")]
    fuzzy = {r.benchmark: r.score for r in rows if r.setting.startswith("fuzzy matching") and "(" not in r.setting}
    graded = {r.benchmark: r.score for r in rows if r.setting.startswith("GPT-3.5")}
    return [
        Agreement("Cambrian-1-8B", name, fuzzy[name], graded[name], None, None, None)
        for name in in_order(fuzzy) if name in graded
    ]  # fmt: skip
