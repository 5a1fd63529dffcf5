"""The dendrogram of benchmarks with the support of each node, beside the consensus matrix."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .. import style
from ..catalogue import entry
from ..figure import Figure
from ..numerals import small
from . import correlation

if TYPE_CHECKING:
    from ..dendrogram import Tree
    from ..sources import Sources


class Dendrogram(Figure["Tree", correlation.Options]):
    """Average linkage on 1 - r; the number at a node is the share of resamples that have the same group."""

    name = "dendrogram"
    summary = "Groups of benchmarks, and how often each returns when models are resampled."
    options = correlation.Options

    def compute(self, sources: Sources, options: correlation.Options) -> Tree:
        """The dendrogram of the score table, or of the paper's matrix where that is the only source."""
        import numpy as np

        from ..analysis import GROUPS
        from ..correlation import shipped_matrix
        from ..dendrogram import tree
        from ..resampling import resample_sources

        if sources.matrix_alone:
            found = shipped_matrix()
            return tree(found, np.empty((0, *found.matrix.shape)), GROUPS)
        base = resample_sources(sources, options.correlation, options.cvbench, options.impute)
        return tree(base.correlations, base.matrices, GROUPS)

    def draw(self, numbers: Tree, theme: style.Theme) -> style.Drawing:
        """The tree, and in the same order how often each pair is in one group."""
        from ..findings import tree_sentences

        k = len(numbers.order)
        supported = numbers.resamples > 0
        height = max(theme.page * 0.42, theme.size / 72 * 1.6 * k)
        with style.styled(theme):
            if supported and not theme.narrow:
                fig, (axes, matrix) = style.figure(theme.page, height, ncols=2, width_ratios=(1.35, 1.0))
            else:
                (fig, axes), matrix = style.figure(theme.part(0.7), height), None
            _tree(numbers, axes, theme)
            if matrix is not None:
                image = matrix.imshow(numbers.together, cmap="cividis", vmin=0.0, vmax=1.0, aspect="auto")
                matrix.grid(False)
                matrix.set_xticks([])
                matrix.set_yticks([])
                matrix.set_xlabel(f"share of resamples in the same of {numbers.groups} groups")
                bar = fig.colorbar(image, ax=matrix, shrink=0.8, pad=0.03)
                bar.outline.set_visible(False)
        columns = ("node", "benchmarks", "height", "support")
        rows = tuple(
            (i + 1, " ".join(n.members), n.height, None if math.isnan(n.support) else n.support)
            for i, n in enumerate(numbers.nodes)
        )
        shares = (
            f" Numbers at nodes: per cent of {numbers.resamples} resamples of the models whose dendrogram has the same "
            "group."
            if supported
            else ""
        )
        right = (
            f" Right: how often two benchmarks are in the same of {numbers.groups} groups, in the same order."
            if supported and not theme.narrow
            else ""
        )
        caption = f"Dendrogram of {k} benchmarks (average linkage on 1 - r; {numbers.source}).{shares}{right}"
        return style.Drawing("dendrogram", fig, columns, rows, caption, numbers.source, tuple(tree_sentences(numbers)))

    def in_report(self, sources: Sources) -> Mapping[str, correlation.Options]:
        """Nothing: a report shows plain correlations alone."""
        return {}


def _tree(numbers: Tree, axes: object, theme: style.Theme) -> None:
    """Branches from the leaves at the left to the last node at the right; the first leaf is at the top."""
    from typing import Any, cast

    ax = cast("Any", axes)
    k = len(numbers.order)
    at: list[tuple[float, float]] = [(0.0, float(numbers.order.index(b))) for b in numbers.benchmarks]
    top = max(n.height for n in numbers.nodes)
    for row, node in zip(numbers.linkage, numbers.nodes, strict=True):
        (left_x, left_y), (right_x, right_y) = at[int(row[0])], at[int(row[1])]
        x, y = node.height, (left_y + right_y) / 2
        stable = not node.support < 0.8
        ax.plot(
            [left_x, x, x, right_x],
            [left_y, left_y, right_y, right_y],
            color="#222222" if stable else "#8a8a8a",
            linewidth=theme.line * (1.4 if stable else 0.9),
            solid_joinstyle="miter",
        )
        at.append((x, y))
        if not math.isnan(node.support) and len(node.members) < k:
            ax.annotate(
                f"{node.support * 100:.0f}",
                (x, y),
                xytext=(2, 0),
                textcoords="offset points",
                va="center",
                fontsize=small(theme),
                fontweight="normal",
                color="#000000" if stable else "#555555",
                bbox={"boxstyle": "square,pad=0.05", "facecolor": "#ffffff", "edgecolor": "none"},
            )
    ax.set_yticks(range(k), [style.typeset(entry(b).short, theme) for b in numbers.order])
    for tick, name in zip(ax.get_yticklabels(), numbers.order, strict=True):
        tick.set_color(style.text_color(entry(name).category))
    ax.set_ylim(k - 0.5, -0.5)
    ax.set_xlim(0, top * 1.04)
    ax.grid(False)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("1 $-$ r")


FIGURE = Dendrogram()
