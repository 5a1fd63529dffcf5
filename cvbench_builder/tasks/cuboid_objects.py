"""What 3D tasks share: which cuboids are usable, offsets, conflicts between drawn boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from cvbench_builder.candidates import CandidateTable, Pick, Reason, names_of
from cvbench_builder.catalog import Catalog, CuboidFlag, Floats, Ints
from cvbench_builder.class_names import is_unnamed
from cvbench_builder.clues import Box, box_sides, strength
from cvbench_builder.geometry import contains_center, overlap_of_smaller
from cvbench_builder.quotas import split
from cvbench_builder.settings import BuildSettings, DrawingRules, Meta, ObjectRules, Rules
from cvbench_builder.sources.omni3d import OUTDOOR, UNREAD
from cvbench_builder.task import Candidate, Prior, Profile, Row, Task, Wording
from cvbench_builder.wording import PALETTES, box_record

EPSILON = 1e-9
"""A margin that equals its offset in decimals must not fail because of its last bit."""


@dataclass(frozen=True)
class CuboidRules(Rules):
    """Rules of the tasks about cuboids."""

    title = "3D tasks"

    max_truncation: Annotated[float, Meta("Largest share of a cuboid outside the image, where known.", 0)] = 0.33
    min_visibility: Annotated[float, Meta("Smallest visible share of a cuboid, where known.", 0)] = 0.34
    max_hidden: Annotated[
        float,
        Meta("Largest share of a cuboid that nearer cuboids hide, estimated where its visibility is unknown.", 0, 1),
    ] = 0.5
    min_height: Annotated[
        float,
        Meta(
            "Projected height that a cuboid must exceed, as a share of the image height.",
            0,
            presets={"published": 0.019},
        ),
    ] = 0.05
    max_height: Annotated[float, Meta("Largest projected height of a cuboid, as a share of the image height.", 0)] = 1.5
    min_z: Annotated[float, Meta("Meters in front of the camera that every corner must exceed.")] = 0.1
    min_area_3d: Annotated[
        float | None,
        Meta(
            "Smallest share of the image area that a cuboid's drawn box covers; default: --min-area.",
            0,
            1,
            presets={"published": 0.00009},
        ),
    ] = None
    min_side_3d: Annotated[
        float, Meta("Smallest side of a cuboid's drawn box in pixels.", 0, presets={"published": 7.0})
    ] = 16.0
    max_overlap_3d: Annotated[
        float,
        Meta("Largest overlap of two drawn boxes, as a share of the smaller one.", 0, 1, presets={"published": 1.0}),
    ] = 0.5
    nested_boxes: Annotated[
        bool, Meta("Permit a drawn box that contains the center of another one.", presets={"published": True})
    ] = False


class CuboidTask(Task):
    """A 3D task on Omni3D that compares two objects. `answer` says which of the two is nearer, 0 or 1."""

    kind = "3D"
    sources = ("Hypersim", "SUNRGBD", "nuScenes")
    rules: ClassVar[tuple[type[Rules], ...]] = (CuboidRules,)

    def usable_and_rejected(self, catalog: Catalog, settings: BuildSettings) -> tuple[Ints, CandidateTable]:
        """Rows of the usable objects, and one rejected candidate for each of the others."""
        unfit = unfit_cuboids(catalog, settings)
        bad_image = ~catalog.usable_image[catalog.object_image]
        reasons = np.where(unfit != 0, int(Reason.UNFIT_CUBOID), 0)
        reasons |= np.where(bad_image, int(Reason.IMAGE_UNUSABLE), 0)
        unnamed = np.array([is_unnamed(c.name) for c in catalog.classes], bool)
        reasons[np.isin(catalog.object_class, np.flatnonzero(unnamed))] |= int(Reason.UNNAMED)
        rows = np.flatnonzero(reasons)
        objects = np.full((len(rows), len(self.roles)), -1, np.int64)
        objects[:, 0] = rows
        rejected = self.table(
            len(rows),
            image=catalog.object_image[rows],
            objects=objects,
            class_index=catalog.object_class[rows],
            reasons=reasons[rows],
            flags=unfit[rows],  # of a rejected cuboid: the `CuboidFlag`s
        )
        return np.flatnonzero(reasons == 0), rejected

    def reason_names(self, reasons: int, flags: int) -> list[str]:
        """An unfit cuboid is replaced by what is wrong with it."""
        names = super().reason_names(reasons, flags)
        if reasons & int(Reason.UNFIT_CUBOID):
            names.remove("unfit_cuboid")
            names += names_of(flags, CuboidFlag)
        return names

    def profile(self, catalog: Catalog, table: CandidateTable, row: int) -> Profile:
        """A cell per component."""
        objects = [int(o) for o in table.objects[row]]
        answer = int(table.answer[row])
        classes = tuple(catalog.class_names(objects))
        boxes = [catalog.object_box[o].tolist() for o in objects[-2:]]
        return Profile(catalog.component, classes, classes[-2:][answer], _shortcuts(boxes, answer))

    def quotas(self, total: int, sources: Sequence[str], settings: BuildSettings) -> dict[str, int]:
        """The components in equal parts."""
        return split(total, {s: 1.0 for s in sources})

    def priors(self, classes: tuple[str, ...], answer: str) -> list[Prior]:
        """Which of a pair is usually nearer."""
        return [(("pair", *sorted(classes[-2:])), answer)]

    def sides(self, pick: Pick) -> list[tuple[str, int]]:
        """The pair, each class, each clue of the boxes by its strength, and all clues together."""
        catalog, objects = pick.catalog, pick.table.objects[pick.row].tolist()
        boxes = [catalog.object_box[o].tolist() for o in objects]
        image = int(pick.table.image[pick.row])
        size = float(catalog.image_width[image]), float(catalog.image_height[image])
        return compared_sides(pick, (boxes[-2], boxes[-1]), boxes[0] if len(boxes) > 2 else None, size)

    def fill(
        self, template: str, candidate: Candidate, place: int, settings: BuildSettings, tightness: float
    ) -> Wording:
        """Fill `{role}` and `{role_box}` of the template for each role; the nearer object is at `place`."""
        catalog, table, row = candidate.catalog, candidate.table, candidate.row
        *anchor, first, second = (int(o) for o in table.objects[row])
        objects = [*anchor, first, second] if int(table.answer[row]) == place % 2 else [*anchor, second, first]
        names = catalog.class_names(objects)
        palette, marker = PALETTES[settings[DrawingRules].palette], settings[DrawingRules].marker
        colors = {f"{role}_box": palette.with_article(i) for i, role in enumerate(self.roles)}
        boxes = enumerate(zip(objects, self.roles, strict=True))
        return Wording(
            question=template.format(**dict(zip(self.roles, names, strict=True)), **colors, marker=marker),
            choices=names[-2:],
            place=place % 2,
            classes=tuple(names),
            boxes=[box_record(catalog, o, role, palette.name(i)) for i, (o, role) in boxes],
            tightness=tightness,
        )

    def classes_in(self, row: Row) -> list[str]:
        """The options."""
        return list(row["choices"])


def compared_sides(
    pick: Pick, boxes: tuple[Box, Box], anchor: Box | None, size: tuple[float, float]
) -> list[tuple[str, int]]:
    """The groups of a question whose two options are drawn boxes; `pick.answer` is one of its last two classes."""
    a, b = pick.classes[-2:]
    answer = int(pick.table.answer[pick.row])
    won = 1 if answer == 0 else -1  # for clues that are positive where they speak for the first object
    found = [(f"pair {min(a, b)} / {max(a, b)}", won if a <= b else -won)]
    found += [(f"class {a}", won), (f"class {b}", -won)]
    clues = [(name, difference) for name, difference in box_sides(boxes, anchor, *size) if difference]
    for name, difference in clues:
        right = won if difference > 0 else -won
        found += [(name, right), (f"{name}, strength {strength(name, difference)}", right)]
    if clues:
        lead = 1 if clues[0][1] > 0 else -1
        together = [f"{'' if difference * lead > 0 else 'not '}{name}" for name, difference in clues]
        found.append((", ".join(together), won * lead))
    return found


def unfit_cuboids(catalog: Catalog, settings: BuildSettings) -> Ints:
    """What is wrong with each cuboid: the findings of the reader, and everything that a rule decides."""
    rules = settings[CuboidRules]
    min_area = settings[ObjectRules].min_area if rules.min_area_3d is None else rules.min_area_3d
    unfit = catalog.object_unfit.copy()
    with np.errstate(invalid="ignore"):
        unfit[catalog.object_truncation > rules.max_truncation] |= int(CuboidFlag.TRUNCATED)
        known = catalog.object_visibility >= 0
        unfit[known & (catalog.object_visibility < rules.min_visibility)] |= int(CuboidFlag.NOT_VISIBLE)
    unfit[catalog.object_hidden > rules.max_hidden] |= int(CuboidFlag.HIDDEN)
    # boxes of objects that failed because of a single number were never read
    boxed = (catalog.object_unfit & int(UNREAD | CuboidFlag.NO_2D_BOX)) == 0
    unfit[boxed & (catalog.object_height > rules.max_height)] |= int(CuboidFlag.TOO_TALL)
    unfit[boxed & (catalog.object_height <= rules.min_height)] |= int(CuboidFlag.TOO_SHORT)
    sides = catalog.object_box[:, 2:] - catalog.object_box[:, :2]
    unfit[boxed & (sides < rules.min_side_3d).any(axis=1)] |= int(CuboidFlag.SIDE_TOO_SMALL)
    size = (catalog.image_width * catalog.image_height)[catalog.object_image]
    unfit[boxed & (sides.prod(axis=1) < min_area * size)] |= int(CuboidFlag.AREA_TOO_SMALL)
    read = catalog.object_unfit == 0
    unfit[read & (catalog.corners[:, :, 2] <= rules.min_z).any(axis=1)] |= int(CuboidFlag.TOO_NEAR)
    return unfit


def fixed_offset(given: float | None, catalog: Catalog) -> float:
    """Meters by which the nearer object must at least be nearer: 0.3 indoors and 1.0 outdoors unless given."""
    return given if given is not None else 1.0 if catalog.component in OUTDOOR else 0.3


def tightness(smallest: float, needed: float) -> float:
    """The smallest margin over its threshold."""
    return smallest / needed if needed else math.inf


def drawing_conflict(a: Floats, b: Floats, settings: BuildSettings) -> Ints:
    """Why two drawn boxes cannot be told apart."""
    overlaps = overlap_of_smaller(a, b) > settings[CuboidRules].max_overlap_3d
    reasons = np.where(overlaps, int(Reason.OVERLAP), 0)
    if settings[CuboidRules].nested_boxes:
        return np.asarray(reasons)
    inside = contains_center(a, b) | contains_center(b, a)
    return np.asarray(reasons | np.where(inside, int(Reason.CONTAINS_CENTRE), 0))


def _shortcuts(boxes: list[list[float]], answer: int) -> tuple[bool, bool]:
    """Whether "the larger box", and "the box that reaches lower", is the answer."""
    size = [(b[2] - b[0]) * (b[3] - b[1]) for b in boxes]
    return size[answer] > size[1 - answer], boxes[answer][3] > boxes[1 - answer][3]
