"""How much of a cuboid the other cuboids of its image hide, for annotations that do not say it.

Rays from the camera through a grid of points over the outline of a cuboid are followed to the first cuboid that each
of them enters. The hidden share is the share of the cuboid's rays that enter another one first. Cuboids that contain
the camera hide nothing. Nothing but the cuboids is known, so an object inside another one (books in a bookcase) counts
as hidden by it, and an object that no cuboid describes (a wall) hides nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvbench_builder.candidates import pairs_within, spans
from cvbench_builder.catalog import Bools, Floats, Ints
from cvbench_builder.geometry import Cuboids, cuboids, in_pieces

Float32s = NDArray[np.float32]

_GRID = 6
"""Rays per side of the bounding box of a cuboid's outline."""
_PAIRS = 1_000
"""Pairs of cuboids whose rays are followed at a time, few enough for the processor's cache."""


def hidden_shares(image: Ints, corners: Floats, solid: Bools, wanted: Bools) -> Floats:
    """For each wanted cuboid the share that the solid ones of its image hide; -1 for the others.

    `image` is sorted. Corners [n, 8, 3] are those of `Catalog.corners`; cuboids that reach behind the camera take no
    part.
    """
    shares = np.full(len(image), -1.0)
    rows = np.flatnonzero(solid & (corners[:, :, 2].min(axis=1) > 0.01)) if len(image) else np.zeros(0, np.int64)
    if not len(rows):
        return shares
    bodies = cuboids(corners[rows])
    low, high = np.zeros((2, len(rows))), np.zeros((2, len(rows)))
    near, far = np.zeros(len(rows)), np.zeros(len(rows))
    for piece, points in in_pieces(bodies.corners):
        outline = points[:2] / points[2]
        low[:, piece], high[:, piece] = outline.min(axis=1), outline.max(axis=1)
        near[piece], far[piece] = points[2].min(axis=0), points[2].max(axis=0)
    frames = bodies.frames()
    asked = np.flatnonzero(wanted[rows])
    a, b = pairs_within(image[rows[asked]], image[rows])
    a = asked[a]
    # only what overlaps in the image and is not entirely behind can hide something
    possible = (a != b) & (near[b] < far[a])
    a, b = a[possible], b[possible]
    for axis in (0, 1):
        possible = (low[axis, a] < high[axis, b]) & (low[axis, b] < high[axis, a])
        a, b = a[possible], b[possible]
    shares[rows[asked]] = 0.0
    grid_x, grid_y = (v.ravel() for v in np.meshgrid(*[(np.arange(_GRID) + 0.5) / _GRID] * 2))
    start = 0
    while start < len(a):
        stop = min(start + _PAIRS, len(a))
        while stop < len(a) and a[stop] == a[stop - 1]:  # all pairs of one cuboid together
            stop += 1
        firsts, lengths = spans(a[start:stop])
        chosen = a[start:stop][firsts]
        place = np.repeat(np.arange(len(chosen)), lengths)
        corner, side = low[:, chosen, None], (high[:, chosen] - low[:, chosen])[:, :, None]
        x = (corner[0] + side[0] * grid_x).astype(np.float32)
        y = (corner[1] + side[1] * grid_y).astype(np.float32)
        own = _entries(x, y, frames.take(chosen))
        others = _entries(x[place], y[place], frames.take(b[start:stop]))
        covered = np.logical_or.reduceat(others < own[place], firsts, axis=0)
        seen = np.isfinite(own)
        total = np.maximum(seen.sum(axis=1), 1)
        shares[rows[chosen]] = (covered & seen).sum(axis=1) / total
        start = stop
    return shares


def _entries(x: Float32s, y: Float32s, bodies: Cuboids) -> Float32s:
    """[n, k]: where each ray (x, y, 1) [n, k] from the camera enters the box n, in units of its length.

    Infinite where it does not; a box around the camera is entered nowhere.
    """
    enter, leave = np.full(x.shape, -np.inf, np.float32), np.full(x.shape, np.inf, np.float32)
    for axis in range(3):
        turn = bodies.axes[:, axis].astype(np.float32)
        center = (bodies.center * bodies.axes[:, axis]).sum(axis=1).astype(np.float32)[:, None]
        half = bodies.half[:, axis, None].astype(np.float32)
        along = x * turn[:, 0, None] + y * turn[:, 1, None] + turn[:, 2, None]
        inverse = 1 / np.where(np.abs(along) < 1e-9, np.float32(1e-9), along)
        middle, reach = center * inverse, half * np.abs(inverse)
        np.maximum(enter, middle - reach, out=enter)
        np.minimum(leave, middle + reach, out=leave)
    return np.where((enter <= leave) & (enter > 0), enter, np.float32(np.inf))
