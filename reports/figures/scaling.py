"""Scores against an attribute of the model: visual tokens, resolution, parameters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cambrian_eval.errors import UserError

from .. import labels
from ..catalogue import CATEGORIES
from ..category_means import by_category
from ..scores import ATTRIBUTES, ScoreTable
from ..style import COLOURS, MARKERS, Drawing, Theme, panels, styled, typeset
from .matrix import text_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LABELS = 12
"""With more models than this only one's own are named."""


def draw(table: ScoreTable, theme: Theme, attribute: str) -> Drawing:
    """A panel per category; Spearman correlation in the title; own models are stars."""
    x_of = {m: a[attribute] for m in table.models if attribute in (a := table.attributes.get(m, {}))}
    if len(set(x_of.values())) < 2:
        known = sorted({key for a in table.attributes.values() for key in a})
        raise UserError(
            f"{table.source}: {len(x_of)} models have {attribute!r} and it takes {len(set(x_of.values()))} values; "
            f"known attributes: {', '.join(known) or 'none'}; give a CSV with such a column, or another --x"
        )
    cells = by_category(table)
    present = [c for c in CATEGORIES if any((m, c) in cells for m in x_of)]
    if not present:
        raise UserError(f"{table.source}: no model with {attribute!r} has a category average")
    drawn = {m for m, c in cells if c in present and not cells[m, c].partial}
    x_of = {m: x for m, x in x_of.items() if m in drawn}
    if not x_of:
        raise UserError(f"{table.source}: no model with {attribute!r} has all four benchmarks of a category")
    rows: list[tuple[object, ...]] = []
    with styled(theme):
        fig, grid = panels(theme, len(present), 0.38)
        for axes, category in zip(grid, present, strict=True):
            members = [m for m in x_of if (m, category) in cells and not cells[m, category].partial]
            points = [(x_of[m], cells[m, category].value) for m in members]
            rows += [(m, category, x_of[m], cells[m, category].value, m in table.own) for m in members]
            mixed = bool(table.own) and len(table.own) < len(table.models)
            for m, (x, y) in zip(members, points, strict=True):
                own = mixed and m in table.own
                axes.plot(
                    x, y, marker="*" if own else MARKERS[category], color=COLOURS[category], linestyle="",
                    markersize=theme.size * (1.3 if own else 0.6), markeredgecolor="#000000" if own else "#ffffff",
                    markeredgewidth=theme.line * 0.7,
                )  # fmt: skip
            if len(points) >= 3:
                rho = spearman([p[0] for p in points], [p[1] for p in points])
                words = "" if math.isnan(rho) else f"\nrank r {rho:+.2f}"
            else:
                words = ""
            axes.set_title(typeset(category, theme) + words, color=text_colour(category), fontsize=theme.size * 0.9)
            axes.margins(0.2)
            _scale(axes, sorted(set(x_of.values())))
        fig.supxlabel(typeset(ATTRIBUTES.get(attribute, attribute), theme), fontsize=theme.size)
        for axes, category in zip(grid, present, strict=True):
            members = [m for m in x_of if (m, category) in cells and not cells[m, category].partial]
            named = [m for m in members if (m in table.own and mixed) or len(members) <= MOST_LABELS]
            labels.place(
                axes, [(x_of[m], cells[m, category].value) for m in named], [typeset(m, theme) for m in named],
                [theme.size * 0.4] * len(named), fontsize=theme.size * 0.62,
            )  # fmt: skip
    caption = (
        f"Category averages against {ATTRIBUTES.get(attribute, attribute)} over {len(x_of)} models ({table.source})."
    )
    return Drawing("scaling", fig, ("model", "category", attribute, "average", "own"), tuple(rows), caption)


def _scale(axes: Axes, values: list[float]) -> None:
    """A logarithmic axis with the models' own values as ticks where they span more than a factor of eight."""
    if values[0] <= 0 or values[-1] / values[0] <= 8:
        axes.locator_params(axis="x", nbins=4)
        return
    axes.set_xscale("log")
    axes.minorticks_off()
    ticks: list[float] = []
    for value in values:
        if not ticks or value / ticks[-1] >= 2.2:
            ticks.append(value)
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])


def spearman(x: list[float], y: list[float]) -> float:
    """Rank correlation; NaN where one side is constant."""
    from scipy.stats import rankdata

    a, b = rankdata(x), rankdata(y)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])
