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
    from cambrian_eval.results.seeing_model import Array

GROUPS = 20
"""Groups of images of the jackknife."""
SAMPLE_NODES = 5
"""Gauss-Hermite nodes in each direction of the probability that a sample needs its image."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % interval; no bounds where there are too few images for one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Estimates:
    """Of one benchmark. Abilities are logits relative to the mean of the models."""

    needed: Array
    """For each sample the probability that the image is needed."""
    needed_share: Interval
    """Mean of `needed`."""
    visual: Interval | None
    """Share of the information about models that is visual; None with one model."""
    abilities: tuple[dict[str, Interval], ...]
    """For each model its abilities by part; none with one model."""
    easiness: dict[str, Array]
    """For each part what it adds to the logit of each sample, for the average model; none with one model."""
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
    bounds = _bounds(point, np.array(drawn))
    n = len(verdicts)
    share, visual, *abilities = (
        Interval(_back(p, angle), *(None if b is None else _back(b, angle) for b in span))
        for p, span, angle in zip(point, bounds, [True, True] + [False] * (len(point) - 2), strict=True)
    )
    return Estimates(
        needed(whole, verdicts),
        share,
        visual,
        tuple({name: abilities[j * n + m] for j, name in enumerate(contrasts)} for m in range(n)),
        {name: whole.items.mean[:, :-1] @ c for name, c in contrasts.items()},
        whole.converged,
    )


def needed(fit: irt.Fit, verdicts: Array) -> Array:
    """For each sample the probability that a competent model knows the answer with the image and not without it.

    The mean over the better half of the models by ability with vision on; a right guess is not knowing.
    """
    together = agreement(fit, verdicts)
    order = np.argsort(-fit.models.mean[:, 0], kind="stable")
    better = order[: (len(order) + 1) // 2]
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
    """Correlation of a model's knowing a sample with and without the image that its logits do not explain, from 0."""
    mean, variance = irt.logits(fit)
    known = irt.expected_sigmoid(mean[..., :2], variance[..., :2])
    g = fit.floor[None, :, None]
    residual = verdicts[..., :2] - (g + (1 - g) * known)
    both = ~np.isnan(residual).any(axis=2)
    product = np.where(both, residual[..., 0] * residual[..., 1], 0.0)
    scale = both * (1 - fit.floor) ** 2 * _scale(known[..., 0], known[..., 1])
    return max(float(product.sum() / max(scale.sum(), 1e-12)), 0.0)


def _scale(p: Array, q: Array) -> Array:
    """Product of the standard deviations of two events."""
    return np.asarray(np.sqrt(p * (1 - p) * q * (1 - q)))


def visual_information(fit: irt.Fit) -> float:
    """Share of the information about differences between models, vision on, that is about what the image adds.

    The information of a sample about a part is that about its logit, times the variance of the part between models.
    """
    a, cov = fit.models.mean, fit.models.cov
    seeing = a[:, 0] - a[:, 1]
    noise = cov[:, 0, 0] - 2 * cov[:, 0, 1] + cov[:, 1, 1]
    of_seeing = max(_variance(seeing, noise), 0.0)
    s, s2 = fit.items.mean[:, -1], fit.items.mean[:, -1] ** 2 + fit.items.cov[:, -1, -1]
    z, off = a[:, -1], a[:, 1]
    together = float((off * z).sum() / (len(z) - 1))
    of_rest = _variance(off, cov[:, 1, 1]) + 2 * s * together + s2 * _variance(z, cov[:, -1, -1])
    p = irt.sigmoid(fit.items.mean[:, 0])
    g = fit.floor
    weight = (1 - g) * p**2 * (1 - p) / (g / (1 - g + 1e-12) + p) if g.any() else p * (1 - p)
    rest = max(float((weight * of_rest).sum() / weight.sum()), 0.0)
    return of_seeing / (of_seeing + rest) if of_seeing + rest > 0 else 0.0


def _variance(values: Array, noise: Array) -> float:
    """Variance between models without that of the estimates."""
    return float(values.var(ddof=1) - noise.mean())


def _numbers(fit: irt.Fit, verdicts: Array, contrasts: dict[str, Array]) -> Array:
    """All that gets an interval: the two shares as angles, where their variance is stable, then the abilities."""
    shares = [float(needed(fit, verdicts).mean()), visual_information(fit)]
    angles = np.arcsin(np.sqrt(np.clip(shares, 0, 1)))
    return np.concatenate([angles, *(fit.models.mean[:, :-1] @ c for c in contrasts.values())])


def _back(value: float, angle: bool) -> float:
    return float(np.sin(np.clip(value, 0, np.pi / 2)) ** 2) if angle else float(value)


def _groups(clusters: Sequence[int]) -> Array:
    """The jackknife group of each sample: whole images, shuffled with a fixed seed, in groups of equal size."""
    n = max(clusters) + 1
    group_of = np.random.default_rng(0).permutation(n) % min(GROUPS, n)
    return np.asarray(group_of[np.array(clusters)])


def _bounds(point: Array, drawn: Array) -> list[tuple[float | None, float | None]]:
    if len(drawn) < 2:
        return [(None, None)] * len(point)
    from scipy.stats import t

    n = len(drawn)
    half = t.ppf(0.5 + LEVEL / 2, n - 1) * np.sqrt((n - 1) / n * ((drawn - drawn.mean(axis=0)) ** 2).sum(axis=0))
    return [(float(p - h), float(p + h)) for p, h in zip(point, half, strict=True)]
