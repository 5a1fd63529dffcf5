"""Charts: bars, lines and pies with real axes and values, and questions about them.

The data behind each chart, its drawing and its questions. Charts are drawn on the suite's own canvas rather than by a
plotting library: a chart takes a millisecond, and its labels are large enough to read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from cambrian_eval.demo.miniature.canvas import GRAY, INK, PAPER, Canvas
from cambrian_eval.demo.miniature.sampling import Look, Sampler, Sketch, Template

if TYPE_CHECKING:
    from PIL.Image import Image

SERIES = ("red", "green", "blue", "yellow", "purple", "orange", "black", "pink")
NUMBERS = tuple(str(n) for n in range(1, 10))
YEARS = tuple(str(year) for year in range(2011, 2020))
PERCENTS = ("10%", "20%", "30%", "40%", "50%", "60%", "70%")


@dataclass(frozen=True)
class Bars:
    """A bar or line chart: one value per column, 1 to 9."""

    values: tuple[int, ...]
    colors: tuple[str, ...]
    names: tuple[str, ...] = ()
    """Labels under the columns; none = the columns differ by color."""
    numbers: bool = False
    """Write each value above its column."""
    kind: Literal["bar", "line"] = "bar"


def draw_bars(look: Look, chart: Bars) -> Image:
    """Axes, columns or a line, labels."""
    canvas = Canvas(look, plain=not look.varied)
    left, floor, top = 14, 108 if chart.names else 118, 24
    step = (122 - left) / len(chart.values)
    canvas.line([(left, 10), (left, floor), (124, floor)], INK, 2)
    for level in (3, 6, 9):
        y = floor - (floor - top) * level / 9
        canvas.line([(left - 3, y), (124, y)], (205, 207, 212), 1)
    tops = []
    for i, value in enumerate(chart.values):
        x = left + step * (i + 0.5)
        y = floor - (floor - top) * value / 9
        tops.append((x, y))
        if chart.kind == "bar":
            canvas.rectangle(x - step * 0.34, y, x + step * 0.34, floor, canvas.tone(chart.colors[i]))
        if chart.numbers:
            canvas.text(x, y - 10, str(value), 18, bold=0.75)
        if chart.names:
            size = canvas.fitting(chart.names[i], step * 0.94, 18)
            canvas.text(x, 118, chart.names[i], size)
    if chart.kind == "line":
        canvas.line(tops, canvas.tone(chart.colors[0]), 4)
        for x, y in tops:
            canvas.ellipse(x, y, 5, 5, canvas.tone(chart.colors[0]))
    return canvas.finish()


def draw_pie(look: Look, shares: Sequence[int], colors: Sequence[str], numbers: bool) -> Image:
    """A pie of shares in percent, the first slice starting at a random angle."""
    canvas = Canvas(look, plain=not look.varied)
    start = canvas.rng.uniform(0, 360)
    middles = []
    for share, color in zip(shares, colors, strict=True):
        end = start + 3.6 * share
        canvas.slice(64, 64, 58, start, end, canvas.tone(color))
        middles.append(math.radians((start + end) / 2))
        start = end
    for share, angle in zip(shares, middles, strict=True) if numbers else ():
        x, y = 64 + 36 * math.cos(angle), 64 + 36 * math.sin(angle)
        canvas.rectangle(x - 21, y - 12, x + 21, y + 12, PAPER, None)
        canvas.text(x, y, f"{share}%", 20, bold=0.6)
    return canvas.finish()


def _bars(look: Look, chart: Bars) -> Sketch:
    return partial(draw_bars, look, chart)


def bar_value(sampler: Sampler) -> Template:
    """The value of the bar of one color, written above it."""
    n = sampler.rng.choice((2, 3))
    colors = tuple(sampler.rng.sample(SERIES, n))
    asked = sampler.rng.randrange(n)
    others = [sampler.rng.randrange(1, 10) for _ in range(n)]
    look = sampler.look()

    def image(value: str) -> Sketch:
        values = tuple(int(value) if i == asked else others[i] for i in range(n))
        return _bars(look, Bars(values, colors, numbers=True))

    return Template(f"What is the value of the {colors[asked]} bar?", NUMBERS, image)


def tallest(sampler: Sampler, word: str = "tallest") -> Template:
    """The color of the bar that stands out."""
    n, look = 3, sampler.look()
    others = sampler.rng.sample(SERIES, len(SERIES))
    place = sampler.rng.randrange(n)
    low, high = (1, 6) if word == "tallest" else (5, 10)
    heights = [sampler.rng.randrange(low, high) for _ in range(n)]
    heights[place] = sampler.rng.randrange(8, 10) if word == "tallest" else sampler.rng.randrange(1, 3)

    def image(value: str) -> Sketch:
        rest = [color for color in others if color != value][: n - 1]
        rest.insert(place, value)
        return _bars(look, Bars(tuple(heights), tuple(rest)))

    return Template(f"Which color is the {word} bar?", SERIES, image)


def how_many_bars(sampler: Sampler) -> Template:
    """How many bars the chart has."""
    colors = tuple(sampler.rng.sample(SERIES, 6))
    heights = [sampler.rng.randrange(2, 10) for _ in range(6)]
    look = sampler.look()

    def image(value: str) -> Sketch:
        return _bars(look, Bars(tuple(heights[: int(value)]), colors[: int(value)]))

    return Template("How many bars does the chart have?", ("2", "3", "4", "5", "6"), image)


def peak_year(sampler: Sampler) -> Template:
    """The year in which the line is at its highest; the years shown are evenly spread around the answer."""
    look, spread = sampler.look(), sampler.rng.choice((1, 2))
    before = sampler.rng.randrange(3)
    color = sampler.rng.choice(("red", "blue", "green", "purple"))
    heights = [sampler.rng.randrange(1, 5) for _ in range(3)]
    heights[before] = 9

    def image(value: str) -> Sketch:
        names = tuple(str(int(value) + spread * (i - before)) for i in range(3))
        return _bars(look, Bars(tuple(heights), (color,) * 3, names, kind="line"))

    return Template("In which year was the value the highest?", YEARS, image)


def higher(sampler: Sampler) -> Template:
    """Whether one bar is higher than another."""
    first, second = colors = tuple(sampler.rng.sample(SERIES, 2))
    look, flip = sampler.look(), sampler.rng.random() < 0.5
    low, high = sampler.rng.randrange(1, 5), sampler.rng.randrange(7, 10)

    def image(value: str) -> Sketch:
        values = (high, low) if value == "Yes" else (low, high)
        if flip:
            return _bars(look, Bars(values[::-1], colors[::-1]))
        return _bars(look, Bars(values, colors))

    return Template(f"Is the {first} bar higher than the {second} bar?", ("Yes", "No"), image)


def slice_percent(sampler: Sampler) -> Template:
    """The share written on one slice."""
    colors = sampler.rng.sample(SERIES[:6], 2)
    look, swap = sampler.look(), sampler.rng.random() < 0.5

    def image(value: str) -> Sketch:
        share = int(value.rstrip("%"))
        shares = (share, 100 - share)
        if swap:
            return partial(draw_pie, look, shares[::-1], colors[::-1], True)
        return partial(draw_pie, look, shares, colors, True)

    return Template(f"What percentage does the {colors[0]} slice have?", PERCENTS, image)


def largest_slice(sampler: Sampler) -> Template:
    """The color of the largest slice."""
    look, others = sampler.look(), sampler.rng.sample(SERIES, len(SERIES))
    share = sampler.rng.choice((50, 60))
    rest = (100 - share) // 2

    def image(value: str) -> Sketch:
        colors = [value, *[color for color in others if color != value][:2]]
        return partial(draw_pie, look, (share, rest, 100 - share - rest), colors, False)

    return Template("What color is the largest slice of the pie?", SERIES, image)


def table_cell(sampler: Sampler) -> Template:
    """The number in one row of a two-column table."""
    names = sampler.rng.sample("ABCDEFGH", 3)
    asked = sampler.rng.randrange(3)
    others = [sampler.rng.choice(NUMBERS) for _ in range(3)]
    look = sampler.look()

    def image(value: str) -> Sketch:
        cells = tuple(value if i == asked else others[i] for i in range(3))
        return partial(draw_table, look, tuple(names), cells)

    return Template(f"What number is in row {names[asked]} of the table?", NUMBERS, image)


def draw_table(look: Look, names: Sequence[str], cells: Sequence[str]) -> Image:
    """A ruled table: a letter and a number in each row."""
    canvas = Canvas(look, plain=not look.varied)
    for i, (name, cell) in enumerate(zip(names, cells, strict=True)):
        top = 10 + i * 36
        canvas.rectangle(12, top, 64, top + 36, (225, 230, 240), GRAY, 2)
        canvas.rectangle(64, top, 116, top + 36, (255, 255, 255), GRAY, 2)
        canvas.text(38, top + 18, name, 26, bold=0.75)
        canvas.text(90, top + 18, cell, 26, bold=0.75)
    return canvas.finish()
