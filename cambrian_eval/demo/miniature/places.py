"""Places and things with a visible property: landscapes, landmarks, weather, faces, framed paintings.

How they are drawn, and the questions about them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from cambrian_eval.demo.miniature.canvas import INK, PAPER, Canvas
from cambrian_eval.demo.miniature.sampling import Look, Sampler, Template

if TYPE_CHECKING:
    from PIL.Image import Image

SKY, NIGHT, GRASS, SAND, SEA = (160, 210, 250), (25, 30, 75), (90, 180, 80), (240, 215, 150), (50, 120, 210)
STONE, WOOD, SNOW = (175, 175, 180), (130, 85, 45), (245, 248, 255)


def _ground(canvas: Canvas, horizon: float, sky: tuple[int, int, int], ground: tuple[int, int, int]) -> None:
    canvas.rectangle(0, 0, 128, horizon, canvas.tone(sky), None)
    canvas.rectangle(0, horizon, 128, 128, canvas.tone(ground), None)


def _tree(canvas: Canvas, x: float, y: float, size: float) -> None:
    canvas.rectangle(x - size * 0.12, y - size * 0.4, x + size * 0.12, y, canvas.tone(WOOD))
    canvas.ellipse(x, y - size * 0.7, size * 0.38, size * 0.42, canvas.tone((40, 130, 50)))


def _beach(canvas: Canvas) -> None:
    _ground(canvas, 50, SKY, SAND)
    canvas.polygon([(0, 50), (128, 50), (128, 72), (0, 96)], canvas.tone(SEA), None)
    x = 88 + canvas.jitter(16)
    canvas.line([(x, 118), (x + 4, 74)], WOOD, 3)
    canvas.slice(x + 4, 82, 25, 180, 360, canvas.tone("red"))


def _forest(canvas: Canvas) -> None:
    _ground(canvas, 70, SKY, GRASS)
    for x, y in ((20, 86), (62, 82), (106, 88), (40, 116), (86, 118)):
        _tree(canvas, x + canvas.jitter(6), y, 46)


def _city(canvas: Canvas) -> None:
    _ground(canvas, 104, SKY, (120, 120, 125))
    for x, wide in ((4, 26), (36, 28), (70, 24), (98, 26)):
        top = 28 + canvas.rng.randrange(40)
        canvas.rectangle(x, top, x + wide, 106, canvas.tone((120, 130, 155)))
        for row in range(top + 6, 96, 14):
            for column in (x + 5, x + wide - 11):
                canvas.rectangle(column, row, column + 6, row + 7, (255, 240, 150), None)


def _mountains(canvas: Canvas) -> None:
    _ground(canvas, 104, SKY, GRASS)
    for x, y, half in ((38, 30, 40), (90, 18, 42)):
        peak = y + canvas.jitter(8)
        canvas.polygon([(x, peak), (x - half, 106), (x + half, 106)], canvas.tone((120, 105, 100)))
        canvas.polygon([(x, peak), (x - half * 0.3, peak + 26), (x + half * 0.3, peak + 26)], SNOW, None)


def _desert(canvas: Canvas) -> None:
    _ground(canvas, 66, (250, 225, 170), (225, 165, 85))
    x = 50 + canvas.jitter(18)
    green = canvas.tone((50, 140, 60))
    canvas.rectangle(x - 8, 34, x + 8, 108, green)
    canvas.rectangle(x - 28, 56, x - 8, 66, green)
    canvas.rectangle(x - 28, 42, x - 18, 66, green)
    canvas.rectangle(x + 8, 70, x + 28, 80, green)
    canvas.rectangle(x + 18, 52, x + 28, 80, green)
    canvas.ellipse(104, 24, 13, 13, canvas.tone("orange"), None)


def _tower(canvas: Canvas, x: float) -> None:
    for low, high, half in ((112, 78, 30), (78, 50, 17), (50, 14, 7)):
        canvas.polygon(
            [(x - half, low), (x + half, low), (x + half * 0.5, high), (x - half * 0.5, high)],
            canvas.tone(WOOD),
        )
    canvas.slice(x, 114, 13, 180, 360, canvas.tone(SKY))


def _pyramid(canvas: Canvas, x: float) -> None:
    canvas.polygon([(x, 26), (x - 54, 112), (x + 54, 112)], canvas.tone((225, 180, 95)))
    canvas.polygon([(x, 26), (x + 54, 112), (x + 18, 112)], canvas.tone((180, 135, 60)))


def _bridge(canvas: Canvas, x: float) -> None:
    canvas.rectangle(0, 96, 128, 128, SEA, None)
    for tower in (x - 34, x + 34):
        canvas.rectangle(tower - 5, 26, tower + 5, 112, canvas.tone("red"))
    canvas.rectangle(0, 76, 128, 86, canvas.tone("red"))
    canvas.arc(x, 16, 44, 30, 150, INK, 2.5)


def _lighthouse(canvas: Canvas, x: float) -> None:
    for i in range(5):
        fill = canvas.tone("red") if i % 2 == 0 else PAPER
        top, half = 38 + 15 * i, 10 + 2 * i
        canvas.polygon([(x - half, top), (x + half, top), (x + half + 2, top + 15), (x - half - 2, top + 15)], fill)
    canvas.rectangle(x - 9, 24, x + 9, 38, canvas.tone("yellow"))
    canvas.polygon([(x - 13, 24), (x + 13, 24), (x, 10)], INK)


def _windmill(canvas: Canvas, x: float) -> None:
    canvas.polygon([(x - 22, 114), (x + 22, 114), (x + 12, 52), (x - 12, 52)], canvas.tone(STONE))
    turn = canvas.rng.uniform(0, math.pi / 2)
    for blade in range(4):
        angle = turn + blade * math.pi / 2
        tip = (x + 44 * math.cos(angle), 52 + 44 * math.sin(angle))
        side = (tip[0] - 12 * math.sin(angle), tip[1] + 12 * math.cos(angle))
        canvas.polygon([(x, 52), tip, side], PAPER)


_PLACES: dict[str, Callable[[Canvas], None]] = {
    "beach": _beach,
    "forest": _forest,
    "city": _city,
    "mountains": _mountains,
    "desert": _desert,
}
_LANDMARKS: dict[str, Callable[[Canvas, float], None]] = {
    "tower": _tower,
    "pyramid": _pyramid,
    "bridge": _bridge,
    "lighthouse": _lighthouse,
    "windmill": _windmill,
}
MOODS = ("happy", "sad", "surprised", "angry")
WEATHER = ("sunny", "rainy", "snowy", "stormy")
PATTERNS = ("stripes", "dots", "checks", "waves")


def draw_place(look: Look, value: str) -> Image:
    """A landscape."""
    canvas = Canvas(look)
    _PLACES[value](canvas)
    return canvas.finish()


def draw_landmark(look: Look, value: str) -> Image:
    """A single building against the sky."""
    canvas = Canvas(look)
    _ground(canvas, 108, SKY, GRASS)
    _LANDMARKS[value](canvas, 64 + canvas.jitter(10))
    return canvas.finish()


def draw_weather(look: Look, value: str) -> Image:
    """A meadow under some kind of weather."""
    canvas = Canvas(look)
    _ground(
        canvas,
        96,
        SKY if value in ("sunny", "snowy") else (125, 135, 150),
        GRASS if value != "snowy" else SNOW,
    )
    x = 64 + canvas.jitter(8)
    if value == "sunny":
        canvas.ellipse(x, 36, 22, 22, canvas.tone("yellow"))
        for ray in range(8):
            way = (math.cos(ray * math.pi / 4), math.sin(ray * math.pi / 4))
            canvas.line([(x + 26 * way[0], 36 + 26 * way[1]), (x + 34 * way[0], 36 + 34 * way[1])], (240, 180, 0), 3)
    else:
        for shift in (-22, 0, 22):
            canvas.ellipse(x + shift, 28, 22, 15, canvas.tone((90, 95, 110) if value != "snowy" else STONE), None)
    for column in range(-30, 31, 15):
        for row in (54, 74):
            if value == "rainy":
                canvas.line([(x + column, row), (x + column - 5, row + 12)], canvas.tone("blue"), 3)
            elif value == "snowy":
                canvas.ellipse(x + column, row, 4, 4, PAPER, (120, 130, 150), 1)
    if value == "stormy":
        bolt = [(x, 42), (x - 14, 68), (x - 2, 66), (x - 10, 92), (x + 16, 60), (x + 3, 61), (x + 12, 42)]
        canvas.polygon(bolt, canvas.tone("yellow"))
    return canvas.finish()


def draw_face(look: Look, value: str) -> Image:
    """A face with an expression."""
    canvas = Canvas(look)
    x, y = 64 + canvas.jitter(6), 64 + canvas.jitter(6)
    canvas.ellipse(x, y, 50, 50, canvas.tone((250, 215, 120)), INK, 2.5)
    for side in (-1, 1):
        canvas.ellipse(x + 18 * side, y - 14, 5.5, 7.5, INK)
        if value == "angry":
            canvas.line([(x + 32 * side, y - 36), (x + 7 * side, y - 22)], INK, 5)
    if value == "happy":
        canvas.arc(x, y + 4, 28, 20, 160, INK, 5)
    elif value == "surprised":
        canvas.ellipse(x, y + 25, 12, 14, (150, 40, 40), INK, 3)
    else:
        canvas.arc(x, y + 46, 26, 205, 335, INK, 5)
    if value == "sad":
        canvas.ellipse(x + 30, y + 6, 5, 9, canvas.tone("blue"), INK, 1)
    return canvas.finish()


def draw_painting(look: Look, value: str) -> Image:
    """A framed painting filled with one pattern."""
    canvas = Canvas(look)
    first, second = canvas.rng.sample(["red", "green", "blue", "purple", "black"], 2)
    canvas.rectangle(10, 10, 118, 118, canvas.tone((170, 120, 50)), INK, 2)
    canvas.rectangle(20, 20, 108, 108, PAPER, INK, 1.5)
    steps = range(4)
    if value == "checks":
        for i in steps:
            for j in steps:
                if (i + j) % 2:
                    canvas.rectangle(21 + i * 22, 21 + j * 22, 42 + i * 22, 42 + j * 22, canvas.tone(first), None)
    elif value == "dots":
        for i in steps:
            for j in steps:
                canvas.ellipse(31 + i * 22, 31 + j * 22, 7, 7, canvas.tone(second), None)
    elif value == "stripes":
        for i in steps:
            canvas.rectangle(24 + i * 22, 21, 35 + i * 22, 107, canvas.tone(first), None)
    else:
        for j in steps:
            points = [(21 + x, 31 + j * 22 + 6 * math.sin(x / 7)) for x in range(0, 88, 2)]
            canvas.line(points, canvas.tone(second), 4)
    return canvas.finish()


def place(sampler: Sampler) -> Template:
    """Which landscape."""
    question = "What kind of place does the picture show?"
    return sampler.template(draw_place, tuple(_PLACES), question, "Does this image show a place of the kind {value}?")


def landmark(sampler: Sampler) -> Template:
    """Which building."""
    return sampler.template(
        draw_landmark, tuple(_LANDMARKS), "What building is this?", "Is this a picture of a {value}?"
    )


def weather(sampler: Sampler) -> Template:
    """What weather."""
    return sampler.template(draw_weather, WEATHER, "What is the weather like?", "Is the weather in this image {value}?")


def mood(sampler: Sampler) -> Template:
    """Which expression."""
    return sampler.template(draw_face, MOODS, "How does this person feel?", "Does this person look {value}?")


def pattern(sampler: Sampler) -> Template:
    """Which pattern a painting is made of."""
    question = "What pattern does the painting have?"
    return sampler.template(draw_painting, PATTERNS, question, "Is this painting made of {value}?")
