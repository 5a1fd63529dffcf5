"""Distance: which of two objects is closer to an anchor object.

The interval rule (every point of A, plus the offset, nearer than every point of B) must hold with
the anchor read as its centre, as its corners and as its surface; none of the three implies
another. The surface reading is exact: the farthest point of A is a corner of A, the nearest point
of B comes from the distance between the two boxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b

import numpy as np

from cvbench_builder.candidates import Table, Why, pairs_within, spans, table
from cvbench_builder.catalog import Catalog, Floats, Ints
from cvbench_builder.geometry import Cuboids, cuboid_distance, cuboids, distance_bounds, point_to_cuboid
from cvbench_builder.settings import Settings
from cvbench_builder.tasks.space import EPSILON, drawing_conflict, outdoors, usable_and_not

MARGINS = ("centre", "corner", "surface")
_PAIRS = 60_000
_CACHED = 2_000
"""Pairs measured at a time, few enough for the processor's cache."""


def candidates(catalog: Catalog, s: Settings) -> Iterator[Table]:
    """The unusable cuboids, then every anchor with two others of different classes, whole images at a time."""
    usable, rejected = usable_and_not(catalog, s, "Distance", MARGINS)
    yield rejected
    starts, lengths = spans(catalog.object_image[usable])
    triples = np.cumsum(lengths.astype(np.int64) ** 3)
    done = 0
    while done < len(starts):
        # whole images, until their triples fill a bounded piece of memory
        base = triples[done - 1] if done else 0
        stop = max(int(np.searchsorted(triples, base + 20 * _PAIRS)), done + 1)
        rows = usable[starts[done] : starts[stop - 1] + lengths[stop - 1]]
        yield _triples(catalog, s, rows)
        done = stop


def _triples(catalog: Catalog, s: Settings, rows: Ints) -> Table:
    image, kind = catalog.object_image[rows], catalog.object_class[rows]
    box = catalog.object_box[rows]
    bodies = cuboids(catalog.corners[rows])
    # ordered pairs (anchor, other) of different classes; a triple is two pairs with one anchor
    anchor, other = pairs_within(image, image)
    keep = kind[anchor] != kind[other]
    anchor, other = anchor[keep], other[keep]
    centre, corner, surface_far = _intervals(bodies, anchor, other)
    p, q = pairs_within(anchor, anchor)
    keep = (p < q) & (kind[other[p]] != kind[other[q]])
    p, q = p[keep], q[keep]
    # where the rule holds, the nearer object's far end is the nearer far end, in every reading
    far = {"centre": centre[:, 1], "surface": surface_far}.get(s.anchor_metric, corner[:, 1])
    first = far[p] <= far[q]
    x, y = np.where(first, p, q), np.where(first, q, p)
    with_anchor = drawing_conflict(box[anchor], box[other], s)
    why = with_anchor[p] | with_anchor[q] | drawing_conflict(box[other[p]], box[other[q]], s)
    fixed = s.offset("Distance", outdoors(catalog))
    margins = np.full((len(p), 3), np.nan)
    for k, (name, value, reason) in enumerate(
        (("centre", centre, Why.CENTRE_DISAGREES), ("corner", corner, Why.CORNER_DISAGREES))
    ):
        margins[:, k] = value[y, 0] - value[x, 1]
        if s.anchor_metric in ("all", name):
            needed = np.maximum(fixed, s.distance_ratio * value[x, 1])
            why[margins[:, k] < needed - EPSILON] |= int(reason)
    needed = np.maximum(fixed, s.distance_ratio * surface_far[x])
    if s.anchor_metric in ("all", "surface"):
        _surface(bodies, (anchor, other), (x, y), surface_far, needed, why)
    objects = np.stack([rows[anchor[p]], rows[other[p]], rows[other[q]]], axis=1)
    _cap(catalog, s, image[anchor[p]], objects, why)
    return table(
        "Distance",
        MARGINS,
        len(p),
        image=image[anchor[p]],
        objects=objects,
        kind=kind[anchor[p]],
        answer=np.where(first, 0, 1),
        why=why,
        margins=margins,
    )


def _intervals(bodies: Cuboids, anchor: Ints, other: Ints) -> tuple[Floats, Floats, Floats]:
    """Per pair: nearest and farthest corner of the other one from the anchor's centre and from its
    corners, and the farthest one from its surface."""
    n = len(anchor)
    centre, corner, surface = np.zeros((n, 2)), np.zeros((n, 2)), np.zeros(n)
    for start in range(0, n, _CACHED):
        rows = slice(start, start + _CACHED)
        points, at = bodies.corners[other[rows]], bodies.take(anchor[rows])
        x, y, z = np.ascontiguousarray(points.transpose(2, 1, 0))  # pairs along the last axis
        squares = [
            (x - c[:, 0]) ** 2 + (y - c[:, 1]) ** 2 + (z - c[:, 2]) ** 2
            for c in (at.centre, *(at.corners[:, k] for k in range(8)))
        ]
        for column, square in ((centre, squares[0]), (corner, np.minimum.reduce(squares[1:]))):
            column[rows] = np.sqrt(np.stack([square.min(axis=0), square.max(axis=0)], axis=1))
        surface[rows] = point_to_cuboid(points, at).max(axis=1)
    return centre, corner, surface


def _surface(
    bodies: Cuboids,
    pair: tuple[Ints, Ints],
    chosen: tuple[Ints, Ints],
    surface_far: Floats,
    needed: Floats,
    why: Ints,
) -> None:
    """The surface reading, exactly, for the triples that the cheap readings have left."""
    anchor, other = pair
    x, y = chosen
    left = np.flatnonzero(why == 0)
    if not len(left):
        return
    wanted, back = np.unique(y[left], return_inverse=True)
    a, b = bodies.take(anchor[wanted]), bodies.take(other[wanted])
    low, high = distance_bounds(a, b)
    # the bounds decide most triples; the exact distance is for those between them
    far = surface_far[x[left]] + needed[left] - EPSILON
    undecided = np.zeros(len(wanted), bool)
    np.logical_or.at(undecided, back, (high[back] >= far) & (low[back] < far))
    nearest = np.where(undecided, 0.0, low)
    rows = np.flatnonzero(undecided)
    nearest[rows] = cuboid_distance(a.take(rows), b.take(rows))
    passed = np.where(undecided[back], nearest[back] >= far, low[back] >= far)
    why[left[~passed]] |= int(Why.SURFACE_DISAGREES)


def complete(catalog: Catalog, t: Table) -> Table:
    """The table with the exact surface margin of every row that has two compared objects."""
    rows = np.flatnonzero((t.objects >= 0).all(axis=1))
    if t.task != "Distance" or not len(rows):
        return t
    place = np.arange(len(rows))
    nearer = t.answer[rows]
    anchor, x, y = (
        cuboids(catalog.corners[o])
        for o in (t.objects[rows, 0], t.objects[rows][place, 1 + nearer], t.objects[rows][place, 2 - nearer])
    )
    margins = t.margins.copy()
    margins[rows, 2] = cuboid_distance(anchor, y) - point_to_cuboid(x.corners, anchor).max(axis=1)
    return replace(t, margins=margins)


def _cap(catalog: Catalog, s: Settings, image: Ints, objects: Ints, why: Ints) -> None:
    """At most so many candidates of one image, the first by hash."""
    if not s.triples_per_image:
        return
    rows = np.flatnonzero(why == 0)
    rows = rows[np.argsort(image[rows], kind="stable")]
    starts, lengths = spans(image[rows])
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        if length <= s.triples_per_image:
            continue
        crowd = rows[start : start + length]
        ids = catalog.object_id[objects[crowd]]
        marks = [blake2b(f"{s.seed}|{'|'.join(t)}".encode(), digest_size=8).digest() for t in ids.tolist()]
        kept = sorted(range(length), key=lambda i: marks[i])[s.triples_per_image :]
        why[crowd[kept]] |= int(Why.OVER_IMAGE_CAP)
