"""Known scores predicted without themselves, with 90 % intervals: how well missing scores can be predicted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cambrian_eval.errors import UserError

from .. import style
from ..catalogue import categories_of, entry
from ..figure import Figure
from .redundancy import Options

if TYPE_CHECKING:
    from ..missing import Completion
    from ..sources import Sources


class Missing(Figure["Completion", Options]):
    """Predicted against known score, on a scale of 100."""

    name = "missing"
    summary = "Scores predicted from a model's other scores, checked on known ones."
    options = Options

    def compute(self, sources: Sources, options: Options) -> Completion:
        """Missing cells predicted and known ones checked."""
        from ..correlation import prepared
        from ..missing import NEEDED, completion

        table = prepared(sources.table, options.cvbench)
        found = completion(table)
        if found is None:
            raise UserError(f"{table.source}: missing scores cannot be predicted; {NEEDED}")
        return found

    def draw(self, numbers: Completion, theme: style.Theme) -> style.Drawing:
        """A mark with its interval for each known score."""
        from ..findings import missing_sentences

        with style.styled(theme):
            width = theme.part(0.62)
            fig, axes = style.figure(width, width * 0.86)
            names = {c.benchmark for c in numbers.checked}
            for category in categories_of(names):
                mine = [c for c in numbers.checked if entry(c.benchmark).category == category]
                scale = [100 / entry(c.benchmark).scale for c in mine]
                x = [c.known * s for c, s in zip(mine, scale, strict=True)]
                y = [c.value * s for c, s in zip(mine, scale, strict=True)]
                below = [(c.value - c.low) * s for c, s in zip(mine, scale, strict=True)]
                above = [(c.high - c.value) * s for c, s in zip(mine, scale, strict=True)]
                axes.errorbar(
                    x,
                    y,
                    yerr=(below, above),
                    fmt=style.marker_of(category),
                    color=style.color_of(category),
                    markersize=theme.size * 0.35,
                    elinewidth=theme.line * 0.5,
                    alpha=0.75,
                    label=style.typeset(category, theme),
                )
            low, high = axes.get_xlim()
            axes.plot([low, high], [low, high], color="#444444", linewidth=theme.line * 0.8, zorder=0)
            axes.set_xlim(low, high)
            axes.set_xlabel("score (percent of the scale)")
            axes.set_ylabel("predicted without it")
            axes.legend(loc="upper left")
        columns = ("kind", "model", "benchmark", "predicted", "low", "high", "known")
        rows = (
            *(("known", c.model, c.benchmark, c.value, c.low, c.high, c.known) for c in numbers.checked),
            *(("missing", c.model, c.benchmark, c.value, c.low, c.high, None) for c in numbers.missing),
        )
        caption = (
            f"{len(numbers.checked)} known scores ({numbers.source}), each predicted from the other scores of its "
            f"model by a factor analysis that did not see it ({numbers.factors} factors), with 90 % intervals."
        )
        findings = tuple(missing_sentences(numbers))
        return style.Drawing("missing", fig, columns, rows, caption, numbers.source, findings)

    def in_report(self, sources: Sources) -> Mapping[str, Options]:
        """Nothing: it needs many models."""
        return {}


FIGURE = Missing()
