"""How many samples a benchmark needs to detect a difference of two models, both asked the same samples.

A difference of d is detected with 80 % power at the 5 % level where d, less one sample, is 2.80 standard errors: the
exact test of `compare` counts whole samples, which costs it about as much. The variance of the difference comes from
two runs, image by image; or from one run, whose score varies as much as that of a second model which gets a share of
the same samples right; or from numbers that a user states.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cambrian_eval.benchmark import Benchmark, Graded, Unit
from cambrian_eval.data.rows import DataSpec, load_samples
from cambrian_eval.errors import UserError
from cambrian_eval.formula import Formula, Ratio, strata_of
from cambrian_eval.results import statistics
from cambrian_eval.results.comparison import cell_units, shared
from cambrian_eval.results.grading import benchmark_of, responses_of
from cambrian_eval.running.records import Cell
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Verdict, clusters


@dataclass(frozen=True, slots=True)
class Power:
    """How many samples one benchmark needs."""

    benchmark: str
    """Its name."""
    difference: float
    """The difference to detect, in points of 100."""
    needed: int
    """Samples that detect it."""
    has: int | None
    """Samples that the published benchmark has; None where that is not known."""
    detects: float | None
    """The smallest difference that all of those detect, in points of 100."""
    agreement: float
    """Share of samples (pairs, groups) on which both models are right, or both wrong."""
    design_effect: float
    """By how much questions about one image, and tasks of unequal sizes, multiply the variance."""
    basis: str
    """Where the variance comes from."""
    n: int | None
    """Samples of the runs that it was estimated from; None where it was stated."""


def from_runs(
    runs: Sequence[Run], name: str, difference: float, agreement: float | None, vision: str, scorer: str
) -> Power:
    """From one run, or from two, which then say how far models agree."""
    benchmark, cell = benchmark_of(runs[0], name), Cell(name, vision)
    if len(runs) == 2:
        if agreement is not None:
            raise UserError("two runs say how far they agree; leave out --agreement, or name one run")
        both = shared(runs[0], runs[1], name, vision, vision, scorer)
        if both is None:
            raise UserError(f"{name}: the gold answers are withheld, or a judge is needed")
        headline = strata_of(both.formula)
        gaps = [v.value - u.value for u, v in zip(both.a, both.b, strict=True) if u.stratum in headline]
        same = sum(abs(gap) < 0.5 for gap in gaps) / len(gaps)
        together = clusters(both.samples)
        variance = _variance(both.a, both.b, both.formula, together)
        alone = _variance(both.a, both.b, both.formula, _alone(together))
        if not variance:
            raise UserError(f"{name}: no verdict differs between the two runs, so the variance is not known")
        return _power(
            benchmark, difference, variance * len(together), same, variance / alone, "two runs", len(together)
        )
    samples, _ = responses_of(runs[0], cell)
    units = cell_units(benchmark, samples, runs[0], cell, scorer)
    formula = benchmark.metrics(sorted({u.stratum for u in units})).get("score", {})
    counted = [u.value for u in units if u.stratum in strata_of(formula)]
    rate = sum(counted) / len(counted)
    independent = 2 * rate * (1 - rate)
    if not 0 < rate < 1:
        raise UserError(f"{name}: all samples of {runs[0].path} have the same verdict, so its variance is not known")
    differ = independent if agreement is None else 1 - agreement
    together = clusters(samples)
    own = _variance(None, units, formula, together)
    alone = _variance(None, units, formula, _alone(together))
    basis = "one run" if agreement is not None else "one run, other model independent"
    variance = 2 * own * differ / independent
    return _power(benchmark, difference, variance * len(samples), 1 - differ, own / alone, basis, len(samples))


def from_numbers(
    benchmark: Benchmark, difference: float, accuracy: float | None, agreement: float | None, design_effect: float
) -> Power:
    """From stated shares; only for benchmarks whose score is the mean over single samples.

    Without any, the most cautious independent models are assumed: each is right on half of the samples.
    """
    assumed = agreement is None and accuracy is None
    if assumed:
        accuracy = 0.5
    samples = load_samples(benchmark, DataSpec.parse("mini:20", None)).samples
    units = benchmark.units([Graded(s, Verdict(0.0, None, "not asked yet")) for s in samples], "fuzzy")
    formula = benchmark.metrics(sorted({u.stratum for u in units})).get("score", {})
    counted = [u for u in units if u.stratum in strata_of(formula)]
    if isinstance(formula, Ratio) or len(formula) > 1 or any(len(u.members) > 1 for u in counted):
        raise UserError(
            f"{benchmark.name}: its score is not the mean over single samples, so shares alone do not say how it "
            "varies; give --run with a run of it"
        )
    differ = 2 * (accuracy or 0) * (1 - (accuracy or 0)) if agreement is None else 1 - agreement
    if differ < difference / 100:
        raise UserError(
            f"two models that agree on {1 - differ:.1%} of the samples cannot differ by {difference:g} points"
        )
    variance = (differ - (difference / 100) ** 2) * design_effect * benchmark.scale**2
    basis = "stated" if agreement is not None else "stated, models independent"
    if assumed:
        basis = "assumed: independent, half right"
    return _power(benchmark, difference, variance, 1 - differ, design_effect, basis, None)


def _power(
    benchmark: Benchmark, difference: float, one: float, agreement: float, effect: float, basis: str, n: int | None
) -> Power:
    """From the variance that the difference has on one sample."""
    has = benchmark.source.n_samples
    share, error = difference / 100, statistics.POWER_FACTOR * math.sqrt(one) / benchmark.scale
    root = (error + math.sqrt(error**2 + 4 * share)) / (2 * share)  # n share - 1 = error sqrt(n)
    needed = max(1, math.ceil(root**2 - 1e-9))
    detects = 100 * (error / math.sqrt(has) + 1 / has) if has else None
    return Power(benchmark.name, difference, needed, has, detects, agreement, effect, basis, n)


def _alone(together: Sequence[int]) -> list[int]:
    return list(range(len(together)))


def _variance(a: Sequence[Unit] | None, b: Sequence[Unit], formula: Formula, together: Sequence[int]) -> float:
    """The variance of the score of `b`, less that of `a` where it is given, over images; linearized."""
    tables = [statistics.cluster_table(units, formula, together) for units in (a, b) if units is not None]
    return statistics.variance(*tables)
