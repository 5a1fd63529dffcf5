"""What the fit of `seeing_model` says about samples, benchmark and models, with jackknife intervals.

The intervals come from leaving out one group of images at a time and fitting again, so they hold whatever the verdicts
on one image have in common. They are about the samples: the models are taken as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cambrian_eval.results import seeing_model as irt
from cambrian_eval.results.statistics import LEVEL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cambrian_eval.results.seeing_model import Array

GROUPS = 20
"""Groups of images of the jackknife."""
UNRELATED = 10.0
"""The correlation between knowing with and without the image is estimated as if so many more were unrelated."""
SAMPLE_NODES = 5
"""Gauss-Hermite nodes in each direction of the probability that a sample needs its image."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % interval; no bounds where there are too few images for one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Misfit:
    """A model under a condition that the fit gets wrong."""

    model: int
    condition: str
    right: float
    """Its share of right answers."""
    fitted: float
    """What the fit says of it."""


MISFIT = 0.1
"""The largest difference between the two that nothing is said about."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """Of one benchmark. Abilities are logits relative to the mean of the models."""

    needed: Array
    """For each sample the probability that the image is needed."""
    needed_share: Interval
    """Mean of `needed`."""
    visual: Interval | None
    """Share of the information about models that is visual; None with fewer models than `seeing_model.FEW`."""
    abilities: tuple[dict[str, Interval], ...]
    """For each model its abilities by part; none with one model."""
    easiness: dict[str, Array]
    """For each part what it adds to the logit of each sample, for the average model; none with one model."""
    misfits: tuple[Misfit, ...] = ()
    """Models whose share of right answers the fit does not reproduce."""
    converged: bool = True


def parts(conditions: Sequence[str]) -> dict[str, Array]:
    """Part -> its contrast of the conditions. `seeing` is all that the image adds: `image` and `cross` together."""

    def contrast(**signs: float) -> Array:
        return np.array([signs.get(c, 0.0) for c in conditions])

    found = {"text": contrast(off=1), "seeing": contrast(on=1, off=-1)}
    if {"no_question", "nothing"} <= set(conditions):
        found["options"] = contrast(nothing=1)
        found["text"] = contrast(off=1, nothing=-1)
        found["image"] = contrast(no_question=1, nothing=-1)
        found["cross"] = contrast(on=1, off=-1, no_question=-1, nothing=1)
    return found


def estimate(verdicts: Array, floor: Array, clusters: Sequence[int], conditions: Sequence[str]) -> Estimates:
    """Estimates from verdicts[model, sample, condition] of several models; `clusters` numbers the image of each sample.

    `conditions` begin with `on` and `off`.
    """
    whole = irt.fit(verdicts, floor)
    contrasts = parts(conditions)
    point = _numbers(whole, verdicts, contrasts)
    group_of = _groups(clusters)
    drawn = []
    for left_out in range(max(group_of) + 1) if max(group_of) else ():
        kept = np.flatnonzero(group_of != left_out)
        of_kept = verdicts[:, kept]
        drawn.append(_numbers(irt.fit(of_kept, floor[kept], irt.restricted(whole, kept)), of_kept, contrasts))
    n = len(verdicts)
    deviations = [np.sqrt(np.einsum("mab,a,b->m", whole.models.cov[:, :-1, :-1], c, c)) for c in contrasts.values()]
    share, noise = visual_information(whole)
    least = max(_angle(share + noise) - _angle(share), _angle(share) - _angle(share - noise))
    bounds = _bounds(point, np.array(drawn), np.concatenate([[0.0, least], *deviations]))
    needs, visual, *abilities = (
        Interval(_back(p, angle), *(None if b is None else _back(b, angle) for b in span))
        for p, span, angle in zip(point, bounds, [True, True] + [False] * (len(point) - 2), strict=True)
    )
    return Estimates(
        needed(whole, verdicts),
        needs,
        visual if n >= irt.FEW else None,
        tuple({name: abilities[j * n + m] for j, name in enumerate(contrasts)} for m in range(n)),
        {name: whole.items.mean[:, :-1] @ c for name, c in contrasts.items()},
        _misfits(whole, verdicts, conditions),
        whole.converged,
    )


def _misfits(fit: irt.Fit, verdicts: Array, conditions: Sequence[str]) -> tuple[Misfit, ...]:
    """Differences that are larger than `MISFIT` and than three deviations of a share of so many samples."""
    right = np.nanmean(verdicts, axis=1)
    fitted = np.nanmean(np.where(np.isnan(verdicts), np.nan, irt.predicted(fit)), axis=1)
    deviation = np.sqrt(fitted * (1 - fitted) / (~np.isnan(verdicts)).sum(axis=1))
    return tuple(
        Misfit(int(m), conditions[c], float(right[m, c]), float(fitted[m, c]))
        for m, c in np.argwhere(np.abs(right - fitted) > np.maximum(MISFIT, 3 * deviation))
    )


def needed(fit: irt.Fit, verdicts: Array) -> Array:
    """For each sample the probability that a competent model knows the answer with the image and not without it.

    The mean over the models whose ability with vision on is not below the mean; a right guess is not knowing.
    """
    together = agreement(fit, verdicts)
    better = np.flatnonzero(fit.models.mean[:, 0] >= 0)
    chosen = irt.Normals(fit.models.mean[better], fit.models.cov[better])
    mean, cov = irt.pair_logits(replace(fit, models=chosen))
    deviation = np.sqrt(cov[..., 0, 0])
    slope = cov[..., 0, 1] / deviation
    rest = np.sqrt(np.maximum(cov[..., 1, 1] - slope**2, 0.0))
    total = np.zeros(mean.shape[:-1])
    for x, w in irt.nodes(SAMPLE_NODES):
        on = irt.sigmoid(mean[..., 0] + x * deviation)
        for y, v in irt.nodes(SAMPLE_NODES):
            off = irt.sigmoid(mean[..., 1] + x * slope + y * rest)
            total += w * v * np.maximum(on * (1 - off) - together * _scale(on, off), 0.0)
    return np.asarray(total.mean(axis=0))


def agreement(fit: irt.Fit, verdicts: Array) -> float:
    """Correlation of a model's knowing a sample with and without the image that its logits do not explain."""
    mean, variance = irt.logits(fit)
    known = irt.expected_sigmoid(mean[..., :2], variance[..., :2])
    g = fit.floor[None, :, None]
    residual = verdicts[..., :2] - (g + (1 - g) * known)
    both = ~np.isnan(residual).any(axis=2)
    product = np.where(both, residual[..., 0] * residual[..., 1], 0.0)
    scale = both * (1 - fit.floor) ** 2 * _scale(known[..., 0], known[..., 1])
    return float(np.clip(product.sum() / (scale.sum() + UNRELATED), 0.0, 1.0))


def _scale(p: Array, q: Array) -> Array:
    """Product of the standard deviations of two events."""
    return np.asarray(np.sqrt(p * (1 - p) * q * (1 - q)))


def visual_information(fit: irt.Fit) -> tuple[float, float]:
    """Share of the information about differences between models, vision on, that is about what the image adds.

    The information of a sample about a part is that about its logit, times the variance of the part between models.
    Also the deviation of the share that comes from the noise of these variances alone.
    """
    a, cov = fit.models.mean, fit.models.cov
    seeing_noise = float((cov[:, 0, 0] - 2 * cov[:, 0, 1] + cov[:, 1, 1]).mean())
    of_seeing = float((a[:, 0] - a[:, 1]).var(ddof=1)) - seeing_noise
    s, s2 = fit.items.mean[:, -1], fit.items.mean[:, -1] ** 2 + fit.items.cov[:, -1, -1]
    z, off = a[:, -1], a[:, 1]
    p = irt.sigmoid(fit.items.mean[:, 0])
    weight = (1 - fit.floor) * p**2 * (1 - p) / (fit.floor + (1 - fit.floor) * p)
    weight = weight / weight.sum()
    together = float((off * z).sum() / (len(z) - 1))
    rest_noise = float(cov[:, 1, 1].mean() + (weight @ s2) * cov[:, -1, -1].mean())
    of_rest = float(off.var(ddof=1) + 2 * (weight @ s) * together + (weight @ s2) * z.var(ddof=1)) - rest_noise
    of_seeing, of_rest = max(of_seeing, 0.0), max(of_rest, 0.0)
    total = of_seeing + of_rest
    if total == 0:
        return 0.5, 0.5
    noise = np.hypot(of_rest * seeing_noise, of_seeing * rest_noise) * np.sqrt(2 / (len(a) - 1)) / total**2
    return of_seeing / total, float(noise)


def estimate_alone(verdicts: Array, floor: Array, clusters: Sequence[int]) -> Estimates:
    """Estimates from verdicts[sample, (on, off)] of one model.

    The model knows each sample with and without the image, only with it, only without, or not at all; what it does not
    know it guesses. The shares of the four kinds are those of the largest likelihood.
    """

    def one(kept: NDArray[np.intp]) -> tuple[Array, Array]:
        each = np.ones((len(kept), 4))
        for c in range(2):
            y, g = verdicts[kept, c, None], floor[kept, None]
            p = np.where(_KNOWN[None, :, c], 1 - SLIP, np.clip(g, SLIP, 1 - SLIP))
            each *= np.where(np.isnan(y), 1.0, p ** np.nan_to_num(y) * (1 - p) ** (1 - np.nan_to_num(y)))
        shares = np.full(4, 0.25)
        for _ in range(irt.STEPS):
            of_each = each * shares
            of_each /= of_each.sum(axis=1, keepdims=True)
            shares = of_each.mean(axis=0)
        return of_each[:, 1], np.array([_angle(float(of_each[:, 1].mean()))])

    every = np.arange(len(verdicts))
    probability, point = one(every)
    group_of = _groups(clusters)
    drawn = [one(every[group_of != g])[1] for g in range(max(group_of) + 1)] if max(group_of) else []
    low, high = _bounds(point, np.array(drawn), np.zeros(1))[0]
    share = Interval(*(None if x is None else _back(x, True) for x in (float(point[0]), low, high)))  # type: ignore[arg-type]
    return Estimates(probability, share, None, (), {})


_KNOWN = np.array([[True, True], [True, False], [False, True], [False, False]])
"""Whether a sample of each kind is known with the image, and without."""
SLIP = 1e-3
"""Chance of a wrong answer to what is known, and the least chance of a right guess."""


def _numbers(fit: irt.Fit, verdicts: Array, contrasts: dict[str, Array]) -> Array:
    """All that gets an interval: the two shares as angles, where their variance is stable, then the abilities."""
    angles = [_angle(float(needed(fit, verdicts).mean())), _angle(visual_information(fit)[0])]
    return np.concatenate([angles, *(fit.models.mean[:, :-1] @ c for c in contrasts.values())])


def _angle(share: float) -> float:
    return float(np.arcsin(np.sqrt(np.clip(share, 0, 1))))


def _back(value: float, angle: bool) -> float:
    return float(np.sin(np.clip(value, 0, np.pi / 2)) ** 2) if angle else float(value)


def _groups(clusters: Sequence[int]) -> Array:
    """The jackknife group of each sample: whole images, shuffled with a fixed seed, in groups of equal size."""
    n = max(clusters) + 1
    group_of = np.random.default_rng(0).permutation(n) % min(GROUPS, n)
    return np.asarray(group_of[np.array(clusters)])


def _bounds(point: Array, drawn: Array, at_least: Array) -> list[tuple[float | None, float | None]]:
    """Intervals from the jackknife, no narrower than a deviation allows: without information nothing varies."""
    if len(drawn) < 2:
        return [(None, None)] * len(point)
    from scipy.stats import norm, t

    n = len(drawn)
    deviation = np.sqrt((n - 1) / n * ((drawn - drawn.mean(axis=0)) ** 2).sum(axis=0))
    tail = 0.5 + LEVEL / 2
    half = np.maximum(t.ppf(tail, n - 1) * deviation, norm.ppf(tail) * at_least)
    return [(float(p - h), float(p + h)) for p, h in zip(point, half, strict=True)]
