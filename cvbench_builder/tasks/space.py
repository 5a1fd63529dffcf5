"""What Depth and Distance share: which cuboids are usable, offsets, drawing conflicts."""

from __future__ import annotations

import numpy as np

from cvbench_builder.candidates import Table, Why, table
from cvbench_builder.catalog import Catalog, Floats, Ints, Unfit
from cvbench_builder.geometry import contains_centre, overlap_of_smaller
from cvbench_builder.settings import Settings
from cvbench_builder.sources.omni3d import OUTDOOR, UNREAD

EPSILON = 1e-9
"""A margin that equals its offset in decimals must not fail by the last bit."""


def unfit_cuboids(catalog: Catalog, s: Settings) -> Ints:
    """The reader's verdict plus everything a setting can move."""
    unfit = catalog.object_unfit.copy()
    with np.errstate(invalid="ignore"):
        unfit[catalog.object_truncation > s.max_truncation] |= int(Unfit.TRUNCATED)
        known = catalog.object_visibility >= 0
        unfit[known & (catalog.object_visibility < s.min_visibility)] |= int(Unfit.NOT_VISIBLE)
    # boxes of objects that failed on a single number were never read
    boxed = (catalog.object_unfit & int(UNREAD | Unfit.NO_2D_BOX)) == 0
    unfit[boxed & (catalog.object_height > s.max_height)] |= int(Unfit.TOO_TALL)
    unfit[boxed & (catalog.object_height <= s.min_height)] |= int(Unfit.TOO_SHORT)
    sides = catalog.object_box[:, 2:] - catalog.object_box[:, :2]
    unfit[boxed & (sides < s.min_side_3d).any(axis=1)] |= int(Unfit.SIDE_TOO_SMALL)
    size = (catalog.image_width * catalog.image_height)[catalog.object_image]
    unfit[boxed & (sides.prod(axis=1) < s.min_area * size)] |= int(Unfit.AREA_TOO_SMALL)
    read = catalog.object_unfit == 0
    unfit[read & (catalog.corners[:, :, 2] <= s.min_z).any(axis=1)] |= int(Unfit.TOO_NEAR)
    return unfit


def usable_and_not(catalog: Catalog, s: Settings, task: str, margins: tuple[str, ...]) -> tuple[Ints, Table]:
    """Rows of the usable objects, and one rejected candidate for each of the others."""
    unfit = unfit_cuboids(catalog, s)
    bad_image = ~catalog.usable_image[catalog.object_image]
    why = np.where(unfit != 0, int(Why.UNFIT_CUBOID), 0) | np.where(bad_image, int(Why.IMAGE_UNUSABLE), 0)
    rows = np.flatnonzero(why)
    objects = np.full((len(rows), 3 if task == "Distance" else 2), -1, np.int64)
    objects[:, 0] = rows
    rejected = table(
        task,
        margins,
        len(rows),
        image=catalog.object_image[rows],
        objects=objects,
        kind=catalog.object_class[rows],
        why=why[rows],
        # here the column holds the reasons of the cuboid, which the listing spells out
        soft=unfit[rows],
    )
    return np.flatnonzero(why == 0), rejected


def outdoors(catalog: Catalog) -> bool:
    """Whether the component shows streets, where the offset is larger."""
    return catalog.component in OUTDOOR


def drawing_conflict(a: Floats, b: Floats, s: Settings) -> Ints:
    """Two drawn boxes that cannot be told apart."""
    why = np.where(overlap_of_smaller(a, b) > s.max_overlap_3d, int(Why.OVERLAP), 0)
    inside = contains_centre(a, b) | contains_centre(b, a)
    return np.asarray(why | np.where(inside, int(Why.CONTAINS_CENTRE), 0))
