"""Correlation between benchmarks over models, with bootstrap intervals over models.

Owns Pearson and Spearman on pairwise-complete cells, the limits (five models at least) and the imputation that a
user may ask for instead. What the matrix is used for is left to `pca`, `clustering` and `assignment`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cambrian_eval.errors import UserError

from .catalogue import entry, shipped
from .scores import ScoreTable, one_cvbench

Array = npt.NDArray[np.float64]

FEWEST = 5
"""Correlations over fewer models are refused."""
FEW = 10
"""Correlations over fewer models get a warning."""
FEWEST_PAIRED = 3
"""A pair of benchmarks with fewer models has no correlation, even in a resample."""
RESAMPLES = 500
FEWEST_DRAWS = 50
"""Resampled tables with all correlations, without which nothing is said about the certainty of a figure."""


@dataclass(frozen=True)
class Correlations:
    """A benchmarks x benchmarks matrix and what is known about its uncertainty."""

    benchmarks: tuple[str, ...]
    matrix: Array
    n: Array
    """Models that have both scores of a pair."""
    kind: str
    """`pearson` or `spearman`."""
    source: str
    low: Array | None = None
    """95 % interval over models; None where it was not computed or only the matrix is known."""
    high: Array | None = None
    notes: tuple[str, ...] = ()
    lower: bool = False
    """Whether a figure shows every pair once, without the diagonal."""

    def mean_with_others(self) -> dict[str, float]:
        """Each benchmark's mean correlation with all others."""
        k = len(self.benchmarks)
        sums = (self.matrix.sum(axis=1) - np.diag(self.matrix)) / (k - 1)
        return {name: float(value) for name, value in zip(self.benchmarks, sums, strict=True)}


def usable(table: ScoreTable, impute: bool = False) -> ScoreTable:
    """The table that can be correlated: enough models, no constant column; what was left out is noted.

    Fewer than five models are refused: a correlation over four points means nothing.
    """
    counts = (~np.isnan(table.values)).sum(axis=0)
    notes = list(table.notes)
    keep, left_out = [], []
    for i, name in enumerate(table.benchmarks):
        column = table.values[:, i][~np.isnan(table.values[:, i])]
        if counts[i] < FEWEST:
            left_out.append(f"{entry(name).short} ({counts[i]} models)")
        elif np.ptp(column) == 0:
            left_out.append(f"{entry(name).short} (the same score for every model)")
        else:
            keep.append(name)
    if len(table.models) < FEWEST:
        raise UserError(
            f"{table.source}: {len(table.models)} models; correlations between benchmarks need at least {FEWEST}; "
            "add models or combine published tables (--published table14)"
        )
    if len(keep) < 3:
        raise UserError(
            f"{table.source}: {len(keep)} benchmarks have scores of at least {FEWEST} models; at least 3 are needed"
        )
    if left_out:
        notes.append("left out for too few or constant scores: " + ", ".join(left_out))
    if len(table.models) < FEW:
        notes.append(
            f"warning: only {len(table.models)} models; under {FEW} correlations are unstable, read them as hints"
        )
    kept = table.select(keep)
    missing = int(np.isnan(kept.values).sum())
    if missing and impute:
        notes.append(f"{missing} missing cells were imputed by a rank-2 fit of the standardized table")
        kept = replace(kept, values=imputed(kept.values))
    elif missing:
        notes.append(f"{missing} cells are missing: each correlation uses the models that have both scores")
    return replace(kept, notes=tuple(notes))


def imputed(values: Array, rank: int = 2, rounds: int = 500) -> Array:
    """Missing cells filled by repeated rank-2 approximation of the standardized table until they converge."""
    missing = np.isnan(values)
    mean, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    z = np.where(missing, 0.0, (values - mean) / spread)
    for _ in range(rounds):
        u, s, vt = np.linalg.svd(z, full_matrices=False)
        fit = (u[:, :rank] * s[:rank]) @ vt[:rank]
        step = float(np.abs((fit - z)[missing]).max(initial=0.0))
        z = np.where(missing, fit, z)
        if step < 1e-7:
            break
    return np.where(missing, z * spread + mean, values)


def pair_matrix(values: Array, kind: str = "pearson") -> tuple[Array, Array]:
    """Correlation of every pair of columns over the rows both have, and how many rows that is.

    NaN for fewer than three shared rows or a constant column; 1 on the diagonal.
    """
    import pandas as pd

    frame = pd.DataFrame(values)
    matrix = frame.corr(method="spearman" if kind == "spearman" else "pearson", min_periods=FEWEST_PAIRED).to_numpy()
    matrix = np.array(matrix, dtype=np.float64)
    np.fill_diagonal(matrix, 1.0)
    present = (~np.isnan(values)).astype(np.float64)
    return matrix, present.T @ present


def correlate(
    table: ScoreTable,
    kind: str = "pearson",
    resamples: int = RESAMPLES,
    seed: int = 0,
    changes: Array | None = None,
) -> Correlations:
    """The matrix of a usable table with percentile intervals over resampled models; none where `resamples` is 0.

    `changes` (resamples x models x benchmarks) adds the variation of each score over its own samples.
    """
    matrix, n = pair_matrix(table.values, kind)
    bad = np.argwhere(np.triu((n < FEWEST) | np.isnan(matrix), 1))
    if len(bad):
        a, b = (entry(table.benchmarks[i]).short for i in bad[0])
        raise UserError(
            f"{table.source}: {a} and {b} share {int(n[tuple(bad[0])])} usable models, fewer than {FEWEST}; "
            "leave one out with --benchmarks, or fill gaps with --impute"
        )
    if not resamples:
        return Correlations(table.benchmarks, matrix, n, kind, table.source, notes=table.notes)
    low, high = percentiles(bootstrap(table.values, kind, resamples, seed, changes))
    return Correlations(table.benchmarks, matrix, n, kind, table.source, low, high, table.notes)


def percentiles(draws: Array) -> tuple[Array, Array]:
    """The central 95 % of the first axis; NaN where nothing is known."""
    with warnings.catch_warnings():
        # A pair without spread in a resample has no correlation there; a pair that never has one stays NaN.
        warnings.simplefilter("ignore", RuntimeWarning)
        low, high = np.nanquantile(draws, [0.025, 0.975], axis=0)
    return low, high


def bootstrap(values: Array, kind: str, resamples: int, seed: int, changes: Array | None = None) -> Array:
    """Correlation matrices of tables whose models were drawn with replacement: resamples x k x k.

    `changes` is added to the scores of each resample, before its models are drawn.
    """
    return np.stack([pair_matrix(t, kind)[0] for t in resampled(values, resamples, seed, changes)])


def resampled(values: Array, resamples: int, seed: int, changes: Array | None = None) -> Iterator[Array]:
    """Tables whose models were drawn with replacement."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(values), (resamples, len(values)))
    for i, drawn in enumerate(rows):
        yield (values if changes is None else values + changes[i])[drawn]


def shipped_matrix() -> Correlations:
    """The correlation matrix printed in the paper's Figure 15: two decimals, CV-Bench as one column."""
    rows = shipped("figure15_correlation.csv")
    names = tuple(row["benchmark"] for row in rows)
    matrix = np.array([[float(row[name]) for name in names] for row in rows])
    note = "only the printed matrix is known: nothing can be resampled over models, intervals are absent"
    return Correlations(names, matrix, np.full(matrix.shape, np.nan), "pearson", "the paper's Figure 15", notes=(note,))


def restrict(found: Correlations, benchmarks: Sequence[str]) -> Correlations:
    """The same correlations for fewer benchmarks."""
    keep = np.ix_(*[[found.benchmarks.index(b) for b in benchmarks]] * 2)
    return replace(
        found,
        benchmarks=tuple(benchmarks),
        matrix=found.matrix[keep],
        n=found.n[keep],
        low=None if found.low is None else found.low[keep],
        high=None if found.high is None else found.high[keep],
    )


def prepared(table: ScoreTable, cvbench: str = "one", impute: bool = False) -> ScoreTable:
    """The table an analysis uses: CV-Bench in one column or two, unusable columns left out, gaps filled on request."""
    if cvbench not in ("one", "two"):
        raise UserError(f"--cvbench {cvbench!r} is not known; use one (a single column) or two")
    return usable(one_cvbench(table) if cvbench == "one" else table, impute)
