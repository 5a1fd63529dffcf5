"""Masks to polygons: the outlines that COCO and ADE20K store.

Outlines follow the borders of pixels, so that filling them gives the mask, except for holes, which neither format can
represent.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, int]
Outline = list[Corner]


def outlines(mask: NDArray[np.bool_]) -> list[Outline]:
    """The outer border of every region (pixels that touch at a corner are connected), clockwise, largest first."""
    onward = _borders(mask)
    loops = []
    while onward:
        start = min(onward)
        loop = [start]
        here, way = start, (0, 0)
        while True:
            ends = onward[here]
            there = _onward(here, way, ends)
            ends.remove(there)
            if not ends:
                del onward[here]
            way = (there[0] - here[0], there[1] - here[1])
            here = there
            if here == start:
                break
            loop.append(here)
        loops.append(_corners(loop))
    outer = [(area(loop), loop) for loop in loops]
    return [loop for size, loop in sorted(outer, key=lambda o: (-o[0], o[1])) if size > 0]


def area(loop: Outline) -> float:
    """The area; positive for a loop that is clockwise in the image (y points down)."""
    after = [*loop[1:], loop[0]]
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(loop, after, strict=True)) / 2


def _borders(mask: NDArray[np.bool_]) -> dict[Corner, list[Corner]]:
    """Unit steps around every pixel of the mask where it ends, the mask on their right."""
    padded = np.pad(mask, 1)
    onward: dict[Corner, list[Corner]] = defaultdict(list)
    sides = (
        ((-1, 0), (0, 0), (1, 0)),  # above: from the top left corner to the top right one
        ((0, 1), (1, 0), (1, 1)),
        ((1, 0), (1, 1), (0, 1)),
        ((0, -1), (0, 1), (0, 0)),
    )
    height, width = mask.shape
    for (down, right), (ax, ay), (bx, by) in sides:
        beyond = padded[1 + down : 1 + down + height, 1 + right : 1 + right + width]
        for y, x in np.argwhere(mask & ~beyond).tolist():
            onward[x + ax, y + ay].append((x + bx, y + by))
    return dict(onward)


def _onward(here: Corner, way: Corner, ends: list[Corner]) -> Corner:
    """The next corner. Where four borders meet, turning left goes around both pixels, which are one region."""
    if len(ends) == 1:
        return ends[0]
    left = (here[0] + way[1], here[1] - way[0])
    return left if left in ends else ends[0]


def _corners(loop: Outline) -> Outline:
    """The loop without the points inside straight lines."""
    kept = []
    for i, (x, y) in enumerate(loop):
        (ax, ay), (bx, by) = loop[i - 1], loop[(i + 1) % len(loop)]
        if (x - ax) * (by - y) != (y - ay) * (bx - x):
            kept.append((x, y))
    return kept
