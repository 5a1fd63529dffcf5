"""Textbook diagrams: a plant with labelled parts, food chains, cycles, layers, magnets, particles, maps.

Their drawing and the questions about them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from cambrian_eval.demo.miniature.canvas import COLORS, INK, PAPER, Canvas
from cambrian_eval.demo.miniature.sampling import Look, Sampler, Sketch, Template

if TYPE_CHECKING:
    from PIL.Image import Image

LABELS = ("P", "Q", "R", "S")
PARTS = {"flower": (64, 24), "leaf": (90, 62), "stem": (64, 84), "root": (50, 112)}
ANIMALS = ("ant", "bee", "cat", "cow", "dog", "fox", "hen", "owl", "pig", "rat")
STATES = ("solid", "liquid", "gas")
LAYER_COLORS = ("red", "green", "blue", "yellow", "purple", "orange")
COMPASS = {"north": (64, 20), "east": (106, 66), "south": (64, 110), "west": (22, 66)}
MARKS = {"period": ".", "question mark": "?", "exclamation mark": "!"}


def _tag(canvas: Canvas, x: float, y: float, letter: str) -> None:
    canvas.rectangle(x - 10, y - 10, x + 10, y + 10, PAPER, INK, 1.5)
    canvas.text(x, y, letter, 18, bold=0.6)


def draw_plant(look: Look, letters: Mapping[str, str], pointed: str) -> Image:
    """A plant whose parts have boxed letters; with `pointed`, an arrow marks that part instead."""
    canvas = Canvas(look)
    canvas.rectangle(0, 96, 128, 128, canvas.tone((185, 140, 95)), None)
    green = canvas.tone((60, 160, 70))
    for tip in (-26, 0, 24):
        canvas.line([(56, 94), (56 + tip, 124)], canvas.tone((245, 230, 200)), 4)
    canvas.line([(56, 96), (56, 36)], green, 6)
    canvas.ellipse(76, 58, 20, 9, green)
    canvas.ellipse(36, 70, 20, 9, green)
    for petal in range(6):
        angle = petal * math.pi / 3
        canvas.ellipse(56 + 15 * math.cos(angle), 28 + 15 * math.sin(angle), 9, 9, canvas.tone("pink"))
    canvas.ellipse(56, 28, 9, 9, canvas.tone("yellow"))
    places = {"flower": (72, 28), "leaf": (92, 58), "stem": (59, 84), "root": (74, 112)}
    for part, (x, y) in places.items():
        if pointed == part:
            canvas.arrow((124, y), (x, y), COLORS["red"], 5, 15)
        elif not pointed:
            canvas.line([(x, y), (108, y)], INK, 1.5)
            _tag(canvas, 114, y, letters[part])
    return canvas.finish()


def draw_chain(look: Look, names: Sequence[str]) -> Image:
    """A food chain from top to bottom, an arrow from the eaten to the eater."""
    canvas = Canvas(look)
    step = 128 / len(names)
    for i, name in enumerate(names):
        y = step * (i + 0.5)
        canvas.rectangle(28, y - 14, 100, y + 14, PAPER, INK, 1.5)
        canvas.text(64, y - 1, name, 23, bold=0.6)
        if i:
            canvas.arrow((64, y - step + 14), (64, y - 14), COLORS["red"], 3, 9)
    return canvas.finish()


def draw_cycle(look: Look, colors: Sequence[str]) -> Image:
    """Four colored stages around a circle, arrows running clockwise."""
    canvas = Canvas(look)
    for i, color in enumerate(colors):
        angle = math.radians(90 * i - 90)
        x, y = 64 + 44 * math.cos(angle), 64 + 44 * math.sin(angle)
        canvas.ellipse(x, y, 17, 17, canvas.tone(color))
        first, last = math.radians(90 * i - 90 + 28), math.radians(90 * i - 90 + 64)
        ends = [(64 + 46 * math.cos(a), 64 + 46 * math.sin(a)) for a in (first, last)]
        canvas.arrow(ends[0], ends[1], INK, 3, 10)
    return canvas.finish()


def draw_layers(look: Look, colors: Sequence[str], letters: Sequence[str]) -> Image:
    """Layers of ground, each with a boxed letter."""
    canvas = Canvas(look)
    high = 116 / len(colors)
    for i, (color, letter) in enumerate(zip(colors, letters, strict=True)):
        top = 6 + high * i
        canvas.rectangle(6, top, 122, top + high, canvas.tone(color), INK, 1.5)
        _tag(canvas, 100, top + high / 2, letter)
    return canvas.finish()


def draw_magnets(look: Look, value: str) -> Image:
    """Two bar magnets with their poles facing each other."""
    canvas = Canvas(look)
    first = canvas.rng.choice(("NS", "SN"))
    second = first if value == "attract" else first[::-1]
    for left, poles in ((4, first), (68, second)):
        for i, pole in enumerate(poles):
            x = left + 28 * i
            fill = canvas.tone("red" if pole == "N" else "blue")
            canvas.rectangle(x, 44, x + 28, 84, fill, INK, 2)
            canvas.text(x + 14, 64, pole, 26, PAPER, bold=1)
    return canvas.finish()


def draw_particles(look: Look, value: str) -> Image:
    """A jar of particles: packed in rows, crowded at the bottom, or far apart."""
    canvas = Canvas(look)
    canvas.rectangle(12, 8, 116, 120, PAPER, INK, 3)
    dots: list[tuple[float, float]]
    if value == "solid":
        dots = [(22 + 14 * i, 110 - 14 * j) for i in range(7) for j in range(5)]
    elif value == "liquid":
        dots = [(22 + 14 * i + canvas.jitter(5), 109 - 15 * j + canvas.jitter(5)) for i in range(7) for j in range(3)]
    else:
        dots = [(30 + 34 * i + canvas.jitter(10), 28 + 36 * j + canvas.jitter(10)) for i in range(3) for j in range(3)]
    color = canvas.tone("blue")
    for x, y in dots:
        canvas.ellipse(x, y, 6.5, 6.5, color, INK, 1)
    return canvas.finish()


def draw_map(look: Look, colors: Mapping[str, str]) -> Image:
    """A map of four colored regions around a compass rose."""
    canvas = Canvas(look)
    for name, (x, y) in COMPASS.items():
        canvas.ellipse(x, y, 17, 16, canvas.tone(colors[name]))
    canvas.arrow((64, 84), (64, 44), INK, 4, 12)
    canvas.line([(48, 66), (80, 66)], INK, 3)
    canvas.text(76, 50, "N", 16, bold=0.75)
    return canvas.finish()


def draw_mark(look: Look, value: str) -> Image:
    """A card with a short sentence that ends with a punctuation mark."""
    canvas = Canvas(look)
    canvas.rectangle(6, 24, 122, 104, PAPER, INK, 2)
    canvas.text(52, 64, canvas.rng.choice(("Go", "We", "It", "Up")), 44, bold=1)
    canvas.text(98, 64, MARKS[value], 62, COLORS["red"], bold=1.5)
    return canvas.finish()


def part_marked(sampler: Sampler) -> Template:
    """Which part of the plant the arrow marks."""
    look = sampler.look()

    def image(value: str) -> Sketch:
        return partial(draw_plant, look, {}, value)

    return Template("Which part of the plant does the red arrow point to?", tuple(PARTS), image)


def letter_of_part(sampler: Sampler) -> Template:
    """Which letter stands at a part of the plant."""
    look, part, rest = sampler.look(), sampler.rng.choice(tuple(PARTS)), sampler.rng.sample(LABELS, 4)

    def image(value: str) -> Sketch:
        others = [letter for letter in rest if letter != value]
        letters = dict(zip([p for p in PARTS if p != part], others, strict=True))
        return partial(draw_plant, look, {**letters, part: value}, "")

    return Template(f"Which label shows the {part}?", LABELS, image)


def eater(sampler: Sampler) -> Template:
    """Who eats the first animal of a chain of three."""
    prey, *rest = sampler.rng.sample(ANIMALS, len(ANIMALS))
    look = sampler.look()

    def image(value: str) -> Sketch:
        top = next(name for name in rest if name != value)
        return partial(draw_chain, look, (prey, value, top))

    return Template(f"According to the food chain, what eats the {prey}?", tuple(sorted(rest)), image)


def next_stage(sampler: Sampler) -> Template:
    """Which stage of a cycle follows another."""
    before, *rest = sampler.rng.sample(LAYER_COLORS, len(LAYER_COLORS))
    look, turn = sampler.look(), sampler.rng.randrange(4)

    def image(value: str) -> Sketch:
        others = [color for color in rest if color != value][:2]
        stages = [before, value, *others]
        return partial(draw_cycle, look, stages[turn:] + stages[:turn])

    return Template(f"Which stage of the cycle comes right after the {before} one?", tuple(sorted(rest)), image)


def layer_color(sampler: Sampler) -> Template:
    """The color of the layer with a given letter."""
    letters = sampler.rng.sample(LABELS, 3)
    asked = sampler.rng.randrange(3)
    look, rest = sampler.look(), sampler.rng.sample(LAYER_COLORS, len(LAYER_COLORS))

    def image(value: str) -> Sketch:
        colors = [color for color in rest if color != value][:2]
        colors.insert(asked, value)
        return partial(draw_layers, look, colors, letters)

    return Template(f"What color is the layer labeled {letters[asked]}?", LAYER_COLORS, image)


def magnets(sampler: Sampler) -> Template:
    """Whether two magnets attract each other."""
    return sampler.template(draw_magnets, ("attract", "repel"), "Will these magnets attract or repel each other?")


def particles(sampler: Sampler) -> Template:
    """Which state of matter the particles show."""
    return sampler.template(draw_particles, STATES, "Which state of matter does the diagram show?")


def mark(sampler: Sampler) -> Template:
    """Which mark ends a sentence."""
    return sampler.template(draw_mark, tuple(MARKS), "Which punctuation mark ends the sentence on the card?")


def region(sampler: Sampler) -> Template:
    """Which colored region lies in a given direction."""
    side = sampler.rng.choice(tuple(COMPASS))
    look, rest = sampler.look(), sampler.rng.sample(LAYER_COLORS, len(LAYER_COLORS))

    def image(value: str) -> Sketch:
        others = [color for color in rest if color != value]
        colors = dict(zip([s for s in COMPASS if s != side], others, strict=False))
        return partial(draw_map, look, {**colors, side: value})

    return Template(f"Which region of the map lies farthest {side}?", LAYER_COLORS, image)
