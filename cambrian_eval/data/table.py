"""A table: text columns in memory, image columns as promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
"""One row of a dataset by column."""


class Table(Sequence[Row]):
    """Rows whose text is in memory and whose images are promises."""

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self.columns = dict(columns)
        self._length = len(next(iter(columns.values()))) if columns else 0

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._length))]
        if not -self._length <= index < self._length:
            raise IndexError(index)
        return {name: values[index] for name, values in self.columns.items()}


def columns_of(rows: Sequence[Row]) -> Sequence[str]:
    """The column names of rows of any kind; of plain mappings, those of the first row."""
    return list(rows.columns) if isinstance(rows, Table) else list(rows[0]) if len(rows) else []
