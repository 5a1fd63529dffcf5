"""Predictors against chance: accuracy out of fold, and one test that picking the best predictor does not invalidate.

Accuracy is the mean verdict over rows; each row counts alone, and so does its chance. (Scores of pairs and rotations
reward answers that agree with each other, with or without a bias; they are shown, not tested.)

The test is progressive: the folds come in random order, and each is answered with the predictor that did best in the
folds before, learned from those folds alone. Where the text says nothing about the answer, each guess is right with the
probability of chance whatever came before, so the gains have mean 0 and a t-test of their sums by image is valid, no
matter how many predictors compete. In cross-validation that does not hold: each answer also trains the predictors that
the other folds are answered with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cambrian_eval.benchmark import Graded
from cambrian_eval.results import statistics
from cambrian_eval.results.bias.predictors import MOST_FREQUENT, Predictor, best_single, folds, values
from cambrian_eval.results.bias.texts import Texts
from cambrian_eval.sample import Verdict

if TYPE_CHECKING:
    from cambrian_eval.results.bias.texts import Array, Places

LEVEL = 0.05
"""How often text that says nothing about the answers is reported as a bias, at most."""
REPEATS = 3
"""Divisions into folds that a predictor is measured in, unless it is too slow."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One predictor against chance."""

    predictor: str
    accuracy: float
    """Mean verdict over the rows, in percent."""
    chance: float
    """The same for a uniform guess."""
    margin: float
    """Accuracy minus chance, in points."""
    interval: tuple[float, float] | None
    """95 % bootstrap interval of the margin over images, for this predictor alone; None with fewer than two."""
    score: float | None
    """The benchmark's own metric, on its own scale."""


@dataclass(frozen=True, slots=True)
class Progressive:
    """The progressive test."""

    accuracy: Accuracy
    """On the rows that were answered, which are all but those of the first fold."""
    chosen: tuple[str, ...]
    """The predictor of each fold from the third on; the second is answered with all of them in equal parts."""
    p_value: float
    """One-sided."""


def out_of_fold(
    predictor: Predictor, texts: Texts, rows: Places, n_folds: int, seed: int, learn: Places | None = None
) -> Array:
    """What a predictor scores in each row, learned from the folds that the row is not in.

    `learn` are the samples to learn from, which include the rows; by default the rows. The most frequent free answer is
    that of all rows: with the answer counts made equal, out of fold it would score less than anybody who knows it.
    """
    import numpy as np

    known = rows if learn is None else learn
    fold = folds(texts.cluster[known], n_folds, seed)
    own = fold[np.isin(known, rows)]
    found = np.zeros(len(rows))
    for k in range(n_folds):
        mine = own == k
        if mine.any():
            found[mine] = values(predictor, texts, known[fold != k], rows[mine])
    free = ~np.isin(rows, texts.closed(rows))
    if predictor is MOST_FREQUENT and free.any():
        found[free] = best_single(texts, rows[free])
    return found


def repeated(
    predictor: Predictor,
    texts: Texts,
    rows: Places,
    n_folds: int,
    seeds: Sequence[int],
    learn: Places | None = None,
) -> list[Array]:
    """`out_of_fold` in divisions with these seeds; only the first of them where the predictor is too slow."""
    used = seeds[:1] if predictor.tier > 1 else seeds
    return [out_of_fold(predictor, texts, rows, n_folds, seed, learn) for seed in used]


def progressive(predictors: Sequence[Predictor], texts: Texts, rows: Places, n_folds: int, seed: int) -> Progressive:
    """The test over `n_folds` folds in random order."""
    import numpy as np

    fold = folds(texts.cluster[rows], n_folds, seed)
    gained = np.zeros(len(predictors))
    answered, scored, chosen = [], [], []
    for k in range(1, n_folds):
        test = rows[fold == k]
        found = [values(p, texts, rows[fold < k], test) for p in predictors]
        best = int(np.argmax(gained))
        scored.append(np.mean(found, axis=0) if k == 1 else found[best])
        answered.append(test)
        chosen += [] if k == 1 else [predictors[best].name]
        gained += [float((own - texts.chance[test]).sum()) for own in found]
    tested, value = np.concatenate(answered), np.concatenate(scored)
    about = accuracy("chosen on earlier folds", texts, tested, [value], seed)
    return Progressive(about, tuple(chosen), p_value(texts.cluster[tested], value - texts.chance[tested]))


def p_value(cluster: Places, gains: Array) -> float:
    """One-sided, of gains over chance: a t-test of their sums by image."""
    import numpy as np
    from scipy.stats import ttest_1samp

    _, index = np.unique(cluster, return_inverse=True)
    sums = np.bincount(index, weights=gains)
    if len(sums) < 2 or float(np.ptp(sums)) < 1e-12:
        return 0.0 if len(sums) > 1 and sums[0] > 1e-12 else 1.0
    return float(ttest_1samp(sums, 0.0, alternative="greater").pvalue)


def accuracy(name: str, texts: Texts, rows: Places, repeats: Sequence[Array], seed: int) -> Accuracy:
    """What a predictor reaches in some rows, the mean over repeats."""
    import numpy as np

    value, chance = np.mean(repeats, axis=0), texts.chance[rows]
    _, index = np.unique(texts.cluster[rows], return_inverse=True)
    sums = np.bincount(index, weights=value - chance).astype(float)[:, None]
    counts = np.bincount(index).astype(float)[:, None]
    table = statistics.ClusterTable(sums, counts, ((np.array([100.0]), None),))
    scores = [s for own in repeats if (s := own_metric(texts, rows, own)) is not None]
    return Accuracy(
        name,
        100 * float(value.mean()),
        100 * float(chance.mean()),
        table.metric,
        statistics.interval(table, seed),
        sum(scores) / len(scores) if scores else None,
    )


def own_metric(texts: Texts, rows: Places, value: Array) -> float | None:
    """The benchmark's headline score over some rows."""
    said = zip(rows, value, strict=True)
    graded = [Graded(texts.samples[i], Verdict(float(v), None, "expected")) for i, v in said]
    units = texts.benchmark.units(graded, "fuzzy")
    headline = texts.benchmark.metrics(sorted({u.stratum for u in units})).get("score", {})
    return statistics.score(units, headline)
