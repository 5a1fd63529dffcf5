"""Random scenes: boards with colored pieces, rooms and yards with furniture.

A scene depends only on its random generator. The CV-Bench builder decides what is asked about it; the scenes vary the
number of objects of a kind, their relative positions and depths, and nearer objects are not always larger or lower.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random

import numpy as np

from cambrian_eval.demo.miniature.canvas import COLORS, SHAPES, Rgb
from cambrian_eval.demo.sources import backdrops, bodies
from cambrian_eval.demo.sources.bodies import FURNITURE, Body, Tone
from cambrian_eval.demo.sources.camera import Camera
from cambrian_eval.demo.sources.render import Scene

SIDE = 160
"""Side of an image in pixels. The demo checkpoint uses 64, so the lines of drawn boxes must not be too thin."""
EYE = 1.5
_TRIES = 400

Frame = tuple[float, float, float, float]


def board(rng: Random) -> Scene:
    """Pieces on a wall: two large ones with a small copy of the first beside the second, or several of a kind."""
    camera = Camera(SIDE, SIDE, 0.92 * SIDE)
    tone = _tone(rng)
    first, second = zip(rng.sample(SHAPES, 2), rng.sample(tuple(COLORS), 2), strict=True)
    spots: list[tuple[tuple[str, str], float, float, float]]
    compare = rng.random() < 0.42
    if compare:
        along, slant = rng.choice((-0.58, 0.58)), rng.uniform(-0.4, 0.4)
        x, y = (along, slant) if rng.random() < 0.5 else (slant, along)
        spots = [(first, x, y, 0.48), (second, -x, -y, 0.36)]
    else:
        cells = rng.sample([(x, y) for x in (-0.68, 0.0, 0.68) for y in (-0.68, 0.0, 0.68)], 9)
        kinds = [first] * rng.choice((1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7)) + [second] * rng.choice((0, 0, 0, 2))
        spots = [
            (kind, x + rng.uniform(-0.08, 0.08), y + rng.uniform(-0.08, 0.08), 0.215)
            for kind, (x, y) in zip(kinds, cells, strict=False)
        ]
    placed = []
    for (shape, color), x, y, radius in spots:
        size, z, yaw = radius * rng.uniform(0.95, 1.1), rng.uniform(2.0, 2.15), rng.uniform(-0.2, 0.2)
        placed.append(bodies.piece(shape, color, x, y, z, size, yaw, tone))
    if compare and rng.random() < 0.85:
        small = bodies.piece(*first, 0.0, 0.0, placed[1].center[2], rng.uniform(0.18, 0.22), 0.0, tone)
        _add(placed, lambda: _beside(rng, small, placed[1]), camera, overlap=0.0, solid=False)
    tint = rng.randrange(228, 256), rng.randrange(228, 256), rng.randrange(228, 256)
    return Scene(camera, tuple(placed), backdrops.board(camera, tint), backdrops.BOARD, "board")


def _beside(rng: Random, body: Body, other: Body) -> Body:
    """The body close to another one, on one of its four sides, so that the gap is too small for a relation."""
    x, y, z = other.center
    across, along = (other.length + body.length) / 2 + 0.02, (other.height + body.height) / 2 + 0.02
    shift = rng.uniform(-0.4, 0.4)
    if rng.random() < 0.5:
        return replace(body, center=(x + rng.choice((-across, across)), y + shift * other.height, z))
    return replace(body, center=(x + shift * other.length, y + rng.choice((-along, along)), z))


def room(rng: Random) -> Scene:
    """A room with several pieces of one kind of furniture among others, all on the floor."""
    camera = Camera(SIDE, SIDE, 0.92 * SIDE, 0.28)
    tone = _tone(rng)
    names = rng.sample(FURNITURE, 4)
    wanted = [names[0]] * rng.choice((1, 1, 2, 3, 4)) + names[1 : rng.choice((2, 3, 4))]
    placed: list[Body] = []
    for name in wanted:

        def attempt(name: str = name) -> Body:
            return _standing(rng, name, (2.6, 5.4), EYE, tone, rng.uniform(0.85, 1.1))

        _add(placed, attempt, camera, overlap=0.05)
    return Scene(camera, tuple(placed), backdrops.room(camera, EYE, 8.0, tone), backdrops.ROOM, "room")


def depths(rng: Random, outdoors: bool) -> Scene:
    """Two to four objects at clearly different depths, some raised on plinths, the near ones often smaller."""
    camera, eye, stretch = _stage(rng, outdoors)
    tone = _tone(rng)
    levels = [rng.uniform(2.3, 2.9), rng.uniform(4.2, 5.8), rng.uniform(2.3, 5.8), rng.uniform(2.3, 5.8)]
    small_near = rng.random() < 0.6
    placed: list[Body] = []
    plinths: list[Body] = []
    for name, z in zip(rng.sample(FURNITURE, rng.choice((2, 2, 3, 4))), levels, strict=False):
        scale = rng.uniform(0.6, 0.8) if small_near and z < 3.5 else rng.uniform(0.9, 1.15)
        if small_near and z > 3.5:
            scale *= 1.35
        raised = rng.uniform(0.55, 1.15) if z < 3.5 and rng.random() < 0.62 else 0.0

        def attempt(name: str = name, z: float = z, scale: float = scale, raised: float = raised) -> Body:
            spread = (z * stretch, (z + 0.2) * stretch)
            return _standing(rng, name, spread, eye - raised * stretch, tone, scale * stretch)

        if _add(placed, attempt, camera, overlap=0.3, spill=0.15 if rng.random() < 0.15 else 0.0) and raised:
            plinths.append(bodies.plinth(placed[-1], eye, tone))
    return _staged(camera, eye, [*placed, *plinths], outdoors, tone)


def distances(rng: Random, outdoors: bool) -> Scene:
    """An object with one object close to it and another one far away, in any order; sometimes a fourth."""
    camera, eye, stretch = _stage(rng, outdoors)
    tone = _tone(rng)
    while True:  # most arrangements do not fit into the image; try again
        names = rng.sample(FURNITURE, 4)
        placed = _trio(rng, names, eye, stretch, tone)
        frames = [frame(camera, body) for body in placed]
        if all(_inside(camera, f, 0.0) for f in frames) and not _collide(frames, 0.12):
            break
    if rng.random() < 0.3:

        def bystander() -> Body:
            depth = (2.6 * stretch, 6 * stretch)
            return _standing(rng, names[3], depth, eye, tone, stretch * rng.uniform(0.6, 0.9))

        _add(placed, bystander, camera, overlap=0.1)
    return _staged(camera, eye, placed, outdoors, tone)


def _trio(rng: Random, names: list[str], eye: float, stretch: float, tone: Tone) -> list[Body]:
    """The anchor, an object close to it and one far from it, on two sides of it or on the same side."""
    z, way, side = rng.uniform(3.2, 4.4), rng.choice((-1.0, 1.0)), rng.choice((-1.0, -1.0, 1.0))
    made = [
        bodies.furniture(name, 0.0, eye, 0.0, rng.uniform(0.62, 0.85) * stretch, rng.uniform(-0.35, 0.35), tone)
        for name in names[:3]
    ]
    # distances depend on the sizes, so that no kind of object is the near one more often than others
    anchor, close, away = (0.5 * body.length / stretch for body in made)
    near = anchor + close + rng.uniform(0.04, 0.2)
    far = near + close + away + rng.uniform(0.3, 0.5)
    middle = rng.uniform(-1.5, 1.5)
    spots = (
        (middle, z),
        (middle + side * way * near, z + rng.uniform(-0.25, 0.25)),
        (middle + way * far, z + rng.uniform(-0.5, 0.5)),
    )
    return [
        replace(body, center=(x * stretch, body.center[1], depth * stretch))
        for body, (x, depth) in zip(made, spots, strict=True)
    ]


def frame(camera: Camera, body: Body) -> Frame:
    """The box of the projected cuboid, which may exceed the image: left, top, right, bottom."""
    points = camera.project(camera.turn(body.corners()))
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def _stage(rng: Random, outdoors: bool) -> tuple[Camera, float, float]:
    """The camera, its height, and the size of the scene relative to a room."""
    stretch = 2.6 if outdoors else 1.0
    focal = rng.uniform(0.9, 1.0) * SIDE
    eye = EYE * stretch * rng.uniform(0.95, 1.1)
    return Camera(SIDE, SIDE, focal, rng.uniform(0.24, 0.3)), eye, stretch


def _staged(camera: Camera, eye: float, placed: Iterable[Body], outdoors: bool, tone: Tone) -> Scene:
    if outdoors:
        return Scene(camera, tuple(placed), backdrops.yard(camera, eye, tone), backdrops.YARD, "yard")
    return Scene(camera, tuple(placed), backdrops.room(camera, eye, 8.0, tone), backdrops.ROOM, "room")


def _standing(rng: Random, name: str, depth: tuple[float, float], foot: float, tone: Tone, scale: float) -> Body:
    z = rng.uniform(*depth)
    x = rng.uniform(-0.48, 0.48) * z
    return bodies.furniture(name, x, foot, z, scale, rng.uniform(-0.4, 0.4), tone)


def _add(
    placed: list[Body],
    attempt: Callable[[], Body],
    camera: Camera,
    overlap: float,
    spill: float = 0.0,
    solid: bool = True,
) -> bool:
    """Place one more body inside the image where it hides little of the others; False: there is no space."""
    taken = [frame(camera, body) for body in placed]
    for _ in range(_TRIES // 4):
        body = attempt()
        box = frame(camera, body)
        if not _inside(camera, box, spill) or any(_collide([box, other], overlap) for other in taken):
            continue
        if solid and any(_touching(body, other) for other in placed):
            continue
        placed.append(body)
        return True
    return False


def _inside(camera: Camera, box: Frame, spill: float) -> bool:
    """Whether the box is inside the image, except for `spill` of its width at the sides."""
    left, top, right, bottom = box
    out = spill * (right - left)
    margin = 2 if not spill else -out
    fits = left >= margin and right <= camera.width - margin
    return fits and top >= 2 and bottom <= camera.height - 2


def _collide(frames: list[Frame], share: float) -> bool:
    """Whether any pair overlaps by more than this share of the smaller one."""
    for i, a in enumerate(frames):
        for b in frames[:i]:
            wide = min(a[2], b[2]) - max(a[0], b[0])
            high = min(a[3], b[3]) - max(a[1], b[1])
            smaller = min((f[2] - f[0]) * (f[3] - f[1]) for f in (a, b))
            if wide > 0 and high > 0 and wide * high > share * smaller:
                return True
    return False


def _touching(a: Body, b: Body) -> bool:
    """Whether the two could intersect at some rotation."""
    (ax, ay, az), (bx, by, bz) = a.center, b.center
    reach = math.hypot(a.length, a.width) / 2 + math.hypot(b.length, b.width) / 2
    level = abs(ay - by) < (a.height + b.height) / 2
    return level and math.hypot(ax - bx, az - bz) < reach


def _tone(rng: Random) -> Tone:
    """Colors with small random variations."""

    def tone(color: Rgb) -> Rgb:
        red, green, blue = (int(np.clip(part + rng.randint(-8, 8), 0, 255)) for part in color)
        return red, green, blue

    return tone
