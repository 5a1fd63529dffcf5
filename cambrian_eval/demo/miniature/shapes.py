"""Scenes of coloured shapes: what colour, what shape, how many, where, which is bigger.

Owns the layout of shapes and the questions about them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from cambrian_eval.demo.miniature.canvas import COLORS, SHAPES, Canvas, Rgb
from cambrian_eval.demo.miniature.deal import Ask, Deck, Look, Sketch

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
    """The shapes, each a little off its place and size, and the boxes around them."""
    canvas = Canvas(look)
    for item in items:
        canvas.shape(
            item.shape, item.color, item.x + canvas.jitter(5), item.y + canvas.jitter(5),
            item.r * (1 + canvas.jitter(0.12)),
        )  # fmt: skip
    for frame in frames:
        reach = frame.r * 1.2 + 6
        box = (frame.x - reach, frame.y - reach, frame.x + reach, frame.y + reach)
        canvas.rectangle(*box, None, frame.color, 2.5)
    return canvas.finish()


def color_of(deck: Deck, values: tuple[str, ...] = COLOR_NAMES) -> Ask:
    """The colour of one of two shapes."""
    shape, other = deck.rng.sample(SHAPES, 2)
    look, swap, beside = deck.look(), deck.rng.random() < 0.5, deck.rng.choice(COLOR_NAMES)
    near, far = ((64, 40), (64, 98)) if deck.rng.random() < 0.5 else ((36, 64), (94, 64))
    here, there = (near, far) if swap else (far, near)

    def image(value: str) -> Sketch:
        return partial(scene, look, (Item(shape, value, *here, 24), Item(other, beside, *there, 18)))

    return Ask(f"What color is the {shape}?", values, image, f"Is the {shape} {{value}}?")


def shape_of(deck: Deck, values: tuple[str, ...] = SHAPES) -> Ask:
    """The shape of the object that has a given colour."""
    color, other = deck.rng.sample(COLOR_NAMES, 2)
    look, beside = deck.look(), deck.rng.choice(SHAPES)
    here, there = deck.rng.sample([(36, 64), (94, 64)], 2)

    def image(value: str) -> Sketch:
        return partial(scene, look, (Item(value, color, *here, 25), Item(beside, other, *there, 18)))

    return Ask(f"What shape is the {color} object?", values, image, f"Is the {color} object a {{value}}?")


def presence(deck: Deck) -> Ask:
    """Which shape there is: two shapes are shown, the value is one of them."""
    look, colors, cells = (
        deck.look(),
        deck.rng.sample(COLOR_NAMES, 2),
        deck.rng.sample([(36, 64), (94, 64)], 2),
    )
    shift = deck.rng.randrange(1, len(SHAPES))

    def image(value: str) -> Sketch:
        second = SHAPES[(SHAPES.index(value) + shift) % len(SHAPES)]
        pairs = zip((value, second), colors, cells, strict=True)
        return partial(scene, look, tuple(Item(s, c, *cell, 24) for s, c, cell in pairs))

    return Ask("Which shape is in this image?", SHAPES, image, "Is there a {value} in this image?")


def count_of(deck: Deck, values: tuple[str, ...], noun: str = "", distractors: bool = True) -> Ask:
    """How many of one shape there are; up to two shapes of another kind stand among them."""
    shape, other = deck.rng.sample(SHAPES, 2)
    color, beside = deck.rng.sample(COLOR_NAMES, 2)
    cells = deck.rng.sample(CELLS, len(CELLS))
    look, extra = deck.look(), deck.rng.randrange(3) if distractors else 0

    def image(value: str) -> Sketch:
        n = int(value)
        places = cells[: min(len(cells), n + extra)]
        items = [
            Item(shape if i < n else other, color if i < n else beside, *cell, 12) for i, cell in enumerate(places)
        ]
        return partial(scene, look, tuple(items))

    name = noun or (f"{shape}es" if shape.endswith("s") else f"{shape}s")
    return Ask(
        f"How many {name} are in the image?",
        values,
        image,
        f"Is the number of {name} in this image {{value}}?",
    )


def where_is(deck: Deck) -> Ask:
    """In which corner the shape of a given colour lies; others lie in the other corners."""
    color, *rest = deck.rng.sample(COLOR_NAMES, 4)
    shapes = deck.rng.choices(SHAPES, k=4)
    look, others = deck.look(), deck.rng.randrange(4)

    def image(value: str) -> Sketch:
        free = [place for name, place in CORNERS.items() if name != value]
        items = [Item(shapes[0], color, *CORNERS[value], 21)]
        pairs = zip(shapes[1:], rest, free, strict=True)
        items += [Item(s, c, *place, 21) for s, c, place in list(pairs)[:others]]
        return partial(scene, look, tuple(items))

    question = f"Where in the image is the {color} shape?"
    return Ask(question, tuple(CORNERS), image, f"Is the {color} shape at the {{value}} of the image?")


SIDES = {
    "left": ((32, 64), (96, 64)),
    "right": ((96, 64), (32, 64)),
    "above": ((64, 32), (64, 96)),
    "below": ((64, 96), (64, 32)),
}


def relation(deck: Deck, words: tuple[str, ...], question: str, framed: bool = False, claim: str = "") -> Ask:
    """On which side of B shape A lies; `question` has {a} and {b} in it."""
    shapes, colors = deck.rng.sample(SHAPES, 2), deck.rng.sample(COLOR_NAMES, 2)
    look = deck.look()
    slant = deck.rng.uniform(-24, 24)

    def image(value: str) -> Sketch:
        (ax, ay), (bx, by) = SIDES[value]
        shift = (slant, 0.0) if value in ("above", "below") else (0.0, slant)
        first = Item(shapes[0], colors[0], ax + shift[0], ay + shift[1], 20)
        second = Item(shapes[1], colors[1], bx - shift[0], by - shift[1], 20)
        frames = (Frame((255, 0, 0), first.x, first.y, first.r),) if framed else ()
        return partial(scene, look, (first, second), frames)

    a, b = (f"{color} {shape}" for color, shape in zip(colors, shapes, strict=True))
    return Ask(question.format(a=a, b=b), words, image, claim.format(a=a, b=b, value="{value}"))


def bigger(deck: Deck) -> Ask:
    """Which of two shapes is the bigger one."""
    pair = deck.rng.sample(SHAPES, 2)
    colors = deck.rng.sample(COLOR_NAMES, 2)
    look, places = deck.look(), deck.rng.sample([(36, 64), (94, 64)], 2)

    def image(value: str) -> Sketch:
        sized = zip(pair, colors, places, strict=True)
        return partial(scene, look, tuple(Item(s, c, *p, 29 if s == value else 14) for s, c, p in sized))

    first, second = pair
    question = f"Which one is bigger, the {first} or the {second}?"
    return Ask(question, (first, second), image, "Is the {value} the bigger one?")


def inside(deck: Deck) -> Ask:
    """Which shape lies inside a frame; another lies outside it."""
    look, colors = deck.look(), deck.rng.sample(COLOR_NAMES, 2)
    (fx, fy), (ox, oy) = deck.rng.sample([(38, 64), (100, 64)], 2)
    shift = deck.rng.randrange(1, len(SHAPES))

    def image(value: str) -> Sketch:
        other = SHAPES[(SHAPES.index(value) + shift) % len(SHAPES)]
        items = (Item(value, colors[0], fx, fy, 17), Item(other, colors[1], ox, oy, 17))
        return partial(scene, look, items, (Frame((30, 30, 34), fx, fy, 17),))

    return Ask("Which shape is inside the black box?", SHAPES, image)
