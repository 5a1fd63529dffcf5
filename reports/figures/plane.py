"""Benchmarks in the plane of two principal components (the paper's Figure 3, right)."""

from __future__ import annotations

import math

from .. import labels
from ..catalogue import categories_of, entry
from ..pca import Components
from ..style import COLOURS, MARKERS, Drawing, Theme, figure, styled, typeset

UNKNOWN_SIZE = 1000
"""Bubble of a benchmark whose number of questions nobody declared."""


def draw(found: Components, theme: Theme, source: str) -> Drawing:
    """Bubble area by benchmark size, colour by category."""
    horizontal, vertical = found.axes
    xy = found.xy
    sizes = [entry(b).size or UNKNOWN_SIZE for b in found.benchmarks]
    # Radius of the largest bubble in points, in step with the text.
    scale = (theme.size * (1.4 if theme.narrow else 2.2)) ** 2 / max(sizes)
    radii = [math.sqrt(s * scale) for s in sizes]
    with styled(theme):
        fig, axes = figure(theme.page * (1.0 if theme.narrow else 0.8), theme.page * (0.95 if theme.narrow else 0.56))
        for category in categories_of(found.benchmarks):
            members = [i for i, b in enumerate(found.benchmarks) if entry(b).category == category]
            axes.scatter(
                xy[members, 0], xy[members, 1], s=[4 * radii[i] ** 2 for i in members], color=COLOURS[category],
                alpha=0.55, edgecolors=COLOURS[category], linewidths=theme.line, label=typeset(category, theme),
            )  # fmt: skip
            # The mark at the centre tells categories apart where colour does not.
            axes.scatter(
                xy[members, 0], xy[members, 1], s=theme.size, marker=MARKERS[category], color="#000000", zorder=3
            )
        axes.margins(0.14)
        for axis, component in (("x", horizontal), ("y", vertical)):
            text = f"PC{component + 1} ({found.explained[component]:.1%} of variance)"
            getattr(axes, f"set_{axis}label")(typeset(text, theme))
        axes.axhline(0, color="#bbbbbb", linewidth=theme.line * 0.5, zorder=0)
        axes.axvline(0, color="#bbbbbb", linewidth=theme.line * 0.5, zorder=0)
        handles = [
            axes.scatter([], [], s=theme.size * 6, marker=MARKERS[c], color=COLOURS[c], label=typeset(c, theme))
            for c in categories_of(found.benchmarks)
        ]
        fig.legend(
            handles=handles,
            loc="outside upper center",
            ncols=2 if theme.narrow else len(handles),
            handletextpad=0.2,
            columnspacing=1.2,
        )
        names = [typeset(entry(b).short, theme) for b in found.benchmarks]
        labels.place(axes, [tuple(p) for p in xy], names, radii, fontsize=theme.size * 0.95, gid="label")
    rows = tuple(
        (b, entry(b).short, entry(b).category, size, *map(float, xy[i]), *map(float, found.positions[i, :4]))
        for i, (b, size) in enumerate(zip(found.benchmarks, sizes, strict=True))
    )
    components = tuple(f"pc{k + 1}" for k in range(min(4, found.positions.shape[1])))
    recipe = "rows of the correlation matrix" if found.method == "paper" else "standardised scores"
    caption = (
        f"Principal components of {len(found.benchmarks)} benchmarks ({recipe}; {source}); "
        "bubble area is the number of questions, colour the category."
    )
    return Drawing("pca", fig, ("benchmark", "title", "category", "size", "x", "y", *components), rows, caption)
