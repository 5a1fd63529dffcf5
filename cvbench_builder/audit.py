"""How much of a set can be solved without looking at the images.

Every guesser of `guessers` is compared with chance, and the best one of each task decides. A guesser fails a task if
its margin over chance exceeds the limit and the 95 % interval of the margin (over images) lies above 0. If the margin
exceeds the limit but the interval contains 0, or there are fewer than twelve rows, the rows are too few to tell, and
the verdict is `undecided`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cvbench_builder import guessers
from cvbench_builder.image_folds import FOLDS, image_of
from cvbench_builder.task import Row

FEWEST = 12
"""With fewer rows nothing can be said about a guesser."""
LIMIT = 5.0
"""Points above chance that the best guesser may have."""
_RESAMPLES = 2000
_SEVERITY = ("pass", "undecided", "fail")


@dataclass(frozen=True)
class Score:
    """One guesser on the rows of one task."""

    guesser: str
    task: str
    boxes: bool
    rows: int
    accuracy: float
    chance: float
    margin: float
    """Accuracy minus chance, in points."""
    low: float
    high: float

    def verdict(self, limit: float) -> str:
        """`pass`, `fail`, or `undecided` where the rows are too few to tell."""
        if self.margin <= limit:
            return "pass"
        return "fail" if self.low > 0 and self.rows >= FEWEST else "undecided"

    def rows_to_decide(self) -> int:
        """About how many rows would make a margin of this size significant."""
        half = max((self.high - self.low) / 2, 1e-9)
        return max(math.ceil(self.rows * (half / max(self.margin, 1e-9)) ** 2), FEWEST)


def audit(rows: list[Row], *, forest: bool = True) -> dict[str, Any]:
    """Every guesser and the best one of each task, as `audit.json` has them."""
    tasks = list(dict.fromkeys(r["task"] for r in rows))
    scores = [s for task in tasks for s in task_scores([r for r in rows if r["task"] == task], forest=forest)]
    return {"rows": len(rows), "folds": FOLDS, "guessers": [asdict(s) for s in scores]}


def task_scores(rows: list[Row], *, forest: bool = True) -> list[Score]:
    """The guessers that apply to the rows of one task."""
    found = []
    for guesser in guessers.all_guessers(rows, forest=forest):
        score = measure(guesser, rows, guesser.guess(rows))
        if score is not None:
            found.append(score)
    return found


def measure(guesser: guessers.Guesser, rows: list[Row], guesses: guessers.Guesses) -> Score | None:
    """The score of some guesses; None if the guesser applies to no row."""
    scored = [t for t in zip(rows, guesses, guessers.chances(rows), strict=True) if not math.isnan(t[1])]
    if not scored:
        return None
    chance = np.array([c for _, _, c in scored])
    correct = np.array([g for _, g, _ in scored])
    low, high = interval([image_of(r) for r, _, _ in scored], correct - chance)
    points = (100 * float(v) for v in (correct.mean(), chance.mean(), (correct - chance).mean(), low, high))
    accuracy, average, margin, low, high = (round(v, 4) for v in points)
    return Score(guesser.name, rows[0]["task"], guesser.boxes, len(scored), accuracy, average, margin, low, high)


def interval(groups: list[str], values: Any) -> tuple[float, float]:
    """95 % bootstrap interval of the mean; images are resampled, with a fixed seed."""
    _, index = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(index, weights=values), np.bincount(index).astype(float)
    draws = np.random.default_rng(0).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), _RESAMPLES)
    means = (draws @ sums) / (draws @ sizes)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def scores_of(result: dict[str, Any]) -> list[Score]:
    """The scores of an `audit.json`."""
    return [Score(**s) for s in result["guessers"]]


def best(scores: list[Score], limit: float) -> Score:
    """The guesser that decides about a task: the worst verdict, then the largest margin."""
    return max(scores, key=lambda s: (_SEVERITY.index(s.verdict(limit)), s.margin))


def by_task(scores: list[Score]) -> dict[str, list[Score]]:
    """The scores of each task."""
    found: dict[str, list[Score]] = {}
    for score in scores:
        found.setdefault(score.task, []).append(score)
    return found


def lines(result: dict[str, Any], limit: float = LIMIT, *, boxes: bool = True) -> list[str]:
    """An audit as printed: all guessers, then the best one of each task with the verdict."""
    scores = scores_of(result)
    out = [f"{'guesser':<22}{'task':<10}{'rows':>6}{'accuracy':>10}{'chance':>8}{'margin':>8}  95 % interval"]
    for s in scores:
        note = "   uses the boxes" if s.boxes else ""
        out.append(
            f"{s.guesser:<22}{s.task:<10}{s.rows:>6}{s.accuracy:>10.1f}{s.chance:>8.1f}{s.margin:>+8.1f}"
            f"  {s.low:+.1f} to {s.high:+.1f}{note}"
        )
    out += ["", f"best guesser of each task, limit {limit:g} points above chance:"]
    for task, own in by_task([s for s in scores if boxes or not s.boxes]).items():
        out.append(f"  {task}: {sentence(best(own, limit), limit)}")
    return out


def sentence(score: Score, limit: float) -> str:
    """A guesser's margin with the verdict, in words."""
    verdict = score.verdict(limit)
    text = f"{score.guesser} {score.margin:+.1f} ({score.low:+.1f} to {score.high:+.1f}), {verdict}"
    if verdict == "undecided":
        text += f": {score.rows} rows are too few, about {score.rows_to_decide()} would decide"
    return text


def failures(result: dict[str, Any], limit: float, *, boxes: bool = True) -> list[str]:
    """The tasks whose best guesser fails, in words."""
    own = by_task([s for s in scores_of(result) if boxes or not s.boxes])
    chosen = {task: best(scores, limit) for task, scores in own.items()}
    return [f"{task}, {sentence(s, limit)}" for task, s in chosen.items() if s.verdict(limit) == "fail"]
