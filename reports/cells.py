"""The values of a score table: columns, cells, and how a cell is written; `tables` makes them, formats write them."""

from __future__ import annotations

from dataclasses import dataclass

from cambrian_eval.numbers import number as written
from cambrian_eval.numbers import rounded
from cambrian_eval.results.averages import OVERALL

AVERAGES = {
    "avg_general": "General",
    "avg_knowledge": "Knowledge",
    "avg_ocr": "OCR & Chart",
    "avg_vision": "Vision-Centric",
    "avg": OVERALL,
}
"""Names of average columns in `--columns`."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of numbers."""

    name: str
    """A benchmark, one of AVERAGES, or `visual_tokens`."""
    head: str
    category: str
    """The heading above it; empty for none."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One number as printed."""

    value: float | None
    low: float | None = None
    high: float | None = None
    bold: bool = False
    partial: bool = False
    digits: int = 1
    most: float = 100.0
    """The largest value there is."""


@dataclass(frozen=True)
class Layout:
    """A table ready to be written in any format."""

    columns: tuple[Column, ...]
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    """Group heading and its models."""
    cells: dict[tuple[str, str], Cell]
    own: frozenset[str]
    notes: tuple[str, ...]
    intervals: bool = False


def number(cell: Cell, intervals: bool, dash: str = "–", plus_minus: str = "±") -> str:
    """A cell as text: `1,547.1`, `73.1`, on request with half the interval's width, or both sides of it where half the
    width would pass 0 or the largest value.
    """
    if cell.value is None:
        return dash
    text = f"{rounded(cell.value, cell.digits):,.{cell.digits}f}" + ("*" if cell.partial else "")
    if intervals and cell.low is not None and cell.high is not None:
        half = (cell.high - cell.low) / 2
        if cell.value - half < 0 or cell.value + half > cell.most:
            return f"{text} +{written(cell.high - cell.value)}/-{written(cell.value - cell.low)}"
        text += f" {plus_minus}{written(half)}"
    return text


def headings(made: Layout) -> list[tuple[str, int]]:
    """Category headings with the number of columns each spans."""
    spans: list[tuple[str, int]] = []
    for column in made.columns:
        if spans and spans[-1][0] == column.category:
            spans[-1] = column.category, spans[-1][1] + 1
        else:
            spans.append((column.category, 1))
    return spans
