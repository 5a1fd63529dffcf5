"""Correlations between benchmarks as a matrix (the paper's Figure 15)."""

from __future__ import annotations

import math

import numpy as np

from ..catalogue import entry
from ..correlation import Correlations
from ..style import COLOURS, Drawing, Theme, figure, styled, typeset

_DARK = {"Knowledge": "#8a5a00", "OCR & Chart": "#0f6b52"}
"""Text needs more contrast than a filled area: darker shades of the two light category colours."""


def text_colour(category: str) -> str:
    """A category's colour, dark enough to read as text on white."""
    return _DARK.get(category, COLOURS[category] if category != "Other" else "#555555")


def draw(found: Correlations, theme: Theme) -> Drawing:
    """Every cell with its number; tick labels in the colour of the category."""
    k = len(found.benchmarks)
    names = [typeset(entry(b).short, theme) for b in found.benchmarks]
    low = min(0.5, math.floor(float(np.nanmin(found.matrix)) * 10) / 10)
    size = max(theme.page * 0.9, theme.size * 0.042 * k * 1.25)
    with styled(theme):
        fig, axes = figure(size, size * 0.88)
        axes.grid(False)
        image = axes.imshow(found.matrix, cmap="cividis", vmin=low, vmax=1.0)
        axes.set_xticks(range(k), names, rotation=55, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(k), names)
        for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
            for tick, name in zip(ticks, found.benchmarks, strict=True):
                tick.set_color(text_colour(entry(name).category))
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        for i in range(k):
            for j in range(k):
                value = float(found.matrix[i, j])
                dark = (value - low) / (1.0 - low) < 0.55
                axes.text(
                    j, i, typeset(f"{round(value, 2) + 0.0:.2f}", theme), ha="center", va="center",
                    fontsize=theme.size * 0.72, color="#ffffff" if dark else "#000000",
                )  # fmt: skip
        bar = fig.colorbar(image, ax=axes, shrink=0.7, pad=0.02)
        bar.outline.set_visible(False)
        bar.set_label(typeset(f"{found.kind.capitalize()} correlation", theme))
    columns = ("benchmark_a", "benchmark_b", "r", "low", "high", "models")
    rows = tuple(
        (
            found.benchmarks[i], found.benchmarks[j], float(found.matrix[i, j]),
            None if found.low is None else float(found.low[i, j]),
            None if found.high is None else float(found.high[i, j]),
            None if np.isnan(found.n[i, j]) else int(found.n[i, j]),
        )
        for i in range(k) for j in range(k)
    )  # fmt: skip
    caption = f"{found.kind.capitalize()} correlation between {k} benchmarks over models ({found.source})."
    return Drawing("correlation", fig, columns, rows, caption)
