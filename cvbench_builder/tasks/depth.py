"""Depth: which of two objects is closer to the camera.

A is closer when even its farthest corner, plus the offset, is nearer than the nearest corner of B.
Two other readings must agree: depth along the optical axis, and distance to the surface (the
nearest corner of a long object can be far beyond its nearest side).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cvbench_builder.candidates import Table, Why, pairs_within, table
from cvbench_builder.catalog import Catalog
from cvbench_builder.geometry import cuboids, point_to_cuboid
from cvbench_builder.settings import Settings
from cvbench_builder.tasks.space import EPSILON, drawing_conflict, outdoors, usable_and_not

MARGINS = ("corner", "z", "surface")
_CHUNK = 20_000


def candidates(catalog: Catalog, s: Settings) -> Iterator[Table]:
    """The unusable cuboids, then every pair of usable ones of different classes, piece by piece."""
    usable, rejected = usable_and_not(catalog, s, "Depth", MARGINS)
    yield rejected
    if not len(usable):
        return
    corners = catalog.corners[usable]
    reach = np.linalg.norm(corners, axis=2)
    far, near = reach.max(axis=1), reach.min(axis=1)
    z_far, z_near = corners[:, :, 2].max(axis=1), corners[:, :, 2].min(axis=1)
    surface = point_to_cuboid(np.zeros((len(usable), 1, 3)), cuboids(corners))[:, 0]
    image = catalog.object_image[usable]
    kind = catalog.object_class[usable]
    fixed = s.offset("Depth", outdoors(catalog))
    for start in range(0, len(usable), _CHUNK):
        a, b = pairs_within(image[start : start + _CHUNK], image)
        a = a + start
        keep = (a < b) & (kind[a] != kind[b])
        a, b = a[keep], b[keep]
        why = drawing_conflict(catalog.object_box[usable[a]], catalog.object_box[usable[b]], s)
        # which of the two can be the nearer one at all
        first = far[a] + near[a] <= far[b] + near[b]
        x, y = np.where(first, a, b), np.where(first, b, a)
        offset = np.maximum(fixed, s.depth_ratio * near[y])
        margins = np.stack([near[y] - far[x], z_near[y] - z_far[x], surface[y] - surface[x]], axis=1)
        why[margins[:, 0] < offset - EPSILON] |= int(Why.OFFSET_NOT_MET)
        why[margins[:, 1] < -EPSILON] |= int(Why.Z_DISAGREES)
        why[margins[:, 2] < offset - EPSILON] |= int(Why.SURFACE_DISAGREES)
        yield table(
            "Depth",
            MARGINS,
            len(a),
            image=image[a],
            objects=np.stack([usable[a], usable[b]], axis=1),
            kind=kind[a],
            answer=np.where(first, 0, 1),
            why=why,
            margins=margins,
        )
