"""Category averages of the models of a score table, with intervals where every member has one.

The averages are the harness's own (`results.averages`). The interval of an average treats its benchmarks as
independent: they share no images. Ranks compare models within a column, the best first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cambrian_eval.errors import UserError
from cambrian_eval.registry import CATEGORIES
from cambrian_eval.results.averages import OVERALL, averages

from .catalogue import entry

if TYPE_CHECKING:
    from .scores import ScoreTable

COLUMNS = (*CATEGORIES, OVERALL)


@dataclass(frozen=True, slots=True)
class Mean:
    """The average of one model over a category, or over all, with its interval."""

    model: str
    category: str
    """One of the four, or `overall`."""
    value: float
    low: float | None
    high: float | None
    members: int
    partial: bool
    """Whether benchmarks of the category are missing."""


def means(table: ScoreTable) -> list[Mean]:
    """All averages that have at least one member, model by model."""
    found = []
    for model in table.models:
        for name, average in averages(table.row(model)).items():
            if average.value is None:
                continue
            low, high = _interval(table, model, average.value, average.members)
            found.append(Mean(model, name, average.value, low, high, len(average.members), bool(average.missing)))
    return found


def category_means(table: ScoreTable) -> list[Mean]:
    """The averages of the four categories alone; there must be one."""
    found = [m for m in means(table) if m.category in CATEGORIES]
    if not found:
        raise UserError(f"{table.source}: has none of the paper's sixteen benchmarks, so it has no category average")
    return found


def by_category(table: ScoreTable) -> dict[tuple[str, str], Mean]:
    """The averages by model and category."""
    return {(m.model, m.category): m for m in means(table)}


def _interval(
    table: ScoreTable, model: str, value: float, members: Sequence[str]
) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of a mean of independent members, from theirs, each side by itself.

    The distance of a limit from the mean is the root of the summed squares of the members' distances from their limits
    (Zou and Donner's method), so that no interval passes 0 or 100 where those of the members do not.
    """
    below = above = 0.0
    row = table.row(model)
    for name in members:
        bounds = table.intervals.get((model, name))
        if bounds is None:
            return None, None
        score, divisor = row[name], entry(name).divisor
        below += (max(0.0, score - bounds[0]) / divisor) ** 2
        above += (max(0.0, bounds[1] - score) / divisor) ** 2
    return value - math.sqrt(below) / len(members), value + math.sqrt(above) / len(members)


def ranks(table: ScoreTable) -> dict[str, dict[str, int]]:
    """Model -> category -> rank among the models whose average is complete; equal values share the better rank."""
    found: dict[str, dict[str, int]] = {model: {} for model in table.models}
    cells = by_category(table)
    for category in COLUMNS:
        values = {m: c.value for m in table.models if (c := cells.get((m, category))) is not None and not c.partial}
        for model, value in values.items():
            found[model][category] = 1 + sum(other > value + 1e-9 for other in values.values())
    return found
