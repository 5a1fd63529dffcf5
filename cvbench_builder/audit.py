"""How much of a set can be solved without looking at the images.

Every baseline that learns does so on other images than those it is scored on (folds grouped by image); a guess
without any basis counts as chance. Two heuristics look at the drawn boxes only; they are listed apart from the
blind baselines.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from cvbench_builder.image_folds import FOLDS, fold_of, image_of
from cvbench_builder.stats import answer_place, answer_text, box_area
from cvbench_builder.task import Row, Task
from cvbench_builder.tasks import all_tasks, task_named

_RESAMPLES = 2000
Guess = list[float]
"""Per row the probability that the baseline is correct."""


def audit(rows: list[Row], *, forest: bool = True) -> dict[str, Any]:
    """Accuracy, chance and excess of every baseline, per task and over all; `forest` False skips the slow one."""
    tasks = [task_named(name) for name in dict.fromkeys(r["task"] for r in rows)]
    lines = []
    for name, blind, suits, guess in _baselines(forest):
        scored: list[tuple[Row, float]] = []
        suitable = [task for task in tasks if suits(task)]
        for task in suitable:
            own = [r for r in rows if r["task"] == task.name]
            pairs = [(r, g) for r, g in zip(own, guess(own), strict=True) if not np.isnan(g)]
            scored += pairs
            lines.append(_line(name, blind, task.name, pairs))
        if len(suitable) > 1:
            lines.append(_line(name, blind, "all", scored))
    return {"rows": len(rows), "folds": FOLDS, "baselines": lines}


Baseline = tuple[str, bool, Callable[[Task], bool], Callable[[list[Row]], Guess]]
"""Name, whether it is blind, whether it suits a task, and its guesses for the rows of a task."""


def _baselines(forest: bool) -> list[Baseline]:
    found: list[Baseline] = [
        ("always A", True, lambda task: True, always_a),
        ("majority word", True, lambda task: True, majority_word),
    ]
    for name in dict.fromkeys(task.prior_name for task in all_tasks()):
        found.append((name, True, lambda task, name=name: task.prior_name == name, prior))  # type: ignore[misc]
    if forest:
        from cvbench_builder.text_baseline import text_forest

        found.append(("text forest", True, lambda task: True, text_forest))
    found.append(("larger box", False, lambda task: task.compares_boxes, lambda r: by_box(r, box_area)))
    found.append(("lower edge", False, lambda task: task.compares_boxes, lambda r: by_box(r, lambda b: b[3])))
    return found


def _line(name: str, blind: bool, task: str, scored: list[tuple[Row, float]]) -> dict[str, Any]:
    head = {"baseline": name, "blind": blind, "task": task, "rows": len(scored)}
    if not scored:
        return {**head, "accuracy": None, "chance": None, "excess": None, "interval": None}
    chance = np.array([1 / len(r["choices"]) for r, _ in scored])
    correct = np.array([g for _, g in scored])
    low, high = interval([image_of(r) for r, _ in scored], correct - chance)
    return {
        **head,
        "accuracy": round(float(100 * correct.mean()), 4),
        "chance": round(float(100 * chance.mean()), 4),
        "excess": round(float(100 * (correct - chance).mean()), 4),
        "interval": [round(100 * low, 4), round(100 * high, 4)],
    }


def interval(groups: list[str], values: Any) -> tuple[float, float]:
    """95 % bootstrap interval of the mean; images are resampled, with a fixed seed."""
    _, index = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(index, weights=values), np.bincount(index).astype(float)
    draws = np.random.default_rng(0).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), _RESAMPLES)
    means = (draws @ sums) / (draws @ sizes)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def always_a(rows: list[Row]) -> Guess:
    """Correct where the answer is (A)."""
    return [float(answer_place(r) == 0) for r in rows]


def majority_word(rows: list[Row]) -> Guess:
    """The option that is most often the answer elsewhere."""
    guesses = []
    counts = [Counter(answer_text(r) for r in rows if fold_of(r) != f) for f in range(FOLDS)]
    for row in rows:
        seen = counts[fold_of(row)]
        guesses.append(_share([float(seen[str(c)]) for c in row["choices"]], answer_place(row)))
    return guesses


def prior(rows: list[Row]) -> Guess:
    """The usual answer for this class or pair, learnt from other images (rows of one task)."""
    task = task_named(rows[0]["task"])
    tables: list[dict[tuple[str, ...], Counter[str]]] = [defaultdict(Counter) for _ in range(FOLDS)]
    for row in rows:
        for fold in range(FOLDS):
            if fold_of(row) != fold:
                for key, answer in task.lessons(row, answer_text(row)):
                    tables[fold][key][answer] += 1
    guesses = []
    for row in rows:
        table = tables[fold_of(row)]
        seen = next((table[k] for k in task.prior_keys(row) if k in table), Counter[str]())
        guesses.append(_share([float(seen[str(c)]) for c in row["choices"]], answer_place(row)))
    return guesses


def by_box(rows: list[Row], size: Callable[[list[float]], float]) -> Guess:
    """The option whose drawn box is largest by `size`; NaN where a row has no boxes with roles."""
    guesses = []
    for row in rows:
        boxes = [b["xyxy"] for b in row.get("boxes") or [] if b["role"] in ("first", "second")]
        if len(boxes) != 2 and len(row.get("bbox") or []) == 2:
            boxes = row["bbox"]  # published rows have no roles
        guesses.append(_share([size(b) for b in boxes], answer_place(row)) if len(boxes) == 2 else float("nan"))
    return guesses


def _share(scores: list[float], place: int) -> float:
    """1 if the best score is at `place`; ties share, so a guess without any basis is exactly chance."""
    best = max(scores)
    winners = [i for i, s in enumerate(scores) if s == best]
    return 1 / len(winners) if place in winners else 0.0


def lines(result: dict[str, Any]) -> list[str]:
    """An audit as the printed table, without baselines that have no rows."""
    out = [f"{'baseline':<15}{'task':<10}{'rows':>6}{'accuracy':>10}{'chance':>8}{'excess':>8}  95 % interval"]
    for b in result["baselines"]:
        if b["rows"]:
            low, high = b["interval"]
            note = "" if b["blind"] else "   uses the boxes"
            out.append(
                f"{b['baseline']:<15}{b['task']:<10}{b['rows']:>6}{b['accuracy']:>10.1f}{b['chance']:>8.1f}"
                f"{b['excess']:>+8.1f}  {low:+.1f} to {high:+.1f}{note}"
            )
    return out


def failures(result: dict[str, Any], above: float, *, boxes: bool = False) -> list[str]:
    """Baselines more than `above` points above chance."""
    return [
        f"{b['baseline']}, {b['task']}: {b['excess']:+.1f} points above chance"
        for b in result["baselines"]
        if b["rows"] and (b["blind"] or boxes) and b["excess"] > above
    ]
