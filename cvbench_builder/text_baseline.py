"""The random forests of the audit: from the text alone, and from text and drawn boxes together.

They use the question, the options and (the second one) the boxes of the compared objects, never an image or a column
that was derived from the answer. Each option of a row is one example ("is this the answer?"). The usual answers of
classes and pairs are learnt inside the training folds, and for the training rows themselves in inner folds, so no
feature of a row depends on its answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from cvbench_builder import clues
from cvbench_builder.image_folds import FOLDS, fold_of
from cvbench_builder.stats import answer_place, answer_text
from cvbench_builder.task import Row
from cvbench_builder.tasks import task_named

_TREES = 60
_COMMON = 40


class _AnswerRates:
    """Smoothed rates of answers, per word, class and pair, from some rows of one task."""

    def __init__(self, rows: list[Row]) -> None:
        self.words: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.keys: dict[tuple[str, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for row in rows:
            text = answer_text(row)
            for choice in row["choices"]:
                self.words[choice][0] += choice == text
                self.words[choice][1] += 1
            for key, word in task_named(row["task"]).lessons(row, text):
                for choice in {*row["choices"], word}:
                    self.keys[(*key, choice)][0] += choice == word
                    self.keys[(*key, choice)][1] += 1

    def features(self, row: Row, choice: str) -> list[float]:
        base = 1 / len(row["choices"])
        word = self.words.get(choice, (0.0, 0.0))
        values = [(word[0] + base) / (word[1] + 1)]
        keys = task_named(row["task"]).prior_keys(row)
        for i in range(2):
            seen = self.keys.get((*keys[i], choice), (0.0, 0.0)) if i < len(keys) else (0.0, 0.0)
            values += [(seen[0] + base) / (seen[1] + 1), min(seen[1], 20.0)]
        return values


Extra = Callable[[Row, int], list[float]]
"""Further features of an option."""


def _no_boxes(row: Row, place: int) -> list[float]:
    return []


def _boxes(row: Row, place: int) -> list[float]:
    """By how much each clue speaks for this option, and whether it is the guess of the clue."""
    values = []
    for clue in clues.BOX_CLUES:
        scores = clues.box_scores(row, clue)
        difference = scores[place] - scores[1 - place] if scores else 0.0
        values += [difference, float(difference > 0) - float(difference < 0)]
    return values


def _plain(row: Row, place: int, common: list[str]) -> list[float]:
    """Features of an option that need no answers."""
    choices = row["choices"]
    choice = choices[place]
    numbers = [float(c) for c in clues.numbers(row) or ()]
    middle = clues.middle_scores(row)
    named = clues.named_scores(row)
    rank = sorted(numbers).index(float(choice)) if numbers else 0
    names = row["classes"]
    return [
        float(place),
        float(len(choices)),
        float(choice) if numbers else -1.0,
        float(rank),
        middle[place] if middle else 0.0,
        float(named[place] == max(named)) if named else 0.0,
        (max(numbers) - min(numbers)) if numbers else 0.0,
        float(len(row["question"])),
        float(len(choice)),
        float(" box)" in row["question"]),
        float(row["source"] == "ADE20K"),
        *(float(names[0] == c) for c in common),
        *(float(choice == c) for c in common),
    ]


def text_forest(rows: list[Row]) -> list[float]:
    """Per row whether the option that the forest prefers is the answer (rows of one task)."""
    return _forest(rows, _no_boxes)


def clue_forest(rows: list[Row]) -> list[float]:
    """The same with the clues of the drawn boxes."""
    return _forest(rows, _boxes)


def _forest(rows: list[Row], extra: Extra) -> list[float]:
    from sklearn.ensemble import RandomForestClassifier

    folds = np.array([fold_of(r) for r in rows])
    guesses = np.full(len(rows), np.nan)
    for fold in range(FOLDS):
        train = [r for r, f in zip(rows, folds.tolist(), strict=True) if f != fold]
        test = np.flatnonzero(folds == fold)
        if not len(test):
            continue
        if len(train) < 10:
            guesses[test] = [1 / len(rows[i]["choices"]) for i in test]
            continue
        common = _common(train)
        x, y = _training_table(train, common, extra)
        # the rates are the last columns: rate of the word, then rate and count for each of two keys
        rising = np.array([*[0] * (x.shape[1] - 5), 1, 1, 0, 1, 0])
        model = RandomForestClassifier(_TREES, min_samples_leaf=5, random_state=0, n_jobs=1, monotonic_cst=rising)
        model.fit(x, y)
        rates = _AnswerRates(train)
        table = [
            [*_plain(rows[i], k, common), *extra(rows[i], k), *rates.features(rows[i], c)]
            for i in test
            for k, c in enumerate(rows[i]["choices"])
        ]
        chances = model.predict_proba(np.array(table))
        yes = chances[:, list(model.classes_).index(1)] if 1 in model.classes_ else np.zeros(len(table))
        start = 0
        for i in test.tolist():
            own = yes[start : start + len(rows[i]["choices"])]
            start += len(own)
            winners = np.flatnonzero(own >= own.max() - 1e-12)
            guesses[i] = 1 / len(winners) if answer_place(rows[i]) in winners else 0.0
    return [float(g) for g in guesses]


def _common(rows: list[Row]) -> list[str]:
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        for name in row["classes"]:
            counts[name] += 1
    return sorted(counts, key=lambda n: (-counts[n], n))[:_COMMON]


def _training_table(train: list[Row], common: list[str], extra: Extra) -> tuple[Any, Any]:
    inner = [fold_of(r) for r in train]
    x, y = [], []
    for fold in sorted(set(inner)):
        rates = _AnswerRates([r for r, f in zip(train, inner, strict=True) if f != fold])
        for row, f in zip(train, inner, strict=True):
            if f == fold:
                for k, choice in enumerate(row["choices"]):
                    x.append([*_plain(row, k, common), *extra(row, k), *rates.features(row, choice)])
                    y.append(int(k == answer_place(row)))
    return np.array(x), np.array(y)
