"""Correlation between benchmarks over models, with bootstrap intervals over models.

Owns Pearson and Spearman on pairwise-complete cells, the refusals (under five models) and the imputation that a
user may ask for instead. What the matrix is used for is left to `pca`, `clustering` and `assignment`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from cambrian_eval.errors import UserError

from .catalogue import entry, shipped
from .scores import ScoreTable

Array = npt.NDArray[np.float64]
Kind = Literal["pearson", "spearman"]

FEWEST = 5
FEW = 10
RESAMPLES = 500


@dataclass(frozen=True)
class Correlations:
    """A benchmarks x benchmarks matrix and what is known about its uncertainty."""

    benchmarks: tuple[str, ...]
    matrix: Array
    n: Array
    """Models each pair shares."""
    kind: Kind
    source: str
    low: Array | None = None
    """95 % interval over models; None where only the matrix is known."""
    high: Array | None = None
    notes: tuple[str, ...] = ()

    def mean_with_others(self) -> dict[str, float]:
        """Each benchmark's mean correlation with all others."""
        k = len(self.benchmarks)
        sums = (self.matrix.sum(axis=1) - np.diag(self.matrix)) / (k - 1)
        return {name: float(value) for name, value in zip(self.benchmarks, sums, strict=True)}


def usable(table: ScoreTable, impute: bool = False) -> ScoreTable:
    """The table that can be correlated: enough models, no constant column; what was left out is noted.

    Fewer than five models is refused: a correlation over four points says nothing.
    """
    from dataclasses import replace

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
            "add models or pool published tables (--published table14)"
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
        notes.append(f"{missing} missing cells were imputed by a rank-2 fit of the standardised table")
        kept = replace(kept, values=imputed(kept.values))
    elif missing:
        notes.append(f"{missing} cells are missing: each correlation uses the models that have both scores")
    return replace(kept, notes=tuple(notes))


def imputed(values: Array, rank: int = 2, rounds: int = 500) -> Array:
    """Missing cells filled by repeated rank-2 approximation of the standardised table, until they stand still."""
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


def pair_matrix(values: Array, kind: Kind = "pearson") -> tuple[Array, Array]:
    """Correlation of every pair of columns over the rows both have, and how many rows that is."""
    from scipy.stats import rankdata

    present = ~np.isnan(values)
    n = present.T.astype(float) @ present.astype(float)
    if present.all():
        data = np.apply_along_axis(rankdata, 0, values) if kind == "spearman" else values
        return _pearson(data), n
    if kind == "pearson":
        return _pearson_pairwise(values, present, n), n
    k = values.shape[1]
    matrix = np.eye(k)
    for i in range(k):
        for j in range(i):
            pair = values[present[:, i] & present[:, j]][:, [i, j]]
            ranked = np.apply_along_axis(rankdata, 0, pair) if len(pair) >= 3 else pair
            matrix[i, j] = matrix[j, i] = _pearson(ranked)[0, 1] if len(pair) >= 3 else np.nan
    return matrix, n


def _pearson_pairwise(values: Array, present: npt.NDArray[np.bool_], n: Array) -> Array:
    """Pearson over the rows each pair of columns shares, all pairs at once from sums over shared rows."""
    mask = present.astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a resample may leave a column without any cell
        centre = np.nan_to_num(np.nanmean(values, axis=0))
    x = np.where(present, values - centre, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        sums = x.T @ mask  # [i, j]: sum of column i over the rows that j has, too
        squares = (x**2).T @ mask - sums**2 / n
        products = x.T @ x - sums * sums.T / n
        flat = squares <= 1e-12 * (1 + (x**2).max(axis=0))[:, None]
        matrix = products / np.sqrt(squares * squares.T)
    matrix = np.where(flat | flat.T | (n < 3), np.nan, np.clip(matrix, -1.0, 1.0))
    np.fill_diagonal(matrix, 1.0)
    return np.asarray(matrix, dtype=np.float64)


def _pearson(data: Array) -> Array:
    """Pearson correlation of columns; NaN where a column is constant."""
    centred = data - data.mean(axis=0)
    norm = np.sqrt((centred**2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = np.where(norm > 1e-12 * (1 + np.abs(data).max(axis=0)), centred / norm, np.nan)
    matrix = np.clip(unit.T @ unit, -1.0, 1.0)
    np.fill_diagonal(matrix, 1.0)
    return np.asarray(matrix, dtype=np.float64)


def correlate(table: ScoreTable, kind: Kind = "pearson", resamples: int = RESAMPLES, seed: int = 0) -> Correlations:
    """The matrix of a usable table with percentile intervals over resampled models."""
    matrix, n = pair_matrix(table.values, kind)
    bad = np.argwhere(np.triu((n < FEWEST) | np.isnan(matrix), 1))
    if len(bad):
        a, b = (entry(table.benchmarks[i]).short for i in bad[0])
        raise UserError(
            f"{table.source}: {a} and {b} share {int(n[tuple(bad[0])])} usable models, fewer than {FEWEST}; "
            "leave one out with --benchmarks, or fill gaps with --impute"
        )
    draws = bootstrap(table.values, kind, resamples, seed)
    with warnings.catch_warnings():
        # A resample in which a pair has no spread has no correlation; a pair that never has one stays NaN.
        warnings.simplefilter("ignore", RuntimeWarning)
        low, high = np.nanquantile(draws, [0.025, 0.975], axis=0)
    return Correlations(table.benchmarks, matrix, n, kind, table.source, low, high, table.notes)


def bootstrap(values: Array, kind: Kind, resamples: int, seed: int) -> Array:
    """Correlation matrices of tables whose models were drawn with replacement: resamples x k x k."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(values), (resamples, len(values)))
    return np.stack([pair_matrix(values[drawn], kind)[0] for drawn in rows])


def shipped_matrix() -> Correlations:
    """The correlation matrix printed in the paper's Figure 15: two decimals, CV-Bench as one column."""
    rows = shipped("figure15_correlation.csv")
    names = tuple(row["benchmark"] for row in rows)
    matrix = np.array([[float(row[name]) for name in names] for row in rows])
    note = "only the printed matrix is known: nothing can be resampled over models, intervals are absent"
    return Correlations(names, matrix, np.full(matrix.shape, np.nan), "pearson", "the paper's Figure 15", notes=(note,))


def restrict(found: Correlations, benchmarks: Sequence[str]) -> Correlations:
    """The same correlations for fewer benchmarks."""
    from dataclasses import replace

    keep = np.ix_(*[[found.benchmarks.index(b) for b in benchmarks]] * 2)
    return replace(
        found, benchmarks=tuple(benchmarks), matrix=found.matrix[keep], n=found.n[keep],
        low=None if found.low is None else found.low[keep], high=None if found.high is None else found.high[keep],
    )  # fmt: skip
