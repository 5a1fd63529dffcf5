"""Benchmarks in the plane of two principal components, with the region of each over resampled models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cambrian_eval.errors import UserError

from .. import labels, style
from ..catalogue import categories_of, entry
from ..figure import Figure
from .pca import Options

if TYPE_CHECKING:
    from ..positions import Positions
    from ..sources import Sources


class PcaIntervals(Figure["Positions", Options]):
    """A mark for each benchmark inside the ellipse of its resampled positions."""

    name = "pca_intervals"
    summary = "Positions of benchmarks with 95 % regions over resampled models and samples."
    options = Options

    def compute(self, sources: Sources, options: Options) -> Positions:
        """The plane of the score table and the regions of resampled tables."""
        from ..resampling import resample_sources, sparse

        base = resample_sources(sources, options.correlation, options.cvbench, options.impute)
        found = base.positions(options.method)
        if found is None:
            raise UserError(sparse(base.table))
        return found

    def draw(self, numbers: Positions, theme: style.Theme) -> style.Drawing:
        """Ellipses in the color of the category."""
        from matplotlib.patches import Ellipse

        parts = numbers.components
        xy = parts.xy
        with style.styled(theme):
            fig, axes = style.figure(theme.part(0.8), theme.page * (1.05 if theme.narrow else 0.62))
            for (x, y), region, name in zip(xy, numbers.ellipses, parts.benchmarks, strict=True):
                category = entry(name).category
                color = style.color_of(category)
                shape = {"width": region.width, "height": region.height, "angle": region.angle}
                axes.add_patch(Ellipse((x, y), **shape, facecolor=color, alpha=0.07, linewidth=0, zorder=1))
                axes.add_patch(
                    Ellipse((x, y), **shape, fill=False, edgecolor=color, linewidth=theme.line * 0.7, zorder=2)
                )
            for category in categories_of(parts.benchmarks):
                members = [i for i, b in enumerate(parts.benchmarks) if entry(b).category == category]
                axes.scatter(
                    xy[members, 0],
                    xy[members, 1],
                    s=theme.size * 3,
                    marker=style.marker_of(category),
                    color=style.color_of(category),
                    edgecolors="#000000",
                    linewidths=theme.line * 0.5,
                    label=style.typeset(category, theme),
                    zorder=3,
                )
            axes.autoscale_view()
            axes.margins(0.06)
            axes.axhline(0, color="#bbbbbb", linewidth=theme.line * 0.5, zorder=0)
            axes.axvline(0, color="#bbbbbb", linewidth=theme.line * 0.5, zorder=0)
            for label, k in zip((axes.set_xlabel, axes.set_ylabel), parts.axes, strict=True):
                low, high = numbers.explained_low[k], numbers.explained_high[k]
                text = f"PC{k + 1} ({parts.explained[k]:.1%} of variance [{low:.0%}, {high:.0%}])"
                label(style.typeset(text, theme))
            fig.legend(
                loc="outside upper center",
                ncols=2 if theme.narrow else 5,
                handletextpad=0.2,
                columnspacing=1.2,
            )
            names = [style.typeset(entry(b).short, theme) for b in parts.benchmarks]
            radii = [theme.size * 0.3] * len(names)
            labels.place(axes, [tuple(p) for p in xy], names, radii, fontsize=theme.size * 0.9, gid="label", zorder=4)
        columns = ("benchmark", "title", "category", "x", "y", "width", "height", "angle")
        rows = tuple(
            (b, entry(b).short, entry(b).category, float(x), float(y), e.width, e.height, e.angle)
            for b, (x, y), e in zip(parts.benchmarks, xy, numbers.ellipses, strict=True)
        )
        caption = (
            f"Principal components of {len(names)} benchmarks ({parts.source}). Each ellipse contains 95 % of "
            f"the positions of the benchmark over {numbers.resamples} resamples of the models, each rotated onto this "
            "plane."
        )
        from ..findings import position_sentence

        findings = (position_sentence(numbers),)
        return style.Drawing("pca_intervals", fig, columns, rows, caption, parts.source, findings, parts.notes)

    def in_report(self, sources: Sources) -> Mapping[str, Options]:
        """Nothing: a report shows the plane without regions."""
        return {}


FIGURE = PcaIntervals()
