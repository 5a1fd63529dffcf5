"""Scores against an attribute of the model: visual tokens, resolution, parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cambrian_eval.errors import UserError, unknown
from cambrian_eval.numbers import signed
from cambrian_eval.registry import CATEGORIES

from .. import labels, style
from ..attributes import ATTRIBUTES, attribute_named
from ..category_means import by_category
from ..figure import Figure, option

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..category_means import Mean
    from ..scores import ScoreTable
    from ..sources import Sources

MOST_LABELS = 12
"""Where a panel has more models than this, only yours are named."""


@dataclass(frozen=True)
class Options:
    """What the horizontal axis is."""

    x: str = option("visual_tokens", "The attribute: visual_tokens, resolution or params.")


@dataclass(frozen=True)
class Scaling:
    """The complete category averages of the models that have an attribute."""

    table: ScoreTable
    attribute: str
    x: dict[str, float]
    """The attribute by model."""
    panels: dict[str, list[Mean]]
    """The averages by category."""


class ScalingFigure(Figure[Scaling, Options]):
    """A panel per category; Spearman correlation in the title; your models are stars where others are beside them."""

    name = "scaling"
    summary = "Category averages against an attribute of the model."
    options = Options

    def compute(self, sources: Sources, options: Options) -> Scaling:
        """The averages of every model that has the attribute; it must take two values at least."""
        attribute, table = attribute_named(options.x), sources.table
        if attribute is None:
            raise unknown("--x", options.x, ATTRIBUTES)
        x = {m: a[attribute] for m in table.models if attribute in (a := table.attributes.get(m, {}))}
        if len(set(x.values())) < 2:
            known = sorted({key for a in table.attributes.values() for key in a})
            raise UserError(
                f"{table.source}: {len(x)} models have {attribute!r} and it takes {len(set(x.values()))} values; "
                f"known attributes: {', '.join(known) or 'none'}; give a CSV with such a column, or another --x"
            )
        cells = by_category(table)
        panels = {c: [cells[m, c] for m in x if (m, c) in cells] for c in CATEGORIES}
        panels = {c: [mean for mean in means if not mean.partial] for c, means in panels.items() if means}
        if not panels:
            raise UserError(f"{table.source}: no model with {attribute!r} has a category average")
        drawn = {mean.model for means in panels.values() for mean in means}
        if not drawn:
            raise UserError(f"{table.source}: no model with {attribute!r} has all four benchmarks of a category")
        return Scaling(table, attribute, {m: value for m, value in x.items() if m in drawn}, panels)

    def draw(self, numbers: Scaling, theme: style.Theme) -> style.Drawing:
        """A marker for each model in each panel."""
        table, title = numbers.table, ATTRIBUTES[numbers.attribute]
        with style.styled(theme):
            fig, grid = style.panels(theme, len(numbers.panels), 0.38)
            for axes, (category, means) in zip(grid, numbers.panels.items(), strict=True):
                for mean in means:
                    yours = mean.model in table.apart
                    axes.plot(
                        numbers.x[mean.model],
                        mean.value,
                        marker="*" if yours else style.MARKERS[category],
                        color=style.COLORS[category],
                        linestyle="",
                        markersize=theme.size * (1.3 if yours else 0.6),
                        markeredgecolor="#000000" if yours else "#ffffff",
                        markeredgewidth=theme.line * 0.7,
                    )
                rho = spearman([numbers.x[m.model] for m in means], [m.value for m in means])
                suffix = "" if math.isnan(rho) else f"\nrank r {signed(rho, 2)}"
                axes.set_title(
                    style.typeset(category, theme) + suffix,
                    color=style.text_color(category),
                    fontsize=theme.size * 0.9,
                )
                axes.margins(0.2)
                _scale(axes, sorted(set(numbers.x.values())))
            fig.supxlabel(style.typeset(title, theme), fontsize=theme.size)
            for axes, means in zip(grid, numbers.panels.values(), strict=True):
                named = [m for m in means if m.model in table.apart or len(means) <= MOST_LABELS]
                labels.place(
                    axes,
                    [(numbers.x[m.model], m.value) for m in named],
                    [style.typeset(m.model, theme) for m in named],
                    [theme.size * 0.4] * len(named),
                    fontsize=theme.size * 0.62,
                )
        rows = tuple(
            (m.model, category, numbers.x[m.model], m.value, m.model in table.own)
            for category, means in numbers.panels.items()
            for m in means
        )
        caption = f"Category averages against {title} over {len(numbers.x)} models ({table.source})."
        columns = ("model", "category", numbers.attribute, "average", "own")
        return style.Drawing("scaling", fig, columns, rows, caption, table.source)

    def in_report(self, sources: Sources) -> Mapping[str, Options]:
        """Every attribute in which the models differ."""
        known = sources.table.attributes.values()
        varied = [name for name in ATTRIBUTES if len({a[name] for a in known if name in a}) > 1]
        return {f"scaling-{name}": Options(name) for name in varied}


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
    """Rank correlation; NaN for fewer than three models or where one side is constant."""
    import numpy as np

    from ..correlation import pair_matrix

    return float(pair_matrix(np.column_stack([x, y]), "spearman")[0][0, 1])


FIGURE = ScalingFigure()
