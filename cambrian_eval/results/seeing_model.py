"""The item response model behind `cambrian-eval seeing`, on an array of verdicts; knows nothing of runs.

After M3IRT (arXiv 2603.02663): what a condition leaves visible decides which parts of an ability and of a difficulty
count. With four conditions the parts are the options (visible always), the question, the image, and what image and
question tell only together. Model m on sample i under condition c:

    logit = a[m, c] + b[i, c] + s[i] z[m]          P(right) = g[i] + (1 - g[i]) sigmoid(logit)

`a` is the ability of the model under the condition and `b` the easiness of the sample; since the parts are differences
between conditions, both are kept by condition and the parts are read off afterwards. `s z` is a common factor with a
discrimination of each sample: it takes up what verdicts on one sample have in common over conditions. `g` is the chance
of a blind guess where it is known, else 0.

`b` of all samples is normal with estimated mean and covariance, `s` normal with estimated variance, so a factor that
the data do not support vanishes; `a` and `z` have fixed wide priors. The estimate is variational: a normal posterior
for each sample and for each model, updated in turn by Newton steps, expectations by Gauss-Hermite quadrature. It has no
random part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ABILITY_SD = 1.5
"""Prior standard deviation of an ability, in logits."""
EASINESS_SD, EASINESS_N = 1.0, 10
"""The covariance of the easiness is estimated as if so many more samples had this deviation under each condition."""
FEW = 5
"""Fewer models than this say nothing about a common factor, and there is none."""
NO_SLOPE = 1e-6
"""The least variance of the discriminations."""
START_SLOPE = 0.25
"""Variance of the discriminations at the start."""
NODES = 7
"""Gauss-Hermite nodes of an expectation over a logit."""
STEPS = 200
"""The most rounds of the fit."""
TOLERANCE = 1e-3
"""The fit ends when no ability moves by more than this, in logits."""


@dataclass(frozen=True, slots=True)
class Normals:
    """Independent normal distributions, one for each sample or model: a mean vector and a covariance matrix each."""

    mean: Array
    cov: Array


@dataclass(frozen=True, slots=True)
class Fit:
    """Posteriors of samples (easiness by condition, then discrimination) and models (ability, then the factor)."""

    items: Normals
    models: Normals
    mean: Array
    """Mean easiness by condition."""
    spread: Array
    """Covariance of the easiness between conditions."""
    slope: float
    """Variance of the discriminations."""
    floor: Array
    """Chance of a blind guess for each sample."""
    converged: bool


def fit(verdicts: Array, floor: Array, start: Fit | None = None) -> Fit:
    """Fits verdicts[model, sample, condition] in [0, 1], NaN where there is none; `start` is a fit of like shape."""
    seen = (~np.isnan(verdicts)).astype(float)
    right = np.nan_to_num(verdicts)
    now = _start(verdicts, floor) if start is None else replace(start, floor=floor)
    for step in range(STEPS):
        before = now.models.mean
        if start is None and step == 3 and len(verdicts) >= FEW:
            now = _with_factor(now, right, seen)
        now = _items(now, right, seen)
        now = _models(now, right, seen)
        moved = float(np.abs(now.models.mean - before).max())
        if moved < TOLERANCE and step > 5:
            return replace(now, converged=True)
    return now


def _start(verdicts: Array, floor: Array) -> Fit:
    n_models, n_items, k = verdicts.shape
    with np.errstate(all="ignore"):
        share = np.nan_to_num(np.nanmean(verdicts, axis=(0, 1)), nan=0.5)
    mean = np.log((share + 0.01) / (1.01 - share))
    spread = np.eye(k) + 1.0
    items = Normals(
        np.concatenate([np.tile(mean, (n_items, 1)), np.zeros((n_items, 1))], axis=1),
        np.tile(_block(spread, START_SLOPE), (n_items, 1, 1)),
    )
    models = Normals(np.zeros((n_models, k + 1)), np.tile(np.eye(k + 1) * 1e-4, (n_models, 1, 1)))
    return Fit(items, models, mean, spread, START_SLOPE, floor, False)


def _block(spread: Array, slope: float) -> Array:
    """Covariance of easiness and discrimination, which are independent before the data."""
    k = len(spread)
    made = np.zeros((k + 1, k + 1))
    made[:k, :k], made[k, k] = spread, slope
    return made


def _with_factor(now: Fit, right: Array, seen: Array) -> Fit:
    """Starts the factor at the main direction of what abilities and easiness do not explain."""
    p = predicted(now)
    residual = (seen * (right - p)).sum(axis=2)
    residual = residual - residual.mean(axis=0)
    u = np.linalg.svd(residual, full_matrices=False)[0][:, 0]
    z = u * np.sign(u[np.abs(u).argmax()]) * np.sqrt(len(u))
    information = (seen * p * (1 - p)).sum(axis=2)
    models = Normals(now.models.mean.copy(), now.models.cov.copy())
    items = Normals(now.items.mean.copy(), now.items.cov.copy())
    models.mean[:, -1] = z
    items.mean[:, -1] = z @ residual / (z**2 @ information + 1 / START_SLOPE)
    for each, of_others in ((models, (items.mean[:, -1] ** 2 @ information.T)), (items, z**2 @ information)):
        each.cov[:, -1, :] = each.cov[:, :, -1] = 0.0
        each.cov[:, -1, -1] = 1 / (of_others + 1)
    return replace(now, items=items, models=models, slope=START_SLOPE)


def logits(now: Fit) -> tuple[Array, Array]:
    """Mean and variance of the logit of every model, sample and condition."""
    b, cb, a, ca = now.items.mean, now.items.cov, now.models.mean, now.models.cov
    k = b.shape[1] - 1
    s, z = b[None, :, k, None], a[:, None, k, None]
    mean = a[:, None, :k] + b[None, :, :k] + s * z
    vb = np.einsum("ncc->nc", cb)[None, :, :k] + 2 * z * cb[None, :, :k, k] + z**2 * cb[None, :, k, k, None]
    va = np.einsum("mcc->mc", ca)[:, None, :k] + 2 * s * ca[:, None, :k, k] + s**2 * ca[:, None, k, k, None]
    return mean, vb + va + cb[None, :, k, k, None] * ca[:, None, k, k, None]


def pair_logits(now: Fit) -> tuple[Array, Array]:
    """Mean and covariance of the first two conditions' logits, of every model and sample."""
    mean, variance = logits(now)
    b, cb, a, ca = now.items.mean, now.items.cov, now.models.mean, now.models.cov
    k = b.shape[1] - 1
    s, z = b[None, :, k], a[:, k, None]
    shared = cb[None, :, 0, 1] + z * (cb[None, :, 0, k] + cb[None, :, 1, k]) + z**2 * cb[None, :, k, k]
    shared = shared + ca[:, 0, 1, None] + s * (ca[:, 0, k, None] + ca[:, 1, k, None]) + s**2 * ca[:, k, k, None]
    shared = shared + cb[None, :, k, k] * ca[:, k, k, None]
    cov = np.empty((*shared.shape, 2, 2))
    cov[..., 0, 0], cov[..., 1, 1] = variance[..., 0], variance[..., 1]
    cov[..., 0, 1] = cov[..., 1, 0] = shared
    return mean[..., :2], cov


def restricted(now: Fit, kept: NDArray[np.intp]) -> Fit:
    """The fit without the other samples, to start from."""
    items = Normals(now.items.mean[kept], now.items.cov[kept])
    return replace(now, items=items, floor=now.floor[kept])


def predicted(now: Fit) -> Array:
    """Probability that each model is right on each sample under each condition, over the posteriors."""
    mean, variance = logits(now)
    g = now.floor[None, :, None]
    return np.asarray(g + (1 - g) * expected_sigmoid(mean, variance))


def expected_sigmoid(mean: Array, variance: Array) -> Array:
    """Mean of sigmoid(x) for normal x."""
    total = np.zeros(np.broadcast(mean, variance).shape)
    deviation = np.sqrt(variance)
    for x, w in nodes():
        total += w * sigmoid(mean + x * deviation)
    return total


def nodes(n: int = NODES) -> list[tuple[float, float]]:
    """Points and weights of an expectation over a standard normal."""
    x, w = np.polynomial.hermite_e.hermegauss(n)
    return [(float(a), float(b / w.sum())) for a, b in zip(x, w, strict=True)]


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


@dataclass(frozen=True, slots=True)
class _Slopes:
    """Derivatives of the log-likelihood by each logit, expected over the posteriors; first axis the owners."""

    first: Array
    info: Array
    """The Fisher information of a verdict about the logit."""
    bound: Array
    """That of knowing, at least `info`: a step of this length never overshoots because of guesses."""

    def turned(self) -> _Slopes:
        """With samples as the first axis instead of models."""
        return _Slopes(*(x.swapaxes(0, 1) for x in (self.first, self.info, self.bound)))


def _slopes(now: Fit, right: Array, seen: Array) -> _Slopes:
    mean, variance = logits(now)
    deviation = np.sqrt(variance)
    g = now.floor[None, :, None]
    first, info, bound = (np.zeros_like(mean) for _ in range(3))
    for x, w in nodes():
        p = sigmoid(mean + x * deviation)
        variance = w * p * (1 - p)
        bound += variance
        if g.any():
            of_right = p / (g + (1 - g) * p + 1e-12)
            first += w * (right * of_right - p)
            info += variance * (1 - g) * of_right
        else:
            first += w * (right - p)
            info += variance
    return _Slopes(seen * first, seen * info, seen * bound)


def _newton(owned: Normals, other: Normals, slopes: _Slopes, prior: Normals) -> Normals:
    """One step for the owners, given the posteriors of the others. `prior.cov` is the inverse of a covariance.

    The vector an owner's parameters are multiplied with is (1 at the condition, the other's factor), which is random
    too: its covariance with the logit enters the gradient (Stein's identity), its variance the information.
    """
    k = owned.mean.shape[1] - 1
    factor, c_factor = other.mean[:, k], other.cov[:, k, k]
    gradient = (prior.mean - owned.mean) @ prior.cov
    gradient[:, :k] += slopes.first.sum(axis=1)
    lean = other.cov[:, k, :k][None] + owned.mean[:, k, None, None] * c_factor[None, :, None]
    gradient[:, k] += slopes.first.sum(axis=2) @ factor - (slopes.info * lean).sum(axis=(1, 2))
    step = np.linalg.solve(_matrix(slopes.bound, other, prior), gradient[..., None])[..., 0]
    cov = np.linalg.inv(_matrix(slopes.info, other, prior)).astype(float)
    return Normals(owned.mean + np.clip(step, -1.5, 1.5), cov)


def _matrix(info: Array, other: Normals, prior: Normals) -> Array:
    """Information about the parameters of each owner."""
    k = other.mean.shape[1] - 1
    factor, c_factor = other.mean[:, k], other.cov[:, k, k]
    made = np.tile(prior.cov, (len(info), 1, 1))
    own = np.arange(k)
    made[:, own, own] += info.sum(axis=1)
    cross = np.einsum("onc,n->oc", info, factor)
    made[:, own, k] += cross
    made[:, k, own] += cross
    made[:, k, k] += info.sum(axis=2) @ (factor**2 + c_factor)
    return made


def _items(now: Fit, right: Array, seen: Array) -> Fit:
    """Posteriors of the samples, then what all of them have in common."""
    k = len(now.mean)
    precision = np.linalg.inv(_block(now.spread, now.slope)).astype(float)
    prior = Normals(np.append(now.mean, 0.0), precision)
    for _ in range(2):
        slopes = _slopes(now, right, seen).turned()
        now = replace(now, items=_newton(now.items, now.models, slopes, prior))
    b, cov = now.items.mean, now.items.cov
    n = len(b)
    mean = b[:, :k].mean(axis=0)
    deviation = b[:, :k] - mean
    spread = (deviation.T @ deviation + cov[:, :k, :k].sum(axis=0) + EASINESS_N * EASINESS_SD**2 * np.eye(k)) / (
        n + EASINESS_N
    )
    slope = float((b[:, k] ** 2 + cov[:, k, k]).mean()) if len(right) >= FEW else NO_SLOPE
    return replace(now, mean=mean, spread=spread, slope=max(slope, NO_SLOPE))


def _models(now: Fit, right: Array, seen: Array) -> Fit:
    """Posteriors of the models. Abilities and factor are centered and the factor has variance 1; samples make up."""
    k = len(now.mean)
    prior = Normals(np.zeros(k + 1), np.diag(np.append(np.full(k, ABILITY_SD**-2), 1.0)))
    models = _newton(now.models, now.items, _slopes(now, right, seen), prior)
    center = models.mean.mean(axis=0)
    mean, cov = models.mean - center, models.cov.copy()
    items, item_cov = now.items.mean.copy(), now.items.cov.copy()
    items[:, :k] += center[:k] + items[:, k:] * center[k]
    scale = np.sqrt((mean[:, k] ** 2 + cov[:, k, k]).mean())
    mean[:, k] /= scale
    items[:, k] *= scale
    cov[:, k] /= scale
    cov[:, :, k] /= scale
    item_cov[:, k] *= scale
    item_cov[:, :, k] *= scale
    return replace(
        now,
        models=Normals(mean, cov),
        items=Normals(items, item_cov),
        mean=now.mean + center[:k],
        slope=now.slope * float(scale**2),
    )
