"""Figures of geometry, measurement and simple physics: polygons, angles, clocks, levers, circuits, sums.

Their drawing and the questions about them.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from cambrian_eval.demo.miniature.canvas import COLORS, GRAY, INK, PAPER, Canvas
from cambrian_eval.demo.miniature.sampling import Look, Sampler, Sketch, Template

if TYPE_CHECKING:
    from PIL.Image import Image

ANGLES = ("30°", "60°", "90°", "120°", "150°")
TENTHS = tuple(f"0.{n}" for n in range(1, 10))
HUNDREDTHS = ("1.25", "2.50", "3.75", "4.20", "5.60", "6.80", "7.35", "8.15", "9.40")
SIDES = ("3", "4", "5", "6", "8")
HOURS = tuple(str(n) for n in range(1, 13))
LENGTHS = tuple(str(n) for n in range(1, 10))


def draw_polygon(look: Look, value: str) -> Image:
    """A regular polygon."""
    canvas = Canvas(look)
    n, turn = int(value), canvas.rng.uniform(-0.3, 0.3)
    points = [
        (64 + 52 * math.sin(turn + 2 * math.pi * i / n), 66 - 52 * math.cos(turn + 2 * math.pi * i / n))
        for i in range(n)
    ]
    canvas.polygon(points, canvas.tone(canvas.rng.choice(("yellow", "green", "pink", "orange"))), INK, 3)
    return canvas.finish()


def draw_angle(look: Look, value: str) -> Image:
    """Two arms with an angle between them."""
    canvas = Canvas(look)
    degrees = int(value.rstrip("°"))
    x, y = 64 - 26 * math.cos(math.radians(degrees / 2)), 96
    tip = math.radians(degrees)
    canvas.line([(x + 66, y), (x, y), (x + 72 * math.cos(tip), y - 72 * math.sin(tip))], canvas.tone("blue"), 5)
    canvas.arc(x, y, 24, -degrees, 0, canvas.tone("red"), 4)
    return canvas.finish()


def draw_square(look: Look, value: str) -> Image:
    """A square with the length of one side written in it."""
    canvas = Canvas(look)
    x, y = 64 + canvas.jitter(6), 62 + canvas.jitter(6)
    canvas.rectangle(x - 46, y - 46, x + 46, y + 46, canvas.tone((255, 235, 150)), INK, 3)
    canvas.text(x, y, f"{value} cm", 32, bold=0.8)
    return canvas.finish()


def draw_gauge(look: Look, value: str) -> Image:
    """A scale from 0 to 1, filled up to a multiple of a tenth."""
    canvas = Canvas(look)
    tenths = int(value[-1])
    canvas.rectangle(9, 44, 119, 84, PAPER, INK, 2)
    canvas.rectangle(9, 44, 9 + 11 * tenths, 84, canvas.tone("red"), INK, 2)
    for i in range(11):
        canvas.line([(9 + 11 * i, 84), (9 + 11 * i, 94 if i in (0, 5, 10) else 90)], INK, 2)
    canvas.text(9, 106, "0", 20)
    canvas.text(118, 106, "1", 20)
    return canvas.finish()


def draw_scale(look: Look, value: str) -> Image:
    """A digital display with a number on it."""
    canvas = Canvas(look)
    canvas.polygon([(22, 18), (106, 18), (124, 112), (4, 112)], canvas.tone(GRAY), INK, 2)
    canvas.rectangle(16, 46, 112, 92, (200, 235, 200), INK, 2)
    canvas.text(64, 69, value, 36, bold=0.8)
    return canvas.finish()


def draw_clock(look: Look, value: str) -> Image:
    """A clock at a full hour."""
    canvas = Canvas(look)
    canvas.ellipse(64, 64, 58, 58, PAPER, INK, 3)
    for hour in range(1, 13):
        angle = math.radians(30 * hour - 90)
        x, y = math.cos(angle), math.sin(angle)
        if hour % 3 == 0:
            canvas.text(64 + 46 * x, 64 + 46 * y, str(hour), 18, bold=0.5)
        else:
            canvas.line([(64 + 48 * x, 64 + 48 * y), (64 + 55 * x, 64 + 55 * y)], INK, 2)
    angle = math.radians(30 * int(value) - 90)
    canvas.line([(64, 64), (64, 26)], GRAY, 3)
    canvas.arrow((64, 64), (64 + 36 * math.cos(angle), 64 + 36 * math.sin(angle)), COLORS["red"], 6, 15)
    canvas.ellipse(64, 64, 5, 5, INK)
    return canvas.finish()


def draw_lever(look: Look, value: str) -> Image:
    """A seesaw that tips to the heavier side, or stays level."""
    canvas = Canvas(look)
    tip = {"left": 20, "right": -20, "neither": 0}[value]
    canvas.polygon([(64, 68), (42, 112), (86, 112)], canvas.tone((120, 120, 130)), INK, 2)
    canvas.line([(12, 66 + tip), (116, 66 - tip)], INK, 6)
    for x, y, color in ((24, 66 + tip * 0.8, "red"), (104, 66 - tip * 0.8, "blue")):
        canvas.rectangle(x - 13, y - 30, x + 13, y - 4, canvas.tone(color), INK, 2)
    return canvas.finish()


def draw_circuit(look: Look, value: str) -> Image:
    """A battery, a switch and a lamp: closed and lit, or open and dark."""
    canvas = Canvas(look)
    canvas.line([(48, 24), (16, 24), (16, 104), (112, 104), (112, 24), (84, 24)], INK, 3)
    closed = value == "yes"
    canvas.line([(48, 24), (84, 24) if closed else (78, 2)], canvas.tone("red"), 4)
    for x in (48, 84):
        canvas.ellipse(x, 24, 4, 4, INK)
    canvas.rectangle(44, 92, 84, 116, canvas.tone("orange"), INK, 2)
    canvas.ellipse(16, 64, 14, 14, PAPER, INK, 3)
    canvas.line([(7, 55), (25, 73)], INK, 2)
    canvas.line([(25, 55), (7, 73)], INK, 2)
    return canvas.finish()


def draw_cards(look: Look, *texts: str) -> Image:
    """A large text on each of one or two cards."""
    canvas = Canvas(look)
    high = 116 / len(texts)
    for i, text in enumerate(texts):
        top = 6 + high * i
        canvas.rectangle(8, top + 3, 120, top + high - 3, PAPER, INK, 2)
        size = min(canvas.fitting(text, 100, 50), high * 0.7)
        canvas.text(64, top + high / 2, text, size, bold=0.9)
    return canvas.finish()


def polygon_sides(sampler: Sampler) -> Template:
    """How many sides a polygon has."""
    return sampler.template(draw_polygon, SIDES, "How many sides does the polygon have?")


def angle(sampler: Sampler) -> Template:
    """How large an angle is."""
    return sampler.template(draw_angle, ANGLES, "How large is the marked angle?")


def side_length(sampler: Sampler) -> Template:
    """The side of a square."""
    return sampler.template(draw_square, LENGTHS, "How long is one side of the square?")


def gauge(sampler: Sampler) -> Template:
    """How far a bar is filled."""
    return sampler.template(draw_gauge, TENTHS, "What number does the red bar reach?")


def weight(sampler: Sampler) -> Template:
    """What a scale shows."""
    return sampler.template(draw_scale, HUNDREDTHS, "What number does the display show?")


def clock(sampler: Sampler) -> Template:
    """The hour on a clock."""
    return sampler.template(draw_clock, HOURS, "Which hour does the red hand of the clock show?")


def lever(sampler: Sampler) -> Template:
    """Which side of a seesaw is heavier."""
    return sampler.template(draw_lever, ("left", "right", "neither"), "Which side of the lever is heavier?")


def circuit(sampler: Sampler) -> Template:
    """Whether the lamp of a circuit is lit."""
    return sampler.template(draw_circuit, ("yes", "no"), "Will the lamp in this circuit be lit?")


def total(sampler: Sampler) -> Template:
    """The result of a sum on a card."""
    look, part = sampler.look(), sampler.rng.random()

    def image(value: str) -> Sketch:
        first = 1 + int(part * (int(value) - 1))
        return partial(draw_cards, look, f"{first}+{int(value) - first}")

    values = tuple(str(n) for n in range(2, 10))
    question = "What is the result of the sum in the image?"
    return Template(question, values, image, "Is {value} the answer to the sum in the image?")


def program(sampler: Sampler) -> Template:
    """What two lines of Python print."""
    look, part = sampler.look(), sampler.rng.random()

    def image(value: str) -> Sketch:
        first = 1 + int(part * (int(value) - 1))
        return partial(draw_cards, look, f"a={first}", f"print(a+{int(value) - first})")

    values = tuple(str(n) for n in range(2, 10))
    return Template("What does the program print?", values, image, "Does the program in the image print {value}?")


FRENCH = {
    "cat": "CHAT",
    "dog": "CHIEN",
    "bread": "PAIN",
    "milk": "LAIT",
    "water": "EAU",
    "red": "ROUGE",
    "book": "LIVRE",
    "hand": "MAIN",
}


def translation(sampler: Sampler) -> Template:
    """The English meaning of a French word."""
    look = sampler.look()

    def image(value: str) -> Sketch:
        return partial(draw_cards, look, FRENCH[value])

    question = "What does the French word in the image mean?"
    return Template(question, tuple(FRENCH), image, 'Does the French word in the image mean "{value}"?')


PAIRS = tuple(f"[{a}, {b}]" for a, b in ((1, 4), (2, 7), (3, 8), (5, 2), (6, 9), (7, 3), (8, 6), (9, 1), (4, 5)))


def pair(sampler: Sampler) -> Template:
    """Two numbers on two cards, as a list."""
    look = sampler.look()

    def image(value: str) -> Sketch:
        first, second = value.strip("[]").split(", ")
        return partial(draw_cards, look, first, second)

    return Template("Which numbers are on the cards, from top to bottom?", PAIRS, image)
