"""Numbers as figures print them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cambrian_eval.numbers import number

from .style import Theme, typeset

SMALLEST = 7.0
"""Points; smaller text is not printed."""


def signed(value: float, theme: Theme, digits: int = 2) -> str:
    """A number with a true minus sign in every font, and no minus before zero."""
    text = typeset(number(value, digits), theme)
    return text.replace("-", "$-$")


@dataclass(frozen=True)
class MatrixLayout:
    """The size of a square matrix of benchmarks, and whether its cells have room for numbers."""

    size: float
    """Width in inches."""
    numbers: bool


def matrix_layout(theme: Theme, count: int) -> MatrixLayout:
    """The width of the theme, unless the names of the rows need more; numbers where 7 points fit."""
    cells = 0.72  # the share of the width that the cells have beside names and color bar
    size = max(theme.page * 0.98, count * theme.size * 1.2 / 72 / cells)
    return MatrixLayout(size, size * cells / count * 72 >= 2.6 * small(theme))


def separate(axes: Any, categories: Sequence[str], theme: Theme) -> None:
    """White lines between the categories of the rows and columns of a matrix."""
    for i in range(1, len(categories)):
        if categories[i] != categories[i - 1]:
            axes.axhline(i - 0.5, color="#ffffff", linewidth=theme.line * 2)
            axes.axvline(i - 0.5, color="#ffffff", linewidth=theme.line * 2)


def small(theme: Theme) -> float:
    """The size of small text in a figure."""
    return max(SMALLEST, theme.size * 0.88)
