"""Category averages of models as grouped bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cambrian_eval.numbers import number
from cambrian_eval.registry import CATEGORIES

from .. import style
from ..category_means import category_means
from ..figure import Figure, NoOptions
from ..numerals import small

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from ..scores import ScoreTable
    from ..sources import Sources


class Categories(Figure["ScoreTable", NoOptions]):
    """Grouped bars per category; your models have a black edge where others are beside them."""

    name = "categories"
    summary = "Category averages per model as grouped bars, with intervals where known."

    def compute(self, sources: Sources, options: NoOptions) -> ScoreTable:
        """The score table, which must not have more models than can be told apart."""
        sources.table.check_few("grouped bars")
        category_means(sources.table)
        return sources.table

    def draw(self, numbers: ScoreTable, theme: style.Theme) -> style.Drawing:
        """A bar for each model and category."""
        found = category_means(numbers)
        present = [c for c in CATEGORIES if any(m.category == c for m in found)]
        width = 0.84 / len(numbers.models)
        with style.styled(theme):
            fig, axes = style.figure(theme.page, theme.height(0.42))
            axes.grid(False, axis="x")
            for m in found:
                k = numbers.models.index(m.model)
                x = present.index(m.category) + (k - (len(numbers.models) - 1) / 2) * width
                yours = m.model in numbers.apart
                axes.bar(
                    x,
                    m.value,
                    width * 0.94,
                    color=style.SERIES[k % len(style.SERIES)],
                    hatch="///" if k >= len(style.SERIES) else "",
                    edgecolor="#000000" if yours else "#ffffff",
                    linewidth=theme.line * (1.4 if yours else 0.3),
                )
                if m.low is not None and m.high is not None:
                    axes.vlines(x, m.low, m.high, color="#000000", linewidth=theme.line * 0.9)
                if len(numbers.models) <= (1 if theme.narrow else 5):
                    axes.annotate(
                        number(m.value) + ("*" if m.partial else ""),
                        (x, m.high or m.value),
                        xytext=(0, 1.5),
                        textcoords="offset points",
                        ha="center",
                        va="bottom",
                        fontsize=small(theme),
                    )
            axes.set_xticks(range(len(present)), [style.typeset(c, theme) for c in present])
            axes.tick_params(axis="x", length=0)
            axes.set_ylabel("average score")
            _legend(fig, numbers, theme)
        partial = " * = benchmarks of the category are missing." if any(m.partial for m in found) else ""
        caption = f"Category averages per model ({numbers.source}); bars are 95 % intervals where known.{partial}"
        columns = ("model", "category", "average", "low", "high", "benchmarks", "partial", "own")
        rows = tuple(
            (m.model, m.category, m.value, m.low, m.high, m.members, m.partial, m.model in numbers.own) for m in found
        )
        return style.Drawing("categories", fig, columns, rows, caption, numbers.source)


def _legend(fig: Canvas, table: ScoreTable, theme: style.Theme) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(
            facecolor=style.SERIES[k % len(style.SERIES)],
            hatch="///" if k >= len(style.SERIES) else "",
            edgecolor="#000000" if model in table.apart else "#ffffff",
            label=style.typeset(table.label(model), theme),
        )
        for k, model in enumerate(table.models)
    ]
    longest = max(len(m) for m in table.models)
    columns = max(1, min(len(handles), int(theme.page * 72 / (theme.size * (0.55 * longest + 4)))))
    fig.legend(handles=handles, loc="outside upper center", ncols=columns)


FIGURE = Categories()
