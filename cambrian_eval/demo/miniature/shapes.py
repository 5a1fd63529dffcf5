"""Scenes of colored shapes: what color, what shape, how many, where, which is bigger.

The layout of shapes and the questions about them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from cambrian_eval.demo.miniature.canvas import COLORS, SHAPES, Canvas, Rgb
from cambrian_eval.demo.miniature.sampling import Look, Sampler, Sketch, Template

if TYPE_CHECKING:
    from PIL.Image import Image

COLOR_NAMES = tuple(COLORS)
CORNERS = {"top left": (36, 36), "top right": (92, 36), "bottom left": (36, 92), "bottom right": (92, 92)}
CELLS = tuple((x, y) for y in (25, 64, 103) for x in (25, 64, 103))


@dataclass(frozen=True)
class Item:
    """One shape on the image."""

    shape: str
    color: str
    x: float
    y: float
    r: float


@dataclass(frozen=True)
class Frame:
    """A box drawn around a place in the image to point it out."""

    color: Rgb
    x: float
    y: float
    r: float


def scene(look: Look, items: Sequence[Item], frames: Sequence[Frame] = ()) -> Image:
    """The shapes, with small random changes of place and size, and the boxes around them."""
    canvas = Canvas(look)
    for item in items:
        canvas.shape(
            item.shape,
            item.color,
            item.x + canvas.jitter(5),
            item.y + canvas.jitter(5),
            item.r * (1 + canvas.jitter(0.12)),
        )
    for frame in frames:
        reach = frame.r * 1.2 + 6
        box = (frame.x - reach, frame.y - reach, frame.x + reach, frame.y + reach)
        canvas.rectangle(*box, None, frame.color, 2.5)
    return canvas.finish()


def color_of(sampler: Sampler, values: tuple[str, ...] = COLOR_NAMES) -> Template:
    """The color of one of two shapes."""
    shape, other = sampler.rng.sample(SHAPES, 2)
    look, swap, beside = sampler.look(), sampler.rng.random() < 0.5, sampler.rng.choice(COLOR_NAMES)
    near, far = ((64, 40), (64, 98)) if sampler.rng.random() < 0.5 else ((36, 64), (94, 64))
    here, there = (near, far) if swap else (far, near)

    def image(value: str) -> Sketch:
        return partial(scene, look, (Item(shape, value, *here, 24), Item(other, beside, *there, 18)))

    return Template(f"What color is the {shape}?", values, image, f"Is the {shape} {{value}}?")


def shape_of(sampler: Sampler, values: tuple[str, ...] = SHAPES) -> Template:
    """The shape of the object that has a given color."""
    color, other = sampler.rng.sample(COLOR_NAMES, 2)
    look, beside = sampler.look(), sampler.rng.choice(SHAPES)
    here, there = sampler.rng.sample([(36, 64), (94, 64)], 2)

    def image(value: str) -> Sketch:
        return partial(scene, look, (Item(value, color, *here, 25), Item(beside, other, *there, 18)))

    return Template(f"What shape is the {color} object?", values, image, f"Is the {color} object a {{value}}?")


def presence(sampler: Sampler) -> Template:
    """Which shape there is: two shapes are shown, the value is one of them."""
    look, colors, cells = (
        sampler.look(),
        sampler.rng.sample(COLOR_NAMES, 2),
        sampler.rng.sample([(36, 64), (94, 64)], 2),
    )
    shift = sampler.rng.randrange(1, len(SHAPES))

    def image(value: str) -> Sketch:
        second = SHAPES[(SHAPES.index(value) + shift) % len(SHAPES)]
        pairs = zip((value, second), colors, cells, strict=True)
        return partial(scene, look, tuple(Item(s, c, *cell, 24) for s, c, cell in pairs))

    return Template("Which shape is in this image?", SHAPES, image, "Is there a {value} in this image?")


def count_of(sampler: Sampler, values: tuple[str, ...], noun: str = "", distractors: bool = True) -> Template:
    """How many of one shape there are; up to two shapes of another kind are among them."""
    shape, other = sampler.rng.sample(SHAPES, 2)
    color, beside = sampler.rng.sample(COLOR_NAMES, 2)
    cells = sampler.rng.sample(CELLS, len(CELLS))
    look, extra = sampler.look(), sampler.rng.randrange(3) if distractors else 0

    def image(value: str) -> Sketch:
        n = int(value)
        places = cells[: min(len(cells), n + extra)]
        items = [
            Item(shape if i < n else other, color if i < n else beside, *cell, 12) for i, cell in enumerate(places)
        ]
        return partial(scene, look, tuple(items))

    name = noun or (f"{shape}es" if shape.endswith("s") else f"{shape}s")
    return Template(
        f"How many {name} are in the image?",
        values,
        image,
        f"Is the number of {name} in this image {{value}}?",
    )


def where_is(sampler: Sampler) -> Template:
    """In which corner the shape of a given color is; others are in the other corners."""
    color, *rest = sampler.rng.sample(COLOR_NAMES, 4)
    shapes = sampler.rng.choices(SHAPES, k=4)
    look, others = sampler.look(), sampler.rng.randrange(4)

    def image(value: str) -> Sketch:
        free = [place for name, place in CORNERS.items() if name != value]
        items = [Item(shapes[0], color, *CORNERS[value], 21)]
        pairs = zip(shapes[1:], rest, free, strict=True)
        items += [Item(s, c, *place, 21) for s, c, place in list(pairs)[:others]]
        return partial(scene, look, tuple(items))

    question = f"Where in the image is the {color} shape?"
    return Template(question, tuple(CORNERS), image, f"Is the {color} shape at the {{value}} of the image?")


SIDES = {
    "left": ((32, 64), (96, 64)),
    "right": ((96, 64), (32, 64)),
    "above": ((64, 32), (64, 96)),
    "below": ((64, 96), (64, 32)),
}


def relation(
    sampler: Sampler, words: tuple[str, ...], question: str, framed: bool = False, claim: str = ""
) -> Template:
    """On which side of shape B shape A is; `question` has {a} and {b} in it."""
    shapes, colors = sampler.rng.sample(SHAPES, 2), sampler.rng.sample(COLOR_NAMES, 2)
    look = sampler.look()
    slant = sampler.rng.uniform(-24, 24)

    def image(value: str) -> Sketch:
        (ax, ay), (bx, by) = SIDES[value]
        shift = (slant, 0.0) if value in ("above", "below") else (0.0, slant)
        first = Item(shapes[0], colors[0], ax + shift[0], ay + shift[1], 20)
        second = Item(shapes[1], colors[1], bx - shift[0], by - shift[1], 20)
        frames = (Frame((255, 0, 0), first.x, first.y, first.r),) if framed else ()
        return partial(scene, look, (first, second), frames)

    a, b = (f"{color} {shape}" for color, shape in zip(colors, shapes, strict=True))
    return Template(question.format(a=a, b=b), words, image, claim.format(a=a, b=b, value="{value}"))


def bigger(sampler: Sampler) -> Template:
    """Which of two shapes is the bigger one."""
    pair = sampler.rng.sample(SHAPES, 2)
    colors = sampler.rng.sample(COLOR_NAMES, 2)
    look, places = sampler.look(), sampler.rng.sample([(36, 64), (94, 64)], 2)

    def image(value: str) -> Sketch:
        sized = zip(pair, colors, places, strict=True)
        return partial(scene, look, tuple(Item(s, c, *p, 29 if s == value else 14) for s, c, p in sized))

    first, second = pair
    question = f"Which one is bigger, the {first} or the {second}?"
    return Template(question, (first, second), image, "Is the {value} the bigger one?")


def inside(sampler: Sampler) -> Template:
    """Which shape is inside a frame; another is outside it."""
    look, colors = sampler.look(), sampler.rng.sample(COLOR_NAMES, 2)
    (fx, fy), (ox, oy) = sampler.rng.sample([(38, 64), (100, 64)], 2)
    shift = sampler.rng.randrange(1, len(SHAPES))

    def image(value: str) -> Sketch:
        other = SHAPES[(SHAPES.index(value) + shift) % len(SHAPES)]
        items = (Item(value, colors[0], fx, fy, 17), Item(other, colors[1], ox, oy, 17))
        return partial(scene, look, items, (Frame((30, 30, 34), fx, fy, 17),))

    return Template("Which shape is inside the black box?", SHAPES, image)
