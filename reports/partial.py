"""Correlation between two benchmarks with general ability, or the size of models, taken out.

General ability is the sum of the standardized scores on all other benchmarks; the pair itself is not part of it, which
would make every partial correlation too low. It follows from the correlation matrix alone, also from a printed one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .correlation import FEWEST, Correlations, pair_matrix, percentiles
from .scores import ScoreTable

Array = npt.NDArray[np.float64]

FEWEST_SIZES = 3
"""Distinct sizes of models without which size is not taken out."""


@dataclass(frozen=True)
class Partial:
    """Correlations before and after something is taken out."""

    benchmarks: tuple[str, ...]
    control: str
    """What is taken out, in words."""
    plain: Correlations
    """The correlations before."""
    matrix: Array
    low: Array | None
    """95 % interval over resampled models; None where only a matrix is known."""
    high: Array | None
    models: tuple[int, int] | None
    """The fewest and the most that a pair has; None where only a matrix is known."""
    source: str

    def clear(self, i: int, j: int) -> bool:
        """Whether the interval of a pair does not contain 0."""
        if self.low is None or self.high is None:
            return False
        return bool(self.low[i, j] > 0 or self.high[i, j] < 0)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The pairs of benchmarks with a value, by falling value."""
        k = len(self.benchmarks)
        found = [(i, j) for i in range(k) for j in range(i + 1, k) if not math.isnan(self.matrix[i, j])]
        return sorted(found, key=lambda p: -self.matrix[p])


def without_ability(found: Correlations, matrices: Array | None) -> Partial:
    """Every pair with the sum of all other standardized scores taken out."""
    low = high = None
    if matrices is not None:
        low, high = percentiles(partial_of_others(matrices))
    return Partial(
        found.benchmarks,
        "general ability (the sum of all other standardized scores)",
        found,
        partial_of_others(found.matrix),
        low,
        high,
        _models(found),
        found.source,
    )


def partial_of_others(matrix: Array) -> Array:
    """The partial correlation of each pair, given the sum of the other standardized columns; also of a stack.

    NaN where a part is not defined, as may happen with correlations over different models; 1 on the diagonal.
    """
    sums = matrix.sum(axis=-1)
    total = sums.sum(axis=-1)[..., None, None]
    left, right = sums[..., :, None], sums[..., None, :]
    variance = total - 2 * left - 2 * right + 2 + 2 * matrix
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(np.where(variance > 1e-9, variance, np.nan))
        with_left = (left - 1 - matrix) / spread
        with_right = (right - 1 - matrix) / spread
        return _partial(matrix, with_left, with_right)


def _partial(plain: Array, left: Array, right: Array) -> Array:
    """Partial correlation from the three plain ones."""
    with np.errstate(invalid="ignore", divide="ignore"):
        rest = (1 - left**2) * (1 - right**2)
        found = (plain - left * right) / np.sqrt(np.where(rest > 1e-12, rest, np.nan))
    found = np.where(np.abs(found) > 1 + 1e-6, np.nan, np.clip(found, -1, 1))
    k = found.shape[-1]
    found[..., range(k), range(k)] = 1.0
    return np.asarray(found, dtype=np.float64)


def without_size(
    table: ScoreTable, kind: str, resamples: int, seed: int, changes: Array | None = None
) -> Partial | None:
    """Every pair with the logarithm of the number of parameters taken out; None where too few models have a size."""
    sizes = [table.attributes.get(m, {}).get("params", math.nan) for m in table.models]
    rows = [i for i, size in enumerate(sizes) if size > 0]
    if len(rows) < FEWEST or len({sizes[i] for i in rows}) < FEWEST_SIZES:
        return None
    values = np.column_stack([table.values[rows], np.log([sizes[i] for i in rows])])
    matrix, n = pair_matrix(values, kind)
    enough = n[:-1, :-1] > FEWEST
    rng = np.random.default_rng(seed)
    draws = []
    for b in range(resamples):
        drawn = values.copy()
        if changes is not None:
            drawn[:, :-1] += changes[b][rows]
        drawn = drawn[rng.integers(0, len(rows), len(rows))]
        draws.append(_given_last(pair_matrix(drawn, kind)[0]))
    low, high = percentiles(np.stack(draws))
    plain = Correlations(table.benchmarks, matrix[:-1, :-1], n[:-1, :-1], kind, table.source)
    found = np.where(enough, _given_last(matrix), np.nan)
    return Partial(
        table.benchmarks, "size of models (log parameters)", plain, found, low, high, _models(plain), table.source
    )


def _models(found: Correlations) -> tuple[int, int] | None:
    pairs = found.n[np.triu_indices(len(found.benchmarks), 1)]
    return None if np.isnan(pairs).any() else (int(pairs.min()), int(pairs.max()))


def _given_last(matrix: Array) -> Array:
    """Partial correlations of all columns but the last, given the last."""
    last = matrix[:-1, -1]
    return _partial(matrix[:-1, :-1], last[:, None] * np.ones_like(last), last[None, :] * np.ones_like(last)[:, None])
