"""Correlations between benchmarks before and after general ability, or the size of models, is taken out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cambrian_eval.errors import UserError

from .. import style
from ..figure import Figure, option
from ..matrix import matrix
from ..numerals import signed
from . import correlation

if TYPE_CHECKING:
    from ..partial import Partial as Numbers
    from ..sources import Sources


@dataclass(frozen=True)
class Options(correlation.Options):
    """What is taken out of which correlation."""

    control: str = option("ability", "What is taken out: ability (all other scores) or params.", ("ability", "params"))


class Partial(Figure["Numbers", Options]):
    """Below the diagonal the plain correlation, above it the partial one; bold where its interval excludes 0."""

    name = "partial"
    summary = "Correlation with general ability (or model size) taken out, beside the plain one."
    options = Options

    def compute(self, sources: Sources, options: Options) -> Numbers:
        """Partial correlations of the score table, or of the paper's matrix where that is the only source."""
        from ..correlation import shipped_matrix
        from ..partial import without_ability, without_size
        from ..resampling import resample_sources

        if sources.matrix_alone:
            if options.control == "params":
                raise UserError("figure15 is a correlation matrix without models; --control params needs a score table")
            return without_ability(shipped_matrix(), None)
        base = resample_sources(sources, options.correlation, options.cvbench, options.impute)
        if options.control == "ability":
            return without_ability(base.correlations, base.matrices)
        found = without_size(base.table, options.correlation, len(base.matrices), base.seed, base.changes)
        if found is None:
            raise UserError(
                f"{base.table.source}: the size of too few models is known; add a column 'params' (billions) to the CSV"
            )
        return found

    def draw(self, numbers: Numbers, theme: style.Theme) -> style.Drawing:
        """A matrix with two triangles."""
        from ..findings import partial_sentences

        k = len(numbers.benchmarks)
        shown = [[_cell(numbers, i, j) for j in range(k)] for i in range(k)]
        title = "below: plain, above: partial"
        with style.styled(theme):
            drawn = matrix(theme, numbers.benchmarks, shown, title, cmap="PuOr_r", vmin=-1.0, vmax=1.0)
            for i in range(k):
                for j in range(k):
                    value = shown[i][j]
                    if drawn.numbers and not math.isnan(value):
                        drawn.write(i, j, signed(value, theme), abs(value) > 0.7, theme)
                    if j > i and not math.isnan(value) and numbers.clear(i, j):
                        drawn.axes.add_patch(_frame(i, j, theme))
        columns = ("benchmark_a", "benchmark_b", "r", "r_low", "r_high", "partial", "low", "high", "models")
        rows = tuple(_row(numbers, i, j) for i in range(k) for j in range(i + 1, k))
        frames = " A frame marks pairs whose 95 % interval does not contain 0." if numbers.low is not None else ""
        caption = (
            f"{numbers.plain.kind.capitalize()} correlation between {k} benchmarks over models ({numbers.source}): "
            f"below the diagonal plain, above it with {numbers.control} taken out.{frames}"
        )
        findings = tuple(partial_sentences(numbers))
        notes = (*numbers.plain.notes, *drawn.notes)
        return style.Drawing("partial", drawn.figure, columns, rows, caption, numbers.source, findings, notes)

    def in_report(self, sources: Sources) -> Mapping[str, Options]:
        """Nothing: a report shows plain correlations alone."""
        return {}


def _cell(numbers: Numbers, i: int, j: int) -> float:
    """The plain correlation below the diagonal, the partial one above; nothing on it."""
    if i == j:
        return math.nan
    return float(numbers.plain.matrix[i, j] if i > j else numbers.matrix[i, j])


def _frame(i: int, j: int, theme: style.Theme) -> object:
    from matplotlib.patches import Rectangle

    return Rectangle(
        (j - 0.46, i - 0.46), 0.92, 0.92, fill=False, edgecolor="#000000", linewidth=theme.line, gid="cell"
    )


def _row(numbers: Numbers, i: int, j: int) -> tuple[object, ...]:
    plain = numbers.plain
    bounds = [plain.low, plain.high, numbers.low, numbers.high]
    low, high, partial_low, partial_high = (None if b is None else float(b[i, j]) for b in bounds)
    n = plain.n[i, j]
    return (
        numbers.benchmarks[i],
        numbers.benchmarks[j],
        *(float(plain.matrix[i, j]), low, high),
        *(float(numbers.matrix[i, j]), partial_low, partial_high),
        None if math.isnan(n) else int(n),
    )


FIGURE = Partial()
