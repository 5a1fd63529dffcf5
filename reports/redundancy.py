"""What each benchmark adds to the others, and the few benchmarks that keep the ranking of models.

A benchmark is predicted from all others by ridge regression, with models left out that the fit does not see; the share
of its variance that remains is what it adds. A choice of k benchmarks ranks models by their mean score (MME / 20); it
is made on one random half of the models and judged on the other half. Only models with all scores are used.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .catalogue import entry
from .correlation import percentiles
from .scores import ScoreTable

Array = npt.NDArray[np.float64]

FEWEST = 12
"""Models with all scores; with fewer nothing is predicted."""
FOLDS = 10
SPLITS = 40
"""Random halves of the models that a choice is made and judged on."""
RANDOM = 100
"""Random choices that the best one is compared with."""
MOST_CHOICES = 40_000
"""More choices than this are not all tried: benchmarks are then added one at a time."""
PENALTIES = np.logspace(-2, 3, 11)
RESAMPLES = 1000


@dataclass(frozen=True)
class Added:
    """What one benchmark adds."""

    benchmark: str
    share: float
    """Share of variance that the others do not predict; above 1 where they predict worse than the mean."""
    low: float
    """95 % interval over models, for these predictions."""
    high: float


@dataclass(frozen=True)
class Choice:
    """The best k benchmarks."""

    benchmarks: tuple[str, ...]
    rank_correlation: float
    """Spearman correlation with the ranking by all benchmarks, over the models it was chosen on."""
    held_out: float
    """Its mean over halves of the models that did not choose."""
    low: float
    """The central 95 % of halves."""
    high: float
    at_random: float
    """The mean over random choices of as many benchmarks, on the same halves."""


@dataclass(frozen=True)
class Redundancy:
    """Both findings."""

    benchmarks: tuple[str, ...]
    models: int
    added: tuple[Added, ...]
    """By falling share."""
    choices: tuple[Choice, ...]
    """By number of benchmarks, from 1."""
    every_choice: bool
    """Whether all choices were compared, rather than benchmarks added one at a time."""
    source: str

    def smallest(self, wanted: float) -> Choice | None:
        """The fewest benchmarks whose held-out rank correlation reaches a value."""
        return next((c for c in self.choices if c.held_out >= wanted), None)


def redundancy(table: ScoreTable, most: int = 8, seed: int = 0) -> Redundancy | None:
    """Both findings for a table; None with too few complete models or fewer than three benchmarks."""
    complete = table.values[~np.isnan(table.values).any(axis=1)]
    varied = np.ptp(complete, axis=0) > 0 if len(complete) else np.zeros(len(table.benchmarks), dtype=bool)
    if len(complete) < FEWEST or varied.sum() < 3:
        return None
    names = tuple(b for b, keep in zip(table.benchmarks, varied, strict=True) if keep)
    complete = complete[:, varied]
    added = sorted((_added(complete, j, names[j], seed) for j in range(len(names))), key=lambda a: -a.share)
    percent = complete / np.array([entry(b).divisor for b in names])
    sizes = range(1, min(most, len(names) - 1) + 1)
    every = sum(math.comb(len(names), k) for k in sizes) <= MOST_CHOICES
    return Redundancy(
        names, len(complete), tuple(added), tuple(_choices(percent, names, sizes, every, seed)), every, table.source
    )


# -- what a benchmark adds


def _added(values: Array, j: int, name: str, seed: int) -> Added:
    target, others = values[:, j], np.delete(values, j, axis=1)
    predicted, mean = held_out(others, target, seed)
    wrong, spread = (target - predicted) ** 2, (target - mean) ** 2
    rows = np.random.default_rng(seed).integers(0, len(target), (RESAMPLES, len(target)))
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = wrong[rows].sum(axis=1) / spread[rows].sum(axis=1)
    low, high = percentiles(drawn[np.isfinite(drawn)])
    return Added(name, float(wrong.sum() / spread.sum()), float(low), float(high))


def held_out(others: Array, target: Array, seed: int = 0) -> tuple[Array, Array]:
    """Predictions of models that the ridge regression did not see, and the mean of the models it did see."""
    n = len(target)
    order = np.random.default_rng(seed).permutation(n)
    predicted, mean = np.empty(n), np.empty(n)
    for fold in np.array_split(order, min(n, FOLDS)):
        seen = np.setdiff1d(np.arange(n), fold)
        x, y = others[seen], target[seen]
        center, spread = x.mean(axis=0), x.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        mean[fold] = y.mean()
        predicted[fold] = y.mean() + ((others[fold] - center) / spread) @ ridge((x - center) / spread, y - y.mean())
    return predicted, mean


def ridge(x: Array, y: Array) -> Array:
    """Coefficients of a ridge regression of centered columns; the penalty has the least leave-one-out error."""
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    projected = u.T @ y
    best, found = math.inf, np.zeros(x.shape[1])
    for penalty in PENALTIES:
        shrink = s**2 / (s**2 + penalty)
        # 1 / n: the mean was taken out of the data as well.
        leverage = (u**2) @ shrink + 1 / len(y)
        left = 1 - leverage
        if (left <= 1e-9).any():
            continue
        error = float((((y - u @ (shrink * projected)) / left) ** 2).sum())
        if error < best:
            best, found = error, vt.T @ (s / (s**2 + penalty) * projected)
    return np.asarray(found, dtype=np.float64)


# -- the few benchmarks that keep the ranking


def _choices(values: Array, names: tuple[str, ...], sizes: range, every: bool, seed: int) -> Iterator[Choice]:
    rng = np.random.default_rng(seed)
    halves = []
    for _ in range(SPLITS):
        order = rng.permutation(len(values))
        halves.append((order[: len(order) // 2], order[len(order) // 2 :]))
    before: list[tuple[int, ...]] = [()] * (1 + SPLITS)
    for k in sizes:
        tried = np.array(list(itertools.combinations(range(len(names)), k))) if every else None
        before = [
            best(values[rows], tried if tried is not None else _one_more(chosen, len(names)))
            for chosen, rows in zip(before, [np.arange(len(values)), *(half for half, _ in halves)], strict=True)
        ]
        judged = [
            float(rank_correlations(values[judges], np.array([chosen]))[0])
            for chosen, (_, judges) in zip(before[1:], halves, strict=True)
        ]
        low, high = percentiles(np.array(judged))
        random = np.array([rng.choice(len(names), k, replace=False) for _ in range(RANDOM)])
        by_chance = np.stack([rank_correlations(values[judges], random) for _, judges in halves])
        yield Choice(
            tuple(names[i] for i in before[0]),
            float(rank_correlations(values, np.array([before[0]]))[0]),
            float(np.nanmean(judged)),
            float(low),
            float(high),
            float(np.nanmean(by_chance)),
        )


def _one_more(chosen: tuple[int, ...], count: int) -> npt.NDArray[np.int64]:
    return np.array([sorted((*chosen, j)) for j in range(count) if j not in chosen])


def best(values: Array, tried: npt.NDArray[np.int64]) -> tuple[int, ...]:
    """The choice whose mean ranks the models most like the mean of all columns; the first of equals."""
    found = np.nan_to_num(rank_correlations(values, tried), nan=-2.0)
    # Rounded, so that equal rankings are equal whatever the order of their sums.
    return tuple(int(i) for i in tried[int(np.argmax(np.round(found, 12)))])


def rank_correlations(values: Array, tried: npt.NDArray[np.int64]) -> Array:
    """Spearman correlation over models of the mean of each choice of columns with the mean of all columns."""
    from scipy.stats import rankdata

    member = np.zeros((values.shape[1], len(tried)))
    np.put_along_axis(member, tried.T, 1.0 / tried.shape[1], axis=0)
    ranks = rankdata(np.round(values @ member, 9), axis=0)
    whole = rankdata(np.round(values.mean(axis=1), 9))
    ranks, whole = ranks - ranks.mean(axis=0), whole - whole.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((whole @ ranks) / np.sqrt((whole @ whole) * (ranks**2).sum(axis=0)), dtype=np.float64)
