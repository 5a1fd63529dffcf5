"""What 2D tasks share: which objects are usable, and what each class is like per image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from cvbench_builder.candidates import Reason, pairs_within, spans
from cvbench_builder.catalog import Bools, Catalog, Ints, ObjectFlag, stable_order
from cvbench_builder.class_names import clashes, is_stuff, is_unnamed
from cvbench_builder.geometry import iou
from cvbench_builder.quotas import split
from cvbench_builder.settings import BuildSettings, Meta, ObjectRules, Rules
from cvbench_builder.task import Task


@dataclass(frozen=True)
class ImageRules(Rules):
    """Rules of the tasks about the image plane."""

    title = "2D tasks"

    min_side: Annotated[float, Meta("Smallest side of an object's box in pixels.", 0)] = 8.0
    duplicate_iou: Annotated[
        float,
        Meta("Intersection over union from which two boxes of a class count as one object annotated twice.", 0, 1),
    ] = 0.8
    ade20k_share: Annotated[float, Meta("Share of ADE20K in the 2D rows where COCO is given too.", 0, 1)] = 0.5


class ImageTask(Task):
    """A 2D task on COCO and ADE20K."""

    kind = "2D"
    sources = ("ADE20K", "COCO")
    rules: ClassVar[tuple[type[Rules], ...]] = (ImageRules,)
    limits_classes = True

    def split_by_source(self, total: int, sources: Sequence[str], settings: BuildSettings) -> dict[str, int]:
        """The wanted rows per source."""
        shares = {source: 1.0 for source in sources}
        if set(sources) == set(ImageTask.sources):
            ade20k = settings[ImageRules].ade20k_share
            shares = {"ADE20K": ade20k, "COCO": 1 - ade20k}
        return split(total, shares)


@dataclass(frozen=True)
class Presence:
    """One row per image and class that occurs in it, sorted by image, then class."""

    image: Ints
    class_index: Ints
    whole: Ints
    """Instances that are whole objects and no crowd region, however small or hidden."""
    reasons: Ints
    """Why this class cannot be counted here (object reasons of all instances together)."""
    flags: Ints
    clash: Bools
    """Another class of the image may have the same name."""
    part: Bools
    crowd: Bools
    group_of: Ints
    """For each object its row here."""
    clash_matrix: Bools


def object_reasons(catalog: Catalog, settings: BuildSettings) -> Ints:
    """Why each object cannot be asked about on its own; computed once for all tasks."""
    key = ("object_reasons", settings)
    if key not in catalog.derived:
        catalog.derived[key] = _object_reasons(catalog, settings)
    found: Ints = catalog.derived[key]
    return found


def _object_reasons(catalog: Catalog, settings: BuildSettings) -> Ints:
    reasons = np.zeros(len(catalog.object_image), np.int64)
    flags = catalog.object_flags
    for flag, reason in (
        (ObjectFlag.CROWD, Reason.CROWD),
        (ObjectFlag.PART, Reason.PART),
        (ObjectFlag.INVISIBLE, Reason.NO_VISIBLE_PIXELS),
        (ObjectFlag.DEGENERATE, Reason.DEGENERATE),
        (ObjectFlag.MASK_CONFLICT, Reason.MASK_CONFLICT),
    ):
        reasons[(flags & int(flag)) != 0] |= int(reason)
    reasons |= name_reasons(catalog, settings)
    size = (catalog.image_width * catalog.image_height)[catalog.object_image]
    left, top, right, bottom = catalog.object_box.T
    small = catalog.object_area < settings[ObjectRules].min_area * size
    small |= (right - left < settings[ImageRules].min_side) | (bottom - top < settings[ImageRules].min_side)
    unseen = (flags & int(ObjectFlag.INVISIBLE | ObjectFlag.PART)) != 0
    reasons[small & ~unseen] |= int(Reason.TOO_SMALL)
    reasons[~catalog.usable_image[catalog.object_image]] |= int(Reason.IMAGE_UNUSABLE)
    return reasons


def name_reasons(catalog: Catalog, settings: BuildSettings) -> Ints:
    """Why the name of each object cannot be asked about."""
    stuff = 0 if settings[ObjectRules].any_name else int(Reason.STUFF)
    names = [c.name for c in catalog.classes]
    of_class = np.array(
        [int(Reason.UNNAMED) if is_unnamed(n) else stuff if is_stuff(n) else 0 for n in names], np.int64
    )
    return of_class[catalog.object_class] if names else np.zeros(len(catalog.object_class), np.int64)


def presence(catalog: Catalog, settings: BuildSettings, object_reasons: Ints) -> Presence:
    """The objects grouped by image and class; computed once for all tasks."""
    key = ("presence", settings)
    if key not in catalog.derived:
        catalog.derived[key] = _presence(catalog, settings, object_reasons)
    found: Presence = catalog.derived[key]
    return found


def _presence(catalog: Catalog, settings: BuildSettings, object_reasons: Ints) -> Presence:
    n_classes = max(len(catalog.classes), 1)
    group = catalog.object_image * n_classes + catalog.object_class
    order = stable_order(group)
    starts, lengths = spans(group[order])
    values, n = group[order][starts], len(starts)
    group_of = np.zeros(len(group), np.int64)
    group_of[order] = np.repeat(np.arange(n), lengths)
    flags, reasons = np.zeros(n, np.int64), np.zeros(n, np.int64)
    np.bitwise_or.at(flags, group_of, catalog.object_flags)
    whole = (catalog.object_flags & int(ObjectFlag.CROWD | ObjectFlag.PART)) == 0
    np.bitwise_or.at(reasons, group_of[whole], object_reasons[whole])
    part, crowd = ((flags & int(f)) != 0 for f in (ObjectFlag.PART, ObjectFlag.CROWD))
    reasons[part] |= int(Reason.ALSO_A_PART)
    reasons[crowd] |= int(Reason.CROWD)
    duplicate_iou = settings[ImageRules].duplicate_iou
    duplicates = _duplicates(catalog, order[whole[order]], group_of, n, duplicate_iou)
    reasons[duplicates] |= int(Reason.DUPLICATE_INSTANCE)
    image, class_index = values // n_classes, values % n_classes
    matrix = clashes(catalog.classes)
    clash = np.zeros(n, bool)
    rows = np.flatnonzero(np.asarray(matrix.any(axis=1))[class_index])
    a, b = pairs_within(image[rows], image[rows])
    a, b = rows[a], rows[b]
    np.logical_or.at(clash, a, matrix[class_index[a], class_index[b]])
    reasons[clash] |= int(Reason.CLASH)
    counts = np.bincount(group_of[whole], minlength=n)
    return Presence(image, class_index, counts, reasons, flags, clash, part, crowd, group_of, matrix)


def _duplicates(catalog: Catalog, rows: Ints, group_of: Ints, n: int, duplicate_iou: float) -> Bools:
    """Classes of which two boxes nearly coincide: one object annotated twice. `rows` are sorted by class."""
    lengths = spans(group_of[rows])[1]
    rows = rows[np.repeat(lengths > 1, lengths)]  # most classes occur once in an image
    groups = group_of[rows]
    starts, lengths = spans(groups)
    found = np.zeros(n, bool)
    for start in range(0, len(starts), 4096):  # bounded memory for any number of images
        chosen = slice(start, start + 4096)
        span = slice(int(starts[chosen][0]), int(starts[chosen][-1] + lengths[chosen][-1]))
        a, b = pairs_within(groups[span], groups[span])
        a, b = a[a < b], b[a < b]
        boxes = catalog.object_box[rows[span]]
        same = iou(boxes[a], boxes[b]) >= duplicate_iou
        found[groups[span][a[same]]] = True
    return found
