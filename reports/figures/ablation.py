"""Vision on, off and chance per benchmark, sorted by what vision adds (the paper's Figure 3, left)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cambrian_eval.numbers import signed

from .. import ablation, style
from ..catalogue import condition_style, entry
from ..figure import Figure, option

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from ..ablation import Ablation, Row
    from ..sources import Sources

_PAPER_MARK: Mapping[str, Any] = {"marker": "D", "color": "#ffffff", "markeredgecolor": "#b5533c", "linestyle": ""}


@dataclass(frozen=True)
class Options:
    """What is drawn beside your runs."""

    published: str | None = option(None, "figure3: the paper's means beside yours.", ("figure3",))


@dataclass(frozen=True)
class Beside:
    """An ablation and, with `--published`, the paper's by benchmark."""

    found: Ablation
    paper: Mapping[str, Row]


class AblationFigure(Figure[Beside, Options]):
    """Grouped bars with intervals, a tick for chance, on minus off above; the paper's means as diamonds."""

    name = "ablation"
    summary = "Every vision condition and chance; without runs, the paper's own figure (Figure 3, left)."
    reads = "results"
    selects = ("scorer",)
    options = Options

    def compute(self, sources: Sources, options: Options) -> Beside:
        """The ablation of the runs, or the paper's where there are none."""
        if not sources.files:
            return Beside(ablation.published(), {})
        beside = options.published and not any(named.synthetic for named in sources.opened)
        paper = {row.benchmark: row for row in ablation.published().rows} if beside else {}
        return Beside(ablation.from_runs(sources.results, sources.scorer, sources.label), paper)

    def draw(self, numbers: Beside, theme: style.Theme) -> style.Drawing:
        """A group of bars for each benchmark."""
        found, paper = numbers.found, numbers.paper
        with style.styled(theme):
            fig, axes = style.figure(theme.page, theme.height(0.42))
            axes.grid(False, axis="x")
            _bars(axes, found, theme)
            for i, row in enumerate(found.rows):
                _chance(axes, i, row, theme)
                if row.benchmark in paper:
                    _paper(axes, i, found, paper[row.benchmark], theme)
            _gaps(axes, found, paper, theme)
            names = [style.typeset(entry(r.benchmark).short, theme) for r in found.rows]
            axes.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
            for tick, row in zip(axes.get_xticklabels(), found.rows, strict=True):
                tick.set_color(style.text_color(entry(row.benchmark).category))
            axes.tick_params(axis="x", length=0)
            axes.set_xlim(-0.6, len(names) - 0.4)
            scaled = any(r.benchmark == "mme" for r in found.rows)
            axes.set_ylabel(style.typeset("score (MME / 20)" if scaled else "score", theme))
            _legend(fig, found.conditions, theme, bool(paper))
        caption = (
            "Scores by vision condition and by chance, benchmarks sorted by vision on minus vision off (written "
            f"above), {found.source}; error bars: {found.bars}." + (" Diamonds are the paper's means." if paper else "")
        )
        columns, rows = _cells(found, paper)
        return style.Drawing(
            "ablation", fig, columns, rows, caption, found.source, tuple(ablation.reading(found)), found.notes
        )


def _place(found: Ablation, i: int, condition: str) -> tuple[float, float]:
    """The middle and the width of a bar."""
    width = 0.8 / len(found.conditions)
    return i + (found.conditions.index(condition) - (len(found.conditions) - 1) / 2) * width, width


def _bars(axes: Axes, found: Ablation, theme: style.Theme) -> None:
    for condition in found.conditions:
        shown = condition_style(condition)
        for i, row in enumerate(found.rows):
            estimate = row.scores.get(condition)
            if estimate is None:
                continue
            x, width = _place(found, i, condition)
            axes.bar(x, estimate.value, width, color=shown.color, hatch=shown.hatch, edgecolor="#ffffff", linewidth=0.3)
            if estimate.low is not None and estimate.high is not None:
                axes.vlines(
                    x, max(estimate.low, 0.0), min(estimate.high, 100.0), color="#000000", linewidth=theme.line * 0.8
                )


def _chance(axes: Axes, i: int, row: Row, theme: style.Theme) -> None:
    if row.chance is None:
        return
    axes.hlines(row.chance, i - 0.46, i + 0.46, color=style.CHANCE, linewidth=theme.line * 1.4)
    axes.plot(
        i,
        row.chance,
        marker="s",
        color="#ffffff",
        markeredgecolor=style.CHANCE,
        markersize=theme.size * 0.4,
        clip_on=False,
        zorder=4,
    )


def _paper(axes: Axes, i: int, found: Ablation, printed: Row, theme: style.Theme) -> None:
    for condition, estimate in printed.scores.items():
        x, _ = _place(found, i, condition)
        axes.plot(x, estimate.value, **_PAPER_MARK, markersize=theme.size * 0.5, zorder=5, clip_on=False)


def _gaps(axes: Axes, found: Ablation, paper: Mapping[str, Row], theme: style.Theme) -> None:
    """On minus off above each group, and room for it."""
    top = 0.0
    # A number is about two letters wide: where columns are thinner it stands upright.
    upright = 90 if theme.page * 62 / len(found.rows) < theme.size * 2 else 0
    for i, row in enumerate(found.rows):
        ends = [e.high if e.high is not None else e.value for e in row.scores.values()]
        if row.benchmark in paper:
            ends += [e.value for e in paper[row.benchmark].scores.values()]
        peak = max([*ends, row.chance or 0.0])
        top = max(top, peak)
        axes.annotate(
            style.typeset(signed(row.gap), theme),
            (i, peak),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=theme.size * 0.8,
            rotation=upright,
        )
    axes.set_ylim(0, top * (1.2 if upright else 1.1) + 1)


def _legend(fig: Canvas, conditions: list[str], theme: style.Theme, paper: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(facecolor=s.color, hatch=s.hatch, edgecolor="#ffffff", label=style.typeset(s.title, theme))
        for s in map(condition_style, conditions)
    ]
    size = theme.size * 0.4
    handles.append(
        Line2D([], [], color=style.CHANCE, marker="s", markerfacecolor="#ffffff", markersize=size, label="Chance")
    )
    if paper:
        handles.append(Line2D([], [], **_PAPER_MARK, markersize=theme.size * 0.5, label="The paper's means"))
    fig.legend(
        handles=handles, loc="outside upper center", ncols=2 if theme.narrow else len(handles), columnspacing=1.4
    )


def _cells(found: Ablation, paper: Mapping[str, Row]) -> tuple[tuple[str, ...], tuple[tuple[object, ...], ...]]:
    """The companion CSV: values, error bars, differences and, of a single model, its paired test."""
    columns = ["benchmark", "title", "category"]
    for c in found.conditions:
        columns += [c, f"{c}_low", f"{c}_high"]
    columns += ["chance", "on_minus_off", "off_minus_chance"]
    single = len(found.models) == 1
    if single:
        columns += ["difference_low", "difference_high", "p_value", "p_holm", "test"]
    if paper:
        columns += ["paper_on", "paper_off", "paper_chance"]
    rows = []
    for r in found.rows:
        cells: list[object] = [r.benchmark, entry(r.benchmark).short, entry(r.benchmark).category]
        for c in found.conditions:
            e = r.scores.get(c)
            cells += [None, None, None] if e is None else [e.value, e.low, e.high]
        cells += [r.chance, r.gap, r.above_chance]
        if single:
            t = r.tests[0] if r.tests else None
            cells += [None] * 5 if t is None else [t.low, t.high, t.p_value, t.p_holm, t.test]
        if paper:
            p = paper.get(r.benchmark)
            cells += [None] * 3 if p is None else [*(e.value for e in p.scores.values()), p.chance]
        rows.append(tuple(cells))
    return tuple(columns), tuple(rows)


FIGURE = AblationFigure()
