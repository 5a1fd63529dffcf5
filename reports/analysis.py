"""The whole analysis of benchmarks: correlation, components, clusters, categories, redundancy, missing scores.

Owns the order of the steps. Each step's arithmetic is in its own module; sentences are in `findings`, files and
figures in `analysis_files`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cambrian_eval.errors import UserError

from . import assignment, clustering, dendrogram, missing, partial, pca, redundancy
from .catalogue import OTHER, entry, paper_category
from .correlation import Correlations, prepared, restrict, shipped_matrix
from .positions import Parallel, Positions, parallel
from .resampling import resample
from .sampling import Sampling
from .scores import ScoreTable

Array = npt.NDArray[np.float64]

GROUPS = 4


@dataclass(frozen=True)
class Options:
    """Which components and correlation, how MMMU and CV-Bench count, and the number of resamples for clusters."""

    method: str = "paper"
    """Components of the rows of the correlation matrix (`paper`) or of standardized scores (`scores`)."""
    kind: str = "pearson"
    """`pearson` or `spearman`."""
    mmmu: str = "by-type"
    """MMMU's category: `by-type`, as in the paper, or `by-data`."""
    cvbench: str = "one"
    impute: bool = False
    resamples: int = 200
    """For the stability of clusters; all other intervals use 500 resamples."""
    seed: int = 0


@dataclass(frozen=True)
class Analysis:
    """Everything that was found."""

    table: ScoreTable | None
    correlations: Correlations
    components: pca.Components
    clusterings: tuple[clustering.Clustering, ...]
    clustered: tuple[str, ...]
    """The benchmarks that were clustered: without MMMU when that is placed by type."""
    assignments: tuple[assignment.Assignment, ...]
    options: Options
    tree: dendrogram.Tree
    partials: tuple[partial.Partial, ...]
    """Correlations with general ability taken out, and with the size of models where it is known."""
    positions: Positions | None
    """The plane with regions; None where only a matrix is known, as are the four below."""
    parallel: Parallel | None
    redundancy: redundancy.Redundancy | None
    """None with too few models that have all scores."""
    completion: missing.Completion | None
    """None with too few models."""
    draws: Array | None = None
    """The correlation matrices of resampled models."""


def analyze(table: ScoreTable | None, options: Options, sampling: Sampling | None = None) -> Analysis:
    """All steps on a score table, or on the paper's printed matrix where the table is None.

    `sampling` is the variation of scores over their own samples, which is then part of every interval.
    """
    import sklearn.cluster  # noqa: F401  (only libraries that are loaded can be limited)
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    # Matrices of fifteen benchmarks are too small for several threads: these would only wait for each other.
    with threadpool_limits(1):
        return _analyze(table, options, sampling or Sampling())


def _analyze(table: ScoreTable | None, options: Options, sampling: Sampling) -> Analysis:
    if table is None:
        return _of_matrix(options)
    base = resample(table, options.kind, options.cvbench, options.impute, options.seed, sampling)
    used, found, seed = base.table, base.correlations, options.seed
    by_size = partial.without_size(used, options.kind, len(base.matrices), seed, base.changes)
    # Scores that --impute filled in are no scores to predict others from.
    known = prepared(table, options.cvbench) if options.impute else used
    return Analysis(
        used,
        found,
        base.components(options.method),
        *_clusters(found, used, options, sampling.of(used, options.resamples)),
        tuple(assignment.assign(found, used, options.mmmu, seed=seed)),
        options,
        dendrogram.tree(found, base.matrices, GROUPS),
        (partial.without_ability(found, base.matrices), *([by_size] if by_size is not None else [])),
        base.positions(options.method),
        parallel(found, used, base.matrices, seed=seed),
        redundancy.redundancy(known, seed=seed),
        missing.completion(known, seed),
        base.matrices,
    )


def _of_matrix(options: Options) -> Analysis:
    """What the paper's printed matrix allows."""
    if options.method == "scores" or options.kind == "spearman":
        raise UserError("figure15 is a Pearson matrix without scores: --method scores and spearman need a score table")
    found = shipped_matrix()
    nothing = np.empty((0, *found.matrix.shape))
    return Analysis(
        None,
        found,
        pca.of_matrix(found),
        *_clusters(found, None, options, None),
        tuple(assignment.assign(found, None, options.mmmu, seed=options.seed)),
        options,
        dendrogram.tree(found, nothing, GROUPS),
        (partial.without_ability(found, None),),
        None,
        None,
        None,
        None,
    )


def _clusters(
    found: Correlations, table: ScoreTable | None, options: Options, changes: Array | None
) -> tuple[tuple[clustering.Clustering, ...], tuple[str, ...]]:
    """The clusterings and what they were made of. Benchmarks without a category cannot be checked and are left out."""
    names = [
        b for b in found.benchmarks if paper_category(b) != OTHER and not (b == "mmmu" and options.mmmu == "by-type")
    ]
    if len(names) <= GROUPS:
        return (), tuple(names)
    truth = [entry(b).category for b in names]
    made = clustering.cluster(
        restrict(found, names),
        None if table is None else table.select(names),
        truth,
        options.method,
        GROUPS,
        options.resamples,
        options.seed,
        None if changes is None else changes[:, :, [found.benchmarks.index(b) for b in names]],
    )
    return tuple(made), tuple(names)
