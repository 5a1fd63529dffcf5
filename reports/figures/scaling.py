"""Scores against an attribute of the model: visual tokens, resolution, parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cambrian_eval.errors import UserError, unknown
from cambrian_eval.registry import CATEGORIES

from .. import labels, style
from ..attributes import ATTRIBUTES, attribute_named
from ..category_means import by_category
from ..figure import Figure, option
from ..numerals import signed, small

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..category_means import Mean
    from ..scores import ScoreTable
    from ..sources import Sources

MOST_LABELS = 12
"""Where there are more models than this, only yours are named."""


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
        """A marker for each model in each panel; each model is named in one of them."""
        table, title = numbers.table, ATTRIBUTES[numbers.attribute]
        models = [m for m in table.models if m in numbers.x]
        few = len(models) <= MOST_LABELS
        looks = {m: _look(k if few else None, m in table.apart, theme) for k, m in enumerate(models)}
        with style.styled(theme):
            fig, grid = style.panels(theme, len(numbers.panels), 0.42 if few else 0.38)
            for p, (axes, (category, means)) in enumerate(zip(grid, numbers.panels.items(), strict=True)):
                for mean in means:
                    look = looks[mean.model]
                    if not few:
                        look = look | {"marker": look["marker"] or style.MARKERS[category]}
                        look["color"] = look["color"] or style.COLORS[category]
                    gid = f"point-{p}-{models.index(mean.model)}"
                    axes.plot(numbers.x[mean.model], mean.value, linestyle="", gid=gid, **look)
                rho = spearman([numbers.x[m.model] for m in means], [m.value for m in means])
                suffix = "" if math.isnan(rho) else "\nrank r " + signed(rho, theme, plus=True)
                axes.set_title(
                    style.typeset(category, theme) + suffix, color=style.text_color(category), fontsize=theme.size
                )
                axes.margins(0.2)
                _scale(axes, sorted(set(numbers.x.values())))
            fig.supxlabel(style.typeset(title, theme), fontsize=theme.size)
            named = models if few else [m for m in models if m in table.apart]
            _label(grid, numbers, models, named, looks, theme)
        rows = tuple(
            (m.model, category, numbers.x[m.model], m.value, m.model in table.own)
            for category, means in numbers.panels.items()
            for m in means
        )
        caption = f"Category averages against {title} over {len(numbers.x)} models ({table.source})."
        if few:
            caption += " Each model has one color and shape in all panels, and its name in one of them."
        columns = ("model", "category", numbers.attribute, "average", "own")
        absent = [m for m in table.models if m not in numbers.x]
        notes = (f"not drawn, without known {title} or all four benchmarks of a category: {', '.join(absent)}",) * bool(
            absent
        )
        return style.Drawing("scaling", fig, columns, rows, caption, table.source, notes=notes)

    def in_report(self, sources: Sources) -> Mapping[str, Options]:
        """Every attribute in which the models differ."""
        known = sources.table.attributes.values()
        varied = [name for name in ATTRIBUTES if len({a[name] for a in known if name in a}) > 1]
        return {f"scaling-{name}": Options(name) for name in varied}


def _look(k: int | None, yours: bool, theme: style.Theme) -> dict[str, Any]:
    """A model's marker: its own color and shape where models can be told apart; color and shape None else."""
    return {
        "marker": "*" if yours else None if k is None else style.SHAPES[k % len(style.SHAPES)],
        "color": None if k is None else style.SERIES[k % len(style.SERIES)],
        "markersize": theme.size * (1.3 if yours else 0.6 if k is None else 0.75),
        "markeredgecolor": "#000000" if yours else "#ffffff",
        "markeredgewidth": theme.line * 0.7,
    }


def _label(
    grid: Sequence[Axes],
    numbers: Scaling,
    models: Sequence[str],
    named: Sequence[str],
    looks: Mapping[str, Mapping[str, Any]],
    theme: style.Theme,
) -> None:
    """Writes every name once, in the panel where its marker has the most room around it."""
    figure = grid[0].get_figure(root=True)
    if figure is None or not named:
        return
    figure.draw_without_rendering()
    panels = list(numbers.panels.values())
    at = [
        {m.model: tuple(map(float, axes.transData.transform((numbers.x[m.model], m.value)))) for m in means}
        for axes, means in zip(grid, panels, strict=True)
    ]
    chosen: list[list[str]] = [[] for _ in panels]
    for model in sorted(named, key=lambda m: (-max(map(_room, at, [m] * len(at))), m)):
        # A name takes room from those that follow in the same panel.
        best = max(range(len(at)), key=lambda p: (_room(at[p], model) / (1 + len(chosen[p])), -p))
        chosen[best].append(model)
    for p, (axes, means) in enumerate(zip(grid, panels, strict=True)):
        value = {m.model: m.value for m in means}
        mine = chosen[p]
        others = [m.model for m in means if m.model not in mine]
        texts = labels.place(
            axes,
            [(numbers.x[m], value[m]) for m in mine],
            [style.typeset(m, theme) for m in mine],
            [float(looks[m]["markersize"]) * 0.6 for m in mine],
            [(numbers.x[m], value[m]) for m in others],
            fontsize=small(theme),
        )
        for model, text in zip(mine, texts, strict=True):
            text.set_color(style.shade(looks[model]["color"] or "#222222"))
            text.set_gid(f"label-{p}-{models.index(model)}")


def _room(at: Mapping[str, tuple[float, ...]], model: str) -> float:
    """The distance from a model's marker to the nearest other one, in pixels; less than 0 where it has none."""
    if model not in at:
        return -1.0
    return min((math.dist(at[model], xy) for m, xy in at.items() if m != model), default=1e6)


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
