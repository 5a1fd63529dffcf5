"""Score against dose: how much of an image can be taken away before the gain of sight is gone.

A dose is a condition with an amount (`blur:2`). Its curve begins at the amount that changes nothing, which is
`on`. The gain of sight is `on` minus `off`; the half dose is the amount at which the curve first falls to the middle
between the two, on straight lines between the amounts that were run. All conditions are read on the samples they
share, and the interval of the half dose comes from resampling the images of all of them together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cambrian_eval.condition import Dose
from cambrian_eval.errors import UserError
from cambrian_eval.numbers import number
from cambrian_eval.registry import conditions
from cambrian_eval.results import statistics
from cambrian_eval.results.comparison import cell_units
from cambrian_eval.results.grading import benchmark_of
from cambrian_eval.running.records import Cell
from cambrian_eval.sample import clusters

from .catalogue import amount_of, in_order

if TYPE_CHECKING:
    from cambrian_eval.results.statistics import Array, ClusterTable

    from .runs import NamedRun

ROUNDING = 1e-9
"""Scores that differ by less are equal."""


@dataclass(frozen=True, slots=True)
class Point:
    """The score at one amount."""

    amount: float
    score: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class HalfDose:
    """Where half of the gain of sight is gone; infinite where it never is, within the amounts that were run.

    `low` is the smaller amount, except where `high` is infinite: then it is the one nearer to the unchanged image.
    """

    amount: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """The scores of one model on one benchmark, from the unchanged image on."""

    model: str
    benchmark: str
    n: int
    """Samples that all conditions share."""
    points: tuple[Point, ...]
    off: float | None
    """Score with vision off; None where that was not run."""
    chance: float | None
    half: HalfDose | None
    """None without `off`, or where the image gains nothing."""


@dataclass(frozen=True, slots=True)
class Curves:
    """All curves of one kind of dose."""

    kind: str
    """`blur` and so on."""
    title: str
    amounts: str
    """What the amount is."""
    curves: tuple[Curve, ...]
    source: str


def kinds(runs: Sequence[NamedRun]) -> list[str]:
    """The kinds of dose that the runs have, each once."""
    names = (name for named in runs for name in named.conditions if amount_of(name) is not None)
    return list(dict.fromkeys(name.partition(":")[0] for name in names))


def curves(runs: Sequence[NamedRun], scorer: str, kind: str | None, source: str) -> Curves:
    """The curves of one kind of dose; by default of the first one there is."""
    found = kinds(runs)
    if not found:
        raise UserError("no run has a dose, such as blur:2; run with --vision on,off,blur:2,blur:4,blur:8")
    kind = found[0] if kind is None else kind
    if kind not in found:
        raise UserError(f"no run has a dose {kind!r}; there are: {', '.join(found)}")
    made = []
    for named in runs:
        for benchmark in in_order(named.run.benchmarks()):
            doses = [c for c in named.conditions if c.partition(":")[0] == kind]
            if (curve := _curve(named, benchmark, scorer, doses)) is not None:
                made.append(curve)
    if not made:
        raise UserError(f"no benchmark has scores by {scorer!r} for vision on and a dose of {kind!r}; run both")
    dose = _dose(kind)
    return Curves(kind, dose.title, dose.amounts, tuple(made), source)


def _dose(kind: str) -> Dose:
    """The declaration of a kind of dose."""
    declared = conditions()[kind]
    assert isinstance(declared, Dose)  # `kinds` names no other
    return declared


def _curve(named: NamedRun, benchmark: str, scorer: str, doses: Sequence[str]) -> Curve | None:
    """The curve of one benchmark; None where `on` or every dose is missing."""
    run = named.run
    have = {c: v for c in ("on", "off", *doses) if (v := run.verdicts(Cell(benchmark, c), scorer))}
    doses = [c for c in doses if c in have]
    if "on" not in have or not doses:
        return None
    declared = benchmark_of(run, benchmark)
    shared = set.intersection(*(set(v) for v in have.values()))
    tables: dict[str, ClusterTable] = {}
    samples = [s for s in run.samples(benchmark) if s.id in shared]
    if not samples or not any(s.answers for s in samples):
        return None
    cluster_of = clusters(samples)
    for condition in have:
        units = cell_units(declared, samples, run, Cell(benchmark, condition), scorer)
        weights = declared.metrics(sorted({u.stratum for u in units})).get("score", {})
        tables[condition] = statistics.cluster_table(units, weights, cluster_of, keep_empty=True)
    n_clusters = max(cluster_of) + 1
    drawn: dict[str, Array] = {}
    if n_clusters > 1:
        drawn = dict(zip(tables, statistics.Draws(n_clusters).metrics(*tables.values()), strict=True))
    unchanged = _dose(doses[0].partition(":")[0]).unchanged
    at = {"on": unchanged, **{c: amount_of(c) or 0.0 for c in doses}}
    ordered = sorted(at, key=lambda c: abs(at[c] - unchanged))
    points = []
    for condition in ordered:
        bounds = statistics.percentile_interval(drawn[condition]) if drawn else None
        low, high = bounds or (None, None)
        points.append(Point(at[condition], tables[condition].metric, low, high))
    off = tables["off"].metric if "off" in tables else None
    result = named.result(benchmark, "on", scorer)
    half = None
    if off is not None and points[0].score - off > ROUNDING:
        amounts = [at[c] for c in ordered]
        amount = _crossing(amounts, [p.score for p in points], off)
        half = HalfDose(amount, None, None)
        if drawn:
            lines = [drawn[c] for c in ordered]
            halves = [
                _crossing(amounts, [float(line[i]) for line in lines], float(level))
                for i, level in enumerate(drawn["off"])
                if lines[0][i] - level > ROUNDING
            ]
            half = HalfDose(amount, *_interval(halves, unchanged))
    chance = None if result is None else result.chance
    return Curve(named.name, benchmark, len(samples), tuple(points), off, chance, half)


def _crossing(amounts: Sequence[float], scores: Sequence[float], off: float) -> float:
    """The amount at which the scores first fall to the middle between the first of them and `off`."""
    middle = (scores[0] + off) / 2
    for i in range(1, len(scores)):
        if scores[i] <= middle:
            share = (scores[i - 1] - middle) / (scores[i - 1] - scores[i])
            return amounts[i - 1] + share * (amounts[i] - amounts[i - 1])
    return math.inf


def _interval(halves: Sequence[float], unchanged: float) -> tuple[float | None, float | None]:
    """The central 95 % of half doses: order statistics from the unchanged image on, where infinite ones are last."""
    if not halves:
        return None, None
    ordered = sorted(halves, key=lambda amount: abs(amount - unchanged))
    tail = (1 - statistics.LEVEL) / 2
    last = len(ordered) - 1
    first, final = ordered[math.floor(tail * last)], ordered[math.ceil((1 - tail) * last)]
    return (first, final) if math.isinf(final) else (min(first, final), max(first, final))


def findings(found: Curves) -> tuple[str, ...]:
    """The half dose of every curve in words."""
    from .catalogue import entry

    several = len({c.model for c in found.curves}) > 1
    lines = []
    for c in found.curves:
        name = f"{entry(c.benchmark).short}, {c.model}" if several else entry(c.benchmark).short
        if c.off is None:
            lines.append(f"{name}: run --vision off too, to see at which dose half of the gain of sight is gone.")
        elif c.half is None:
            lines.append(f"{name}: the image gains nothing (on {number(c.points[0].score)}, off {number(c.off)}).")
        else:
            last = c.points[-1].amount
            lines.append(f"{name}: half of the gain of sight is gone at {_amount(c.half, found.kind, last)}.")
    return tuple(lines)


def _amount(half: HalfDose, kind: str, last: float) -> str:
    def one(value: float) -> str:
        return f"beyond {last:g}" if math.isinf(value) else f"{value:.2g}"

    text = f"{kind} {one(half.amount)}"
    if half.low is None or half.high is None:
        return text
    return f"{text} (95 % interval {one(half.low)} to {one(half.high)})"
