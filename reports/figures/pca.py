"""Benchmarks in the plane of two principal components (the paper's Figure 3, right)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cambrian_eval.errors import UserError

from .. import labels, style
from ..catalogue import categories_of, entry
from ..figure import Figure, option

if TYPE_CHECKING:
    from ..pca import Components
    from ..sources import Sources

KEY_SIZES = (500, 2000, 8000)
"""Numbers of questions whose bubbles the key shows."""
UNKNOWN_SIZE = 1000
"""Number of questions that the bubble of a benchmark shows where it is not known."""


@dataclass(frozen=True)
class Options:
    """Which components of which table."""

    method: str = option(
        "paper", "paper: rows of the correlation matrix; scores: standardized scores.", ("paper", "scores")
    )
    correlation: str = option("pearson", "Kind of correlation: pearson or spearman.", ("pearson", "spearman"))
    cvbench: str = option("one", "CV-Bench as one column, as in the paper, or two.", ("one", "two"))
    impute: bool = option(False, "Fill missing cells by a rank-2 fit.")


class Pca(Figure["Components", Options]):
    """Bubble area by benchmark size, color by category."""

    name = "pca"
    summary = "Benchmarks in the plane of two principal components (Figure 3, right)."
    options = Options

    def compute(self, sources: Sources, options: Options) -> Components:
        """The components of the score table, or of the paper's correlation matrix where that is the only source."""
        from ..correlation import correlate, prepared, shipped_matrix
        from ..pca import of_matrix, of_scores

        if sources.matrix_alone:
            if options.method == "scores":
                raise UserError("figure15 is a correlation matrix without scores; --method scores needs a score table")
            return of_matrix(shipped_matrix())
        table = prepared(sources.table, options.cvbench, options.impute)
        if options.method == "scores":
            return of_scores(table)
        return of_matrix(correlate(table, options.correlation, resamples=0))

    def draw(self, numbers: Components, theme: style.Theme) -> style.Drawing:
        """A bubble with its name for each benchmark."""
        horizontal, vertical = numbers.axes
        xy = numbers.xy
        sizes = [entry(b).size or UNKNOWN_SIZE for b in numbers.benchmarks]
        # Radius of the largest bubble in points, in step with the text.
        scale = (theme.size * (1.4 if theme.narrow else 2.2)) ** 2 / max(sizes)
        radii = [math.sqrt(s * scale) for s in sizes]
        with style.styled(theme):
            fig, axes = style.figure(theme.part(0.8), theme.page * (0.95 if theme.narrow else 0.56))
            for category in categories_of(numbers.benchmarks):
                members = [i for i, b in enumerate(numbers.benchmarks) if entry(b).category == category]
                x, y = xy[members, 0], xy[members, 1]
                axes.scatter(
                    x,
                    y,
                    s=[4 * radii[i] ** 2 for i in members],
                    color=style.color_of(category),
                    alpha=0.55,
                    edgecolors=style.color_of(category),
                    linewidths=theme.line,
                    label=style.typeset(category, theme),
                )
                # The mark at the center tells categories apart where color does not.
                axes.scatter(x, y, s=theme.size, marker=style.marker_of(category), color="#000000", zorder=3)
            axes.margins(0.14)
            for label, component in ((axes.set_xlabel, horizontal), (axes.set_ylabel, vertical)):
                text = f"PC{component + 1} ({numbers.explained[component]:.1%} of variance)"
                label(style.typeset(text, theme))
            axes.axhline(0, color="#bbbbbb", linewidth=theme.line * 0.5, zorder=0)
            axes.axvline(0, color="#bbbbbb", linewidth=theme.line * 0.5, zorder=0)
            handles = [
                axes.scatter(
                    [],
                    [],
                    s=theme.size * 6,
                    marker=style.marker_of(c),
                    color=style.color_of(c),
                    label=style.typeset(c, theme),
                )
                for c in categories_of(numbers.benchmarks)
            ]
            fig.legend(
                handles=handles,
                loc="outside upper center",
                ncols=2 if theme.narrow else len(handles),
                handletextpad=0.2,
                columnspacing=1.2,
            )
            known = [s for s in KEY_SIZES if s <= max(sizes)] or [max(sizes)]
            bubbles = [axes.scatter([], [], s=4 * s * scale, color="#888888", alpha=0.4, label=f"{s:,}") for s in known]
            fig.legend(
                handles=bubbles,
                title="questions",
                loc="outside lower center",
                ncols=len(bubbles),
                handletextpad=1.4,
                columnspacing=3.0,
                borderpad=1.0,
            )
            names = [style.typeset(entry(b).short, theme) for b in numbers.benchmarks]
            labels.place(axes, [tuple(p) for p in xy], names, radii, fontsize=theme.size * 0.95, gid="label")
        rows = tuple(
            (b, entry(b).short, entry(b).category, size, *map(float, xy[i]), *map(float, numbers.positions[i, :4]))
            for i, (b, size) in enumerate(zip(numbers.benchmarks, sizes, strict=True))
        )
        components = tuple(f"pc{k + 1}" for k in range(min(4, numbers.positions.shape[1])))
        recipe = "rows of the correlation matrix" if numbers.method == "paper" else "standardized scores"
        caption = (
            f"Principal components of {len(numbers.benchmarks)} benchmarks ({recipe}; {numbers.source}); "
            "the bubble area shows the number of questions, the color the category."
        )
        columns = ("benchmark", "title", "category", "size", "x", "y", *components)
        return style.Drawing("pca", fig, columns, rows, caption, numbers.source, notes=numbers.notes)

    def in_report(self, sources: Sources) -> Mapping[str, Options]:
        """From the number of models on that a correlation needs."""
        from ..correlation import FEWEST

        return {self.name: Options()} if len(sources.opened) >= FEWEST else {}


FIGURE = Pca()
