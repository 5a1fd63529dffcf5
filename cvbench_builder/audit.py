"""How much of a set a guesser can solve without looking at the images.

Every baseline that learns does so on other images than those it is scored on (folds grouped by
image); a guess it has no ground for counts as chance. Two heuristics look at the drawn boxes
only; they are no blind guessers and are listed apart.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import numpy as np

from cvbench_builder.candidates import OPPOSITE
from cvbench_builder.stats import answer_place, answer_text, box_area, classes_of

FOLDS = 5
_RESAMPLES = 2000
Row = dict[str, Any]
Guess = list[float]
"""Per row the probability that the baseline is right."""


def audit(rows: list[Row], *, forest: bool = True) -> dict[str, Any]:
    """Accuracy, chance and excess of every baseline, per task and over all; ``forest`` False skips the slow one."""
    tasks = list(dict.fromkeys(r["task"] for r in rows))
    baselines: list[tuple[str, bool, tuple[str, ...], Callable[[list[Row]], Guess]]] = [
        ("always A", True, ("Count", "Relation", "Depth", "Distance"), always_a),
        ("majority word", True, ("Count", "Relation", "Depth", "Distance"), majority_word),
        ("value prior", True, ("Count",), prior),
        ("pair prior", True, ("Relation", "Depth", "Distance"), prior),
        ("larger box", False, ("Depth", "Distance"), lambda r: by_box(r, box_area)),
        ("lower edge", False, ("Depth", "Distance"), lambda r: by_box(r, lambda b: b[3])),
    ]
    if forest:
        from cvbench_builder.forest import text_forest

        baselines.insert(4, ("text forest", True, ("Count", "Relation", "Depth", "Distance"), text_forest))
    lines = []
    for name, blind, able, guess in baselines:
        scored: list[tuple[Row, float]] = []
        for task in (t for t in tasks if t in able):
            mine = [r for r in rows if r["task"] == task]
            pairs = [(r, g) for r, g in zip(mine, guess(mine), strict=True) if not np.isnan(g)]
            scored += pairs
            lines.append(_line(name, blind, task, pairs))
        if len([t for t in tasks if t in able]) > 1:
            lines.append(_line(name, blind, "all", scored))
    return {"rows": len(rows), "folds": FOLDS, "baselines": lines}


def image_of(row: Row) -> str:
    """What images are told apart by: their bytes' digest, or source and file name in published rows."""
    provenance = row.get("provenance") or {}
    return str(provenance.get("sha256") or f"{row['source']}|{row['source_filename']}")


def fold_of(row: Row) -> int:
    """The fold of the row's image, so that all questions on one image share it."""
    return int.from_bytes(blake2b(image_of(row).encode(), digest_size=4).digest(), "big") % FOLDS


def _line(name: str, blind: bool, task: str, scored: list[tuple[Row, float]]) -> dict[str, Any]:
    head = {"baseline": name, "blind": blind, "task": task, "rows": len(scored)}
    if not scored:
        return {**head, "accuracy": None, "chance": None, "excess": None, "interval": None}
    chance = np.array([1 / len(r["choices"]) for r, _ in scored])
    right = np.array([g for _, g in scored])
    low, high = interval([image_of(r) for r, _ in scored], right - chance)
    return {
        **head,
        "accuracy": round(float(100 * right.mean()), 4),
        "chance": round(float(100 * chance.mean()), 4),
        "excess": round(float(100 * (right - chance).mean()), 4),
        "interval": [round(100 * low, 4), round(100 * high, 4)],
    }


def interval(groups: list[str], values: Any) -> tuple[float, float]:
    """95 % bootstrap interval of the mean, whole images drawn with a fixed seed."""
    _, index = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(index, weights=values), np.bincount(index).astype(float)
    draws = np.random.default_rng(0).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), _RESAMPLES)
    means = (draws @ sums) / (draws @ sizes)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def always_a(rows: list[Row]) -> Guess:
    """Right exactly where the answer is (A)."""
    return [float(answer_place(r) == 0) for r in rows]


def majority_word(rows: list[Row]) -> Guess:
    """The option that is most often the answer elsewhere."""
    guesses = []
    counts = [Counter(answer_text(r) for r in rows if fold_of(r) != f) for f in range(FOLDS)]
    for row in rows:
        seen = counts[fold_of(row)]
        guesses.append(_share([float(seen[str(c)]) for c in row["choices"]], answer_place(row)))
    return guesses


def prior_keys(row: Row) -> list[tuple[str, ...]]:
    """What the habit of a guesser may hang on, most specific first."""
    names = classes_of(row)
    if row["task"] == "Count":
        return [("class", names[0])]
    axis = "x" if "left" in row["choices"] else "y"
    if row["task"] == "Relation":
        return [("ordered", *names, axis)]
    pair = ("pair", *sorted(names[-2:]))
    return [("triple", names[0], *pair), pair] if row["task"] == "Distance" else [pair]


def prior(rows: list[Row]) -> Guess:
    """The usual answer for this class or pair, learnt from other images."""
    tables: list[dict[tuple[str, ...], Counter[str]]] = [defaultdict(Counter) for _ in range(FOLDS)]
    for row in rows:
        for fold in range(FOLDS):
            if fold_of(row) != fold:
                for key in lessons(row):
                    tables[fold][key[0]][key[1]] += 1
    guesses = []
    for row in rows:
        table = tables[fold_of(row)]
        seen = next((table[k] for k in prior_keys(row) if k in table), Counter[str]())
        guesses.append(_share([float(seen[str(c)]) for c in row["choices"]], answer_place(row)))
    return guesses


def lessons(row: Row) -> list[tuple[tuple[str, ...], str]]:
    """A row also teaches its mirror question: if A is left of B, B is right of A."""
    learnt = [(key, answer_text(row)) for key in prior_keys(row)]
    if row["task"] == "Relation":
        kind, a, b, axis = prior_keys(row)[0]
        learnt.append(((kind, b, a, axis), OPPOSITE.get(answer_text(row), "")))
    return learnt


def by_box(rows: list[Row], size: Callable[[list[float]], float]) -> Guess:
    """The option whose drawn box is largest by ``size``; NaN where a row has no boxes with roles."""
    guesses = []
    for row in rows:
        boxes = [b["xyxy"] for b in row.get("boxes") or [] if b["role"] in ("first", "second")]
        if len(boxes) != 2 and row["task"] == "Depth" and len(row.get("bbox") or []) == 2:
            boxes = row["bbox"]
        guesses.append(_share([size(b) for b in boxes], answer_place(row)) if len(boxes) == 2 else float("nan"))
    return guesses


def _share(scores: list[float], place: int) -> float:
    """1 if the best score is at ``place``; ties share, so no ground at all is exactly chance."""
    best = max(scores)
    winners = [i for i, s in enumerate(scores) if s == best]
    return 1 / len(winners) if place in winners else 0.0


def lines(result: dict[str, Any]) -> list[str]:
    """An audit as the table that is printed; baselines without any row are left out."""
    out = [f"{'baseline':<15}{'task':<10}{'rows':>6}{'accuracy':>10}{'chance':>8}{'excess':>8}  95 % interval"]
    for b in result["baselines"]:
        if b["rows"]:
            low, high = b["interval"]
            note = "" if b["blind"] else "   sees the boxes"
            out.append(
                f"{b['baseline']:<15}{b['task']:<10}{b['rows']:>6}{b['accuracy']:>10.1f}{b['chance']:>8.1f}"
                f"{b['excess']:>+8.1f}  {low:+.1f} to {high:+.1f}{note}"
            )
    return out


def failures(result: dict[str, Any], above: float, *, boxes: bool = False) -> list[str]:
    """Baselines more than ``above`` points over chance."""
    return [
        f"{b['baseline']}, {b['task']}: {b['excess']:+.1f} points over chance"
        for b in result["baselines"]
        if b["rows"] and (b["blind"] or boxes) and b["excess"] > above
    ]
