"""Joins the rows of a benchmark with the second table that holds their images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cambrian_eval.benchmark import Join
from cambrian_eval.data.table import Row, Table, columns_of
from cambrian_eval.errors import UserError


def joined(rows: Sequence[Row], images: Sequence[Row], join: Join) -> Table:
    """The main table with the joined table's columns; an unknown key leaves the image out of the row."""
    for table, key in ((rows, join.key), (images, join.foreign_key)):
        if key not in columns_of(table):
            raise UserError(f"column {key!r} is missing; found: {', '.join(columns_of(table))}")
    where = {row[join.foreign_key]: row for row in images}
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in columns_of(rows)}
    for name in join.columns:
        columns[name] = [where.get(row[join.key], {}).get(name) for row in rows]
    return Table(columns)
