"""Relation: where is A with respect to B, on the image plane.

Candidates are all ordered pairs of usable objects of different classes on both axes. The answer
is that of two boxes which do not even touch on the asked axis, so no choice of reference points
inside them can change it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cvbench_builder.candidates import ABOVE, BELOW, LEFT, RIGHT, Soft, Table, Why, pairs_within, table
from cvbench_builder.catalog import Catalog, Ints, Pic
from cvbench_builder.geometry import overlap_of_smaller
from cvbench_builder.settings import Settings
from cvbench_builder.tasks.plane import object_reasons, presence

MARGINS = ("gap", "centre_offset")
_CHUNK = 20_000


def candidates(catalog: Catalog, settings: Settings) -> Iterator[Table]:
    """The unusable objects, then every ordered pair of usable ones, horizontal and vertical, piece by piece."""
    why = object_reasons(catalog, settings)
    groups = presence(catalog, settings, why)
    crowded = groups.crowd[groups.group_of]
    why[crowded] |= int(Why.CROWD)
    # a name that something else in the image answers to is not unique, even if its class is alone
    alone = (groups.whole == 1) & ~groups.part & ~groups.clash
    alone &= (groups.why & int(Why.MASK_CONFLICT)) == 0
    unique = alone[groups.group_of]
    yield _unusable(catalog, why)
    usable = np.flatnonzero(why == 0)
    for start in range(0, len(usable), _CHUNK):
        queried = usable[start : start + _CHUNK]
        first = catalog.object_image[queried[0]]
        last = catalog.object_image[queried[-1]]
        anchors = usable[(catalog.object_image[usable] >= first) & (catalog.object_image[usable] <= last)]
        a, b = pairs_within(catalog.object_image[queried], catalog.object_image[anchors])
        a, b = queried[a], anchors[b]
        different = catalog.object_class[a] != catalog.object_class[b]
        a, b = a[different], b[different]
        clash = groups.clash_matrix[catalog.object_class[a], catalog.object_class[b]]
        yield from (_axis(catalog, settings, a, b, axis, unique, clash) for axis in (0, 1))


def _unusable(catalog: Catalog, why: Ints) -> Table:
    """Objects that are out before any pair is formed, one row each."""
    rows = np.flatnonzero(why)
    objects = np.stack([rows, np.full(len(rows), -1)], axis=1)
    kind = catalog.object_class[rows]
    image = catalog.object_image[rows]
    return table("Relation", MARGINS, len(rows), image=image, objects=objects, kind=kind, why=why[rows])


def _axis(catalog: Catalog, s: Settings, a: Ints, b: Ints, axis: int, unique: Ints, clash: Ints) -> Table:
    image = catalog.object_image[a]
    side = (catalog.image_height if axis else catalog.image_width)[image].astype(np.float64)
    one, two = catalog.object_box[a], catalog.object_box[b]
    low1, high1, low2, high2 = one[:, axis], one[:, axis + 2], two[:, axis], two[:, axis + 2]
    gap = np.maximum(low2 - high1, low1 - high2) / side
    offset = ((low1 + high1) - (low2 + high2)) / 2 / side
    other = np.abs((one[:, 1 - axis] + one[:, 3 - axis]) - (two[:, 1 - axis] + two[:, 3 - axis])) / 2
    why = np.zeros(len(a), np.int64)
    why[clash] |= int(Why.CLASH)
    why[overlap_of_smaller(one, two) >= s.max_overlap] |= int(Why.OVERLAP)
    # 1e-9: a gap of exactly 2 % written in decimals must not fail by its last bit
    near = gap < s.min_gap - 1e-9
    soft_axis = (gap < 0) & (np.abs(offset) >= s.soft_gap)
    why[near & ~(soft_axis if s.soft_relation else np.zeros(len(a), bool))] |= int(Why.GAP_TOO_SMALL)
    if s.require_dominant_axis:
        why[np.abs(offset) * side < other] |= int(Why.NOT_DOMINANT_AXIS)
    if not s.mark_anchor:
        why[~unique[b]] |= int(Why.ANCHOR_NOT_UNIQUE)
    if axis:
        rotated = (catalog.image_flags[image] & int(Pic.ROTATED)) != 0
        why[rotated] |= int(Why.ROTATED_IMAGE)
    before, after = (ABOVE, BELOW) if axis else (LEFT, RIGHT)
    soft = np.where(unique[a], 0, int(Soft.MARKED)) | np.where(unique[b], 0, int(Soft.MARKED_ANCHOR))
    soft |= np.where(near, int(Soft.OVERLAPPING_PROJECTIONS), 0)
    return table(
        "Relation",
        MARGINS,
        len(a),
        image=image,
        objects=np.stack([a, b], axis=1),
        kind=catalog.object_class[a],
        answer=np.where(offset < 0, before, after),
        why=why,
        soft=soft,
        margins=np.stack([gap, np.abs(offset)], axis=1),
    )
