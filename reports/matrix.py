"""A square matrix of benchmarks as colored cells: names in the color of their category, lines between categories.

The matrix has the width of the theme. Where the rows would be lower than the names, the names get smaller, down to 7
points; where that is not enough, the rows get as high as the names and the columns are numbered like the rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .catalogue import entry
from .numerals import SMALLEST, small
from .style import Theme, figure, text_color, typeset

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELLS = 0.72
"""The largest share of the width that cells have beside names and color bar."""
LETTER, BAR = 0.5, 5.5
"""Widths of a letter and of the color bar in sizes of text."""
LINE = 1.2
"""The least height of a row in that of its name."""
NUMBERED = "the columns are numbered like the rows: their names do not fit the width"


@dataclass(frozen=True)
class Matrix:
    """The drawn cells, and whether they have room for numbers."""

    figure: Figure
    axes: Any
    numbers: bool
    notes: tuple[str, ...]

    def write(self, i: int, j: int, text: str, light: bool, theme: Theme) -> None:
        """A number on a cell; `light` where the cell is dark."""
        self.axes.text(
            *(j, i, text),
            ha="center",
            va="center",
            fontsize=small(theme),
            color="#ffffff" if light else "#000000",
            gid="cell",
        )


def matrix(theme: Theme, benchmarks: Sequence[str], values: Any, bar: str, **colors: Any) -> Matrix:
    """Cells without their numbers; `colors` are those of `imshow`, `bar` is the title of the color bar."""
    k, width = len(benchmarks), theme.part(0.98)
    categories = [entry(b).category for b in benchmarks]
    longest = LETTER * max(len(entry(b).short) for b in benchmarks)
    row = min(width * 72 * CELLS, width * 72 - longest * SMALLEST - BAR * theme.size) / k
    text = min(theme.size * 0.9, max(row / LINE, SMALLEST))
    numbered = row < SMALLEST * LINE
    height = width * 0.88 if not numbered else (k * SMALLEST * LINE + 7 * theme.size) / 72
    fig, axes = figure(width, height)
    axes.grid(False)
    image = axes.imshow(values, aspect="auto" if numbered else None, **colors)
    names = [typeset(entry(b).short, theme) for b in benchmarks]
    if numbered:
        step = math.ceil(2 * text / row)
        step = next((s for s in (5, 10, 20, 50) if s >= step), 100)
        axes.set_xticks(range(step - 1, k, step), [str(i + 1) for i in range(step - 1, k, step)], fontsize=text)
        axes.set_yticks(range(k), [f"{name}  {i + 1}" for i, name in enumerate(names)], fontsize=text)
    else:
        axes.set_xticks(range(k), names, rotation=55, ha="right", rotation_mode="anchor", fontsize=text)
        axes.set_yticks(range(k), names, fontsize=text)
    for ticks in (axes.get_yticklabels(),) if numbered else (axes.get_xticklabels(), axes.get_yticklabels()):
        for tick, category in zip(ticks, categories, strict=True):
            tick.set_color(text_color(category))
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for i in range(1, k):
        if categories[i] != categories[i - 1]:
            axes.axhline(i - 0.5, color="#ffffff", linewidth=theme.line * (1 if numbered else 2))
            axes.axvline(i - 0.5, color="#ffffff", linewidth=theme.line * (1 if numbered else 2))
    scale = fig.colorbar(image, ax=axes, shrink=0.7, pad=0.02, location="bottom" if numbered else "right")
    scale.outline.set_visible(False)
    scale.set_label(bar)
    return Matrix(fig, axes, row >= 2.6 * small(theme), (NUMBERED,) * numbered)
