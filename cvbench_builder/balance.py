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
CONSIDERED = 20_000
"""At most so many candidates of a cell, the first ones by hash."""
_TIGHT = ("pair ", "word ")
_LOOSE = 2


@dataclass(frozen=True)
class Balanced:
    """The chosen rows, and what kept the others out."""

    picks: list[Pick]
    lacking: list[str]
    """Groups that were full on one side when rows were still wanted, most frequent first."""


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
    names: dict[str, int] = {}
    tables = {cell: _table(queue, sides, names) for cell, queue in queues.items() if queue and cells[cell]}
    uneven = np.zeros(len(names))
    limit = np.array([1 if name.startswith(_TIGHT) else _LOOSE for name in names], float)
    open_rows = {cell: np.ones(len(queues[cell]), bool) for cell in tables}
    chosen: list[Pick] = []
    got: Counter[str] = Counter()
    waiting = set(tables)
    while waiting:
        # the cell that is least filled takes the next row
        cell = min(waiting, key=lambda c: (got[c] / cells[c], c))
        row = _next(tables[cell], open_rows[cell], uneven, limit, queues[cell], admits)
        if row is None:
            waiting.discard(cell)
            continue
        pick = queues[cell][row]
        open_rows[cell][row] = False
        uneven += np.asarray(tables[cell][row].todense(), float).ravel()
        take(pick)
        chosen.append(pick)
        got[cell] += 1
        if got[cell] >= cells[cell]:
            waiting.discard(cell)
        else:
            waiting |= {c for c in tables if got[c] < cells[c]} if len(waiting) < len(tables) else set()
    lacking = _lacking(tables, open_rows, uneven, limit, list(names), [c for c in tables if got[c] < cells[c]])
    return Balanced(chosen, lacking)


def _table(queue: list[Pick], sides: Callable[[Pick], list[Side]], names: dict[str, int]) -> Any:
    """One row per pick, one column per group. All groups get their number here, so the tables widen later."""
    from scipy.sparse import csr_matrix

    values, columns, starts = [], [], [0]
    for pick in queue:
        for group, side in sides(pick):
            if side:
                columns.append(names.setdefault(group, len(names)))
                values.append(side)
        starts.append(len(columns))
    return csr_matrix((np.array(values, float), columns, starts), shape=(len(queue), 1 + max(columns, default=0)))


def _next(
    table: Any, open_rows: Any, uneven: Any, limit: Any, queue: list[Pick], admits: Callable[[Pick], bool]
) -> int | None:
    """The row that evens out the groups best; rows that no limit will ever admit are closed."""
    if table.shape[1] < len(uneven):
        table.resize(table.shape[0], len(uneven))
    full = np.where(uneven >= limit, 1.0, 0.0) - np.where(uneven <= -limit, 1.0, 0.0)
    # a row is blocked by each group that is full on the row's own side
    same = table.multiply(full[None, :]).tocsr()
    blocked = np.asarray((same > 0).sum(axis=1)).ravel() > 0
    cost = table @ uneven
    rows = np.flatnonzero(open_rows & ~blocked)
    for row in rows[np.argsort(cost[rows], kind="stable")].tolist():
        if admits(queue[row]):
            return int(row)
        open_rows[row] = False
    return None


def _lacking(
    tables: dict[str, Any], open_rows: dict[str, Any], uneven: Any, limit: Any, names: list[str], short: list[str]
) -> list[str]:
    """The groups that blocked most of the rows left over, with the side that would be needed."""
    counts: Counter[str] = Counter()
    for cell in short:
        table = tables[cell]
        rows = table[np.flatnonzero(open_rows[cell])].tocoo()
        for column, side in zip(rows.col.tolist(), rows.data.tolist(), strict=True):
            if side * uneven[column] >= limit[column]:
                counts[names[column].partition(", strength")[0]] += 1
    return [f"of the rarer side of {name!r}" for name, _ in counts.most_common(3)]
