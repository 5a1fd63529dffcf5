"""Rooms with depth: objects standing on a floor under a pinhole camera, with boxes drawn around them.

The camera, the objects and the two questions: which object is nearer to the camera, and which is nearer to a third
object. An object's height in the image and its size follow from its position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from cambrian_eval.demo.miniature.canvas import INK, Canvas, Rgb
from cambrian_eval.demo.miniature.sampling import Look, Sampler, Sketch

if TYPE_CHECKING:
    from PIL.Image import Image

OBJECTS = ("chair", "table", "lamp", "box", "plant", "barrel", "sofa", "cone")
BOXES: dict[str, Rgb] = {"red": (255, 0, 0), "blue": (0, 0, 255), "green": (0, 255, 0)}
_HORIZON, _FOCAL, _EYE = 30.0, 118.0, 1.5


@dataclass(frozen=True)
class PlacedObject:
    """An object on the floor: meters to the right, meters ahead, meters tall, and the color of its box."""

    name: str
    x: float
    z: float
    tall: float
    box: str

    def frame(self) -> tuple[float, float, float, float]:
        """The box around it in the image: left, top, right, bottom."""
        foot = _HORIZON + _FOCAL * _EYE / self.z
        middle = 64 + _FOCAL * self.x / self.z
        height = _FOCAL * self.tall / self.z
        half = height * 0.4
        return middle - half, foot - height, middle + half, foot


def room(look: Look, things: Sequence[PlacedObject]) -> Image:
    """The room, the objects from back to front, then the boxes."""
    canvas = Canvas(look, plain=True)
    canvas.rectangle(0, 0, 128, 52, canvas.tone((225, 218, 200)), None)
    canvas.rectangle(0, 52, 128, 128, canvas.tone((190, 170, 145)), None)
    for x in (-60, 10, 64, 118, 188):
        canvas.line([(64 + (x - 64) * 0.3, 52), (x, 128)], (172, 152, 128), 1)
    for thing in sorted(things, key=lambda t: -t.z):
        _object(canvas, thing)
    for thing in things:
        left, top, right, bottom = thing.frame()
        canvas.rectangle(left - 2, top - 2, right + 2, bottom + 2, None, BOXES[thing.box], 2)
    return canvas.finish()


def _object(canvas: Canvas, thing: PlacedObject) -> None:
    left, top, right, bottom = thing.frame()
    w, h = right - left, bottom - top

    def block(x0: float, y0: float, x1: float, y1: float, fill: Rgb) -> None:
        canvas.rectangle(left + w * x0, top + h * y0, left + w * x1, top + h * y1, fill, INK, 1)

    def outline(points: Sequence[tuple[float, float]], fill: Rgb) -> None:
        canvas.polygon([(left + w * x, top + h * y) for x, y in points], fill, INK, 1)

    wood, green, gray = canvas.tone((150, 95, 50)), canvas.tone((50, 140, 60)), canvas.tone((120, 125, 135))
    if thing.name == "chair":
        for x in (0.05, 0.75):
            block(x, 0.5, x + 0.2, 1, wood)
        block(0.05, 0, 0.25, 0.6, wood)
        block(0.05, 0.45, 0.95, 0.62, wood)
    elif thing.name == "table":
        for x in (0.08, 0.78):
            block(x, 0.25, x + 0.14, 1, wood)
        block(0, 0.1, 1, 0.3, wood)
    elif thing.name == "lamp":
        block(0.45, 0.4, 0.55, 0.95, gray)
        block(0.25, 0.92, 0.75, 1, gray)
        outline([(0.3, 0), (0.7, 0), (0.95, 0.42), (0.05, 0.42)], canvas.tone((250, 225, 90)))
    elif thing.name == "box":
        block(0, 0.15, 1, 1, canvas.tone((200, 155, 95)))
        block(0.42, 0.15, 0.58, 1, canvas.tone((235, 205, 150)))
    elif thing.name == "plant":
        outline([(0.2, 0.62), (0.8, 0.62), (0.7, 1), (0.3, 1)], canvas.tone((190, 90, 50)))
        canvas.ellipse(left + w / 2, top + h * 0.32, w * 0.45, h * 0.32, green, INK, 1)
    elif thing.name == "barrel":
        block(0.1, 0.02, 0.9, 1, canvas.tone((110, 120, 160)))
        block(0.1, 0.3, 0.9, 0.38, gray)
        block(0.1, 0.66, 0.9, 0.74, gray)
    elif thing.name == "sofa":
        block(0, 0.25, 1, 1, canvas.tone((120, 80, 140)))
        block(0.18, 0.6, 0.82, 0.85, canvas.tone((160, 120, 180)))
    else:
        outline([(0.5, 0), (0.85, 0.92), (0.15, 0.92)], canvas.tone((245, 120, 30)))
        block(0, 0.9, 1, 1, canvas.tone((245, 120, 30)))


def depth(sampler: Sampler, nearer: int) -> tuple[Sketch, list[str], list[list[float]]]:
    """Two objects, the `nearer`-th of them clearly nearer to the camera: image, names, boxes."""
    names = sampler.rng.sample(OBJECTS, 2)
    close, far = sampler.rng.uniform(2.1, 2.7), sampler.rng.uniform(3.9, 5.6)
    sides = sampler.rng.sample((-1.0, 1.0), 2)
    things = []
    for i, box in enumerate(("red", "blue")):
        z = close if i == nearer else far
        x = sides[i] * sampler.rng.uniform(0.24, 0.3) * z
        things.append(PlacedObject(names[i], x, z, sampler.rng.uniform(0.9, 1.1), box))
    return _seen(sampler.look(), things, names)


def distance(sampler: Sampler, nearer: int) -> tuple[Sketch, list[str], list[list[float]]]:
    """A red-boxed anchor and two objects, the `nearer`-th clearly nearer to it: image, names, boxes.

    Names come as anchor, first, second. All three are about equally far from the camera, so that distance on
    the floor is visible as distance in the image.
    """
    names = sampler.rng.sample(OBJECTS, 3)
    z = sampler.rng.uniform(3.4, 4.0)
    way = sampler.rng.choice((-1.0, 1.0))
    anchor = -way * sampler.rng.uniform(0.1, 0.25)
    near_x = anchor - way * sampler.rng.uniform(0.92, 1.02)
    far_x = anchor + way * sampler.rng.uniform(1.38, 1.45)
    places = (near_x, far_x) if nearer == 0 else (far_x, near_x)
    things = [PlacedObject(names[0], anchor, z, 0.95, "red")]
    for name, x, box in zip(names[1:], places, ("blue", "green"), strict=True):
        things.append(PlacedObject(name, x, z + sampler.rng.uniform(-0.15, 0.15), sampler.rng.uniform(0.85, 1.0), box))
    return _seen(sampler.look(), things, names)


def _seen(look: Look, things: list[PlacedObject], names: list[str]) -> tuple[Sketch, list[str], list[list[float]]]:
    boxes = [[round(edge, 1) for edge in thing.frame()] for thing in things]
    return partial(room, look, tuple(things)), names, boxes
