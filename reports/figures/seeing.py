"""Which samples need their image, and which models see: a panel of all benchmarks, then one of models for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import seeing, style
from ..catalogue import entry
from ..figure import Figure, NoOptions

if TYPE_CHECKING:
    from cambrian_eval.results.seeing_estimates import Interval

    from ..sources import Sources

COLUMN_NAMES = ("benchmark", "n", "what", "model", "value", "low", "high")
NEEDS, VISUAL = "needs the image", "visual information"
SHARES = ((NEEDS, "o", style.SERIES[0]), (VISUAL, "D", style.SERIES[1]))
"""The two shares of a benchmark, with marker and color."""
LINE_HEIGHT = 1.7
"""Height of a row in lines of text."""


class SeeingFigure(Figure[list[seeing.Seen], NoOptions]):
    """Shares of each benchmark, and the seeing ability of each model, with 95 % intervals."""

    name = "seeing"
    summary = "Share of samples that need their image, visual information, and seeing of each model."
    reads = "results"
    selects = ("benchmarks", "scorer")

    def compute(self, sources: Sources, options: NoOptions) -> list[seeing.Seen]:
        """The estimates from the runs; a CSV of results has no verdicts."""
        names = None if sources.benchmarks is None else [n.strip() for n in sources.benchmarks.split(",") if n.strip()]
        return seeing.seen(sources.opened, sources.scorer, names)

    def draw(self, numbers: list[seeing.Seen], theme: style.Theme) -> style.Drawing:
        """Panels of dots with intervals, as high as they have rows."""
        fitted = [s for s in numbers if s.estimates.abilities]
        rows = [len(numbers), *(len(s.models) for s in fitted)]
        with style.styled(theme):
            line = theme.size / 72 * LINE_HEIGHT
            height = sum(line * (n + 3) for n in rows)
            fig, grid = style.figure(
                theme.page,
                height,
                nrows=len(rows),
                ncols=1,
                squeeze=False,
                gridspec_kw={"height_ratios": [n + 1 for n in rows]},
            )
            panels = list(grid.flat)
            _shares(panels[0], numbers, theme)
            for axes, s in zip(panels[1:], fitted, strict=True):
                _abilities(axes, s, theme)
        from ..runs import label

        source = label(any(s.rows.synthetic for s in numbers), any(s.rows.subset for s in numbers))
        caption = (
            f"Share of samples that need their image and, where there are enough models, share of the information "
            f"about models that is visual, {source}"
            + (
                "; below, what the image adds to the log-odds of each model, against the mean of the models"
                * bool(fitted)
            )
            + ". Bars are 95 % intervals from a jackknife over images."
        )
        return style.Drawing(
            "seeing",
            fig,
            COLUMN_NAMES,
            tuple(_rows(numbers)),
            caption,
            source,
            seeing.findings(numbers),
            seeing.notes(numbers),
        )

    def in_report(self, sources: Sources) -> Mapping[str, NoOptions]:
        """Nothing: the fit of many models takes a while, and a report must not."""
        return {}


def _shares(axes: Any, numbers: Sequence[seeing.Seen], theme: style.Theme) -> None:
    apart = 0.18 if any(s.estimates.visual is not None for s in numbers) else 0.0
    for k, (label, marker, color) in enumerate(SHARES):
        shown = [(i, _share(s, label)) for i, s in enumerate(numbers)]
        points = [(i + apart * (2 * k - 1), p) for i, p in shown if p is not None]
        _points(axes, points, 100.0, marker, color, theme, label)
    _named_rows(axes, [entry(s.benchmark).short for s in numbers], theme)
    axes.set_xlim(0, 100)
    axes.set_xlabel("share in percent")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.1)


def _abilities(axes: Any, s: seeing.Seen, theme: style.Theme) -> None:
    order = sorted(range(len(s.models)), key=lambda m: -s.estimates.abilities[m]["seeing"].value)
    points = [(float(i), s.estimates.abilities[m]["seeing"]) for i, m in enumerate(order)]
    axes.axvline(0, color="#9a9a9a", linewidth=theme.line)
    _points(axes, points, 1.0, "o", style.SERIES[2], theme, None)
    _named_rows(axes, [s.models[m] for m in order], theme)
    axes.set_title(style.typeset(entry(s.benchmark).short, theme))
    axes.set_xlabel("seeing in logits, against the mean of the models")


def _points(
    axes: Any,
    points: Sequence[tuple[float, Interval]],
    scale: float,
    marker: str,
    color: str,
    theme: style.Theme,
    label: str | None,
) -> None:
    """Dots at the values, lines over the intervals."""
    size = theme.size * 0.5
    if points:
        x, y = [scale * p.value for _, p in points], [row for row, _ in points]
        axes.plot(x, y, marker, color=color, markersize=size, label=label, clip_on=False, zorder=3)
    for row, p in points:
        if p.low is not None and p.high is not None:
            axes.plot([scale * p.low, scale * p.high], [row, row], color=color, linewidth=theme.line * 1.5)


def _named_rows(axes: Any, names: Sequence[str], theme: style.Theme) -> None:
    axes.set_yticks(range(len(names)), [style.typeset(n, theme) for n in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def _share(s: seeing.Seen, label: str) -> Interval | None:
    return s.estimates.needed_share if label == NEEDS else s.estimates.visual


def _rows(numbers: Sequence[seeing.Seen]) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for s in numbers:
        n = len(s.samples)
        for label, *_ in SHARES:
            if (p := _share(s, label)) is not None:
                found.append((s.benchmark, n, label, "", p.value, p.low, p.high))
        for model, mine in zip(s.models, s.estimates.abilities, strict=False):
            found += [(s.benchmark, n, part, model, p.value, p.low, p.high) for part, p in mine.items()]
    return found


FIGURE = SeeingFigure()
