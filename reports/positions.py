"""How certain the plane of principal components is: regions of positions, and the number of components.

Every resampled table gives its own plane, which may be rotated or mirrored. It is rotated onto the plane of all models
(orthogonal Procrustes, without scaling) before positions are compared. The number of components is found by parallel
analysis: eigenvalues of the correlation matrix that are larger than 95 % of those of tables whose columns were
permuted independently.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import pca
from .correlation import FEWEST_DRAWS, Correlations, pair_matrix, percentiles
from .scores import ScoreTable

Array = npt.NDArray[np.float64]

LEVEL = 0.95
PERMUTATIONS = 500


@dataclass(frozen=True)
class Ellipse:
    """The region around a benchmark that contains 95 % of its resampled positions."""

    width: float
    """Length of the axis that is turned by `angle`."""
    height: float
    angle: float
    """Degrees, counterclockwise."""


@dataclass(frozen=True)
class Positions:
    """The plane of all models with a region for each benchmark."""

    components: pca.Components
    ellipses: tuple[Ellipse, ...]
    explained_low: Array
    """95 % interval of the explained share of each component."""
    explained_high: Array
    resamples: int
    """How many resampled tables had a plane."""


def positions(components: pca.Components, draws: Iterable[pca.Components]) -> Positions | None:
    """The regions of a plane, from the components of resampled tables; None with too few of them."""
    target = components.xy
    aligned, shares = [], []
    for drawn in draws:
        aligned.append(align(drawn.xy, target))
        shares.append(drawn.explained)
    if len(aligned) < FEWEST_DRAWS:
        return None
    clouds = np.stack(aligned) - target
    low, high = percentiles(np.stack([_padded(s, len(components.explained)) for s in shares]))
    ellipses = tuple(ellipse(clouds[:, i]) for i in range(len(target)))
    return Positions(components, ellipses, low, high, len(aligned))


def align(points: Array, target: Array) -> Array:
    """Points rotated, mirrored where that is better, to be as close to the target as possible. Both are centered."""
    u, _, vt = np.linalg.svd(points.T @ target)
    return np.asarray(points @ (u @ vt), dtype=np.float64)


def ellipse(cloud: Array, level: float = LEVEL) -> Ellipse:
    """The ellipse around the origin that contains this share of a cloud, in the shape of its second moments."""
    moments = cloud.T @ cloud / len(cloud)
    values, vectors = np.linalg.eigh(moments)
    values = np.maximum(values, 1e-18)
    distance = np.sqrt((((cloud @ vectors) ** 2) / values).sum(axis=1))
    radius = float(np.quantile(distance, level, method="higher"))
    (small, large), axis = np.sqrt(values) * radius, vectors[:, 1]
    return Ellipse(2 * float(large), 2 * float(small), float(np.degrees(np.arctan2(axis[1], axis[0]))) % 180.0)


def _padded(shares: Array, count: int) -> Array:
    return np.pad(shares[:count], (0, max(0, count - len(shares))))


def drawn_components(
    found: Correlations, table: ScoreTable, method: str, matrices: Array, tables: Iterable[Array]
) -> Iterable[pca.Components]:
    """The components of every resampled table that has them: complete correlations, no constant column."""
    for matrix, values in zip(matrices, tables, strict=True):
        if np.isnan(matrix).any() or (method == "scores" and (values.std(axis=0) < 1e-12).any()):
            continue
        rows = pca.standardized(values).T if method == "scores" else matrix
        if np.ptp(rows, axis=0).max() < 1e-9:
            continue  # two distinct models: all benchmarks are one point
        points, explained = pca.principal(rows)
        axes = (0, 1) if method == "scores" else (1, 0)
        yield pca.Components(found.benchmarks, points, explained, method, axes, found.source)


@dataclass(frozen=True)
class Parallel:
    """Eigenvalues of the correlation matrix beside those of unrelated columns."""

    eigenvalues: Array
    low: Array
    """95 % interval over resampled models."""
    high: Array
    threshold: Array
    """The 95th percentile of each eigenvalue where columns are permuted independently."""
    count: int
    """Leading eigenvalues above their threshold."""
    counts: tuple[int, ...]
    """The same number in each resampled table."""
    source: str

    @property
    def share(self) -> float:
        """Share of resampled tables with the same number."""
        return sum(c == self.count for c in self.counts) / len(self.counts) if self.counts else float("nan")


def parallel(
    found: Correlations, table: ScoreTable, matrices: Array, permutations: int = PERMUTATIONS, seed: int = 0
) -> Parallel | None:
    """How many components of the correlation matrix are more than chance (parallel analysis).

    None where too few resampled or permuted tables have all correlations.
    """
    rng = np.random.default_rng(seed)
    null = []
    for _ in range(permutations):
        matrix, _ = pair_matrix(_permuted(table.values, rng), found.kind)
        if not np.isnan(matrix).any():
            null.append(_eigenvalues(matrix))
    drawn = [_eigenvalues(m) for m in matrices if not np.isnan(m).any()]
    if min(len(null), len(drawn)) < FEWEST_DRAWS:
        return None
    threshold = np.quantile(np.stack(null), LEVEL, axis=0)
    values = _eigenvalues(found.matrix)
    low, high = percentiles(np.stack(drawn))
    counts = tuple(_above(row, threshold) for row in drawn)
    return Parallel(values, low, high, threshold, _above(values, threshold), counts, found.source)


def _eigenvalues(matrix: Array) -> Array:
    return np.asarray(np.linalg.eigvalsh(matrix)[::-1], dtype=np.float64)


def _above(values: Array, threshold: Array) -> int:
    """The number of values before the first that is not above its threshold."""
    above = values > threshold
    return len(above) if above.all() else int(np.argmin(above))


def _permuted(values: Array, rng: np.random.Generator) -> Array:
    """Every column's known cells in another order; missing cells stay where they are."""
    found = values.copy()
    for j in range(values.shape[1]):
        known = ~np.isnan(values[:, j])
        found[known, j] = rng.permutation(values[known, j])
    return found
