"""Vision on, off and chance per benchmark, by what sight adds (the paper's Figure 3, left)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..ablation import Ablation, Row, signed
from ..catalogue import entry
from ..style import CONDITIONS, Drawing, Theme, figure, styled, typeset
from .matrix import text_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WORDS = {
    "on": "vision on",
    "off": "vision off",
    "shuffled": "another image",
    "noise": "noise",
    "chance": "chance",
}
_PAPER_MARK: dict[str, Any] = {
    "marker": "D", "color": "#ffffff", "markeredgecolor": "#b5533c", "linestyle": "",
}  # fmt: skip
_HATCH = {"on": "", "off": "", "shuffled": "///", "noise": "..."}


def draw(found: Ablation, theme: Theme, paper: Ablation | None = None) -> Drawing:
    """Grouped bars with intervals, a tick for chance, the gap written above; the paper's means as diamonds."""
    printed = {} if paper is None else {r.benchmark: r for r in paper.rows}
    with styled(theme):
        fig, axes = figure(theme.page, theme.height(0.42))
        axes.grid(False, axis="x")
        _bars(axes, found, theme)
        for i, row in enumerate(found.rows):
            _chance(axes, i, row, theme)
            if row.benchmark in printed:
                _paper(axes, i, found, printed[row.benchmark], theme)
        _gaps(axes, found, printed, theme)
        names = [typeset(entry(r.benchmark).short, theme) for r in found.rows]
        axes.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
        for tick, row in zip(axes.get_xticklabels(), found.rows, strict=True):
            tick.set_color(text_colour(entry(row.benchmark).category))
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-0.6, len(names) - 0.4)
        scaled = any(r.benchmark == "mme" for r in found.rows)
        axes.set_ylabel(typeset("score (MME / 20)" if scaled else "score", theme))
        _legend(fig, found.conditions, theme, bool(printed))
    return Drawing("ablation", fig, *_numbers(found, printed), _caption(found, bool(printed)))


def _place(found: Ablation, i: int, condition: str) -> tuple[float, float]:
    """The middle and the width of a bar."""
    width = 0.8 / len(found.conditions)
    return i + (found.conditions.index(condition) - (len(found.conditions) - 1) / 2) * width, width


def _bars(axes: Axes, found: Ablation, theme: Theme) -> None:
    for condition in found.conditions:
        for i, row in enumerate(found.rows):
            estimate = row.scores.get(condition)
            if estimate is None:
                continue
            x, width = _place(found, i, condition)
            axes.bar(
                x, estimate.value, width, color=CONDITIONS[condition], hatch=_HATCH[condition],
                edgecolor="#ffffff", linewidth=0.3,
            )  # fmt: skip
            if estimate.low is not None and estimate.high is not None:
                axes.vlines(x, max(estimate.low, 0.0), estimate.high, color="#000000", linewidth=theme.line * 0.8)


def _chance(axes: Axes, i: int, row: Row, theme: Theme) -> None:
    if row.chance is None:
        return
    axes.hlines(row.chance, i - 0.46, i + 0.46, color="#000000", linewidth=theme.line * 1.4)
    axes.plot(
        i, row.chance, marker="s", color="#ffffff", markeredgecolor="#000000", markersize=theme.size * 0.4,
        clip_on=False, zorder=4,
    )  # fmt: skip


def _paper(axes: Axes, i: int, found: Ablation, printed: Row, theme: Theme) -> None:
    for condition in ("on", "off"):
        x, _ = _place(found, i, condition)
        axes.plot(
            x, printed.scores[condition].value, **_PAPER_MARK, markersize=theme.size * 0.5, zorder=5, clip_on=False
        )


def _gaps(axes: Axes, found: Ablation, printed: Mapping[str, Row], theme: Theme) -> None:
    """On minus off above each group, and room for it."""
    top = 0.0
    # A number is about two letters wide: where columns are thinner it stands upright.
    upright = 90 if theme.page * 62 / len(found.rows) < theme.size * 2 else 0
    for i, row in enumerate(found.rows):
        estimates = [*row.scores.values()]
        ends = [e.high if e.high is not None else e.value for e in estimates]
        if row.benchmark in printed:
            ends += [e.value for e in printed[row.benchmark].scores.values()]
        peak = max([*ends, row.chance or 0.0])
        top = max(top, peak)
        axes.annotate(
            typeset(signed(row.gap), theme), (i, peak), xytext=(0, 3), textcoords="offset points", ha="center",
            va="bottom", fontsize=theme.size * 0.8, rotation=upright,
        )  # fmt: skip
    axes.set_ylim(0, top * (1.2 if upright else 1.1) + 1)


def _legend(fig: Figure, conditions: list[str], theme: Theme, paper: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(facecolor=CONDITIONS[c], hatch=_HATCH[c], edgecolor="#ffffff", label=typeset(WORDS[c], theme))
        for c in conditions
    ]
    size = theme.size * 0.4
    chance = Line2D([], [], color="#000000", marker="s", markerfacecolor="#ffffff", markersize=size, label="chance")
    handles.append(chance)
    if paper:
        handles.append(Line2D([], [], **_PAPER_MARK, markersize=theme.size * 0.5, label="the paper's means"))
    fig.legend(
        handles=handles, loc="outside upper center", ncols=2 if theme.narrow else len(handles), columnspacing=1.4
    )


def _caption(found: Ablation, paper: bool) -> str:
    return (
        "Scores with vision on and off and by chance, benchmarks sorted by on minus off (written above), "
        f"{found.source}; bars: {found.bars}." + (" Diamonds are the paper's means." if paper else "")
    )


def _numbers(found: Ablation, printed: Mapping[str, Row]) -> tuple[tuple[str, ...], tuple[tuple[object, ...], ...]]:
    """The companion CSV: values, bars, differences and, of a single model, its paired test."""
    columns = ["benchmark", "title", "category"]
    for c in found.conditions:
        columns += [c, f"{c}_low", f"{c}_high"]
    columns += ["chance", "on_minus_off", "off_minus_chance"]
    single = len(found.models) == 1
    if single:
        columns += ["difference_low", "difference_high", "p_value", "p_holm", "test"]
    if printed:
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
        if printed:
            p = printed.get(r.benchmark)
            cells += [None] * 3 if p is None else [p.scores["on"].value, p.scores["off"].value, p.chance]
        rows.append(tuple(cells))
    return tuple(columns), tuple(rows)
