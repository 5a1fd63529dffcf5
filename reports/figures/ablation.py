"""Vision on, off and chance per benchmark, by what sight adds (the paper's Figure 3, left)."""

from __future__ import annotations

from typing import Any

from cambrian_eval.reports.ablation import Ablation
from cambrian_eval.reports.catalogue import entry
from cambrian_eval.reports.figures.matrix import text_colour
from cambrian_eval.reports.style import CONDITIONS, Drawing, Theme, figure, styled, typeset

WORDS = {
    "on": "vision on",
    "off": "vision off",
    "shuffled": "another picture",
    "noise": "noise",
    "chance": "chance",
}
_HATCH = {"on": "", "off": "", "shuffled": "///", "noise": "..."}


def draw(found: Ablation, theme: Theme) -> Drawing:
    """Grouped bars with intervals, a tick for chance, the gap written above."""
    conditions = found.conditions
    width = 0.8 / len(conditions)
    with styled(theme):
        fig, axes = figure(theme.page, theme.height(0.42))
        axes.grid(False, axis="x")
        top = 0.0
        # A number is about two letters wide: where columns are thinner it stands upright.
        upright = 90 if theme.page * 62 / len(found.rows) < theme.size * 2 else 0
        for k, condition in enumerate(conditions):
            for i, row in enumerate(found.rows):
                estimate = row.scores.get(condition)
                if estimate is None:
                    continue
                x = i + (k - (len(conditions) - 1) / 2) * width
                axes.bar(
                    x, estimate.value, width, color=CONDITIONS[condition], hatch=_HATCH[condition],
                    edgecolor="#ffffff", linewidth=0.3,
                )  # fmt: skip
                if estimate.low is not None and estimate.high is not None:
                    axes.vlines(x, max(estimate.low, 0.0), estimate.high, color="#000000", linewidth=theme.line * 0.8)
        for i, row in enumerate(found.rows):
            if row.chance is not None:
                axes.hlines(row.chance, i - 0.46, i + 0.46, color="#000000", linewidth=theme.line * 1.4)
                axes.plot(
                    i, row.chance, marker="s", color="#ffffff", markeredgecolor="#000000",
                    markersize=theme.size * 0.4, clip_on=False, zorder=4,
                )  # fmt: skip
            ends = [e.high if e.high is not None else e.value for e in row.scores.values()]
            peak = max([*ends, row.chance or 0.0])
            top = max(top, peak)
            axes.annotate(
                typeset(f"{row.gap:+.1f}", theme), (i, peak), xytext=(0, 2), textcoords="offset points", ha="center",
                va="bottom", fontsize=theme.size * 0.8, rotation=upright,
            )  # fmt: skip
        names = [typeset(entry(r.benchmark).short, theme) for r in found.rows]
        axes.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
        for tick, row in zip(axes.get_xticklabels(), found.rows, strict=True):
            tick.set_color(text_colour(entry(row.benchmark).category))
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.set_ylim(0, top * (1.2 if upright else 1.1) + 1)
        axes.set_ylabel(
            typeset("score (MME / 20)" if any(r.benchmark == "mme" for r in found.rows) else "score", theme)
        )
        _legend(fig, conditions, theme)
    return Drawing("ablation", fig, *_numbers(found), _caption(found))


def _legend(fig: Any, conditions: list[str], theme: Theme) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[object] = [
        Patch(facecolor=CONDITIONS[c], hatch=_HATCH[c], edgecolor="#ffffff", label=typeset(WORDS[c], theme))
        for c in conditions
    ]
    handles.append(
        Line2D(
            [], [], color="#000000", marker="s", markerfacecolor="#ffffff", markersize=theme.size * 0.4, label="chance"
        )
    )
    fig.legend(
        handles=handles, loc="outside upper center", ncols=2 if theme.narrow else len(handles), columnspacing=1.4
    )


def _caption(found: Ablation) -> str:
    return (
        "Scores with vision on and off and by chance, benchmarks sorted by on minus off (written above), "
        f"{found.source}; bars: {found.bars}."
    )


def _numbers(found: Ablation) -> tuple[tuple[str, ...], tuple[tuple[object, ...], ...]]:
    """The companion CSV: values, bars, differences and, of a single model, its paired test."""
    columns = ["benchmark", "title", "category"]
    for c in found.conditions:
        columns += [c, f"{c}_low", f"{c}_high"]
    columns += ["chance", "on_minus_off", "off_minus_chance"]
    single = len(found.models) == 1
    if single:
        columns += ["difference_low", "difference_high", "p_value", "p_holm", "test"]
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
        rows.append(tuple(cells))
    return tuple(columns), tuple(rows)
