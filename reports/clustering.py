"""Four groups of benchmarks by four methods, and how stable they are.

Owns the clusterings (k-means on the drawn plane, average linkage on 1 - r, Ward on standardized scores, spectral on
sharpened correlations), their agreement with the paper's categories and their stability when models are resampled.
Which category a single benchmark belongs to is left to `assignment`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cambrian_eval.errors import UserError

from . import pca
from .correlation import Correlations, pair_matrix, resampled
from .scores import ScoreTable

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

SHARPEN = 8
"""Power on positive correlations before spectral clustering: all are high, and only differences near 1 matter."""

PERMUTATIONS = 9999
"""Random orders of the categories that an agreement is compared with."""

METHODS = {
    "k-means": "k-means on the drawn plane of two principal components",
    "average": "agglomerative, average linkage on 1 - r",
    "ward": "agglomerative, Ward on standardized scores (rows of the matrix where only that is known)",
    "spectral": "spectral on max(r, 0)^8",
}


@dataclass(frozen=True)
class View:
    """The input of clusterings: the matrix, the drawn plane and the benchmarks as points."""

    matrix: Array
    plane: Array
    points: Array


@dataclass(frozen=True)
class Clustering:
    """One method's groups."""

    method: str
    labels: tuple[int, ...]
    """By benchmark, numbered from 0 in order of appearance."""
    purity: float
    matched: float
    """Share in the right group under the best one-to-one match of groups and categories."""
    rand: float
    """Adjusted Rand index against the paper's categories."""
    silhouette: float
    """On distance 1 - r; NaN where every group is one benchmark."""
    stability: float
    """Mean adjusted Rand index between this grouping and those of resampled models; NaN without models."""
    together: Array | None
    """How often each pair lands together over resamples."""
    rand_low: float = math.nan
    """95 % of the adjusted Rand indices of resampled models against the categories; NaN without models."""
    rand_high: float = math.nan
    p: float = math.nan
    """How often categories in random order agree at least as well (permutation test)."""


def view(matrix: Array, values: Array | None, method: str) -> View:
    """The inputs of all clusterings from a matrix and, where known, a complete table of scores."""
    complete = values is not None and not np.isnan(values).any()
    points = pca.standardized(values).T if values is not None and complete else matrix
    of_scores = method == "scores" and complete
    positions, _ = pca.principal(points if of_scores else matrix)
    return View(matrix, positions[:, :2], points)


def _kmeans(seen: View, k: int) -> Labels:
    from sklearn.cluster import KMeans

    return np.asarray(KMeans(k, n_init=20, random_state=0).fit_predict(seen.plane), dtype=np.int64)


def _average(seen: View, k: int) -> Labels:
    from sklearn.cluster import AgglomerativeClustering

    model = AgglomerativeClustering(k, metric="precomputed", linkage="average")
    return np.asarray(model.fit_predict(distance(seen.matrix)), dtype=np.int64)


def _ward(seen: View, k: int) -> Labels:
    from sklearn.cluster import AgglomerativeClustering

    return np.asarray(AgglomerativeClustering(k, linkage="ward").fit_predict(seen.points), dtype=np.int64)


def _spectral(seen: View, k: int) -> Labels:
    from sklearn.cluster import SpectralClustering

    affinity = np.maximum(seen.matrix, 0.0) ** SHARPEN
    # A minimum affinity keeps the graph connected; otherwise the embedding is not defined.
    model = SpectralClustering(k, affinity="precomputed", random_state=0, n_init=20, assign_labels="kmeans")
    return np.asarray(model.fit_predict(np.maximum(affinity, 1e-6)), dtype=np.int64)


_RUN: Mapping[str, Callable[[View, int], Labels]] = {
    "k-means": _kmeans,
    "average": _average,
    "ward": _ward,
    "spectral": _spectral,
}


def distance(matrix: Array) -> Array:
    """1 - r, exactly zero on the diagonal."""
    found = np.clip(1.0 - matrix, 0.0, 2.0)
    np.fill_diagonal(found, 0.0)
    return found


def labels(seen: View, method: str, k: int) -> tuple[int, ...]:
    """Groups by one method, numbered in order of appearance so that equal groupings are equal tuples."""
    from sklearn.exceptions import ConvergenceWarning

    numbers: dict[int, int] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # equal points in a resample; the groups are valid
        return tuple(numbers.setdefault(int(x), len(numbers)) for x in _RUN[method](seen, k))


def purity(found: Sequence[int], truth: Sequence[str]) -> float:
    """Share of benchmarks that are of the most frequent category of their group."""
    right = 0
    for group in set(found):
        members = [t for f, t in zip(found, truth, strict=True) if f == group]
        right += max(members.count(t) for t in set(members))
    return right / len(found)


def matched(found: Sequence[int], truth: Sequence[str]) -> float:
    """Share in the right group under the best one-to-one match of groups and categories."""
    from scipy.optimize import linear_sum_assignment

    groups, names = sorted(set(found)), sorted(set(truth))
    counts = np.zeros((len(groups), len(names)))
    for f, t in zip(found, truth, strict=True):
        counts[groups.index(f), names.index(t)] += 1
    rows, columns = linear_sum_assignment(-counts)
    return float(counts[rows, columns].sum()) / len(found)


def adjusted_rand(a: Sequence[int] | Sequence[str], b: Sequence[int] | Sequence[str]) -> float:
    """Adjusted Rand index."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(a, b))


def silhouette(matrix: Array, found: Sequence[int]) -> float:
    """Mean silhouette on distance 1 - r; NaN where it is not defined (one group, or as many as benchmarks)."""
    from sklearn.metrics import silhouette_score

    if not 2 <= len(set(found)) <= len(found) - 1:
        return math.nan
    return float(silhouette_score(distance(matrix), list(found), metric="precomputed"))


def cluster(
    found: Correlations,
    table: ScoreTable | None,
    truth: Sequence[str],
    method: str = "paper",
    k: int = 4,
    resamples: int = 200,
    seed: int = 0,
    changes: Array | None = None,
) -> list[Clustering]:
    """All four methods over the benchmarks of a correlation matrix, with stability where the models are known.

    `table` has the same columns as the matrix; `truth` is each benchmark's category; `changes` is the variation of
    each score over its own samples.
    """
    if len(found.benchmarks) <= k:
        raise UserError(
            f"{found.source}: {len(found.benchmarks)} benchmarks cannot be put into {k} groups; add benchmarks"
        )
    seen = view(found.matrix, None if table is None else table.values, method)
    drawn_views = [] if table is None else views(table.values, found.kind, method, resamples, seed, changes)
    results = []
    for name in METHODS:
        groups = labels(seen, name, k)
        drawn = [labels(v, name, k) for v in drawn_views]
        together = np.mean([np.equal.outer(d, d) for d in map(np.array, drawn)], axis=0) if drawn else None
        stability = float(np.mean([adjusted_rand(groups, d) for d in drawn])) if drawn else math.nan
        rands = [adjusted_rand(d, truth) for d in drawn]
        low, high = np.quantile(rands, [0.025, 0.975]) if rands else (math.nan, math.nan)
        results.append(
            Clustering(
                name,
                groups,
                purity(groups, truth),
                matched(groups, truth),
                adjusted_rand(groups, truth),
                silhouette(found.matrix, groups),
                stability,
                together,
                float(low),
                float(high),
                permutation_p(groups, truth, seed=seed),
            )
        )
    return results


def permutation_p(found: Sequence[int], truth: Sequence[str], permutations: int = PERMUTATIONS, seed: int = 0) -> float:
    """How often categories in random order agree with the groups at least as well (adjusted Rand index).

    With fixed sizes the index rises with the number of pairs that are together in both, which is what is counted.
    """
    groups, names = np.asarray(found), np.asarray(truth)
    upper = np.triu_indices(len(groups), 1)
    together = np.equal.outer(groups, groups)[upper].astype(np.int64)
    same = np.equal.outer(names, names)
    rng = np.random.default_rng(seed)
    observed = int(together @ same[upper])
    reached = 0
    for _ in range(permutations):
        order = rng.permutation(len(groups))
        reached += int(together @ same[order[upper[0]], order[upper[1]]]) >= observed
    return (1 + reached) / (1 + permutations)


def views(values: Array, kind: str, method: str, resamples: int, seed: int, changes: Array | None = None) -> list[View]:
    """The input of clusterings for resampled models (drawn with replacement).

    A draw in which some pair of benchmarks has no correlation (a constant column) is left out.
    """
    found = []
    for drawn in resampled(values, resamples, seed, changes):
        if (np.nanmax(drawn, axis=0, initial=-np.inf) - np.nanmin(drawn, axis=0, initial=np.inf) <= 0).any():
            continue
        matrix, _ = pair_matrix(drawn, kind)
        if not np.isnan(matrix).any():
            found.append(view(matrix, drawn, method))
    return found
