"""Street scenes: traffic lights, direction signs, speed limits, cars, the way a road bends.

How they are drawn, and the questions about them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cambrian_eval.demo.miniature.canvas import COLORS, GRAY, INK, PAPER, Canvas
from cambrian_eval.demo.miniature.places import GRASS, SKY
from cambrian_eval.demo.miniature.sampling import Look, Sampler, Template

if TYPE_CHECKING:
    from PIL.Image import Image

LIGHTS = ("red", "yellow", "green")
WAYS = ("left", "straight", "right")
SPEEDS = ("20", "30", "50", "60", "70", "80", "90")
_CAR_COLORS = ("red", "blue", "yellow", "black", "green")


def _street(look: Look) -> Canvas:
    canvas = Canvas(look)
    canvas.rectangle(0, 0, 128, 56, canvas.tone(SKY), None)
    canvas.rectangle(0, 56, 128, 128, canvas.tone(GRASS), None)
    canvas.polygon([(46, 56), (82, 56), (126, 128), (2, 128)], canvas.tone((105, 108, 115)), None)
    return canvas


def _car(canvas: Canvas, x: float, y: float, size: float, color: str) -> None:
    fill = canvas.tone(color)
    canvas.polygon(
        [
            (x - size * 0.6, y - size * 0.35),
            (x - size * 0.35, y - size * 0.8),
            (x + size * 0.35, y - size * 0.8),
            (x + size * 0.6, y - size * 0.35),
        ],
        (200, 230, 250),
    )
    canvas.rectangle(x - size, y - size * 0.4, x + size, y + size * 0.2, fill)
    for side in (-0.55, 0.55):
        canvas.ellipse(x + size * side, y + size * 0.22, size * 0.24, size * 0.24, INK)


def draw_light(look: Look, value: str) -> Image:
    """A traffic light beside the road with one lamp lit."""
    canvas = _street(look)
    x = canvas.rng.choice((30, 64, 98)) + canvas.jitter(5)
    canvas.rectangle(x - 3, 82, x + 3, 122, INK, None)
    canvas.rectangle(x - 16, 6, x + 16, 84, (45, 45, 50), INK, 2)
    for i, color in enumerate(LIGHTS):
        lit = color == value
        canvas.ellipse(x, 19 + 26 * i, 11, 11, COLORS[color] if lit else (85, 85, 90))
    return canvas.finish()


def draw_way(look: Look, value: str) -> Image:
    """A round blue sign with a white arrow."""
    canvas = _street(look)
    x, y = 64 + canvas.jitter(14), 50 + canvas.jitter(5)
    canvas.rectangle(x - 3, y + 36, x + 3, 126, GRAY)
    canvas.ellipse(x, y, 42, 42, canvas.tone("blue"), INK, 2)
    ends = {
        "left": ((x + 26, y), (x - 29, y)),
        "right": ((x - 26, y), (x + 29, y)),
        "straight": ((x, y + 26), (x, y - 29)),
    }
    canvas.arrow(*ends[value], PAPER, 9, 26)
    return canvas.finish()


def draw_speed(look: Look, value: str) -> Image:
    """A speed limit sign."""
    canvas = _street(look)
    x, y = 64 + canvas.jitter(12), 52 + canvas.jitter(5)
    canvas.rectangle(x - 3, y + 36, x + 3, 126, GRAY)
    canvas.ellipse(x, y, 44, 44, PAPER, canvas.tone("red"), 8)
    canvas.text(x, y, value, 42, INK, bold=1)
    return canvas.finish()


def draw_bend(look: Look, value: str) -> Image:
    """A road ahead that bends to one side or is straight."""
    canvas = Canvas(look)
    canvas.rectangle(0, 0, 128, 40, canvas.tone(SKY), None)
    canvas.rectangle(0, 40, 128, 128, canvas.tone(GRASS), None)
    drift = {"left": -48, "straight": 0, "right": 48}[value]
    left, right = [], []
    for i in range(9):
        way = i / 8
        middle, half = 64 + drift * way**2, 38 * (1 - way) + 9 * way
        y = 128 - 88 * way
        left.append((middle - half, y))
        right.append((middle + half, y))
    canvas.polygon(left + right[::-1], canvas.tone((95, 98, 105)), PAPER, 3)
    return canvas.finish()


def draw_cars(look: Look, value: str) -> Image:
    """Some cars on a street seen from above."""
    canvas = Canvas(look)
    canvas.rectangle(0, 12, 128, 116, canvas.tone((150, 152, 158)), None)
    places = [(x, y) for y in (36, 70, 104) for x in (34, 94)]
    canvas.rng.shuffle(places)
    for x, y in places[: int(value)]:
        _car(canvas, x + canvas.jitter(6), y + canvas.jitter(3), 22, canvas.rng.choice(_CAR_COLORS))
    return canvas.finish()


def draw_car_side(look: Look, value: str) -> Image:
    """One car ahead on the left, in the middle or on the right of the road."""
    canvas = _street(look)
    x = {"left": 32, "middle": 64, "right": 96}[value]
    _car(canvas, x + canvas.jitter(4), 100 + canvas.jitter(6), 23, canvas.rng.choice(_CAR_COLORS))
    return canvas.finish()


def draw_crossing(look: Look, value: str) -> Image:
    """A street with or without a person on it."""
    canvas = _street(look)
    x, y = 64 + canvas.jitter(22), 78 + canvas.jitter(6)
    for i in range(5):
        canvas.rectangle(22 + 18 * i, 98, 32 + 18 * i, 114, PAPER, None)
    if value == "Yes":
        canvas.ellipse(x, y - 28, 9, 9, canvas.tone((245, 205, 165)))
        canvas.rectangle(x - 9, y - 18, x + 9, y + 12, canvas.tone(canvas.rng.choice(_CAR_COLORS)))
        canvas.line([(x - 5, y + 12), (x - 7, y + 36)], INK, 5)
        canvas.line([(x + 5, y + 12), (x + 7, y + 36)], INK, 5)
    return canvas.finish()


def draw_front(look: Look, value: str) -> Image:
    """A car seen from the side, driving to the left or to the right."""
    canvas = _street(look)
    x, y, way = 64 + canvas.jitter(8), 92 + canvas.jitter(6), 1 if value == "right" else -1
    fill = canvas.tone(canvas.rng.choice(_CAR_COLORS))
    outline = [(-48, 8), (-48, -30), (10, -30), (24, -12), (48, -10), (48, 8)]
    canvas.polygon([(x + dx * way, y + dy) for dx, dy in outline], fill, INK, 2)
    canvas.polygon([(x + dx * way, y + dy) for dx, dy in ((-6, -26), (8, -26), (18, -12), (-6, -12))], (215, 240, 255))
    canvas.ellipse(x + 45 * way, y - 2, 5, 5, canvas.tone("yellow"))
    for wheel in (-28, 28):
        canvas.ellipse(x + wheel * way, y + 9, 11, 11, INK)
    return canvas.finish()


def light(sampler: Sampler) -> Template:
    """The color of the lamp that is lit."""
    return sampler.template(draw_light, LIGHTS, "What color is the traffic light?", "Is the traffic light {value}?")


def way(sampler: Sampler) -> Template:
    """Where a direction sign points."""
    return sampler.template(draw_way, WAYS, "Which way does the sign tell us to go?")


def speed(sampler: Sampler) -> Template:
    """The number on a speed limit sign."""
    return sampler.template(draw_speed, SPEEDS, "What is the speed limit on the sign?")


def bend(sampler: Sampler) -> Template:
    """Where the road goes."""
    return sampler.template(draw_bend, WAYS, "Where does the road ahead go?")


def cars(sampler: Sampler) -> Template:
    """How many cars there are."""
    return sampler.template(draw_cars, ("1", "2", "3", "4", "5"), "How many cars are there?")


def car_side(sampler: Sampler) -> Template:
    """On which part of the road the car ahead is."""
    return sampler.template(draw_car_side, ("left", "middle", "right"), "Where is the car in front of us?")


def crossing(sampler: Sampler) -> Template:
    """Whether somebody is on the street."""
    return sampler.template(draw_crossing, ("Yes", "No"), "Is there a person on the road?")


def facing(sampler: Sampler) -> Template:
    """Which way a car drives."""
    return sampler.template(draw_front, ("left", "right"), "Which way is the car facing?")
