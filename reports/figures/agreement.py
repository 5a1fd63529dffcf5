"""Two scorers side by side, per benchmark: how far the score moves with the grader."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..ablation import signed
from ..agreement import Agreement
from ..catalogue import entry
from ..style import SERIES, Drawing, Theme, figure, styled, typeset
from .matrix import text_colour


def draw(found: Sequence[Agreement], a: str, b: str, theme: Theme, source: str) -> Drawing:
    """A line from one score to the other, sorted by difference; kappa beside it where samples are known."""
    order = list(found)
    rows = sorted(found, key=lambda r: (round(r.b - r.a, 6), -order.index(r)))
    several = len({r.model for r in rows}) > 1
    with styled(theme):
        fig, axes = figure(
            theme.page * (1.0 if theme.narrow else 0.8), max(1.6, len(rows) * theme.size / 72 * 1.9 + 0.8)
        )
        axes.grid(False, axis="y")
        for i, r in enumerate(rows):
            axes.hlines(i, min(r.a, r.b), max(r.a, r.b), color="#888888", linewidth=theme.line * 1.5, zorder=1)
            axes.plot(r.a, i, "o", color=SERIES[0], markersize=theme.size * 0.7, zorder=3)
            axes.plot(r.b, i, "D", color=SERIES[1], markeredgecolor="#000000", markersize=theme.size * 0.6, zorder=2)
            words = signed(r.b - r.a)
            if r.kappa is not None and not math.isnan(r.kappa):
                words += f"   kappa {r.kappa:.2f}"
            axes.annotate(
                typeset(words, theme), (max(r.a, r.b), i), xytext=(theme.size * 0.7, 0), textcoords="offset points",
                va="center", fontsize=theme.size * 0.8,
            )  # fmt: skip
        names = [entry(r.benchmark).short + (f", {r.model}" if several else "") for r in rows]
        axes.set_yticks(range(len(rows)), [typeset(n, theme) for n in names])
        for tick, r in zip(axes.get_yticklabels(), rows, strict=True):
            tick.set_color(text_colour(entry(r.benchmark).category))
        axes.set_ylim(-0.7, len(rows) - 0.3)
        low, high = axes.get_xlim()
        axes.set_xlim(low, high + (high - low) * 0.22)
        axes.set_xlabel("score")
        for marker, colour, label in (("o", SERIES[0], a), ("D", SERIES[1], b)):
            axes.plot([], [], marker, color=colour, label=typeset(label, theme))
        fig.legend(loc="outside upper center", ncols=2)
    columns = ("model", "benchmark", a, b, "difference", "kappa", "same_verdict", "samples")
    numbers = tuple((r.model, r.benchmark, r.a, r.b, r.b - r.a, r.kappa, r.same, r.n) for r in rows)
    mean = sum(abs(r.b - r.a) for r in rows) / len(rows)
    caption = f"Scores by {a} and by {b} ({source}); the mean absolute difference is {mean:.1f} points."
    return Drawing("agreement", fig, columns, numbers, caption)
