"""Bodies: the objects of a scene, each a set of flat faces inside a tight cuboid.

Furniture looks like that of the miniature suite, but has depth; the pieces on a board are the suite's colored shapes
as plates. Faces are in units of the cuboid: x from -1/2 (left) to 1/2, y from 0 (top) to 1, z from -1/2 (front) to
1/2. `scenes` decides where bodies are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cambrian_eval.demo.miniature.canvas import COLORS, Rgb
from cambrian_eval.demo.sources.camera import Floats

Span = tuple[float, float]
Tone = Callable[[Rgb], Rgb]
"""Returns a slightly varied color."""

WOOD, GREEN, GRAY, CONCRETE = (150, 95, 50), (50, 140, 60), (120, 125, 135), (196, 194, 190)
ROUND = 14
"""Number of sides of round shapes."""


@dataclass(frozen=True)
class Face:
    """A flat part of a surface; between the faces of one part no line is drawn."""

    points: Floats
    color: Rgb
    part: int


@dataclass(frozen=True)
class Body:
    """An object: its cuboid (center, extents along x, y and z, rotation about the vertical) and its surface."""

    name: str
    """Empty: not annotated."""
    color: str
    """The name of the color, if it is part of the class name."""
    center: tuple[float, float, float]
    length: float
    height: float
    width: float
    yaw: float
    faces: tuple[Face, ...]

    @property
    def rotation(self) -> Floats:
        """From the axes of the body to those of the world."""
        s, c = math.sin(self.yaw), math.cos(self.yaw)
        return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])

    def place(self, units: Floats) -> Floats:
        """Points in units of the cuboid as world points."""
        own = (units - np.array([0.0, 0.5, 0.0])) * np.array([self.length, self.height, self.width])
        return np.asarray(own @ self.rotation.T + np.array(self.center))

    def corners(self) -> Floats:
        """The cuboid: its front clockwise from the top left, then its back in the same order."""
        ring = ((-0.5, 0.0), (0.5, 0.0), (0.5, 1.0), (-0.5, 1.0))
        return self.place(np.array([(x, y, z) for z in (-0.5, 0.5) for x, y in ring]))


class _Parts:
    """Collects the faces of a body."""

    def __init__(self) -> None:
        self.faces: list[Face] = []
        self._parts = 0

    def block(
        self, x: Span, y: Span, z: Span, color: Rgb, *, top: float = 1, bottom: float = 1, sides: int = 4
    ) -> None:
        """An upright prism that fills the three spans; its ends are scaled by `top` and `bottom`."""
        ring = _ring(sides)
        ends = [_level(x, z, ring, end, scale) for end, scale in ((y[0], top), (y[1], bottom))]
        self._skin(ends, color)

    def ball(self, x: Span, y: Span, z: Span, color: Rgb) -> None:
        """An ellipsoid that fills the three spans."""
        steps = 8
        ends = []
        for i in range(steps + 1):
            angle = math.pi * i / steps
            height = y[0] + (y[1] - y[0]) * (1 - math.cos(angle)) / 2
            ends.append(_level(x, z, _ring(ROUND), height, max(math.sin(angle), 1e-3)))
        self._skin(ends, color)

    def plate(self, outline: Sequence[tuple[float, float]], color: Rgb) -> None:
        """An upright plate with this outline, facing the front."""
        ends = [np.array([(x, y, z) for x, y in outline]) for z in (-0.5, 0.5)]
        self._skin(ends, color)

    def _skin(self, rings: list[Floats], color: Rgb) -> None:
        """Both ends, and quadrilaterals between consecutive rings."""
        shapes = [rings[0], rings[-1]]
        for first, second in pairwise(rings):
            n = len(first)
            shapes += [np.stack([first[i], first[(i + 1) % n], second[(i + 1) % n], second[i]]) for i in range(n)]
        self.faces += [Face(points, color, self._parts) for points in shapes]
        self._parts += 1


def _ring(sides: int) -> Floats:
    """A regular polygon, stretched to touch all four sides of the square from -1/2 to 1/2."""
    angles = math.pi / sides + 2 * math.pi * np.arange(sides) / sides
    ring = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    return np.asarray(ring / (2 * np.abs(ring).max(axis=0)))


def _level(x: Span, z: Span, ring: Floats, y: float, scale: float) -> Floats:
    flat = ring * scale * np.array([x[1] - x[0], z[1] - z[0]]) + np.array([sum(x) / 2, sum(z) / 2])
    return np.stack([flat[:, 0], np.full(len(flat), y), flat[:, 1]], axis=1)


_ALL: Span = (-0.5, 0.5)


def _chair(parts: _Parts, tone: Tone) -> None:
    wood = tone(WOOD)
    for x in ((-0.5, -0.34), (0.34, 0.5)):
        parts.block(x, (0.55, 1), (-0.5, -0.34), wood)
        parts.block(x, (0.55, 1), (0.34, 0.5), wood)
    parts.block(_ALL, (0, 0.5), (0.34, 0.5), wood)
    parts.block(_ALL, (0.46, 0.6), _ALL, wood)


def _table(parts: _Parts, tone: Tone) -> None:
    wood = tone(WOOD)
    for x in ((-0.46, -0.34), (0.34, 0.46)):
        for z in ((-0.44, -0.3), (0.3, 0.44)):
            parts.block(x, (0.15, 1), z, wood)
    parts.block(_ALL, (0, 0.18), _ALL, wood)


def _lamp(parts: _Parts, tone: Tone) -> None:
    gray = tone(GRAY)
    parts.block((-0.06, 0.06), (0.4, 0.95), (-0.06, 0.06), gray, sides=8)
    parts.block((-0.28, 0.28), (0.93, 1), (-0.28, 0.28), gray, sides=ROUND)
    parts.block(_ALL, (0, 0.44), _ALL, tone((250, 225, 90)), top=0.45, sides=ROUND)


def _box(parts: _Parts, tone: Tone) -> None:
    cardboard, tape = tone((200, 155, 95)), tone((235, 205, 150))
    parts.block(_ALL, (0.005, 1), (-0.495, 0.5), cardboard)
    parts.block((-0.08, 0.08), (0, 1), (-0.5, 0.495), tape)


def _plant(parts: _Parts, tone: Tone) -> None:
    parts.block((-0.3, 0.3), (0.62, 1), (-0.3, 0.3), tone((190, 90, 50)), bottom=0.65, sides=ROUND)
    parts.ball(_ALL, (0, 0.66), _ALL, tone(GREEN))


def _barrel(parts: _Parts, tone: Tone) -> None:
    metal, hoop = tone((110, 120, 160)), tone(GRAY)
    parts.block((-0.48, 0.48), (0, 1), (-0.48, 0.48), metal, sides=ROUND)
    for y in ((0.28, 0.37), (0.65, 0.74)):
        parts.block(_ALL, y, _ALL, hoop, sides=ROUND)


def _sofa(parts: _Parts, tone: Tone) -> None:
    cover, seat = tone((120, 80, 140)), tone((160, 120, 180))
    parts.block(_ALL, (0, 1), (0.2, 0.5), cover)
    for x in ((-0.5, -0.33), (0.33, 0.5)):
        parts.block(x, (0.3, 1), (-0.5, 0.2), cover)
    parts.block((-0.33, 0.33), (0.55, 1), (-0.48, 0.2), seat)


def _cone(parts: _Parts, tone: Tone) -> None:
    orange = tone((245, 120, 30))
    parts.block(_ALL, (0.9, 1), _ALL, orange)
    parts.block((-0.36, 0.36), (0, 0.9), (-0.36, 0.36), orange, top=0.06, sides=ROUND)


def _plinth(parts: _Parts, tone: Tone) -> None:
    parts.block(_ALL, (0, 1), _ALL, tone(CONCRETE))


_FURNITURE: dict[str, tuple[Callable[[_Parts, Tone], None], tuple[float, float, float]]] = {
    "chair": (_chair, (0.62, 0.92, 0.55)),
    "table": (_table, (0.85, 0.68, 0.58)),
    "lamp": (_lamp, (0.62, 1.1, 0.62)),
    "box": (_box, (0.66, 0.6, 0.5)),
    "plant": (_plant, (0.66, 0.95, 0.66)),
    "barrel": (_barrel, (0.62, 0.8, 0.62)),
    "sofa": (_sofa, (1.0, 0.72, 0.62)),
    "cone": (_cone, (0.56, 0.72, 0.56)),
}
FURNITURE = tuple(_FURNITURE)


def furniture(name: str, x: float, foot: float, z: float, scale: float, yaw: float, tone: Tone) -> Body:
    """A piece of furniture at (x, z) whose lowest point is at the height `foot`."""
    build, size = _FURNITURE[name]
    length, height, width = (scale * side for side in size)
    parts = _Parts()
    build(parts, tone)
    return Body(name, "", (x, foot - height / 2, z), length, height, width, yaw, tuple(parts.faces))


def plinth(under: Body, foot: float, tone: Tone) -> Body:
    """The pedestal of a raised body, down to the floor; it is not annotated."""
    x, y, z = under.center
    top = y + under.height / 2
    parts = _Parts()
    _plinth(parts, tone)
    center = (x, (top + foot) / 2, z)
    sides = 0.8 * under.length, foot - top, 0.8 * under.width
    return Body("", "", center, *sides, under.yaw, tuple(parts.faces))


def piece(shape: str, color: str, x: float, y: float, z: float, radius: float, yaw: float, tone: Tone) -> Body:
    """A colored shape as a plate, around (x, y) at a distance of z meters."""
    points = np.array(_OUTLINES[shape])
    low, high = points.min(axis=0), points.max(axis=0)
    units = (points - low) / (high - low) - np.array([0.5, 0.0])
    parts = _Parts()
    parts.plate([(float(u), float(v)) for u, v in units], tone(COLORS[color]))
    length, height = (float(side) for side in (high - low) * radius)
    middle = (low + high) / 2 * radius
    center = (x + float(middle[0]), y + float(middle[1]), z)
    return Body(shape, color, center, length, height, 0.2 * radius, yaw, tuple(parts.faces))


def _circle(corners: int) -> list[tuple[float, float]]:
    turns = [2 * math.pi * i / corners for i in range(corners)]
    return [(math.sin(t), -math.cos(t)) for t in turns]


def _star() -> list[tuple[float, float]]:
    reach = [1.1, 0.45] * 5
    return [(r * x, r * y) for r, (x, y) in zip(reach, _circle(10), strict=True)]


def _cross(half: float) -> list[tuple[float, float]]:
    arm = [(-half, -half), (-half, -1.0), (half, -1.0)]
    return [p for turn in range(4) for p in (_quarters(q, turn) for q in arm)]


def _quarters(point: tuple[float, float], turns: int) -> tuple[float, float]:
    x, y = point
    for _ in range(turns):
        x, y = -y, x
    return x, y


_OUTLINES = {
    "circle": _circle(28),
    "square": [(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)],
    "triangle": [(0.0, -1.05), (1.05, 0.85), (-1.05, 0.85)],
    "diamond": [(0.0, -1.15), (0.8, 0.0), (0.0, 1.15), (-0.8, 0.0)],
    "star": _star(),
    "cross": _cross(0.36),
}
