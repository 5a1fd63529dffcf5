"""Category averages: grouped bars and radar per model, box plots over a group of models (the paper's Figure 5)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cambrian_eval.errors import UserError

from ..catalogue import CATEGORIES, entry
from ..category_means import Mean, by_category, means
from ..scores import ScoreTable
from ..style import COLOURS, HATCHES, SERIES, Drawing, Theme, figure, panels, styled, typeset

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_MODELS = 12
"""More models than this cannot be told apart in one set of bars or one radar."""
_COLUMNS = ("model", "category", "average", "low", "high", "benchmarks", "partial", "own")


def _check(table: ScoreTable, what: str) -> None:
    if len(table.models) > MOST_MODELS:
        raise UserError(
            f"{table.source}: {len(table.models)} models do not fit into {what}; choose up to {MOST_MODELS} with "
            "--models, or draw boxes"
        )


def _rows(table: ScoreTable, found: list[Mean]) -> tuple[tuple[object, ...], ...]:
    return tuple(
        (m.model, m.category, m.value, m.low, m.high, m.members, m.partial, m.model in table.own) for m in found
    )


def _of_four(table: ScoreTable) -> list[Mean]:
    found = [m for m in means(table) if m.category in CATEGORIES]
    if not found:
        raise UserError(f"{table.source}: holds none of the sixteen benchmarks, so there is no category average")
    return found


def bars(table: ScoreTable, theme: Theme) -> Drawing:
    """Grouped bars per category; own models have a black edge."""
    _check(table, "grouped bars")
    found = _of_four(table)
    present = [c for c in CATEGORIES if any(m.category == c for m in found)]
    width = 0.84 / len(table.models)
    with styled(theme):
        fig, axes = figure(theme.page, theme.height(0.42))
        axes.grid(False, axis="x")
        for m in found:
            k = table.models.index(m.model)
            x = present.index(m.category) + (k - (len(table.models) - 1) / 2) * width
            own = bool(table.own) and m.model in table.own and len(table.own) < len(table.models)
            axes.bar(
                x, m.value, width * 0.94, color=SERIES[k % len(SERIES)], hatch="///" if k >= len(SERIES) else "",
                edgecolor="#000000" if own else "#ffffff", linewidth=theme.line * (1.4 if own else 0.3),
            )  # fmt: skip
            if m.low is not None and m.high is not None:
                axes.vlines(x, m.low, m.high, color="#000000", linewidth=theme.line * 0.9)
            if len(table.models) <= (1 if theme.narrow else 5):
                axes.annotate(
                    f"{m.value:.1f}" + ("*" if m.partial else ""), (x, m.high or m.value), xytext=(0, 1.5),
                    textcoords="offset points", ha="center", va="bottom", fontsize=theme.size * 0.75,
                )  # fmt: skip
        axes.set_xticks(range(len(present)), [typeset(c, theme) for c in present])
        axes.tick_params(axis="x", length=0)
        axes.set_ylabel("average score")
        _legend(fig, table, theme)
    partial = " * = benchmarks of the category are missing." if any(m.partial for m in found) else ""
    caption = f"Category averages per model ({table.source}); bars are 95 % intervals where known.{partial}"
    return Drawing("categories", fig, _COLUMNS, _rows(table, found), caption)


def _legend(fig: Figure, table: ScoreTable, theme: Theme) -> None:
    from matplotlib.patches import Patch

    handles = []
    for k, model in enumerate(table.models):
        own = model in table.own and len(table.own) < len(table.models)
        handles.append(
            Patch(
                facecolor=SERIES[k % len(SERIES)],
                hatch="///" if k >= len(SERIES) else "",
                edgecolor="#000000" if own else "#ffffff",
                label=typeset(model + (" (own run)" if own else ""), theme),
            )
        )
    longest = max(len(m) for m in table.models)
    columns = max(1, min(len(handles), int(theme.page * 72 / (theme.size * (0.55 * longest + 4)))))
    fig.legend(handles=handles, loc="outside upper center", ncols=columns)


def radar(table: ScoreTable, theme: Theme, axes_are: str = "categories") -> Drawing:
    """A polygon per model over the four averages, or over every benchmark that all models have."""
    _check(table, "a radar")
    if axes_are == "benchmarks":
        present = [b for b in table.benchmarks if not np.isnan(table.column(b)).any()]
        names = [entry(b).short for b in present]
        values = {m: [table.row(m)[b] / entry(b).divisor for b in present] for m in table.models}
        spokes = [entry(b).category for b in present]
    else:
        cells = by_category(table)
        present = [c for c in CATEGORIES if all((m, c) in cells for m in table.models)]
        names = list(present)
        values = {m: [cells[m, c].value for c in present] for m in table.models}
        spokes = list(present)
    if len(present) < 3:
        raise UserError(f"{table.source}: axes known for every model: {len(present)}; a radar needs three")
    angles = [2 * math.pi * i / len(present) for i in range(len(present))]
    with styled(theme):
        fig, axes = figure(
            theme.page * (1.0 if theme.narrow else 0.62),
            theme.page * (1.15 if theme.narrow else 0.62),
            subplot_kw={"projection": "polar"},
        )
        axes.grid(True)
        axes.set_theta_offset(math.pi / 2)
        axes.set_theta_direction(-1)
        dashes = ("-", "--", "-.", ":")
        for k, model in enumerate(table.models):
            own = model in table.own and len(table.own) < len(table.models)
            ring = [*values[model], values[model][0]]
            axes.plot(
                [*angles, angles[0]], ring, color=SERIES[k % len(SERIES)], linestyle=dashes[k % 4],
                linewidth=theme.line * (2.4 if own else 1.4), marker="o", markersize=theme.size * 0.3,
                label=typeset(model + (" (own run)" if own else ""), theme),
            )  # fmt: skip
            if own or len(table.models) == 1:
                axes.fill([*angles, angles[0]], ring, color=SERIES[k % len(SERIES)], alpha=0.12)
        axes.set_xticks(angles, [typeset(n, theme) for n in names])
        for tick, spoke, angle in zip(axes.get_xticklabels(), spokes, angles, strict=True):
            tick.set_color(_dark(spoke))
            # Names grow away from the circle: to the right on its right half, to the left on its left.
            side = math.sin(angle)
            tick.set_ha("center" if abs(side) < 0.1 else "left" if side > 0 else "right")
        axes.set_rlabel_position(180 / len(present))
        top = max(max(v) for v in values.values())
        axes.set_ylim(0, max(10.0, math.ceil(top / 10) * 10))
        axes.tick_params(axis="x", pad=theme.size * 0.2)
        axes.tick_params(axis="y", labelsize=theme.size * 0.7, labelcolor="#444444")
        fig.legend(loc="outside lower center", ncols=2 if len(table.models) > 1 and not theme.narrow else 1)
    rows = tuple(
        (m, name, float(v), m in table.own) for m in table.models for name, v in zip(present, values[m], strict=True)
    )
    models = "one model" if len(table.models) == 1 else f"{len(table.models)} models"
    caption = f"Scores of {models} over {len(present)} {axes_are} ({table.source}; MME / 20)."
    return Drawing("radar", fig, ("model", "axis", "score", "own"), rows, caption)


def _dark(category: str) -> str:
    from .matrix import text_colour

    return text_colour(category) if category in COLOURS else "#000000"


def boxes(table: ScoreTable, theme: Theme) -> Drawing:
    """Spread of the category averages over the models of each group: median, quartiles, every model a dot."""
    found = [m for m in _of_four(table) if not m.partial]
    if not found:
        raise UserError(f"{table.source}: no model has all four benchmarks of a category; boxes need complete averages")
    groups = list(dict.fromkeys(table.groups.get(m, "all models") for m in table.models))
    present = [c for c in CATEGORIES if any(m.category == c for m in found)]
    with styled(theme):
        fig, grid = panels(theme, len(present), 0.4)
        for axes, category in zip(grid, present, strict=True):
            axes.grid(False, axis="x")
            for k, group in enumerate(groups):
                mine = [m for m in found if m.category == category and table.groups.get(m.model, "all models") == group]
                if not mine:
                    continue
                data = [m.value for m in mine]
                axes.boxplot(
                    data, positions=[k], widths=0.6, showfliers=False, patch_artist=True,
                    boxprops={"facecolor": COLOURS[category], "alpha": 0.5, "hatch": HATCHES[category]},
                    medianprops={"color": "#000000", "linewidth": theme.line * 1.4},
                )  # fmt: skip
                for i, m in enumerate(mine):
                    own = m.model in table.own and len(table.own) < len(table.models)
                    # Spread sideways by position in the list, so that equal values stay visible.
                    x = k + (i % 5 - 2) * 0.07
                    axes.plot(
                        x, m.value, marker="*" if own else "o", color="#d62728" if own else "#222222",
                        markersize=theme.size * (0.9 if own else 0.3), linestyle="", zorder=4 if own else 3,
                    )  # fmt: skip
            axes.set_title(typeset(category, theme), color=_dark(category))
            axes.set_xticks(range(len(groups)), [typeset(g, theme) for g in groups], rotation=30, ha="right")
            axes.set_xlim(-0.6, len(groups) - 0.4)
    rows = tuple(
        (m.model, table.groups.get(m.model, "all models"), m.category, m.value, m.model in table.own) for m in found
    )
    stars = " Stars are own runs." if table.own and len(table.own) < len(table.models) else ""
    caption = (
        f"Category averages over groups of models ({table.source}): median, quartiles, whiskers to 1.5 times the "
        f"quartile range, every model a dot.{stars}"
    )
    return Drawing("boxes", fig, ("model", "group", "category", "average", "own"), rows, caption)
