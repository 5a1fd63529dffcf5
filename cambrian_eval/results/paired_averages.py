"""The difference of an average over benchmarks between two runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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
    _known: dict[tuple[int, int], tuple[Array, Array | None]] = field(default_factory=dict, repr=False)

    def differences(self, seed: int, resamples: int) -> tuple[Array, Array | None]:
        """The differences of random exchanges, and of resamples, which a single image has not.

        They are computed once for each seed: a benchmark is part of several averages.
        """
        if (seed, resamples) not in self._known:
            n_clusters, drawn = self.left.sums.shape[0], None
            if n_clusters > 1:
                before, after = statistics.Draws(n_clusters, resamples, seed).metrics(self.left, self.right)
                drawn = after - before
            self._known[seed, resamples] = statistics.exchanges(self.left, self.right, seed), drawn
        return self._known[seed, resamples]


def paired_average(parts: Sequence[Part], seed: int = 0, resamples: int = statistics.RESAMPLES) -> statistics.Paired:
    """Compares the average of several benchmarks, whose images are resampled and exchanged independently."""
    import numpy as np

    a, b = (sum(getattr(part, side).metric / part.divisor for part in parts) / len(parts) for side in ("left", "right"))
    swapped, drawn = np.zeros(statistics.ROUNDS), np.zeros(resamples)
    for i, part in enumerate(parts):
        weight = 1.0 / (part.divisor * len(parts))
        exchanged, resampled = part.differences(seed + i, resamples)
        swapped += weight * exchanged
        drawn += np.nan if resampled is None else weight * resampled
    bounds = statistics.percentile_interval(drawn)
    kept = drawn[~np.isnan(drawn)]
    spread = float(kept.std(ddof=1)) if kept.size > 1 else 0.0
    detectable = statistics.POWER_FACTOR * spread if spread > 1e-9 else None
    p_value = statistics.two_sided(swapped, b - a)
    return statistics.Paired(sum(part.n for part in parts), a, b, b - a, bounds, p_value, "permutation", detectable)
