"""Correlations between benchmarks as a matrix (the paper's Figure 15)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .. import style
from ..figure import Figure, option
from ..matrix import matrix
from ..numerals import signed

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
        known = [value for row in numbers.matrix.tolist() for value in row if not math.isnan(value)]
        low = min(0.5, math.floor(min(known) * 10) / 10)
        title = style.typeset(f"{numbers.kind.capitalize()} correlation", theme)
        with style.styled(theme):
            shown = np.tril(np.ones((k, k), dtype=bool), -1) if numbers.lower else np.ones((k, k), dtype=bool)
            values = np.where(shown, numbers.matrix, np.nan)
            drawn = matrix(theme, numbers.benchmarks, values, title, cmap="cividis", vmin=low, vmax=1.0)
            for i, j in np.argwhere(shown).tolist() if drawn.numbers else ():
                value = float(numbers.matrix[i, j])
                drawn.write(i, j, signed(value, theme), (value - low) / (1.0 - low) < 0.55, theme)
            if numbers.lower:
                # The first row and the last column would be empty.
                drawn.axes.set_xlim(-0.5, k - 1.5)
                drawn.axes.set_ylim(k - 0.5, 0.5)
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
        notes = (*numbers.notes, *drawn.notes)
        return style.Drawing("correlation", drawn.figure, columns, rows, caption, numbers.source, notes=notes)

    def in_report(self, sources: Sources) -> Mapping[str, Options]:
        """From the number of models on that a correlation needs."""
        from ..correlation import FEWEST

        return {self.name: Options()} if len(sources.opened) >= FEWEST else {}


FIGURE = Correlation()
