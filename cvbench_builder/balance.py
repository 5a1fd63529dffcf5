"""Sampling rows in which no clue gives the answer away.

Every row belongs to groups (a class pair, "the larger box", ...) and stands on one of two sides in each: whether the
clue is right. Rows are taken one at a time, the one that evens out the groups best, and never one that would leave a
group more uneven than its limit. What is missing then is missing because rows of the other side are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cvbench_builder.candidates import Pick

Side = tuple[str, int]
"""A group, and the side in it: 1 or -1."""
CONSIDERED = 5_000
"""At most so many candidates of a cell, the first ones by hash."""
_TIGHT = ("pair ", "word ")
_LOOSE = 2


@dataclass(frozen=True)
class Balanced:
    """The chosen rows, and what kept the others out."""

    picks: list[Pick]
    lacking: str
    """The groups that were full on one side when rows were still wanted, in words; empty where none was."""


@dataclass(frozen=True)
class _Table:
    """The candidates of a cell: for each its groups and its side in each, padded with group 0 and side 0."""

    picks: list[Pick]
    groups: Any
    sides: Any
    open: Any


def choose(
    cells: dict[str, int],
    picks: Sequence[Pick],
    sides: Callable[[Pick], list[Side]],
    admits: Callable[[Pick], bool],
    take: Callable[[Pick], None],
) -> Balanced:
    """Fill the cells from picks in hash order; `admits` and `take` keep the limits on images, classes and scenes."""
    queues: dict[str, list[Pick]] = {cell: [] for cell in cells}
    for pick in picks:
        if pick.cell in queues and len(queues[pick.cell]) < CONSIDERED:
            queues[pick.cell].append(pick)
    names: dict[str, int] = {"": 0}
    tables = {cell: _table(queue, sides, names) for cell, queue in queues.items() if queue and cells[cell]}
    uneven = np.zeros(len(names))
    limit = np.array([1 if name.startswith(_TIGHT) else _LOOSE for name in names], float)
    chosen: list[Pick] = []
    got: Counter[str] = Counter()
    before = -1
    # a cell that is blocked waits until the others are; their rows may have evened out what blocks it
    while len(chosen) > before:
        before = len(chosen)
        waiting = {cell for cell in tables if got[cell] < cells[cell]}
        while waiting:
            # the cell that is least filled takes the next row
            cell = min(waiting, key=lambda c: (got[c] / cells[c], c))
            table = tables[cell]
            row = _next(table, uneven, limit, admits)
            if row is None:
                waiting.discard(cell)
                continue
            table.open[row] = False
            np.add.at(uneven, table.groups[row], table.sides[row])
            take(table.picks[row])
            chosen.append(table.picks[row])
            got[cell] += 1
            if got[cell] >= cells[cell]:
                waiting.discard(cell)
    short = [table for cell, table in tables.items() if got[cell] < cells[cell]]
    return Balanced(chosen, _lacking(short, uneven, limit, list(names)))


def _table(queue: list[Pick], sides: Callable[[Pick], list[Side]], names: dict[str, int]) -> _Table:
    found = [[(names.setdefault(group, len(names)), side) for group, side in sides(p) if side] for p in queue]
    width = max(1, *(len(own) for own in found))
    groups, values = np.zeros((len(queue), width), np.int64), np.zeros((len(queue), width))
    for row, own in enumerate(found):
        for column, (group, side) in enumerate(own):
            groups[row, column], values[row, column] = group, side
    return _Table(queue, groups, values, np.ones(len(queue), bool))


def _next(table: _Table, uneven: Any, limit: Any, admits: Callable[[Pick], bool]) -> int | None:
    """The row that evens out the groups best; rows that no limit will ever admit are closed."""
    # positive where the row stands on the side that a group already has too many of
    surplus = table.sides * uneven[table.groups]
    # a row is blocked by each group that is full on the row's own side
    blocked = (surplus >= limit[table.groups]).any(axis=1)
    cost = np.where(table.open & ~blocked, surplus.sum(axis=1), np.inf)
    while True:
        row = int(cost.argmin())
        if not np.isfinite(cost[row]):
            return None
        if admits(table.picks[row]):
            return row
        table.open[row] = False
        cost[row] = np.inf


def _lacking(short: list[_Table], uneven: Any, limit: Any, names: list[str]) -> str:
    """The groups that blocked most of the rows left over, with the side that would be needed."""
    counts: Counter[str] = Counter()
    for table in short:
        groups, sides = table.groups[table.open], table.sides[table.open]
        for group in groups[sides * uneven[groups] >= limit[groups]].tolist():
            counts[names[group].partition(", strength")[0]] += 1
    most = [repr(name) for name, _ in counts.most_common(3)]
    return f"of the rarer side of {', '.join(most)}" if most else ""
