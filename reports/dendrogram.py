"""The dendrogram of benchmarks (average linkage on 1 - r), with how often each of its nodes returns.

The support of a node is the share of resampled tables whose own dendrogram has a node with exactly the same benchmarks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .clustering import distance
from .correlation import FEWEST_DRAWS, Correlations

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Node:
    """Two branches that join."""

    members: tuple[str, ...]
    height: float
    """1 - r at which they join (average linkage)."""
    support: float
    """Share of resampled tables that have this node; NaN where only a matrix is known."""


@dataclass(frozen=True)
class Tree:
    """The dendrogram of benchmarks and how often its nodes return."""

    benchmarks: tuple[str, ...]
    linkage: Array
    """As scipy writes it: a row for each node."""
    nodes: tuple[Node, ...]
    """In the order of the rows of `linkage`; the last one has all benchmarks."""
    order: tuple[str, ...]
    """The benchmarks as the dendrogram lists them."""
    together: Array
    """Share of resampled tables in which the pair is in the same one of `groups` branches, in the order above."""
    groups: int
    resamples: int
    source: str


def tree(found: Correlations, matrices: Array, groups: int) -> Tree:
    """The dendrogram of a matrix, with the support of its nodes over resampled matrices of the same benchmarks."""
    from scipy.cluster.hierarchy import cut_tree, leaves_list

    linkage = _linkage(found.matrix)
    usable = [m for m in matrices if not np.isnan(m).any()]
    if len(usable) < FEWEST_DRAWS:
        usable = []
    k = len(found.benchmarks)
    counts: dict[frozenset[int], int] = {}
    together = np.zeros((k, k))
    for matrix in usable:
        drawn = _linkage(matrix)
        for clade in _clades(drawn):
            counts[clade] = counts.get(clade, 0) + 1
        labels = cut_tree(drawn, n_clusters=min(groups, k)).ravel()
        together += np.equal.outer(labels, labels)
    order = [int(i) for i in leaves_list(linkage)]
    nodes = tuple(
        Node(
            tuple(found.benchmarks[i] for i in order if i in clade),
            float(row[2]),
            counts.get(clade, 0) / len(usable) if usable else float("nan"),
        )
        for row, clade in zip(linkage, _clades(linkage), strict=True)
    )
    together = together / len(usable) if usable else np.full((k, k), np.nan)
    names = tuple(found.benchmarks[i] for i in order)
    return Tree(
        found.benchmarks, linkage, nodes, names, together[np.ix_(order, order)], groups, len(usable), found.source
    )


def _linkage(matrix: Array) -> Array:
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    return np.asarray(linkage(squareform(distance(matrix), checks=False), "average"), dtype=np.float64)


def _clades(linkage: Array) -> list[frozenset[int]]:
    """The leaves under each node, in the order of the rows."""
    n = len(linkage) + 1
    found: list[frozenset[int]] = [frozenset({i}) for i in range(n)]
    for left, right in linkage[:, :2].astype(int):
        found.append(found[left] | found[right])
    return found[n:]
