"""A polygon per model over the categories or over the benchmarks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cambrian_eval.errors import UserError
from cambrian_eval.registry import CATEGORIES

from .. import style
from ..catalogue import entry
from ..category_means import by_category
from ..figure import Figure, option
from ..numerals import small

if TYPE_CHECKING:
    from ..scores import ScoreTable
    from ..sources import Sources

_DASHES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Options:
    """What the axes are."""

    axes: str = option("categories", "What the axes are: categories or benchmarks.", ("categories", "benchmarks"))


@dataclass(frozen=True)
class Polygons:
    """The axes that are known for every model, and each model's values on them."""

    table: ScoreTable
    axes: str
    """`categories` or `benchmarks`."""
    names: tuple[str, ...]
    """The category or benchmark of each axis."""
    values: dict[str, list[float]]
    """By model, one value for each axis."""
    left_out: tuple[str, ...] = ()
    """Categories or benchmarks that some models lack."""


class Radar(Figure[Polygons, Options]):
    """A polygon per model over the four averages, or over every benchmark that all models have."""

    name = "radar"
    summary = "A polygon per model over the categories or the benchmarks; `dots` is easier to read."
    options = Options

    def compute(self, sources: Sources, options: Options) -> Polygons:
        """The values of every model on at least three axes."""
        table = sources.table
        table.check_few("a radar")
        if options.axes == "benchmarks":
            rows = {m: table.row(m) for m in table.models}
            present = [b for b in table.benchmarks if all(b in row for row in rows.values())]
            found = Polygons(
                table,
                options.axes,
                tuple(present),
                {m: [row[b] / entry(b).divisor for b in present] for m, row in rows.items()},
                tuple(entry(b).short for b in table.benchmarks if b not in present),
            )
        else:
            cells = by_category(table)
            shared = tuple(c for c in CATEGORIES if all((m, c) in cells for m in table.models))
            values = {m: [cells[m, c].value for c in shared] for m in table.models}
            some = [c for c in CATEGORIES if c not in shared and any((m, c) in cells for m in table.models)]
            found = Polygons(table, options.axes, shared, values, tuple(some))
        if len(found.names) < 3:
            raise UserError(
                f"{table.source}: axes known for every model: {len(found.names)}; a radar needs three; draw dots"
            )
        return found

    def draw(self, numbers: Polygons, theme: style.Theme) -> style.Drawing:
        """Closed lines around a center."""
        table, count = numbers.table, len(numbers.names)
        angles = [2 * math.pi * i / count for i in range(count)]
        with style.styled(theme):
            fig, axes = style.figure(
                theme.part(0.62),
                theme.page * (1.15 if theme.narrow else 0.62),
                subplot_kw={"projection": "polar"},
            )
            axes.grid(True)
            axes.set_theta_offset(math.pi / 2)
            axes.set_theta_direction(-1)
            for k, model in enumerate(table.models):
                yours = model in table.apart
                color = style.SERIES[k % len(style.SERIES)]
                ring = [*numbers.values[model], numbers.values[model][0]]
                axes.plot(
                    [*angles, angles[0]],
                    ring,
                    color=color,
                    linestyle=_DASHES[k % 4],
                    linewidth=theme.line * (2.4 if yours else 1.4),
                    marker="o",
                    markersize=theme.size * 0.3,
                    label=style.typeset(table.label(model), theme),
                )
                if yours or len(table.models) == 1:
                    axes.fill([*angles, angles[0]], ring, color=color, alpha=0.12)
            shown = [(n, n) if n in CATEGORIES else (entry(n).short, entry(n).category) for n in numbers.names]
            axes.set_xticks(angles, [style.typeset(short, theme) for short, _ in shown])
            for tick, (_, category), angle in zip(axes.get_xticklabels(), shown, angles, strict=True):
                tick.set_color(style.text_color(category))
                # Names grow away from the circle: to the right on its right half, to the left on its left.
                side = math.sin(angle)
                tick.set_ha("center" if abs(side) < 0.1 else "left" if side > 0 else "right")
            axes.set_rlabel_position(180 / count)
            top = max(max(v) for v in numbers.values.values())
            axes.set_ylim(0, max(10.0, math.ceil(top / 10) * 10))
            axes.tick_params(axis="x", pad=theme.size * 0.2)
            axes.tick_params(axis="y", labelsize=small(theme), labelcolor="#444444")
            fig.legend(loc="outside lower center", ncols=2 if len(table.models) > 1 and not theme.narrow else 1)
        rows = tuple(
            (m, name, float(v), m in table.own)
            for m in table.models
            for name, v in zip(numbers.names, numbers.values[m], strict=True)
        )
        models = "one model" if len(table.models) == 1 else f"{len(table.models)} models"
        caption = f"Scores of {models} over {count} {numbers.axes} ({table.source}; MME / 20)."
        notes = (f"not drawn, because some models lack them: {', '.join(numbers.left_out)}",) * bool(numbers.left_out)
        return style.Drawing("radar", fig, ("model", "axis", "score", "own"), rows, caption, table.source, notes=notes)

    def in_report(self, sources: Sources) -> Mapping[str, Options]:
        """Not in reports: dots on one scale are easier to compare."""
        return {}


FIGURE = Radar()
