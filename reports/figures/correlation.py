"""Correlations between benchmarks as a matrix (the paper's Figure 15)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .. import style
from ..catalogue import entry
from ..figure import Figure, option
from ..numerals import matrix_layout, separate, signed, small

if TYPE_CHECKING:
    from ..correlation import Correlations
    from ..sources import Sources


@dataclass(frozen=True)
class Options:
    """Which correlation of which table."""

    correlation: str = option("pearson", "Kind of correlation: pearson or spearman.", ("pearson", "spearman"))
    cvbench: str = option("one", "CV-Bench as one column, as in the paper, or two.", ("one", "two"))
    impute: bool = option(False, "Fill missing cells by a rank-2 fit.")
    lower: bool = option(False, "Only the lower triangle: every pair once.")


class Correlation(Figure["Correlations", Options]):
    """Every cell with its number; tick labels in the color of the category."""

    name = "correlation"
    summary = "Correlation between benchmarks over models, with intervals in the CSV (Figure 15)."
    options = Options

    def compute(self, sources: Sources, options: Options) -> Correlations:
        """The matrix of the score table, or the paper's where that is the only source."""
        from ..correlation import shipped_matrix
        from ..resampling import resample_sources

        if sources.matrix_alone:
            found = shipped_matrix()
        else:
            found = resample_sources(sources, options.correlation, options.cvbench, options.impute).correlations
        return replace(found, lower=options.lower)

    def draw(self, numbers: Correlations, theme: style.Theme) -> style.Drawing:
        """A colored matrix."""
        import numpy as np

        k = len(numbers.benchmarks)
        names = [style.typeset(entry(b).short, theme) for b in numbers.benchmarks]
        known = [value for row in numbers.matrix.tolist() for value in row if not math.isnan(value)]
        low = min(0.5, math.floor(min(known) * 10) / 10)
        layout = matrix_layout(theme, k)
        with style.styled(theme):
            fig, axes = style.figure(layout.size, layout.size * 0.88)
            axes.grid(False)
            shown = np.tril(np.ones((k, k), dtype=bool), -1) if numbers.lower else np.ones((k, k), dtype=bool)
            image = axes.imshow(np.where(shown, numbers.matrix, np.nan), cmap="cividis", vmin=low, vmax=1.0)
            axes.set_xticks(range(k), names, rotation=55, ha="right", rotation_mode="anchor")
            axes.set_yticks(range(k), names)
            for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
                for tick, name in zip(ticks, numbers.benchmarks, strict=True):
                    tick.set_color(style.text_color(entry(name).category))
            axes.tick_params(length=0)
            for spine in axes.spines.values():
                spine.set_visible(False)
            separate(axes, [entry(b).category for b in numbers.benchmarks], theme)
            for i in range(k):
                for j in range(k) if layout.numbers else ():
                    if not shown[i, j]:
                        continue
                    value = float(numbers.matrix[i, j])
                    dark = (value - low) / (1.0 - low) < 0.55
                    axes.text(
                        j,
                        i,
                        signed(value, theme),
                        ha="center",
                        va="center",
                        fontsize=small(theme),
                        gid="cell",
                        color="#ffffff" if dark else "#000000",
                    )
            if numbers.lower:
                # The first row and the last column would be empty.
                axes.set_xlim(-0.5, k - 1.5)
                axes.set_ylim(k - 0.5, 0.5)
            bar = fig.colorbar(image, ax=axes, shrink=0.7, pad=0.02)
            bar.outline.set_visible(False)
            bar.set_label(style.typeset(f"{numbers.kind.capitalize()} correlation", theme))
        columns = ("benchmark_a", "benchmark_b", "r", "low", "high", "models")
        rows = tuple(
            (
                a,
                b,
                float(numbers.matrix[i, j]),
                None if numbers.low is None else float(numbers.low[i, j]),
                None if numbers.high is None else float(numbers.high[i, j]),
                None if math.isnan(numbers.n[i, j]) else int(numbers.n[i, j]),
            )
            for i, a in enumerate(numbers.benchmarks)
            for j, b in enumerate(numbers.benchmarks)
        )
        kind = numbers.kind.capitalize()
        caption = f"{kind} correlation between {k} benchmarks over models ({numbers.source})."
        notes = (*numbers.notes, *layout.notes(theme))
        return style.Drawing("correlation", fig, columns, rows, caption, numbers.source, notes=notes)

    def in_report(self, sources: Sources) -> Mapping[str, Options]:
        """From the number of models on that a correlation needs."""
        from ..correlation import FEWEST

        return {self.name: Options()} if len(sources.opened) >= FEWEST else {}


FIGURE = Correlation()
