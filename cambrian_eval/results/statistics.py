"""Scores, bootstrap intervals and paired tests, resampled by image.

Questions about one image are not independent, and members of a pair are scored together. Samples are therefore
grouped into clusters (same image or same group, transitively) and whole clusters are resampled; the metric's own
rule (acc+, pair accuracy, weighted strata, F1) is applied inside every resample. A metric is a weighted sum of stratum
means, or a sum of quotients of those, so one resample costs one matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cambrian_eval.benchmark import Unit
from cambrian_eval.errors import UserError
from cambrian_eval.formula import Formula, Ratio, Weights, strata_of, value
from cambrian_eval.results.exact_test import exchanged

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

RESAMPLES = 1000
"""Bootstrap resamples of every interval."""
CHUNK = 50
"""Resamples that are drawn at a time; more take memory and no less time."""
MOST_AT_ONCE = 2**15
"""The most clusters that one call draws, which fit into a processor's cache; a call for each resample takes longer."""
MOST_KEPT = 20_000_000
"""The most numbers, of a byte each, that are kept of the last resamples."""
ROUNDS = 5000
"""Random exchanges of a permutation test."""
LEVEL = 0.95
"""Proportion of resamples that an interval contains."""
POWER_FACTOR = 1.959964 + 0.841621
"""A difference of so many standard errors is detected with 80 % power at the 5 % level, two-sided."""


def score(units: Sequence[Unit], formula: Formula) -> float | None:
    """The metric over the means of strata; None when no unit counts."""
    wanted = strata_of(formula)
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    for unit in units:
        if unit.stratum in wanted:
            sums[unit.stratum] = sums.get(unit.stratum, 0.0) + unit.value
            counts[unit.stratum] = counts.get(unit.stratum, 0) + 1
    if not counts:
        return None
    return value(formula, {name: sums[name] / counts[name] for name in counts})


@dataclass(frozen=True)
class ClusterTable:
    """For each cluster: the sum of unit values and the number of units in each stratum."""

    sums: Array
    counts: Array
    terms: tuple[tuple[Array, Array | None], ...]
    """Quotients of weighted sums of stratum means; a single one without a lower side is a plain weighted sum."""

    @property
    def linear(self) -> Array | None:
        """The weights of strata where the metric is a plain weighted sum."""
        return self.terms[0][0] if len(self.terms) == 1 and self.terms[0][1] is None else None

    @property
    def metric(self) -> float:
        """The metric over all clusters; NaN where a stratum has no unit."""
        import numpy as np

        return float(self.of(np.hstack([self.sums.sum(axis=0), self.counts.sum(axis=0)])[None])[0])

    def of(self, totals: Array) -> Array:
        """The metric for each row of totals: the sums by stratum, then the counts."""
        import numpy as np

        strata = self.sums.shape[1]
        with np.errstate(invalid="ignore", divide="ignore"):
            means = totals[:, :strata] / totals[:, strata:]
            found = np.zeros(len(means))
            for upper, lower in self.terms:
                part = means @ upper
                if lower is not None:
                    below = means @ lower
                    part = np.where(below == 0, 0.0, part / below)
                found = found + part
        return np.asarray(found, dtype=np.float64)


@dataclass(frozen=True)
class Draws:
    """Bootstrap resamples of n clusters; equal seeds draw the same clusters, whatever is added up over them."""

    n: int
    """Number of clusters, at least two."""
    resamples: int = RESAMPLES
    seed: int = 0

    def sums(self, values: Array) -> Array:
        """The column sums of `values`, which has a row for each cluster, over the clusters of each resample."""
        import numpy as np

        kept = self.n * self.resamples <= MOST_KEPT
        chunks = _kept_draws(self) if kept else _draws(self)
        return np.concatenate([times.astype(np.float64) @ values for times in chunks])

    def metrics(self, *tables: ClusterTable) -> list[Array]:
        """The metric of each table in each resample; all tables have a row for each cluster."""
        import numpy as np

        totals = self.sums(np.hstack([np.hstack([t.sums, t.counts]) for t in tables]))
        found, start = [], 0
        for table in tables:
            end = start + 2 * table.sums.shape[1]
            found.append(table.of(totals[:, start:end]))
            start = end
        return found


def _draws(draws: Draws) -> Iterator[npt.NDArray[np.uint8]]:
    """How often each cluster (column) is drawn in each resample (row), `CHUNK` rows at a time."""
    import numpy as np

    rng = np.random.default_rng(draws.seed)
    for start in range(0, draws.resamples, CHUNK):
        times = np.empty((min(CHUNK, draws.resamples - start), draws.n), np.uint8)  # one is drawn a few times at most
        at_once = max(1, MOST_AT_ONCE // draws.n)
        for first in range(0, len(times), at_once):
            rows = times[first : first + at_once]
            for row, drawn in zip(rows, rng.integers(0, draws.n, rows.shape), strict=True):
                row[:] = np.bincount(drawn, minlength=draws.n)
        yield times


@lru_cache(maxsize=1)
def _kept_draws(draws: Draws) -> list[npt.NDArray[np.uint8]]:
    """The same, kept for the next scorer or condition, which has the same clusters."""
    return list(_draws(draws))


def cluster_table(
    units: Sequence[Unit], formula: Formula, cluster_of: Sequence[int], keep_empty: bool = False
) -> ClusterTable:
    """Sums and counts of units by cluster and stratum. Strata without units are left out of the metric.

    With `keep_empty`, clusters without a counted unit keep their row, so that row i is cluster i: tables of different
    scorers can then be multiplied with the same draws.
    """
    import numpy as np

    wanted = strata_of(formula)
    counted = [u for u in units if u.stratum in wanted]
    strata = {name: k for k, name in enumerate(sorted({u.stratum for u in counted}))}
    n_clusters = max(cluster_of, default=-1) + 1
    shape = n_clusters, len(strata)
    places = np.array([cluster_of[u.members[0]] * shape[1] + strata[u.stratum] for u in counted], dtype=np.intp)

    def added(values: Sequence[float]) -> Array:
        return np.asarray(np.bincount(places, values, shape[0] * shape[1]), dtype=np.float64).reshape(shape)

    sums, counts = added([u.value for u in counted]), added([1.0] * len(counted))
    rows = slice(None) if keep_empty else counts.sum(axis=1) > 0

    def weights(side: Weights) -> Array:
        return np.array([side.get(name, 0.0) for name in strata])

    terms: tuple[tuple[Array, Array | None], ...]
    if isinstance(formula, Ratio):
        terms = tuple((weights(upper), weights(lower)) for upper, lower in formula.terms)
    else:
        terms = ((weights(formula), None),)
    return ClusterTable(sums[rows], counts[rows], terms)


def interval(table: ClusterTable, seed: int = 0, resamples: int = RESAMPLES) -> tuple[float, float] | None:
    """Percentile bootstrap interval over clusters; None with fewer than two clusters."""
    n = table.sums.shape[0]
    if n < 2 or not table.sums.size:
        return None
    return percentile_interval(*Draws(n, resamples, seed).metrics(table))


def repeat_interval(
    tables: Sequence[ClusterTable], seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float] | None:
    """The interval of the mean over repeats (one table for each, with equal counts); None with fewer than two clusters.

    The mean of R repeats over C clusters has the variance s_B^2 / C, where s_B^2 is the variance of the clusters' means
    over their repeats: it contains the variance between images and 1 / R of the variance between repeats, s_W^2.
    Resampling whole clusters estimates it. By chance these means may differ less than their repeats alone explain;
    then the repeats of each cluster are resampled instead, which estimates s_W^2 / (R C). The variance is the larger:

        V = max(s_B^2, s_W^2 / R) / C
    """
    import numpy as np

    stacked, counts = np.stack([t.sums for t in tables]), tables[0].counts
    n_repeats, n_clusters = stacked.shape[:2]
    if n_clusters < 2 or not counts.size:
        return None
    mean = ClusterTable(stacked.mean(axis=0), counts, tables[0].terms)
    (between,) = Draws(n_clusters, resamples, seed).metrics(mean)
    rng = np.random.default_rng(seed)
    rows, strata = np.arange(n_clusters), counts.shape[1]
    totals = np.tile(np.hstack([counts, counts]).sum(axis=0), (resamples, 1))
    for i in range(resamples):
        chosen = stacked[rng.integers(0, n_repeats, (n_repeats, n_clusters)), rows]
        totals[i, :strata] = chosen.mean(axis=0).sum(axis=0)
    # Resampling R values with replacement has (R - 1) / R of the variance that their mean has.
    center = mean.metric
    within = center + (mean.of(totals) - center) * math.sqrt(n_repeats / (n_repeats - 1))
    if (weights := mean.linear) is not None:
        within = within.clip(weights.clip(max=0).sum(), weights.clip(min=0).sum())  # values are from 0 to 1
    return percentile_interval(between if np.nanvar(between) >= within.var() else within)


def variance(*tables: ClusterTable) -> float:
    """The variance of a metric over clusters; of two tables, that of the second's less the first's.

    A weighted sum of stratum means is linearized; a quotient is resampled.
    """
    import numpy as np

    n = tables[0].sums.shape[0]
    if n < 2:
        raise UserError("the variance is not known from a single image; use a run with more samples")
    if any(table.linear is None for table in tables):
        drawn = Draws(n).metrics(*tables)
        found = drawn[-1] - drawn[0] if len(drawn) == 2 else drawn[0]
        return float(np.nanvar(found, ddof=1))
    total = np.zeros(n)
    for sign, table in zip((1, -1), reversed(tables), strict=False):
        counts = table.counts.sum(axis=0)
        means = table.sums.sum(axis=0) / counts
        total += sign * ((table.sums - means * table.counts) / counts) @ table.terms[0][0]
    return float(n / (n - 1) * (total**2).sum())


def percentile_interval(values: Array) -> tuple[float, float] | None:
    """The central 95 % of resampled values, NaN left out; None where nothing is left."""
    import numpy as np

    kept = values[~np.isnan(values)]
    if not kept.size:
        return None
    low, high = np.quantile(kept, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def wilson(k: int, n: int) -> tuple[float, float] | None:
    """The 95 % Wilson interval of k of n, as proportions; None for n = 0."""
    if n == 0:
        return None
    from scipy.stats import binomtest

    found = binomtest(k, n).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


@dataclass(frozen=True, slots=True)
class Paired:
    """The difference between two runs on the samples they share."""

    n: int
    """Samples both runs have."""
    a: float
    """The first run's score on those samples."""
    b: float
    """The second run's score on them."""
    difference: float
    """b minus a, on the benchmark's scale."""
    interval: tuple[float, float] | None
    """95 % bootstrap interval of the difference, whole clusters resampled; None with fewer than two."""
    p_value: float
    """Two-sided, not corrected for the number of benchmarks."""
    test: str
    """`exact` where every unit is one right-or-wrong sample: all exchanges of the two runs, image by image; else
    `permutation`: 5,000 random ones."""
    detectable: float | None
    """The smallest difference that this many samples detect with 80 % power at the 5 % level.

    None where no sample differs between the two runs, because their variance cannot be estimated then.
    """


def paired(
    a: Sequence[Unit],
    b: Sequence[Unit],
    formula: Formula,
    cluster_of: Sequence[int],
    n: int,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Paired | None:
    """Compares two sets of units over the same samples (same members, same strata); None where nothing is counted."""
    import numpy as np

    left, right = cluster_table(a, formula, cluster_of), cluster_table(b, formula, cluster_of)
    n_clusters = left.sums.shape[0]
    if n_clusters == 0 or left.sums.shape != right.sums.shape:
        return None
    score_a, score_b = left.metric, right.metric
    bounds: tuple[float, float] | None = None
    detectable: float | None = None
    if n_clusters > 1:
        before, after = Draws(n_clusters, resamples, seed).metrics(left, right)
        differences = after - before
        differences = differences[~np.isnan(differences)]
        bounds = percentile_interval(differences)
        spread = float(differences.std(ddof=1)) if differences.size > 1 else 0.0
        detectable = POWER_FACTOR * spread if spread > 1e-9 else None
    wanted = strata_of(formula)
    values_a = [u.value for u in a if u.stratum in wanted]
    values_b = [u.value for u in b if u.stratum in wanted]
    plain = (
        left.linear is not None
        and len(wanted) == 1
        and set(values_a) | set(values_b) <= {0.0, 1.0}
        and all(len(u.members) == 1 for u in a if u.stratum in wanted)
    )
    if plain:
        gaps = (right.sums - left.sums).sum(axis=1)
        p_value, test = exchanged([round(float(gap)) for gap in gaps]), "exact"
    else:
        p_value, test = two_sided(exchanges(left, right, seed), score_b - score_a), "permutation"
    return Paired(n, score_a, score_b, score_b - score_a, bounds, p_value, test, detectable)


def two_sided(differences: Array, observed: float) -> float:
    """The p-value of a difference among those of random exchanges."""
    import numpy as np

    extreme = int((np.abs(differences) >= abs(observed) - 1e-12).sum())
    return (extreme + 1) / (len(differences) + 1)


def exchanges(left: ClusterTable, right: ClusterTable, seed: int, rounds: int = ROUNDS) -> Array:
    """The differences of random exchanges of the two runs, image by image."""
    import numpy as np

    bits = np.random.PCG64(seed + 1)
    n_clusters = left.sums.shape[0]
    gaps, differing = None, np.arange(n_clusters)
    if (weights := left.linear) is not None:  # then only the images on which the two runs differ count
        gaps = ((right.sums - left.sums) / left.counts.sum(axis=0) * weights).sum(axis=1)
        differing = np.flatnonzero(gaps)
        gaps = gaps[differing]
    found = np.empty(rounds)
    for start in range(0, rounds, CHUNK):
        size = min(CHUNK, rounds - start)
        # The highest bit of each 32 is what `Generator.integers(0, 2)` draws; this takes a third of its time.
        words = bits.random_raw((size * n_clusters + 1) // 2).astype("<u8", copy=False).view("<u4")
        numbers = words[: size * n_clusters].reshape(size, n_clusters)
        kept = (numbers[:, differing] >> 31).astype(np.float64)
        if gaps is not None:
            found[start : start + size] = kept @ (2 * gaps) - gaps.sum()
        else:
            found[start : start + size] = _swapped(right, left, kept) - _swapped(left, right, kept)
    return found


def _swapped(own: ClusterTable, other: ClusterTable, kept: Array) -> Array:
    """The metric of a run that keeps the clusters where `kept` is 1, and has the other's where it is 0."""
    import numpy as np

    mine, theirs = np.hstack([own.sums, own.counts]), np.hstack([other.sums, other.counts])
    return own.of(kept @ mine + (1.0 - kept) @ theirs)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction, in the order given."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, p_values[i] * (len(p_values) - rank)))
        adjusted[i] = running
    return adjusted
