"""Missing scores predicted from the scores a model has, with intervals that hold on cells left out.

The model is a factor analysis of the standardized table (probabilistic PCA with a noise of its own for each
benchmark), fitted to the known cells by expectation-maximization with weak priors. Every known cell is predicted
once from a fit that did not see it. These errors choose the number of factors, and set the width of the intervals: the
90th percentile of |error| / predicted standard deviation is the multiple that a 90 % interval uses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .catalogue import entry
from .correlation import FEW, percentiles
from .scores import ScoreTable

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

LEVEL = 0.9
FACTORS = (1, 2, 3, 4)
FOLDS = 10
RESAMPLES = 1000
ROUNDS = 60
PRIOR = 2.0
"""Pseudo-models that pull each benchmark's noise to the mean noise; they matter in small tables alone."""
SHRINK = 8.0
"""Pseudo-models that pull each loading to the mean loading over benchmarks."""
FEWEST_CHECKED = 30
"""Known scores that can be predicted without themselves; with fewer the intervals cannot be set."""
FEWEST_SCORES = 2
"""Known scores of a model without which none of its cells is predicted."""
NEEDED = (
    f"at least {FEW} models, 3 benchmarks, and {FEWEST_CHECKED} scores of models with more than {FEWEST_SCORES} "
    "are needed"
)


@dataclass(frozen=True)
class Predicted:
    """A cell as the other cells predict it."""

    model: str
    benchmark: str
    value: float
    low: float
    """90 % interval."""
    high: float
    known: float
    """The score itself where it was left out only for the check; NaN where it is missing."""

    @property
    def inside(self) -> bool:
        """Whether a known score is in the interval."""
        return self.low <= self.known <= self.high


@dataclass(frozen=True)
class Completion:
    """Missing cells predicted, and the check on the known ones."""

    missing: tuple[Predicted, ...]
    checked: tuple[Predicted, ...]
    """Every known cell, each predicted without itself and with intervals set by the other folds."""
    factors: int
    error: float
    """Root mean squared error of the checked cells, in standard deviations of their benchmark."""
    baseline: float
    """The same for the row-plus-column baseline."""
    ratio: tuple[float, float]
    """95 % interval over models of `error` / `baseline`."""
    source: str

    @property
    def coverage(self) -> float:
        """Share of checked cells in their interval."""
        return sum(c.inside for c in self.checked) / len(self.checked)


def completion(table: ScoreTable, seed: int = 0) -> Completion | None:
    """The missing cells of a table, predicted; None with too few models, benchmarks or scores."""
    values = table.values
    known = ~np.isnan(values)
    checkable = known & (known.sum(axis=1, keepdims=True) > FEWEST_SCORES)
    if len(values) < FEW or values.shape[1] < 3 or (known.sum(axis=0) < 3).any() or checkable.sum() < FEWEST_CHECKED:
        return None
    spread = np.nanstd(values, axis=0)
    if (spread == 0).any():
        return None
    found = predict(values, known, seed)
    scales = np.array([entry(b).scale for b in table.benchmarks])

    def cells(mask: Mask, result: Prediction, scores: Array) -> tuple[Predicted, ...]:
        made = []
        for i, j in np.argwhere(mask):
            # A score cannot leave the scale of its benchmark.
            low, value, high = np.clip(
                [result.mean[i, j] - result.half[i, j], result.mean[i, j], result.mean[i, j] + result.half[i, j]],
                0.0,
                scales[j],
            )
            score = float(scores[i, j])
            made.append(Predicted(table.models[i], table.benchmarks[j], float(value), float(low), float(high), score))
        return tuple(made)

    predictable = known.sum(axis=1, keepdims=True) >= FEWEST_SCORES
    checked = known & ~np.isnan(found.held_out.mean)
    wrong = np.where(checked, ((found.held_out.mean - values) / spread) ** 2, 0.0)
    simple = np.where(checked, ((found.baseline - values) / spread) ** 2, 0.0)
    error, baseline = (float(np.sqrt(e.sum() / checked.sum())) for e in (wrong, simple))
    rows = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = percentiles(np.sqrt(wrong.sum(axis=1)[rows].sum(axis=1) / simple.sum(axis=1)[rows].sum(axis=1)))
    return Completion(
        cells(~known & predictable, found.missing, values),
        cells(checked, found.held_out, values),
        found.factors,
        error,
        baseline,
        (float(low), float(high)),
        table.source,
    )


@dataclass(frozen=True)
class Prediction:
    """Predicted scores and the half width of their interval, models x benchmarks."""

    mean: Array
    half: Array


@dataclass(frozen=True)
class Predictions:
    """All cells from a fit to all known ones, and each known cell from a fit without it."""

    missing: Prediction
    held_out: Prediction
    baseline: Array
    """Row plus column, each known cell without itself."""
    factors: int


def predict(values: Array, known: Mask, seed: int = 0) -> Predictions:
    """Predictions of every cell of a table with missing cells."""
    folds = _folds(known, seed)
    means = {q: np.full(values.shape, np.nan) for q in FACTORS}
    sds = {q: np.full(values.shape, np.nan) for q in FACTORS}
    additive = np.full(values.shape, np.nan)
    spread = np.nanstd(np.where(known, values, np.nan), axis=0)
    for fold in range(FOLDS):
        out = folds == fold
        seen = known & ~out
        if not out.any():
            continue
        additive[out] = row_plus_column(values, seen)[out]
        for q in FACTORS:
            mean, sd = fit(values, seen, q)
            means[q][out], sds[q][out] = mean[out], sd[out]
    errors = {q: _rms(((m - values) / spread)[folds >= 0]) for q, m in means.items()}
    factors = min(FACTORS, key=lambda q: errors[q])
    ratio = np.abs(values - means[factors]) / sds[factors]
    half = np.full(values.shape, np.nan)
    for fold in range(FOLDS):
        # The width of a fold's intervals comes from the other folds: the check is not its own judge.
        half[folds == fold] = quantile(ratio[(folds >= 0) & (folds != fold)])
    mean, sd = fit(values, known, factors)
    return Predictions(
        Prediction(mean, sd * quantile(ratio[folds >= 0])),
        Prediction(means[factors], half * sds[factors]),
        additive,
        factors,
    )


def _folds(known: Mask, seed: int) -> npt.NDArray[np.int64]:
    """A fold for every known cell whose model keeps other scores; -1 elsewhere."""
    found = np.full(known.shape, -1)
    cells = np.argwhere(known & (known.sum(axis=1, keepdims=True) > FEWEST_SCORES))
    shuffled = cells[np.random.default_rng(seed).permutation(len(cells))]
    # By column, so that every fold leaves most cells of each benchmark.
    for place, cell in enumerate(shuffled[np.argsort(shuffled[:, 1], kind="stable")]):
        found[tuple(cell)] = place % FOLDS
    return found


def quantile(ratios: Array, level: float = LEVEL) -> float:
    """The smallest multiple that covers this share of the next cell, if that is like these (split conformal)."""
    ordered = np.sort(ratios)
    rank = math.ceil((len(ordered) + 1) * level)
    return float(ordered[min(rank, len(ordered)) - 1])


def row_plus_column(values: Array, seen: Mask) -> Array:
    """The baseline: a number for each model plus one for each benchmark, least squares on the known cells.

    Columns are standardized first, so that benchmarks of another scale do not decide.
    """
    held = np.where(seen, values, np.nan)
    center, spread = np.nanmean(held, axis=0), _spread(held)
    z = (held - center) / spread
    rows, columns = np.zeros(len(z)), np.zeros(z.shape[1])
    for _ in range(50):
        rows = _mean(z - columns, axis=1)
        columns = _mean(z - rows[:, None], axis=0)
    return np.asarray((rows[:, None] + columns) * spread + center, dtype=np.float64)


def _mean(values: Array, axis: int) -> Array:
    """The mean of known cells; 0 where there are none."""
    counts = (~np.isnan(values)).sum(axis=axis)
    return np.asarray(np.nansum(values, axis=axis) / np.maximum(counts, 1), dtype=np.float64)


def _spread(held: Array) -> Array:
    spread = np.nanstd(held, axis=0)
    return np.where(spread > 0, spread, 1.0)


def fit(values: Array, seen: Mask, factors: int, rounds: int = ROUNDS) -> tuple[Array, Array]:
    """Mean and standard deviation of every cell under the factor model fitted to the cells seen.

    Row i has factors x_i ~ N(0, I); cell ij is m_j + w_j x_i plus noise of variance v_j.
    """
    held = np.where(seen, values, np.nan)
    center, spread = np.nanmean(held, axis=0), _spread(held)
    z = np.where(seen, (held - center) / spread, 0.0)
    weight = seen.astype(np.float64)
    n, k = z.shape
    _, s, vt = np.linalg.svd(z, full_matrices=False)
    loadings = (vt[:factors] * s[:factors, None]).T / math.sqrt(n)
    offset, noise = np.zeros(k), np.full(k, 0.5)
    identity = np.eye(factors)
    size = factors + 1
    prior = np.diag([1e-6, *[SHRINK] * factors])
    for _ in range(rounds):
        mean, cov = _posterior(z, weight, loadings, offset, noise, identity)
        # Moments of (1, x) for each row; their weighted sums are the normal equations of each column.
        ones = np.concatenate([np.ones((n, 1)), mean], axis=1)
        second = ones[:, :, None] * ones[:, None, :]
        second[:, 1:, 1:] += cov
        normal = np.einsum("ij,iab->jab", weight, second) + prior
        # Loadings are pulled to their mean over benchmarks: all equal is the row-plus-column model.
        target = np.concatenate([[0.0], loadings.mean(axis=0)])
        right = np.einsum("ij,ia->ja", weight * z, ones) + prior @ target
        solved = np.linalg.solve(normal, right[:, :, None])[:, :, 0]
        offset, loadings = solved[:, 0], solved[:, 1:]
        fitted = np.einsum("ja,iab,jb->ij", solved, second, solved)
        residual = (weight * (z**2 - 2 * z * (ones @ solved.T) + fitted)).sum(axis=0)
        counts = weight.sum(axis=0)
        common = residual.sum() / counts.sum()
        noise = np.maximum((residual + PRIOR * common) / (counts + PRIOR), 1e-4)
    mean, cov = _posterior(z, weight, loadings, offset, noise, identity)
    ones = np.concatenate([np.ones((n, 1)), mean], axis=1)
    second = ones[:, :, None] * ones[:, None, :]
    second[:, 1:, 1:] += cov
    inverse = np.linalg.inv(np.einsum("ij,iab->jab", weight, second) + prior)
    # Noise, what is not known of the row's factors, and what is not known of the column's loadings.
    variance = (
        noise
        + np.einsum("ja,iab,jb->ij", loadings, cov, loadings)
        + noise * np.einsum("iab,jab->ij", second.reshape(n, size, size), inverse)
    )
    return (ones @ np.column_stack([offset, loadings]).T) * spread + center, np.sqrt(variance) * spread


def _posterior(
    z: Array, weight: Array, loadings: Array, offset: Array, noise: Array, identity: Array
) -> tuple[Array, Array]:
    """Mean and covariance of each row's factors, given its known cells."""
    precision = identity + np.einsum("ij,ja,jb->iab", weight / noise, loadings, loadings)
    cov = np.linalg.inv(precision)
    mean = np.einsum("iab,ib->ia", cov, ((z - offset) * weight / noise) @ loadings)
    return mean, cov


def _rms(errors: Array) -> float:
    return float(np.sqrt(np.mean(errors**2)))
