"""Vision on, off and chance per benchmark, sorted by what vision adds (the paper's Figure 3, left)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import ablation, style
from ..catalogue import categories_of, condition_style, conditions_in_order, entry
from ..figure import Figure, option
from ..numerals import signed, small

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from ..ablation import Ablation, Estimate, Row
    from ..sources import Sources

_PAPER_MARK: Mapping[str, Any] = {"marker": "D", "color": "#ffffff", "markeredgecolor": "#b5533c", "linestyle": ""}
_DASH = (3, 1.5)
"""Lengths of the line and of the gap in the line of chance."""


STRIP = 5
"""From this many models on, they cannot be told apart in one figure."""


@dataclass(frozen=True)
class Options:
    """What is drawn beside your runs, and whether several models are averaged."""

    published: str | None = option(None, "figure3: the paper's means beside yours.", ("figure3",))
    means: bool = option(False, "Bars of the means over the models, instead of each model by itself.")


@dataclass(frozen=True)
class Shown:
    """The ablation of each model, or one of their means; and with `--published`, the paper's by benchmark."""

    series: tuple[Ablation, ...]
    paper: Mapping[str, Row]

    @property
    def order(self) -> list[str]:
        """Benchmarks by the mean of on minus off, the smallest first."""
        gaps: dict[str, list[float]] = {}
        for found in self.series:
            for row in found.rows:
                gaps.setdefault(row.benchmark, []).append(row.gap)
        return sorted(gaps, key=lambda name: sum(gaps[name]) / len(gaps[name]))

    def row(self, k: int, benchmark: str) -> Row | None:
        """A benchmark in one of the series."""
        return next((r for r in self.series[k].rows if r.benchmark == benchmark), None)

    @property
    def conditions(self) -> list[str]:
        """Conditions that any series has, in the registry's order."""
        return conditions_in_order(c for found in self.series for c in found.conditions)


class AblationFigure(Figure[Shown, Options]):
    """One model: bars with intervals, a line for chance, on minus off above. Several: a line from off to on each."""

    name = "ablation"
    summary = "Every vision condition and chance; without runs, the paper's own figure (Figure 3, left)."
    reads = "results"
    selects = ("scorer",)
    options = Options

    def compute(self, sources: Sources, options: Options) -> Shown:
        """The ablation of the runs, or the paper's where there are none."""
        if not sources.files:
            return Shown((ablation.published(),), {})
        beside = options.published and not any(named.synthetic for named in sources.opened)
        paper = {row.benchmark: row for row in ablation.published().rows} if beside else {}
        arguments = sources.results, sources.scorer, sources.label
        return Shown((ablation.from_runs(*arguments),) if options.means else ablation.series(*arguments), paper)

    def draw(self, numbers: Shown, theme: style.Theme) -> style.Drawing:
        """A group of marks for each benchmark."""
        several = len(numbers.series) > 1
        with style.styled(theme):
            fig, axes = style.figure(theme.page, theme.height(0.42) + (theme.size / 72 * 9 if theme.narrow else 0.0))
            axes.grid(False, axis="x")
            (_lines if several else _bars)(axes, numbers, theme)
            _names(axes, numbers, theme)
            _legend(fig, numbers, theme)
        single = numbers.series[0]
        beside = " Diamonds are the paper's means." if numbers.paper else ""
        if several:
            who = f"{len(numbers.series)} models"
            order = "benchmarks sorted by the mean of vision on minus vision off"
            caption = f"Scores of {who} from vision off (open) to vision on (filled), {order}, {single.source}.{beside}"
        else:
            caption = (
                "Scores by vision condition and by chance, benchmarks sorted by vision on minus vision off (written "
                f"above), {single.source}; error bars: {single.bars}.{beside}"
            )
        columns, rows = _cells(numbers)
        return style.Drawing(
            "ablation", fig, columns, rows, caption, single.source, tuple(_findings(numbers)), _notes(numbers)
        )

    def in_report(self, sources: Sources) -> Mapping[str, Options]:
        """Each model by itself while they can be told apart, else their means."""
        return {self.name: Options(means=len(sources.results) >= STRIP)}


def _findings(numbers: Shown) -> list[str]:
    """The result in sentences, for each model while they are few."""
    if len(numbers.series) == 1:
        return ablation.reading(numbers.series[0])
    if len(numbers.series) >= STRIP:
        return []
    return [f"{found.models[0]}: {line}" for found in numbers.series for line in ablation.reading(found)]


def _notes(numbers: Shown) -> tuple[str, ...]:
    found = [note for one in numbers.series for note in one.notes]
    if len(numbers.series) >= STRIP:
        found.append(f"{len(numbers.series)} models are not told apart; --means draws their means")
    for name in numbers.order if len(numbers.series) > 1 else ():
        absent = [one.models[0] for k, one in enumerate(numbers.series) if numbers.row(k, name) is None]
        if absent:
            found.append(f"{entry(name).short}: no scores with vision on and off for {', '.join(absent)}")
    return tuple(dict.fromkeys(found))


def _bars(axes: Axes, numbers: Shown, theme: style.Theme) -> None:
    """Bars of one series: vision on in the color of the category, vision off a light tint of it."""
    conditions, rows = numbers.conditions, numbers.series[0].rows
    width = 0.8 / len(conditions)
    for k, condition in enumerate(conditions):
        for i, row in enumerate(rows):
            x = i + (k - (len(conditions) - 1) / 2) * width
            printed = numbers.paper.get(row.benchmark)
            if printed is not None and condition in printed.scores:
                value = printed.scores[condition].value
                axes.plot(x, value, **_PAPER_MARK, markersize=theme.size * 0.5, zorder=5, clip_on=False)
            estimate = row.scores.get(condition)
            if estimate is None:
                continue
            face, hatch = _fill(condition, style.color_of(entry(row.benchmark).category))
            axes.bar(x, estimate.value, width, color=face, hatch=hatch, edgecolor="#ffffff", linewidth=0.3)
            _interval(axes, x, estimate, theme)
    for i, row in enumerate(rows):
        _chance(axes, i, row.chance, 0.42, theme)
    _gaps(axes, numbers, theme)


def _fill(condition: str, category: str) -> tuple[str, str]:
    """Color and hatch of a bar: on and off by the category, further conditions as they declare."""
    if condition == ablation.ON:
        return category, ""
    if condition == ablation.OFF:
        return style.tint(category), ""
    shown = condition_style(condition)
    return shown.color, shown.hatch


def _lines(axes: Axes, numbers: Shown, theme: style.Theme) -> None:
    """A line for each model from off to on, side by side; one color each while they can be told apart."""
    count = len(numbers.series)
    named = count < STRIP
    step = 0.74 / count
    size = theme.size * (0.55 if named else 0.3)
    for i, name in enumerate(numbers.order):
        chances = []
        for k in range(count):
            row = numbers.row(k, name)
            if row is None:
                continue
            x = i + (k - (count - 1) / 2) * step
            color = _color(k, name, count)
            on, off = row.scores[ablation.ON], row.scores[ablation.OFF]
            axes.vlines(
                x,
                min(on.value, off.value),
                max(on.value, off.value),
                color=style.tint(color, 0.6),
                linewidth=theme.line * (2.6 if named else 1.4),
            )
            for condition, estimate in row.scores.items():
                if named:
                    _interval(axes, x, estimate, theme)
                axes.plot(
                    x,
                    estimate.value,
                    **_mark(condition, color, k if named else 0),
                    markersize=size * (1.0 if condition in (ablation.ON, ablation.OFF) else 0.8),
                    markeredgewidth=theme.line * 0.8,
                    linestyle="",
                    zorder=4,
                    clip_on=False,
                )
            chances.append(row.chance)
        known = [c for c in chances if c is not None]
        for level in dict.fromkeys(round(c, 6) for c in known):
            _chance(axes, i, level, 0.44, theme)
        if name in numbers.paper:
            for estimate in numbers.paper[name].scores.values():
                axes.plot(i, estimate.value, **_PAPER_MARK, markersize=theme.size * 0.5, zorder=5, clip_on=False)
    axes.set_ylim(0, 100 if axes.get_ylim()[1] > 85 else None)
    for i in range(1, len(numbers.order)):
        axes.axvline(i - 0.5, color="#e6e6e6", linewidth=theme.line * 0.6, zorder=0)


def _color(k: int, benchmark: str, count: int) -> str:
    return style.SERIES[k] if count < STRIP else style.color_of(entry(benchmark).category)


def _mark(condition: str, color: str, k: int) -> dict[str, Any]:
    """Filled with vision on, open with vision off, crosses for further conditions; a shape for each model."""
    if condition not in (ablation.ON, ablation.OFF):
        return {"marker": "x", "color": condition_style(condition).color}
    face = color if condition == ablation.ON else "#ffffff"
    return {"marker": "os^D"[k], "color": color, "markerfacecolor": face}


def _interval(axes: Axes, x: float, estimate: Estimate, theme: style.Theme) -> None:
    if estimate.low is None or estimate.high is None:
        return
    low, high = max(estimate.low, 0.0), min(estimate.high, 100.0)
    axes.vlines(x, low, high, color="#000000", linewidth=theme.line * 0.7, zorder=3)


def _chance(axes: Axes, i: int, chance: float | None, reach: float, theme: style.Theme) -> None:
    """A thin dashed line, white beneath, so that it shows on bars and beside them."""
    if chance is None:
        return
    ends = i - reach, i + reach
    axes.hlines(chance, *ends, color="#ffffff", linewidth=theme.line * 1.8, zorder=3)
    axes.hlines(
        chance, *ends, color=style.CHANCE, linewidth=theme.line * 0.8, linestyles=(0, _DASH), zorder=3, gid="chance"
    )


def _gaps(axes: Axes, numbers: Shown, theme: style.Theme) -> None:
    """On minus off above each group, and room for it."""
    top = 0.0
    rows = numbers.series[0].rows
    # A number is about two letters wide: where columns are thinner it stands upright.
    upright = 90 if theme.page * 62 / len(rows) < small(theme) * 2.3 else 0
    for i, row in enumerate(rows):
        ends = [min(e.value if e.high is None else e.high, 100.0) for e in row.scores.values()]
        if row.benchmark in numbers.paper:
            ends += [e.value for e in numbers.paper[row.benchmark].scores.values()]
        peak = max([*ends, row.chance or 0.0])
        top = max(top, peak)
        axes.annotate(
            signed(row.gap, theme, 1, plus=True),
            (i, peak),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=small(theme),
            rotation=upright,
        )
    axes.set_ylim(0, top * (1.24 if upright else 1.12) + 1)
    axes.set_yticks([t for t in axes.get_yticks() if 0 <= t <= 100])


def _names(axes: Axes, numbers: Shown, theme: style.Theme) -> None:
    """Names of the benchmarks in the color of their category; the number of models where it is not all of them."""
    order = numbers.order
    single = numbers.series[0] if len(numbers.series) == 1 else None
    texts = []
    for i, name in enumerate(order):
        few = single is not None and 0 < single.rows[i].models < len(single.models)
        texts.append(entry(name).short + (f" (n = {single.rows[i].models})" if few and single else ""))
    axes.set_xticks(
        range(len(order)),
        [style.typeset(t, theme) for t in texts],
        rotation=90 if theme.narrow else 35,
        ha="center" if theme.narrow else "right",
        va="top",
        rotation_mode="default" if theme.narrow else "anchor",
    )
    for tick, name in zip(axes.get_xticklabels(), order, strict=True):
        tick.set_color(style.text_color(entry(name).category))
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, len(order) - 0.4)
    axes.set_ylabel(style.typeset("score (MME / 20)" if "mme" in order else "score", theme))


def _legend(fig: Canvas, numbers: Shown, theme: style.Theme) -> None:
    """Keys of conditions or models, of chance, and of the categories' colors."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    gray, count = "#4d4d4d", len(numbers.series)
    size = theme.size * 0.55
    handles: list[Any] = []

    def mark(label: str, **look: Any) -> Line2D:
        return Line2D([], [], linestyle="", markersize=size, label=style.typeset(label, theme), **look)

    if count > 1:
        if count < STRIP:
            handles += [
                mark(found.models[0], **_mark(ablation.ON, style.SERIES[k], k))
                for k, found in enumerate(numbers.series)
            ]
        handles += [mark(condition_style(c).title, **_mark(c, gray, 0)) for c in numbers.conditions]
    else:
        for condition in numbers.conditions:
            face, hatch = _fill(condition, gray)
            label = style.typeset(condition_style(condition).title, theme)
            handles.append(Patch(facecolor=face, hatch=hatch, edgecolor="#ffffff", label=label))
    handles.append(Line2D([], [], color=style.CHANCE, linewidth=theme.line * 0.8, linestyle=(0, _DASH), label="Chance"))
    if numbers.paper:
        handles.append(Line2D([], [], **_PAPER_MARK, markersize=theme.size * 0.5, label="The paper's means"))
    colored = count == 1 or count >= STRIP
    categories = categories_of(numbers.order)
    handles += [
        Patch(facecolor=style.color_of(c), edgecolor="#ffffff", label=style.typeset(c, theme))
        for c in categories
        if colored
    ]
    style.legend_above(fig, handles, theme)


def _cells(numbers: Shown) -> tuple[tuple[str, ...], tuple[tuple[object, ...], ...]]:
    """The companion CSV: values, error bars, differences and, of single models, their paired tests."""
    several = len(numbers.series) > 1
    single = several or len(numbers.series[0].models) == 1
    columns = ["model"] if several else []
    columns += ["benchmark", "title", "category"]
    for c in numbers.conditions:
        columns += [c, f"{c}_low", f"{c}_high"]
    columns += ["chance", "on_minus_off", "off_minus_chance"]
    columns += ["difference_low", "difference_high", "p_value", "p_holm", "test"] if single else ["models"]
    if numbers.paper:
        columns += ["paper_on", "paper_off", "paper_chance"]
    rows = []
    for found in numbers.series:
        for r in found.rows:
            cells: list[object] = [found.models[0]] if several else []
            cells += [r.benchmark, entry(r.benchmark).short, entry(r.benchmark).category]
            for c in numbers.conditions:
                e = r.scores.get(c)
                cells += [None, None, None] if e is None else [e.value, e.low, e.high]
            cells += [r.chance, r.gap, r.above_chance]
            if single:
                t = r.tests[0] if r.tests else None
                cells += [None] * 5 if t is None else [t.low, t.high, t.p_value, t.p_holm, t.test]
            else:
                cells.append(r.models if found.models else None)
            if numbers.paper:
                p = numbers.paper.get(r.benchmark)
                cells += [None] * 3 if p is None else [*(e.value for e in p.scores.values()), p.chance]
            rows.append(tuple(cells))
    return tuple(columns), tuple(rows)


FIGURE = AblationFigure()
