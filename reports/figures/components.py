"""Eigenvalues of the correlation matrix beside those of unrelated columns (parallel analysis)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cambrian_eval.errors import UserError

from .. import style
from ..figure import Figure
from .correlation import Options

if TYPE_CHECKING:
    from ..positions import Parallel
    from ..sources import Sources


class Components(Figure["Parallel", Options]):
    """Eigenvalues with intervals, and the threshold of chance as a dashed line."""

    name = "components"
    summary = "How many components are more than chance (parallel analysis)."
    options = Options

    def compute(self, sources: Sources, options: Options) -> Parallel:
        """Parallel analysis of the score table."""
        from ..positions import parallel
        from ..resampling import resample_sources, sparse

        base = resample_sources(sources, options.correlation, options.cvbench, options.impute)
        found = parallel(base.correlations, base.table, base.matrices)
        if found is None:
            raise UserError(sparse(base.table))
        return found

    def draw(self, numbers: Parallel, theme: style.Theme) -> style.Drawing:
        """A point for each eigenvalue."""
        k = len(numbers.eigenvalues)
        at = list(range(1, k + 1))
        with style.styled(theme):
            fig, axes = style.figure(theme.part(0.6), theme.height(0.32))
            blue, gray = style.SERIES[0], "#666666"
            # The middle is the eigenvalue of all models; resamples have larger first ones.
            axes.vlines(at, numbers.low, numbers.high, color=blue, linewidth=theme.line * 1.5)
            axes.plot(at, numbers.eigenvalues, "o", color=blue, markersize=theme.size * 0.5, label="scores")
            axes.plot(at, numbers.threshold, "--", color=gray, linewidth=theme.line, label="chance (95th percentile)")
            axes.set_xticks(at)
            axes.set_yscale("symlog", linthresh=1.0)
            ticks = [t for t in (0, 0.5, 1, 2, 5, 10, 20, 50) if t <= max(numbers.high.max(), 1) * 1.5]
            axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
            axes.minorticks_off()
            axes.set_ylim(0)
            axes.set_xlabel("component")
            axes.set_ylabel("eigenvalue")
            axes.legend()
        columns = ("component", "eigenvalue", "low", "high", "chance_95")
        series = (numbers.eigenvalues, numbers.low, numbers.high, numbers.threshold)
        rows = tuple((i, *(float(s[i - 1]) for s in series)) for i in at)
        one = numbers.count == 1
        finding = (
            f"{numbers.count} component{'' if one else 's'} {'is' if one else 'are'} larger than chance, also in "
            f"{numbers.share:.0%} of resampled tables."
        )
        caption = (
            f"Eigenvalues of the correlation matrix of {k} benchmarks ({numbers.source}), with 95 % intervals over "
            "resampled models, and the 95th percentile of eigenvalues where every column is permuted."
        )
        return style.Drawing("components", fig, columns, rows, caption, numbers.source, (finding,))

    def in_report(self, sources: Sources) -> Mapping[str, Options]:
        """Nothing: a report shows the plane alone."""
        return {}


FIGURE = Components()
