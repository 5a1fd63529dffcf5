"""The rows that are left when no predictor is further above chance than a limit.

Predictors learn again after each cut, in new divisions into folds, so that the rows are not fitted to one division and
the last margins come from divisions that no cut was made in. They learn twice: from the rows that stay, and from all
rows of other images, dropped ones too, since the rows that stay may be too few to learn what all of them tell. Pairs
and groups stay whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cambrian_eval.results.bias.measure import REPEATS, repeated
from cambrian_eval.results.bias.predictors import Predictor
from cambrian_eval.results.bias.texts import Texts

if TYPE_CHECKING:
    from cambrian_eval.results.bias.texts import Array, Places

FEWEST = 20
"""With fewer rows, pairs or groups left, there is no result."""
_ROUNDS = 60
_AIM = 0.9
"""Cuts aim at this share of the limit, so that the last ones are not of single rows."""


@dataclass(frozen=True)
class Pruned:
    """What is left of a benchmark."""

    rows: Places
    """The rows that stay, in order; all of them where no subset was found."""
    found: bool
    """Whether every predictor is within the limit on these rows."""
    predictor: str
    """The best predictor on the rows that stay; where no subset was found, on the smallest set that was tried."""
    margin: float
    """Its points above chance."""
    tried: int
    """Rows in the smallest set that was tried."""


def prune(
    predictors: Sequence[Predictor],
    texts: Texts,
    rows: Places,
    measured: Mapping[str, Sequence[Array]],
    limit: float,
    n_folds: int,
    seeds: Callable[[int], int],
    say: Callable[[str], None],
) -> Pruned:
    """Drops rows that predictors have right until none is more than `limit` points above chance.

    `measured` is what the predictors score in all rows; `seeds` gives the seed of the n-th further division into folds.
    """
    import numpy as np

    kept, n = rows, 0
    tiers = [[p for p in predictors if p.tier == tier] for tier in sorted({p.tier for p in predictors})]
    for cut in range(_ROUNDS):
        over: list[Array] = []
        margins: dict[str, float] = {}
        for some in tiers:  # slow ones only once the others are within the limit
            if kept is rows:
                trials = [(p, rows) for p in some]
                gains = [np.mean(measured[p.name], axis=0) - texts.chance for p in some]
            else:
                divisions = [seeds(n + t) for t in range(REPEATS)]
                n += REPEATS
                trials = [(p, learn) for p in some for learn in (kept, rows)]
                gains = [
                    np.mean(repeated(p, texts, kept, n_folds, divisions, learn), axis=0) - texts.chance[kept]
                    for p, learn in trials
                ]
            for (p, _), gain in zip(trials, gains, strict=True):
                margins[p.name] = max(margins.get(p.name, -100.0), 100 * float(gain.mean()))
            over = [g for g in gains if 100 * g.mean() > limit + 1e-9]
            if over:
                break
        best = max(margins, key=lambda name: margins[name])
        if not over:
            return Pruned(kept, True, best, margins[best], len(kept))
        say(f"{texts.benchmark.name}: cut {cut + 1}, {len(kept):,} rows, {best} {margins[best]:+.1f}")
        gone = _to_drop(texts, kept, over, _AIM * limit, seeds(n))
        left = kept[~np.isin(kept, gone)]
        if len({_unit(texts, int(i)) for i in left}) < FEWEST or len(np.unique(texts.cluster[left])) < 2 * n_folds:
            break
        kept = left
    return Pruned(rows, False, best, margins[best], len(kept))


def _unit(texts: Texts, i: int) -> str | int:
    """What is kept or dropped together."""
    group = texts.samples[i].group
    return i if group is None else group


def _to_drop(texts: Texts, rows: Places, over: Sequence[Array], limit: float, seed: int) -> Places:
    """The rows to drop next: those first that most of the predictors above the limit have right.

    Seven tenths of what would bring all of them within the limit if they stayed as they are: they learn anew.
    """
    import numpy as np

    units: dict[str | int, list[int]] = {}
    for place, i in enumerate(rows):
        units.setdefault(_unit(texts, int(i)), []).append(place)
    members = list(units.values())
    gain = np.array([[float(g[m].sum()) for g in over] for m in members])
    sizes = np.array([len(m) for m in members])
    mean = gain.mean(axis=1) / sizes
    order = np.lexsort((np.random.default_rng(seed).random(len(members)), -mean))
    order = order[mean[order] > 1e-12]
    left = gain.sum(axis=0) - np.cumsum(gain[order], axis=0)
    rest = np.maximum(sizes.sum() - np.cumsum(sizes[order]), 1)
    enough = np.flatnonzero((100 * left / rest[:, None] <= limit).all(axis=1))
    needed = int(enough[0]) + 1 if len(enough) else len(order)
    chosen = order[: max(1, math.ceil(0.7 * needed))]
    return rows[np.concatenate([members[u] for u in chosen])] if len(chosen) else rows
