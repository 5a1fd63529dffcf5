"""What each benchmark adds to the others, and how well few benchmarks keep the ranking of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cambrian_eval.errors import UserError

from .. import style
from ..catalogue import categories_of, entry
from ..figure import Figure, option

if TYPE_CHECKING:
    from ..redundancy import Redundancy as Numbers
    from ..sources import Sources


@dataclass(frozen=True)
class Options:
    """Which table."""

    cvbench: str = option("one", "CV-Bench as one column, as in the paper, or two.", ("one", "two"))


class Redundancy(Figure["Numbers", Options]):
    """Left: variance that the others do not predict. Right: rank correlation against the number of benchmarks."""

    name = "redundancy"
    summary = "What each benchmark adds, and the few that keep the ranking of models."
    options = Options

    def compute(self, sources: Sources, options: Options) -> Numbers:
        """Both findings, which need models with all scores."""
        from ..correlation import prepared
        from ..redundancy import FEWEST, redundancy

        table = prepared(sources.table, options.cvbench)
        found = redundancy(table)
        if found is None:
            raise UserError(
                f"{table.source}: redundancy needs at least {FEWEST} models with scores on all of "
                f"{len(table.benchmarks)} benchmarks; leave columns out with --benchmarks"
            )
        return found

    def draw(self, numbers: Numbers, theme: style.Theme) -> style.Drawing:
        """Two panels; one above the other in a narrow figure."""
        from ..findings import redundancy_sentences

        k = len(numbers.added)
        tall = max(theme.page * 0.4, theme.size / 72 * 1.55 * k)
        with style.styled(theme):
            if theme.narrow:
                fig, (left, right) = style.figure(theme.page, tall * 1.9, nrows=2, height_ratios=(1.3, 1.0))
            else:
                fig, (left, right) = style.figure(theme.page, tall, ncols=2)
            for category in categories_of(numbers.benchmarks):
                for y, added in enumerate(numbers.added):
                    if entry(added.benchmark).category != category:
                        continue
                    color = style.color_of(category)
                    left.hlines(y, 100 * added.low, 100 * added.high, color=color, linewidth=theme.line * 1.6)
                    left.plot(100 * added.share, y, style.marker_of(category), color=color, markersize=theme.size * 0.6)
            left.set_yticks(range(k), [style.typeset(entry(a.benchmark).short, theme) for a in numbers.added])
            for tick, added in zip(left.get_yticklabels(), numbers.added, strict=True):
                tick.set_color(style.text_color(entry(added.benchmark).category))
            left.set_ylim(k - 0.5, -0.5)
            left.set_xlim(0, max(100.0, min(160.0, 105 * max(a.high for a in numbers.added))))
            left.axvline(100, color="#bbbbbb", linewidth=theme.line * 0.6, zorder=0)
            left.set_xlabel(style.typeset("variance not predicted by the others (%)", theme))
            counts = [len(c.benchmarks) for c in numbers.choices]
            blue = style.SERIES[0]
            right.fill_between(
                counts,
                [c.low for c in numbers.choices],
                [c.high for c in numbers.choices],
                color=blue,
                alpha=0.15,
                linewidth=0,
            )
            right.plot(counts, [c.held_out for c in numbers.choices], "-o", color=blue, label="best, models held out")
            right.plot(
                counts, [c.rank_correlation for c in numbers.choices], ":s", color="#b5533c", label="best, same models"
            )
            right.plot(counts, [c.at_random for c in numbers.choices], "--", color="#666666", label="at random")
            for line in right.get_lines():
                line.set_markersize(theme.size * 0.45)
            right.set_xticks(counts)
            right.set_ylim(None, 1.005)
            right.set_xlabel("number of benchmarks")
            right.set_ylabel("rank correlation with all")
            right.legend(loc="lower right")
        columns = ("part", "benchmarks", "value", "low", "high", "same_models", "at_random")
        rows = (
            *(("adds", a.benchmark, a.share, a.low, a.high, None, None) for a in numbers.added),
            *(
                ("keeps", " ".join(c.benchmarks), c.held_out, c.low, c.high, c.rank_correlation, c.at_random)
                for c in numbers.choices
            ),
        )
        search = "all choices compared" if numbers.every_choice else "benchmarks added one at a time"
        caption = (
            f"Redundancy of {len(numbers.benchmarks)} benchmarks over {numbers.models} models ({numbers.source}). "
            "Share of variance that ridge regression on all others does not predict for models left out, with 95 % "
            "intervals over models; and the rank correlation of the mean over the best k benchmarks with the "
            f"mean over all ({search}), chosen on one half of the models and judged on the other (band: 95 % of "
            "halves)."
        )
        findings = tuple(redundancy_sentences(numbers))
        return style.Drawing("redundancy", fig, columns, rows, caption, numbers.source, findings)

    def in_report(self, sources: Sources) -> Mapping[str, Options]:
        """Nothing: it needs many models."""
        return {}


FIGURE = Redundancy()
