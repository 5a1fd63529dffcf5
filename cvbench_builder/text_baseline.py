"""The text-only random forest of the audit.

It uses the question and the options, never an image, a box or a column that was derived from the answer. Each
option of a row is one example ("is this the answer?"). The usual answers of classes and pairs are learnt inside the
training folds, and for the training rows themselves in inner folds, so no feature of a row depends on its answer.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from cvbench_builder.image_folds import FOLDS, fold_of
from cvbench_builder.stats import answer_place, answer_text
from cvbench_builder.task import Row
from cvbench_builder.tasks import task_named

_TREES = 100
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


def _plain(row: Row, place: int, common: list[str]) -> list[float]:
    """Features of an option that need no answers."""
    choices = row["choices"]
    choice = choices[place]
    numbers = [float(c) for c in choices] if all(c.isdigit() for c in choices) else []
    rank = sorted(numbers).index(float(choice)) if numbers else 0
    names = row["classes"]
    return [
        float(place),
        float(len(choices)),
        float(choice) if numbers else -1.0,
        float(rank),
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
        x, y = _training_table(train, common)
        model = RandomForestClassifier(_TREES, min_samples_leaf=5, random_state=0, n_jobs=1)
        model.fit(x, y)
        rates = _AnswerRates(train)
        table = [
            [*_plain(rows[i], k, common), *rates.features(rows[i], c)]
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


def _training_table(train: list[Row], common: list[str]) -> tuple[Any, Any]:
    inner = [fold_of(r) for r in train]
    x, y = [], []
    for fold in sorted(set(inner)):
        rates = _AnswerRates([r for r, f in zip(train, inner, strict=True) if f != fold])
        for row, f in zip(train, inner, strict=True):
            if f == fold:
                for k, choice in enumerate(row["choices"]):
                    x.append([*_plain(row, k, common), *rates.features(row, choice)])
                    y.append(int(k == answer_place(row)))
    return np.array(x), np.array(y)
