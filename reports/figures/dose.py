"""Score against dose: a panel for each benchmark, a line for each model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import dose, style
from ..catalogue import entry
from ..figure import Figure, option

if TYPE_CHECKING:
    from ..sources import Sources

PANELS = 4
"""Panels in one row."""
COLUMN_NAMES = (
    *("model", "benchmark", "kind", "amount", "score", "low", "high"),
    *("off", "chance", "half", "half_low", "half_high"),
)


@dataclass(frozen=True)
class Options:
    """Which dose is drawn."""

    kind: str | None = option(None, "blur, downscale, crop, occlude or patches. [default: the first one the runs have]")


class DoseFigure(Figure["dose.Curves", Options]):
    """Lines with intervals from the unchanged image on; vision off dashed, chance dotted."""

    name = "dose"
    summary = "Score against how much of the image is taken away (blur:2 and so on)."
    reads = "results"
    selects = ("scorer",)
    options = Options

    def compute(self, sources: Sources, options: Options) -> dose.Curves:
        """The curves of the runs; a CSV of results has no samples to resample."""
        return dose.curves(sources.opened, sources.scorer, options.kind, sources.label)

    def draw(self, numbers: dose.Curves, theme: style.Theme) -> style.Drawing:
        """Small panels with one scale each, because benchmarks differ in level and range."""
        names = list(dict.fromkeys(c.benchmark for c in numbers.curves))
        models = list(dict.fromkeys(c.model for c in numbers.curves))
        columns = min(len(names), PANELS if not theme.narrow else 2)
        rows = -(-len(names) // columns)
        with style.styled(theme):
            height = theme.page * 0.96 * rows / max(columns, 2)
            fig, grid = style.figure(theme.page, height, nrows=rows, ncols=columns, squeeze=False)
            panels = list(grid.flat)
            for spare in panels[len(names) :]:
                spare.set_visible(False)
            for axes, name in zip(panels, names, strict=False):
                for curve in (c for c in numbers.curves if c.benchmark == name):
                    _line(axes, curve, style.SERIES[models.index(curve.model) % len(style.SERIES)], theme)
                axes.set_title(style.typeset(entry(name).short, theme))
                axes.set_xlabel(numbers.kind)
            panels[0].set_ylabel("score")
            _legend(fig, models, theme)
        caption = (
            f"Score against {numbers.title.lower()} ({numbers.amounts}), {numbers.source}. The first point of "
            "each line is vision on; bands are 95 % intervals; dashed: vision off; dotted: chance; the vertical "
            "mark is the dose at which half of the gain of sight is gone."
        )
        return style.Drawing(
            "dose",
            fig,
            COLUMN_NAMES,
            tuple(_row(numbers.kind, c, p) for c in numbers.curves for p in c.points),
            caption,
            numbers.source,
            dose.findings(numbers),
        )

    def in_report(self, sources: Sources) -> Mapping[str, Options]:
        """One drawing for each kind of dose that the runs have."""
        return {f"dose-{kind}": Options(kind) for kind in dose.kinds(sources.opened)}


def _line(axes: Any, curve: dose.Curve, color: str, theme: style.Theme) -> None:
    x = [p.amount for p in curve.points]
    axes.plot(x, [p.score for p in curve.points], color=color, marker="o", markersize=theme.size * 0.3)
    if all(p.low is not None for p in curve.points):
        low, high = [p.low for p in curve.points], [p.high for p in curve.points]
        axes.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
    if curve.off is not None:
        axes.axhline(curve.off, color=color, linestyle="--", linewidth=theme.line)
    if curve.chance is not None:
        axes.axhline(curve.chance, color=style.CHANCE, linestyle=":", linewidth=theme.line)
    if curve.half is not None and math.isfinite(curve.half.amount):
        axes.axvline(curve.half.amount, color=color, linewidth=theme.line * 0.8, ymax=0.08)


def _legend(fig: Any, models: list[str], theme: style.Theme) -> None:
    from matplotlib.lines import Line2D

    handles = [
        *(
            Line2D(
                [], [], color=style.SERIES[i % len(style.SERIES)], marker="o", markersize=theme.size * 0.3, label=name
            )
            for i, name in enumerate(style.typeset(m, theme) for m in models)
        ),
        Line2D([], [], color="#6b6b6b", linestyle="--", linewidth=theme.line, label="vision off"),
        Line2D([], [], color=style.CHANCE, linestyle=":", linewidth=theme.line, label="chance"),
    ]
    fig.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 3))


def _row(kind: str, c: dose.Curve, p: dose.Point) -> tuple[object, ...]:
    half = (None, None, None) if c.half is None else (c.half.amount, c.half.low, c.half.high)
    return (c.model, c.benchmark, kind, p.amount, p.score, p.low, p.high, c.off, c.chance, *half)


FIGURE = DoseFigure()
