"""What Count and Relation share: which objects are usable, and what each class is like per image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvbench_builder.candidates import Why, pairs_within, spans
from cvbench_builder.catalog import Bools, Catalog, Ints, Obj
from cvbench_builder.geometry import iou
from cvbench_builder.settings import Settings
from cvbench_builder.words import clashes, is_stuff


@dataclass(frozen=True)
class Presence:
    """One row per image and class that occurs in it, sorted by image, then class."""

    image: Ints
    kind: Ints
    whole: Ints
    """Instances that are whole objects and no crowd region, however small or hidden."""
    why: Ints
    """Why this class cannot be counted here (object reasons of all instances together)."""
    flags: Ints
    clash: Bools
    """Another class of the image may be called the same."""
    part: Bools
    crowd: Bools
    group_of: Ints
    """For each object its row here."""
    clash_matrix: Bools


def object_reasons(catalog: Catalog, settings: Settings) -> Ints:
    """Why each object cannot be asked about on its own."""
    why = np.zeros(len(catalog.object_image), np.int64)
    flags = catalog.object_flags
    for flag, reason in (
        (Obj.CROWD, Why.CROWD),
        (Obj.PART, Why.PART),
        (Obj.INVISIBLE, Why.NO_VISIBLE_PIXELS),
        (Obj.DEGENERATE, Why.DEGENERATE),
        (Obj.MASK_CONFLICT, Why.MASK_CONFLICT),
    ):
        why[(flags & int(flag)) != 0] |= int(reason)
    stuff = np.array([is_stuff(c.name) for c in catalog.classes], bool)
    if len(stuff):
        why[stuff[catalog.object_class]] |= int(Why.STUFF)
    size = (catalog.image_width * catalog.image_height)[catalog.object_image]
    sides = catalog.object_box[:, 2:] - catalog.object_box[:, :2]
    small = (catalog.object_area < settings.min_area * size) | (sides < settings.min_side).any(axis=1)
    unseen = (flags & int(Obj.INVISIBLE | Obj.PART)) != 0
    why[small & ~unseen] |= int(Why.TOO_SMALL)
    why[~catalog.usable_image[catalog.object_image]] |= int(Why.IMAGE_UNUSABLE)
    return why


def presence(catalog: Catalog, settings: Settings, why: Ints) -> Presence:
    """Group the objects by image and class; ``why`` are the ``object_reasons``."""
    n_classes = max(len(catalog.classes), 1)
    group = catalog.object_image * n_classes + catalog.object_class
    values, group_of = np.unique(group, return_inverse=True)
    n = len(values)
    flags, reasons = np.zeros(n, np.int64), np.zeros(n, np.int64)
    np.bitwise_or.at(flags, group_of, catalog.object_flags)
    whole = (catalog.object_flags & int(Obj.CROWD | Obj.PART)) == 0
    np.bitwise_or.at(reasons, group_of[whole], why[whole])
    part, crowd = ((flags & int(f)) != 0 for f in (Obj.PART, Obj.CROWD))
    reasons[part] |= int(Why.ALSO_A_PART)
    reasons[crowd] |= int(Why.CROWD)
    reasons[_duplicates(catalog, whole, group_of, n, settings)] |= int(Why.DUPLICATE_INSTANCE)
    image, kind = values // n_classes, values % n_classes
    matrix = clashes(catalog.classes)
    clash = np.zeros(n, bool)
    if matrix.any():
        a, b = pairs_within(image, image)
        np.logical_or.at(clash, a, matrix[kind[a], kind[b]])
    reasons[clash] |= int(Why.CLASH)
    counts = np.bincount(group_of[whole], minlength=n)
    return Presence(image, kind, counts, reasons, flags, clash, part, crowd, group_of, matrix)


def _duplicates(catalog: Catalog, whole: Bools, group_of: Ints, n: int, settings: Settings) -> Bools:
    """Classes of which two boxes lie nearly on top of each other: one object annotated twice."""
    rows = np.flatnonzero(whole)
    rows = rows[np.argsort(group_of[rows], kind="stable")]
    groups = group_of[rows]
    starts, lengths = spans(groups)
    found = np.zeros(n, bool)
    for start in range(0, len(starts), 4096):  # bounded memory however many images there are
        chosen = slice(start, start + 4096)
        if not len(starts[chosen]):
            break
        span = slice(int(starts[chosen][0]), int(starts[chosen][-1] + lengths[chosen][-1]))
        a, b = pairs_within(groups[span], groups[span])
        a, b = a[a < b], b[a < b]
        boxes = catalog.object_box[rows[span]]
        same = iou(boxes[a], boxes[b]) >= settings.duplicate_iou
        found[groups[span][a[same]]] = True
    return found
