"""The ways of answering without images: each learns from some samples and answers others.

A predictor gives every answer that a sample allows a score, and a text where the answer is free. `values` turns both
into what the benchmark's metric gives; equal scores share the guess, so that a guess without any basis is exactly
chance. Only answers that the metric finds right in the training samples are learned, never those of the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from cambrian_eval.results.bias.texts import Texts, beginnings
from cambrian_eval.sample import Sample

if TYPE_CHECKING:
    from cambrian_eval.results.bias.texts import Array, Places

_FEWEST = 3
"""Samples that a kind of question must have before its own most frequent answer counts."""
WEIGHT = 5.0
"""How many samples the rate of the more general kind counts for."""
_NEIGHBORS = 15
_CANDIDATES = 5
"""Most frequent answers among which the best single one is sought."""
_INNER = 3
"""Folds within the training samples whose out-of-fold rates the boosted forest learns from."""


@dataclass(frozen=True)
class Predictor:
    """One way of answering from the text."""

    name: str
    summary: str
    """What it uses."""
    closed: Callable[[Texts, Places, Places], Array]
    """Scores of the examples of the second samples, learned from the first; both have fixed lists of answers."""
    free: Callable[[Texts, Places, Places], list[str]]
    """Texts for the second samples, learned from the first; all have free answers."""
    needs: Literal["", "options", "list", "tags"] = ""
    """Without which it is left out: lettered options, a list of answers, or tags that the user names."""
    tier: int = 0
    """0 where learning is quick, 1 where it is slow; 2 where it is so slow that it is not repeated."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What is needed to repeat it, where it is not part of this package."""


def values(predictor: Predictor, texts: Texts, train: Places, test: Places) -> Array:
    """What the predictor scores in each test sample, learned from the training samples."""
    import numpy as np

    found = np.zeros(len(test))
    has_list = np.isin(test, texts.closed(test))
    asked, known = test[has_list], texts.closed(train)
    if len(asked):
        sizes = texts.start[asked + 1] - texts.start[asked]
        value = texts.value[texts.examples(asked)]
        learned = len(known) and 0 < _right(texts, known).sum() < len(texts.examples(known))
        scores = predictor.closed(texts, known, asked) if learned else np.zeros(len(value))
        found[has_list] = _shared(scores, value, sizes)
    if not has_list.all():
        free = test[~has_list]
        told = predictor.free(texts, np.setdiff1d(train, known), free)
        found[~has_list] = [texts.score(int(i), text) for i, text in zip(free, told, strict=True)]
    return found


def _shared(scores: Array, value: Array, sizes: Places) -> Array:
    """The mean value of the answers with the highest score, for each sample."""
    import numpy as np

    first = np.cumsum(sizes) - sizes
    best = np.repeat(np.maximum.reduceat(scores, first), sizes) - 1e-9 <= scores
    return np.asarray(np.add.reduceat(value * best, first) / np.add.reduceat(best.astype(float), first))


def _right(texts: Texts, rows: Places) -> Array:
    return (texts.value[texts.examples(rows)] >= 0.5).astype(float)


# -- fixed lists of answers


def rates(keys: Places, texts: Texts, train: Places, test: Places) -> Array:
    """How often each answer was right where it was allowed: each column of keys corrects the one before."""
    import numpy as np

    learned, asked = texts.examples(train), texts.examples(test)
    right = _right(texts, train)
    sizes = texts.start[test + 1] - texts.start[test]
    found = np.repeat(1 / np.maximum(sizes, 1), sizes)
    for column in keys.T:
        known = column[learned] >= 0
        size = int(column.max(initial=0)) + 1
        seen = np.bincount(column[learned][known], minlength=size)
        hits = np.bincount(column[learned][known], weights=right[known], minlength=size)
        own = column[asked]
        times = np.where(own >= 0, seen[own], 0)
        found = np.where(times > 0, (hits[own] + WEIGHT * found) / (times + WEIGHT), found)
    return np.asarray(found, dtype=np.float64)


def _by_letter(texts: Texts, train: Places, test: Places) -> Array:
    return rates(texts.letter_keys(), texts, train, test)


def _by_answer(texts: Texts, train: Places, test: Places) -> Array:
    return rates(texts.answer_keys(), texts, train, test)


def _by_beginning(texts: Texts, train: Places, test: Places) -> Array:
    return rates(texts.beginning_keys(), texts, train, test)


def _by_tag(texts: Texts, train: Places, test: Places) -> Array:
    return rates(texts.tag_keys(), texts, train, test)


def _by_shape(texts: Texts, train: Places, test: Places) -> Array:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))
    model.fit(texts.shape[texts.examples(train)], _right(texts, train))
    return _probability(model, texts.shape[texts.examples(test)])


def _by_words(texts: Texts, train: Places, test: Places) -> Array:
    from sklearn.linear_model import SGDClassifier

    model = SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=20, tol=None, random_state=0)
    model.fit(texts.words[texts.examples(train)], _right(texts, train))
    return _probability(model, texts.words[texts.examples(test)])


_LEARNED = (_by_letter, _by_answer, _by_beginning, _by_words)
"""What the boosted forest takes from other predictors."""


def _by_forest(texts: Texts, train: Places, test: Places) -> Array:
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier

    # what the others say of the training samples is learned in inner folds, so that no answer is in its own features
    fold = folds(texts.cluster[train], _INNER, 0)
    parts = []
    for inner in range(_INNER):
        own, rest = train[fold == inner], train[fold != inner]
        if len(own) and len(rest):
            parts.append((own, _features(texts, rest, own)))
    if not parts:  # all from one image
        return np.zeros(len(texts.examples(test)))
    rows = np.concatenate([own for own, _ in parts])
    model = HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.1, max_leaf_nodes=15, min_samples_leaf=10, early_stopping=False, random_state=0
    )
    model.fit(np.vstack([table for _, table in parts]), _right(texts, rows))
    return _probability(model, _features(texts, train, test))


def _features(texts: Texts, train: Places, test: Places) -> Array:
    import numpy as np

    right = _right(texts, train)
    learned = [
        f(texts, train, test) if 0 < right.sum() < len(right) else np.zeros(len(texts.examples(test))) for f in _LEARNED
    ]
    return np.column_stack([texts.shape[texts.examples(test)], *learned])


def _probability(model: Any, table: Any) -> Array:
    import numpy as np

    return np.asarray(model.predict_proba(table)[:, list(model.classes_).index(1.0)], dtype=np.float64)


# -- free answers


def _most_frequent(texts: Texts, train: Places, test: Places) -> list[str]:
    return [_top(_counted(texts, train))] * len(test)


def _counted(texts: Texts, rows: Iterable[int]) -> dict[str, float]:
    """What each answer scores in some samples where it is gold, added up."""
    found: dict[str, float] = defaultdict(float)
    for i in rows:
        for text, value in texts.answers(int(i)).items():
            found[text] += value
    return found


def best_single(texts: Texts, rows: Places) -> Array:
    """What the single text that suits the samples best scores in each of them; all have free answers."""
    import numpy as np

    counted = _counted(texts, rows)
    common = sorted(counted, key=lambda text: (-counted[text], text))[:_CANDIDATES]
    scored = [np.array([texts.score(int(i), text) for i in rows]) for text in common]
    return max(scored, key=lambda found: float(found.sum()))


def _most_frequent_by(kinds: Callable[[Sample], list[Any]]) -> Callable[[Texts, Places, Places], list[str]]:
    """The most frequent answer of the most specific kind of question that was seen often enough."""

    def told(texts: Texts, train: Places, test: Places) -> list[str]:
        members: dict[Hashable, list[int]] = defaultdict(list)
        for i in train:
            for kind in kinds(texts.samples[i]):
                members[kind].append(i)
        best: dict[Hashable, str] = {}
        found = []
        for i in test:
            known = [k for k in kinds(texts.samples[i]) if k in members]
            kind = next((k for k in reversed(known) if len(members[k]) >= _FEWEST), known[0] if known else None)
            if kind not in best:
                best[kind] = _top(_counted(texts, members.get(kind, [])))
            found.append(best[kind])
        return found

    return told


def _tagged(texts: Texts, train: Places, test: Places) -> list[str]:
    return _most_frequent_by(lambda s: [(), texts.tag(s)])(texts, train, test)


def _most_similar(texts: Texts, train: Places, test: Places) -> list[str]:
    """The answer that the most similar questions vote for."""
    import numpy as np

    if not len(train):
        return [""] * len(test)
    known, found = texts.questions[train], []
    for start in range(0, len(test), 500):
        likeness = (texts.questions[test[start : start + 500]] @ known.T).toarray()
        near = np.argsort(-likeness, axis=1, kind="stable")[:, :_NEIGHBORS]
        for row, places in zip(likeness, near, strict=True):
            votes: dict[str, float] = defaultdict(float)
            for p in places:
                for text, value in texts.answers(int(train[p])).items():
                    votes[text] += value * (float(row[p]) + 1e-6)
            found.append(_top(votes))
    return found


def _top(counts: Mapping[str, float]) -> str:
    """The most frequent text; the first in the alphabet of equals."""
    return min(counts, key=lambda text: (-counts[text], text), default="")


MOST_FREQUENT = Predictor("most frequent answer", "how often each answer is right", _by_answer, _most_frequent)
BY_TAG = Predictor("most frequent by tag", "the same among samples with equal tags", _by_tag, _tagged, needs="tags")
PREDICTORS = (
    Predictor("most frequent letter", "how often each letter is right", _by_letter, _most_frequent, needs="options"),
    MOST_FREQUENT,
    BY_TAG,
    Predictor("first words", "both among questions that begin alike", _by_beginning, _most_frequent_by(beginnings)),
    Predictor("shape of options", "position, length, order", _by_shape, _most_frequent, needs="options"),
    Predictor("words", "a linear model of the words of question and options", _by_words, _most_similar),
    Predictor("boosted forest", "all of these", _by_forest, _most_similar, needs="list", tier=1),
)
"""The predictors, in the order in which they are listed."""


def predictors(texts: Texts, by: bool) -> list[Predictor]:
    """Those that apply to the samples."""
    has = {
        "": True,
        "options": any(s.options for s in texts.samples),
        "list": len(texts.value) > 0,
        "tags": by,
    }
    return [p for p in PREDICTORS if has[p.needs]]


def folds(cluster: Places, n: int, seed: int) -> Places:
    """The fold of each sample: clusters in random order are dealt to the folds in turn."""
    import numpy as np

    names, index = np.unique(cluster, return_inverse=True)
    place = np.empty(len(names), dtype=np.int64)
    place[np.random.default_rng(seed).permutation(len(names))] = np.arange(len(names))
    return np.asarray(place[index] % n)
