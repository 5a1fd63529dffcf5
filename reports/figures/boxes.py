"""Spread of category averages over groups of models (as the paper's Figure 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cambrian_eval.errors import UserError
from cambrian_eval.registry import CATEGORIES

from .. import style
from ..category_means import category_means
from ..figure import Figure, NoOptions

if TYPE_CHECKING:
    from ..scores import ScoreTable
    from ..sources import Sources

FEWEST = 5
"""Quartiles of fewer models say nothing: those are dots alone."""
ALL = "all models"
"""The group of models that have none."""


class Boxes(Figure["ScoreTable", NoOptions]):
    """Median and quartiles of each group of five models or more, every model a dot."""

    name = "boxes"
    summary = "Spread of category averages over groups of models (as Figure 5)."

    def compute(self, sources: Sources, options: NoOptions) -> ScoreTable:
        """The score table, in which some model must have a complete category."""
        table = sources.table
        if all(m.partial for m in category_means(table)):
            raise UserError(
                f"{table.source}: no model has all four benchmarks of a category; boxes need complete averages"
            )
        return table

    def draw(self, numbers: ScoreTable, theme: style.Theme) -> style.Drawing:
        """A panel for each category, a box for each group."""
        found = [m for m in category_means(numbers) if not m.partial]
        shown = {m.model for m in found}
        groups = list(dict.fromkeys(numbers.groups.get(m, ALL) for m in numbers.models if m in shown))
        present = [c for c in CATEGORIES if any(m.category == c for m in found)]
        with style.styled(theme):
            fig, grid = style.panels(theme, len(present), 0.4)
            for axes, category in zip(grid, present, strict=True):
                axes.grid(False, axis="x")
                for k, group in enumerate(groups):
                    members = [m for m in found if m.category == category and numbers.groups.get(m.model, ALL) == group]
                    if not members:
                        continue
                    few = len(members) < FEWEST
                    if not few:
                        axes.boxplot(
                            [m.value for m in members],
                            positions=[k],
                            widths=0.6,
                            showfliers=False,
                            patch_artist=True,
                            boxprops={
                                "facecolor": style.COLORS[category],
                                "alpha": 0.5,
                                "hatch": style.HATCHES[category],
                            },
                            medianprops={"color": "#000000", "linewidth": theme.line * 1.4},
                        )
                    for i, m in enumerate(members):
                        yours = m.model in numbers.apart
                        axes.plot(
                            # Spread sideways by position in the list, so that equal values stay visible.
                            k + (i % 5 - 2) * 0.07,
                            m.value,
                            marker="*" if yours else "o",
                            color="#d62728" if yours else style.COLORS[category] if few else "#222222",
                            markersize=theme.size * (0.9 if yours else 0.55 if few else 0.3),
                            linestyle="",
                            zorder=4 if yours else 3,
                        )
                axes.set_title(style.typeset(category, theme), color=style.text_color(category))
                axes.set_xticks(range(len(groups)), [style.typeset(g, theme) for g in groups], rotation=30, ha="right")
                if theme.narrow and not axes.get_subplotspec().is_last_row():
                    axes.tick_params(axis="x", labelbottom=False)
                axes.set_xlim(-0.6, len(groups) - 0.4)
        rows = tuple(
            (m.model, numbers.groups.get(m.model, ALL), m.category, m.value, m.model in numbers.own) for m in found
        )
        stars = " Stars are your runs." if numbers.apart else ""
        caption = (
            f"Category averages over groups of models ({numbers.source}): median, quartiles, whiskers to 1.5 times the "
            f"quartile range, every model a dot; groups of fewer than {FEWEST} models are dots alone.{stars}"
        )
        columns = ("model", "group", "category", "average", "own")
        absent = [m for m in numbers.models if m not in shown]
        notes = (f"not drawn, without all four benchmarks of a category: {', '.join(absent)}",) * bool(absent)
        return style.Drawing("boxes", fig, columns, rows, caption, numbers.source, notes=notes)

    def in_report(self, sources: Sources) -> Mapping[str, NoOptions]:
        """From five models on."""
        return {self.name: NoOptions()} if len(sources.opened) >= FEWEST else {}


FIGURE = Boxes()
