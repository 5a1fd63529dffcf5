"""Dropping rows until no guesser is above chance by more than a limit.

Fixed guessers are brought below the limit at once; forests learn again after each cut, because what they learn changes
with the rows. A row goes first if many of the guessers above the limit have it right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cvbench_builder.audit import FEWEST, Score, best, measure
from cvbench_builder.guessers import Guesser, Guesses, all_guessers, chances
from cvbench_builder.stats import row_key
from cvbench_builder.task import Row

_ROUNDS = 60


@dataclass(frozen=True)
class Pruned:
    """What is left of the rows of one task."""

    kept: list[int]
    """Places of the rows that stay."""
    before: Score
    after: Score
    solved: bool
    """Whether every guesser is within the limit; otherwise no row was dropped."""


def prune(rows: list[Row], limit: float, *, forest: bool = True) -> Pruned:
    """Drop rows of one task until the best guesser is within the limit."""
    kept = list(range(len(rows)))
    first = [score for score, _, _ in _scores(rows, forest=forest)]
    before = best(first, limit)
    if before.margin <= limit:
        return Pruned(kept, before, before, True)
    for _ in range(_ROUNDS):
        own = [rows[i] for i in kept]
        over = _over(own, limit, forest=forest)
        if not over:
            after = best([score for score, _, _ in _scores(own, forest=forest)], limit)
            return Pruned(kept, before, after, True)
        gone = _to_drop(own, over, limit)
        if len(own) - len(gone) < FEWEST:
            break
        kept = [i for place, i in enumerate(kept) if place not in gone]
    return Pruned(list(range(len(rows))), before, before, False)


Measured = tuple[Score, Guesser, Guesses]


def _scores(rows: list[Row], *, forest: bool) -> list[Measured]:
    found = []
    for guesser in all_guessers(rows, forest=forest):
        guesses = guesser.guess(rows)
        score = measure(guesser, rows, guesses)
        if score is not None:
            found.append((score, guesser, guesses))
    return found


def _over(rows: list[Row], limit: float, *, forest: bool) -> list[Measured]:
    """The guessers above the limit; forests are asked only once the others are within it."""
    quick = [m for m in _scores(rows, forest=False) if m[0].margin > limit]
    if quick or not forest:
        return quick
    for guesser in all_guessers(rows):
        if guesser.slow:
            guesses = guesser.guess(rows)
            score = measure(guesser, rows, guesses)
            if score is not None and score.margin > limit:
                return [(score, guesser, guesses)]
    return []


def _to_drop(rows: list[Row], over: list[Measured], limit: float) -> set[int]:
    """Places of the rows to drop next, because of the guesser with the largest margin."""
    worst, guesser, guesses = max(over, key=lambda m: m[0].margin)
    # dropping k rows that it has right: (right - k) / (n - k) - chance must not exceed the limit
    bound = (worst.chance + limit) / 100
    needed = (worst.rows * (worst.accuracy / 100 - bound)) / max(1 - bound, 1e-9)
    count = max(1, math.ceil(needed / 2 if guesser.learns else needed - 1e-9))
    base = chances(rows)
    right = [i for i, g in enumerate(guesses) if g > 0 and g >= base[i] - 1e-9]

    def order(i: int) -> tuple[float, str]:
        agree = sum(own[i] for _, _, own in over if not math.isnan(own[i]))
        return -agree, row_key(rows[i])

    return set(sorted(right, key=order)[:count])
