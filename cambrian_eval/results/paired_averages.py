"""The difference of an average over benchmarks between two runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cambrian_eval.results import statistics


@dataclass(frozen=True)
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


def paired_average(parts: Sequence[Part], seed: int = 0, resamples: int = statistics.RESAMPLES) -> statistics.Paired:
    """Compares the average of several benchmarks, whose images are resampled and exchanged independently."""
    import numpy as np

    a, b = (sum(getattr(part, side).metric / part.divisor for part in parts) / len(parts) for side in ("left", "right"))
    swapped, drawn = np.zeros(statistics.ROUNDS), np.zeros(resamples)
    for i, part in enumerate(parts):
        weight = 1.0 / (part.divisor * len(parts))
        swapped += weight * statistics.exchanges(part.left, part.right, seed + i)
        if part.left.sums.shape[0] > 1:
            before, after = statistics.Draws(part.left.sums.shape[0], resamples, seed + i).metrics(
                part.left, part.right
            )
            drawn += weight * (after - before)
        else:
            drawn += np.nan  # one image has no interval
    bounds = statistics.percentile_interval(drawn)
    kept = drawn[~np.isnan(drawn)]
    spread = float(kept.std(ddof=1)) if kept.size > 1 else 0.0
    detectable = statistics.POWER_FACTOR * spread if spread > 1e-9 else None
    p_value = statistics.two_sided(swapped, b - a)
    return statistics.Paired(sum(part.n for part in parts), a, b, b - a, bounds, p_value, "permutation", detectable)
