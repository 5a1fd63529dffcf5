"""Numbers as figures print them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cambrian_eval.numbers import number

from .style import Theme, typeset

SMALLEST = 7.0
"""Points; smaller text is not printed."""


def signed(value: float, theme: Theme, digits: int = 2, plus: bool = False) -> str:
    """A number with a true minus sign in every font, no minus before zero, and on request a plus sign."""
    minus = "$-$" if theme.computer_modern else "\N{MINUS SIGN}"
    return typeset(number(value, digits, plus=plus), theme).replace("-", minus)


@dataclass(frozen=True)
class MatrixLayout:
    """The size of a square matrix of benchmarks, and whether its cells have room for numbers."""

    size: float
    """Width in inches."""
    numbers: bool

    def notes(self, theme: Theme) -> tuple[str, ...]:
        """A warning where the names need more than the width that was asked for."""
        if self.size <= theme.page:
            return ()
        return (
            f"warning: the figure is {number(self.size)} inches wide, more than {number(theme.page, 2)}: its names "
            "would overlap; choose some with --benchmarks",
        )


def matrix_layout(theme: Theme, count: int) -> MatrixLayout:
    """The width of the theme, unless the names of the rows need more; numbers where 7 points fit."""
    cells = 0.72  # the share of the width that the cells have beside names and color bar
    size = max(theme.part(0.98), count * theme.size * 1.2 / 72 / cells)
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
