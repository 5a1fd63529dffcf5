"""Two scorers side by side, per benchmark: how much the score depends on the scorer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cambrian_eval.numbers import number

from .. import style
from ..catalogue import entry, scorers_in_order
from ..figure import Figure, option
from ..numerals import signed, small

if TYPE_CHECKING:
    from ..scorer_pairs import ScorerPair, ScorerPairs
    from ..sources import Sources


MOST_NAMED = 16
"""Rows that are not drawn are named in the caption up to this number; the CSV has all."""
TIE = 0.05
"""Scores that differ by less are equal as printed."""
_A: Mapping[str, Any] = {"color": style.SERIES[0]}
_B: Mapping[str, Any] = {"color": style.SERIES[1], "markeredgecolor": "#000000"}


@dataclass(frozen=True)
class Options:
    """The two scorers."""

    a: str = option("fuzzy", "A scorer.")
    b: str = option("official", "Another scorer.")


class AgreementFigure(Figure["ScorerPairs", Options]):
    """A line from one score to the other, sorted by difference; kappa beside it where samples are known."""

    name = "agreement"
    summary = "Two scorers over the same responses; without runs, the paper's fuzzy matching and GPT-3.5 (Table 24)."
    reads = "results"
    selects = ("vision",)
    options = Options

    def compute(self, sources: Sources, options: Options) -> ScorerPairs:
        """The scores of both scorers, or the paper's where there are no runs."""
        from ..scorer_pairs import between, published

        if not sources.files:
            return published()
        return between(sources.results, options.a, options.b, sources.condition, sources.label)

    def draw(self, numbers: ScorerPairs, theme: style.Theme) -> style.Drawing:
        """A row for each benchmark and model."""
        order = list(numbers.rows)
        whole = sorted(order, key=lambda r: (round(r.b - r.a, 6), -order.index(r)))
        ties = [r for r in order if abs(r.b - r.a) < TIE]
        several = len({r.model for r in whole}) > 1
        folded = len(ties) > 1 and len(ties) < len(whole)
        rows = [r for r in whole if not folded or r not in ties]
        with style.styled(theme):
            fig, axes = style.figure(theme.part(0.8), max(1.6, len(rows) * theme.size / 72 * 1.9 + 0.8))
            axes.grid(False, axis="y")
            for i, r in enumerate(rows):
                ends = min(r.a, r.b), max(r.a, r.b)
                axes.hlines(i, *ends, color="#888888", linewidth=theme.line * 1.5, zorder=1)
                for score, marker, look in ((r.a, "o", _A), (r.b, "D", _B)):
                    axes.plot(score, i, marker, markersize=theme.size * 0.65, zorder=3, **look)
                text = signed(r.b - r.a, theme, 1, plus=True)
                if r.kappa is not None and not math.isnan(r.kappa):
                    text += "   kappa " + signed(r.kappa, theme)
                axes.annotate(
                    text,
                    (max(r.a, r.b), i),
                    xytext=(theme.size * 0.7, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=small(theme),
                )
            axes.set_yticks(range(len(rows)), [style.typeset(n, theme) for n in names_of(rows, several)])
            for tick, r in zip(axes.get_yticklabels(), rows, strict=True):
                tick.set_color(style.text_color(entry(r.benchmark).category))
            axes.set_ylim(-0.7, len(rows) - 0.3)
            low, high = axes.get_xlim()
            axes.set_xlim(low, high + (high - low) * _room(rows, several, fig.get_figwidth(), theme))
            # The room for the texts has no scores.
            axes.set_xticks([tick for tick in axes.get_xticks() if low <= tick <= 100])
            axes.set_xlabel("score")
            handles = [
                axes.plot([], [], marker, label=style.typeset(label, theme), **look)[0]
                for marker, label, look in (("o", numbers.a, _A), ("D", numbers.b, _B))
            ]
            fig.legend(handles=handles, loc="outside upper center", ncols=2)
        columns = ("model", "benchmark", numbers.a, numbers.b, "difference", "kappa", "same_verdict", "samples")
        cells = tuple((r.model, r.benchmark, r.a, r.b, r.b - r.a, r.kappa, r.same, r.n) for r in whole)
        mean = sum(abs(r.b - r.a) for r in whole) / len(whole)
        caption = (
            f"Scores by {numbers.a} and by {numbers.b} ({numbers.source}); the mean absolute difference is "
            f"{number(mean)} points."
        )
        if folded:
            named = f": {', '.join(names_of(ties, several))}" if len(ties) <= MOST_NAMED else ""
            caption += f" Both give the same score on {len(ties)}, which are not drawn{named}."
        return style.Drawing("agreement", fig, columns, cells, caption, numbers.source)

    def in_report(self, sources: Sources) -> Mapping[str, Options]:
        """The report's scorer beside each other one."""
        found = {scorer for named in sources.opened for scorer in named.scorers} - {sources.scorer}
        return {f"agreement-{other}": Options(sources.scorer, other) for other in scorers_in_order(found)}


def _room(rows: Sequence[ScorerPair], several: bool, inches: float, theme: style.Theme) -> float:
    """How much longer the axis must be for the text beside the last mark, as a share of the scores' own part."""
    width = inches * 72 - theme.size * 0.5 * (max(map(len, names_of(rows, several)), default=0) + 2)
    text = small(theme) * 0.55 * len("+12.5   kappa 0.12" if any(r.kappa is not None for r in rows) else "+12.5")
    return max(0.22, text / max(width - text, text))


def names_of(rows: Sequence[ScorerPair], several: bool) -> list[str]:
    """The benchmark of each row, and its model where there are several."""
    return [entry(r.benchmark).short + (f", {r.model}" if several else "") for r in rows]


FIGURE = AgreementFigure()
