"""Joins the rows of a benchmark with the second table that holds their images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cambrian_eval.benchmark import Join
from cambrian_eval.data.table import Row, Table, columns_of
from cambrian_eval.errors import UserError
from cambrian_eval.image import LazyImage


def joined(rows: Sequence[Row], images: Sequence[Row], join: Join) -> Table:
    """The main table with the joined table's columns. Keys are compared as text: 17 and "17" are equal.

    A row whose key the images table does not have gets an image that is known to be unreadable.
    """
    for table, key in ((rows, join.key), (images, join.foreign_key)):
        if key not in columns_of(table):
            raise UserError(f"column {key!r} is missing; found: {', '.join(columns_of(table))}")
    where = _by_key(images, join.foreign_key)
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in columns_of(rows)}
    for name in join.columns:
        columns[name] = [_cell(where.get(str(row[join.key])), name, row[join.key], join) for row in rows]
    return Table(columns)


def _by_key(images: Sequence[Row], key: str) -> dict[str, Row]:
    """The rows of the images table by their key; a key that two rows have names no image."""
    found: dict[str, Row] = {}
    for row in images:
        name = str(row[key])
        if name in found:
            raise UserError(f"the images table has several rows with {key} {name!r}; keep one of them")
        found[name] = row
    return found


def _cell(row: Row | None, name: str, key: Any, join: Join) -> Any:
    if row is None:
        return LazyImage.unreadable(f"the images table has no row with {join.foreign_key} {key!r}")
    return row.get(name)
