"""The difference of an average over benchmarks between two runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cambrian_eval.results import statistics

if TYPE_CHECKING:
    from cambrian_eval.results.statistics import Array


@dataclass(frozen=True, eq=False)
class Part:
    """One benchmark of an average of two runs."""

    left: statistics.ClusterTable
    """The first run's units; equal rows are the same images."""
    right: statistics.ClusterTable
    """The second run's."""
    divisor: float
    """What the benchmark's score is divided by before it enters the average."""
    n: int
    """Samples."""


@dataclass(frozen=True, eq=False)
class Differences:
    """What one benchmark adds to the differences of its averages, on its own scale."""

    exchanged: Array
    """For each round, the difference after random exchanges of the two runs."""
    resampled: Array | None
    """For each resample, the difference; None for a single image, which cannot be resampled."""


def differences(part: Part, seed: int) -> Differences:
    """The differences of one benchmark; those of several are independent where their seeds differ."""
    drawn = None
    if (n_clusters := part.left.sums.shape[0]) > 1:
        before, after = statistics.Draws(n_clusters, seed=seed).metrics(part.left, part.right)
        drawn = after - before
    return Differences(statistics.exchanges(part.left, part.right, seed), drawn)


def paired_average(parts: Sequence[Part], found: Sequence[Differences]) -> statistics.Paired:
    """Compares the average of several benchmarks, from the differences of each."""
    import numpy as np

    a, b = (sum(getattr(part, side).metric / part.divisor for part in parts) / len(parts) for side in ("left", "right"))
    swapped, drawn = np.zeros_like(found[0].exchanged), np.zeros(statistics.RESAMPLES)
    for part, one in zip(parts, found, strict=True):
        weight = 1.0 / (part.divisor * len(parts))
        swapped += weight * one.exchanged
        drawn += np.nan if one.resampled is None else weight * one.resampled
    bounds = statistics.percentile_interval(drawn)
    kept = drawn[~np.isnan(drawn)]
    spread = float(kept.std(ddof=1)) if kept.size > 1 else 0.0
    detectable = statistics.POWER_FACTOR * spread if spread > 1e-9 else None
    p_value = statistics.two_sided(swapped, b - a)
    return statistics.Paired(sum(part.n for part in parts), a, b, b - a, bounds, p_value, "permutation", detectable)
