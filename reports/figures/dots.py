"""Scores of models as dots in rows, one for each benchmark or category."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cambrian_eval.registry import CATEGORIES

from .. import style
from ..catalogue import categories_of, entry
from ..category_means import by_category, category_means
from ..figure import Figure, option

if TYPE_CHECKING:
    from ..scores import ScoreTable
    from ..sources import Sources


@dataclass(frozen=True)
class Options:
    """What the rows are."""

    rows: str = option("benchmarks", "What the rows are: benchmarks or categories.", ("benchmarks", "categories"))


@dataclass(frozen=True, slots=True)
class Dot:
    """One score on the common 0 to 100 axis."""

    model: str
    row: str
    """A benchmark or a category."""
    value: float
    low: float | None
    high: float | None
    partial: bool = False
    """Whether benchmarks of the category are missing."""


@dataclass(frozen=True)
class Dots:
    """Every score that is known, in rows."""

    table: ScoreTable
    rows: tuple[str, ...]
    categories: Mapping[str, str]
    """The category of each row."""
    found: tuple[Dot, ...]


class DotPlot(Figure[Dots, Options]):
    """A dot for each model in the row of a benchmark or category, with its interval; nothing known is left out."""

    name = "dots"
    summary = "Scores of models as dots, a row for each benchmark or category, with intervals where known."
    options = Options

    def compute(self, sources: Sources, options: Options) -> Dots:
        """The scores of the table, which must not have more models than can be told apart."""
        table = sources.table
        table.check_few("a dot plot")
        if options.rows == "categories":
            category_means(table)  # raises where there is none
            cells = by_category(table)
            rows = tuple(c for c in CATEGORIES if any((m, c) in cells for m in table.models))
            found = [
                Dot(m, c, mean.value, mean.low, mean.high, mean.partial)
                for c in rows
                for m in table.models
                if (mean := cells.get((m, c))) is not None
            ]
            return Dots(table, rows, {c: c for c in rows}, tuple(found))
        names = tuple(b for c in categories_of(table.benchmarks) for b in table.benchmarks if entry(b).category == c)
        found = []
        for name in names:
            by = entry(name).divisor
            for m in table.models:
                if (score := table.row(m).get(name)) is None:
                    continue
                low, high = table.intervals.get((m, name), (None, None))
                found.append(
                    Dot(m, name, score / by, None if low is None else low / by, None if high is None else high / by)
                )
        return Dots(table, names, {b: entry(b).category for b in names}, tuple(found))

    def draw(self, numbers: Dots, theme: style.Theme) -> style.Drawing:
        """Rows from the top, dots of one row a little apart where they have intervals."""
        table, count = numbers.table, len(numbers.table.models)
        spread = 0.5 if any(d.low is not None for d in numbers.found) else 0.0
        line = theme.size / 72 * (1.5 + 0.25 * count * bool(spread))
        with style.styled(theme):
            fig, axes = style.figure(theme.part(0.8), max(1.6, len(numbers.rows) * line + theme.size / 72 * 6))
            axes.grid(False, axis="y")
            for d in numbers.found:
                k = table.models.index(d.model)
                y = numbers.rows.index(d.row) + (k - (count - 1) / 2) * spread / max(count - 1, 1)
                look = _look(k, d.model in table.apart, theme)
                if d.low is not None and d.high is not None:
                    axes.hlines(
                        y,
                        max(d.low, 0.0),
                        min(d.high, 100.0),
                        color=style.SERIES[k % len(style.SERIES)],
                        linewidth=theme.line,
                    )
                face = {"markerfacecolor": "#ffffff"} if d.partial else {}
                axes.plot(d.value, y, linestyle="", zorder=3, clip_on=False, **{**look, **face})
            for i, row in enumerate(numbers.rows):
                first = (
                    i > 0
                    and row != numbers.categories[row]
                    and numbers.categories[row] != numbers.categories[numbers.rows[i - 1]]
                )
                axes.axhline(i, color="#e0e0e0", linewidth=theme.line * 0.6, zorder=0)
                if first:
                    axes.axhline(i - 0.5, color="#999999", linewidth=theme.line * 0.6, zorder=0)
            names = [row if row == numbers.categories[row] else entry(row).short for row in numbers.rows]
            axes.set_yticks(range(len(names)), [style.typeset(n, theme) for n in names])
            for tick, row in zip(axes.get_yticklabels(), numbers.rows, strict=True):
                tick.set_color(style.text_color(numbers.categories[row]))
            axes.set_ylim(len(names) - 0.4, -0.6)
            axes.tick_params(axis="y", length=0)
            scaled = "mme" in table.benchmarks
            axes.set_xlabel(style.typeset("score (MME / 20)" if scaled else "score", theme))
            handles = [
                axes.plot(
                    [],
                    [],
                    linestyle="",
                    label=style.typeset(table.label(m), theme),
                    **_look(k, m in table.apart, theme),
                )[0]
                for k, m in enumerate(table.models)
            ]
            style.legend_above(fig, handles, theme)
        partial = [d for d in numbers.found if d.partial]
        caption = f"Scores of {count} model{'s' * (count != 1)} ({table.source})"
        caption += "; lines are 95 % intervals." if spread else "."
        caption += " Open dots are averages over fewer benchmarks than the paper's." if partial else ""
        known = {(d.model, d.row) for d in numbers.found}
        missing = [f"{m}: no {r}" for m in table.models for r in names_missing(m, numbers, known)]
        cells = tuple((d.model, d.row, d.value, d.low, d.high, d.partial, d.model in table.own) for d in numbers.found)
        columns = ("model", "row", "score", "low", "high", "partial", "own")
        return style.Drawing("dots", fig, columns, cells, caption, table.source, notes=tuple(missing))

    def in_report(self, sources: Sources) -> Mapping[str, Options]:
        """As long as the models can be told apart."""
        from ..scores import MOST_MODELS

        return {self.name: Options()} if len(sources.opened) <= MOST_MODELS else {}


def names_missing(model: str, numbers: Dots, known: set[tuple[str, str]]) -> list[str]:
    """The rows in which a model has no dot, in one item."""
    absent = [r if r in CATEGORIES else entry(r).short for r in numbers.rows if (model, r) not in known]
    return [", ".join(absent)] if absent else []


def _look(k: int, yours: bool, theme: style.Theme) -> dict[str, Any]:
    """A model's marker."""
    return {
        "marker": "*" if yours else style.SHAPES[k % len(style.SHAPES)],
        "color": style.SERIES[k % len(style.SERIES)],
        "markeredgecolor": "#000000" if yours else style.SERIES[k % len(style.SERIES)],
        "markersize": theme.size * (1.2 if yours else 0.65),
        "markeredgewidth": theme.line * 0.8,
    }


FIGURE = DotPlot()
