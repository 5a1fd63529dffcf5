"""Relation: where is A with respect to B, in the image plane.

Candidates are all ordered pairs of usable objects of different classes, on both axes. By default the two boxes must
not even touch on the asked axis, so the answer does not depend on reference points inside them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Annotated, Any

import numpy as np

from cvbench_builder.candidates import OWN_REASONS, CandidateTable, Pick, Reason, pairs_within
from cvbench_builder.catalog import Catalog, Floats, ImageFlag, Ints
from cvbench_builder.geometry import overlap_of_smaller
from cvbench_builder.quotas import split
from cvbench_builder.settings import BuildSettings, DrawingRules, Meta, Rules
from cvbench_builder.task import Candidate, Prior, Profile, Row, Wording
from cvbench_builder.tasks.image_objects import ImageTask, object_reasons, presence
from cvbench_builder.wording import PALETTES, box_record

QUESTION = (
    "Considering the relative positions of the {a}{marker_a} and the {b}{marker_b} in the image provided, "
    "where is the {a}{marker_a} located with respect to the {b}{marker_b}?"
)
MARKER = " (annotated by the {color} {marker})"
WORDS = ("left", "right", "above", "below")
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}
_CHUNK = 4_000
"""Objects whose pairs are formed at a time, few enough for the processor's cache."""


@dataclass(frozen=True)
class RelationRules(Rules):
    """Rules of Relation."""

    title = "Relation"

    min_gap: Annotated[
        float, Meta("Smallest gap between the boxes on the asked axis, as a share of that image side.", 0, 1)
    ] = 0.02
    max_overlap: Annotated[
        float, Meta("Overlap of the two boxes, as a share of the smaller one, from which a pair is rejected.", 0, 1)
    ] = 0.10
    soft_relation: Annotated[
        bool, Meta("Also ask where the boxes overlap on the asked axis but the centers are far apart.")
    ] = False
    soft_gap: Annotated[float, Meta("Smallest distance of those centers, as a share of that image side.", 0, 1)] = 0.25
    require_dominant_axis: Annotated[bool, Meta("Ask only about the axis on which the centers are farther apart.")] = (
        False
    )
    mark_anchor: Annotated[
        bool, Meta("Permit anchors whose class occurs more than once in the image, with a box drawn around them.")
    ] = False


class RelationReason(IntFlag):
    """Reasons for rejection that only Relation has."""

    ANCHOR_NOT_UNIQUE = OWN_REASONS
    GAP_TOO_SMALL = OWN_REASONS << 1
    NOT_DOMINANT_AXIS = OWN_REASONS << 2
    ROTATED_IMAGE = OWN_REASONS << 3


class RelationFlag(IntFlag):
    """Properties of a valid relation."""

    MARKED = 1
    """The class of the queried object occurs more than once, so the object gets a box."""
    MARKED_ANCHOR = 2
    OVERLAPPING_PROJECTIONS = 4


@dataclass(frozen=True)
class _Pairs:
    """Ordered pairs of usable objects, and what does not depend on the axis."""

    image: Ints
    objects: Ints
    class_index: Ints
    queried_box: Floats
    anchor_box: Floats
    reasons: Ints
    flags: Ints


class Relation(ImageTask):
    """Where the first object is. `answer` is the number of the word in `WORDS`."""

    name = "Relation"
    order = 20
    rows = 650
    rules = (*ImageTask.rules, RelationRules)
    roles = ("queried", "anchor")
    margins = ("gap", "centre_offset")
    own_reasons = RelationReason
    flags = RelationFlag
    rows_per_image = 2

    def candidates(self, catalog: Catalog, settings: BuildSettings) -> Iterator[CandidateTable]:
        """The unusable objects, then every ordered pair of usable ones, horizontal and vertical, in chunks."""
        rules = settings[RelationRules]
        reasons = object_reasons(catalog, settings)
        groups = presence(catalog, settings, reasons)
        reasons = reasons | np.where(groups.crowd[groups.group_of], int(Reason.CROWD), 0)
        # a name that could also mean something else in the image is not unique, even if its class occurs once
        alone = (groups.whole == 1) & ~groups.part & ~groups.clash
        alone &= (groups.reasons & int(Reason.MASK_CONFLICT)) == 0
        unique = alone[groups.group_of]
        yield self._unusable(catalog, reasons)
        usable = np.flatnonzero(reasons == 0)
        image, kind = catalog.object_image[usable], catalog.object_class[usable]
        box = np.ascontiguousarray(catalog.object_box[usable].T)
        for start in range(0, len(usable), _CHUNK):
            own = image[start : start + _CHUNK]
            low, high = np.searchsorted(image, [own[0], own[-1] + 1]).tolist()
            a, b = pairs_within(own, image[low:high])
            a, b = start + a, low + b
            different = kind[a] != kind[b]
            a, b = a[different], b[different]
            boxes = np.take(box, a, axis=1).T, np.take(box, b, axis=1).T
            objects = np.stack([usable[a], usable[b]], axis=1)
            shared = np.where(groups.clash_matrix[kind[a], kind[b]], int(Reason.CLASH), 0)
            shared |= np.where(overlap_of_smaller(*boxes) >= rules.max_overlap, int(Reason.OVERLAP), 0)
            anchor_unique = unique[objects[:, 1]]
            if not rules.mark_anchor:
                shared |= np.where(anchor_unique, 0, int(RelationReason.ANCHOR_NOT_UNIQUE))
            flags = np.where(unique[objects[:, 0]], 0, int(RelationFlag.MARKED))
            flags |= np.where(anchor_unique, 0, int(RelationFlag.MARKED_ANCHOR))
            pairs = _Pairs(image[a], objects, kind[a], *boxes, shared, flags)
            yield from (self._axis(catalog, rules, pairs, axis) for axis in (0, 1))

    def _unusable(self, catalog: Catalog, reasons: Ints) -> CandidateTable:
        """Objects that are rejected before any pair is formed, one row each."""
        rows = np.flatnonzero(reasons)
        return self.table(
            len(rows),
            image=catalog.object_image[rows],
            objects=np.stack([rows, np.full(len(rows), -1)], axis=1),
            class_index=catalog.object_class[rows],
            reasons=reasons[rows],
        )

    def _axis(self, catalog: Catalog, rules: RelationRules, pairs: _Pairs, axis: int) -> CandidateTable:
        one, two = pairs.queried_box, pairs.anchor_box
        side = (catalog.image_height if axis else catalog.image_width)[pairs.image].astype(np.float64)
        low1, high1, low2, high2 = one[:, axis], one[:, axis + 2], two[:, axis], two[:, axis + 2]
        gap = np.maximum(low2 - high1, low1 - high2) / side
        offset = ((low1 + high1) - (low2 + high2)) / 2 / side
        # 1e-9: a gap of exactly 2 % written in decimals must not fail because of its last bit
        near = gap < rules.min_gap - 1e-9
        apart = np.abs(offset)
        too_near = near & ((gap >= 0) | (apart < rules.soft_gap)) if rules.soft_relation else near
        reasons = pairs.reasons | np.where(too_near, int(RelationReason.GAP_TOO_SMALL), 0)
        if rules.require_dominant_axis:
            other = np.abs((one[:, 1 - axis] + one[:, 3 - axis]) - (two[:, 1 - axis] + two[:, 3 - axis])) / 2
            reasons |= np.where(apart * side < other, int(RelationReason.NOT_DOMINANT_AXIS), 0)
        if axis:
            rotated = (catalog.image_flags[pairs.image] & int(ImageFlag.ROTATED)) != 0
            reasons |= np.where(rotated, int(RelationReason.ROTATED_IMAGE), 0)
        return self.table(
            len(reasons),
            image=pairs.image,
            objects=pairs.objects,
            class_index=pairs.class_index,
            answer=np.where(offset < 0, 2 * axis, 2 * axis + 1),
            reasons=reasons,
            flags=pairs.flags | np.where(near, int(RelationFlag.OVERLAPPING_PROJECTIONS), 0),
            margins=np.stack([gap, apart], axis=1),
        )

    def identity(self, catalog: Catalog, table: CandidateTable, row: int) -> list[str]:
        """The two objects and the axis."""
        return [*super().identity(catalog, table, row), _axis_name(int(table.answer[row]))]

    def describe_rejected(self, catalog: Catalog, table: CandidateTable, row: int) -> dict[str, Any]:
        """The axis too, where there are two objects."""
        about = super().describe_rejected(catalog, table, row)
        if "margins" in about:
            about["axis"] = _axis_name(int(table.answer[row]))
        return about

    def profile(self, catalog: Catalog, table: CandidateTable, row: int) -> Profile:
        """A cell per source and word."""
        word = WORDS[int(table.answer[row])]
        return Profile(f"{catalog.source} {word}", tuple(catalog.class_names(table.objects[row].tolist())), word)

    def quotas(self, total: int, sources: Sequence[str], settings: BuildSettings) -> dict[str, int]:
        """The four words in equal parts."""
        cells: dict[str, int] = {}
        for source, wanted in self.split_by_source(total, sources, settings).items():
            cells |= split(wanted, {f"{source} {word}": 1.0 for word in WORDS})
        return cells

    def priors(self, classes: tuple[str, ...], answer: str) -> list[Prior]:
        """The usual side of a pair, and of the pair in this order."""
        a, b = classes
        axis = _axis_name(WORDS.index(answer))
        forward = answer in ("left", "above")
        # one fact, told from either side, is one prior
        fact = forward if a <= b else not forward
        return [(("pair", *sorted(classes), axis), str(fact)), (("ordered", a, b, axis), answer)]

    def sides(self, pick: Pick) -> list[tuple[str, int]]:
        """The pair, each class, and the word of each source."""
        a, b = pick.classes
        axis = _axis_name(WORDS.index(pick.answer))
        forward = 1 if pick.answer in ("left", "above") else -1
        words = "left / right" if axis == "x" else "above / below"
        fact = forward if a <= b else -forward
        return [
            (f"pair {min(a, b)} / {max(a, b)}, {words}", fact),
            (f"class {a}, {words}", forward),
            (f"class {b}, {words}", -forward),
            (f"word {words} of {pick.catalog.source}", forward),
        ]

    def unbalanced(self, taken: dict[str, list[Pick]], settings: BuildSettings) -> list[Pick]:
        """The words of an axis differ by at most one row in each source, because a word always has the same letter."""
        cut: list[Pick] = []
        for cell, rows in taken.items():
            source, _, word = cell.rpartition(" ")
            other = taken[f"{source} {OPPOSITE[word]}"]
            cut.extend(sorted(rows, key=lambda p: p.hash)[len(other) + 1 :])
        return cut

    def ask(
        self, candidate: Candidate, place: int, settings: BuildSettings, options: list[int] | None = None
    ) -> Wording:
        """Where is A; always left before right and above before below, as in the published rows."""
        catalog, table, row = candidate.catalog, candidate.table, candidate.row
        rules, palette = settings[RelationRules], PALETTES[settings[DrawingRules].palette]
        objects = [int(o) for o in table.objects[row]]
        names = catalog.class_names(objects)
        flags = int(table.flags[row])
        marked = [bool(flags & int(flag)) for flag in (RelationFlag.MARKED, RelationFlag.MARKED_ANCHOR)]
        colors = [palette.name(i) if m else "" for i, m in enumerate(marked)]
        coco = catalog.source == "COCO"
        word, gap = int(table.answer[row]), float(table.margins[row, 0])
        return Wording(
            question=_question(names, colors, settings[DrawingRules].marker),
            choices=list(WORDS[:2] if word < 2 else WORDS[2:]),
            place=word % 2,
            classes=tuple(names),
            boxes=[box_record(catalog, o, r, c) for o, r, c in zip(objects, self.roles, colors, strict=True)],
            tightness=gap / rules.min_gap if rules.min_gap else math.inf,
            target_class=names[0] if coco else None,
            target_size=round(float(catalog.object_area[objects[0]])) if coco else None,
        )

    def classes_in(self, row: Row) -> list[str]:
        """The two names in the first half of the question, without their markers."""
        body = row["question"].removeprefix("Considering the relative positions of the ")
        first, _, second = body.partition(" in the image provided, ")[0].partition(" and the ")
        marker = MARKER.partition("{color}")[0].removesuffix(" the ")
        return [first.partition(marker)[0], second.partition(marker)[0]]

    def mirrored_answer(self, row: Row) -> str:
        """Left and right change places."""
        return {"(A)": "(B)", "(B)": "(A)"}[row["answer"]] if "left" in row["choices"] else str(row["answer"])

    def prior_keys(self, row: Row) -> list[tuple[str, ...]]:
        """The pair in its order, and the axis."""
        return [("ordered", *row["classes"], "x" if "left" in row["choices"] else "y")]

    def lessons(self, row: Row, answer: str) -> list[Prior]:
        """A row also teaches its mirror question: if A is left of B, B is right of A."""
        (kind, a, b, axis) = self.prior_keys(row)[0]
        return [((kind, a, b, axis), answer), ((kind, b, a, axis), OPPOSITE.get(answer, ""))]


def _axis_name(answer: int) -> str:
    return "x" if answer < 2 else "y"


def _question(names: Sequence[str], colors: Sequence[str], marker: str) -> str:
    """The template; both mentions of an object with a box name it."""
    markers = [MARKER.format(color=color, marker=marker) if color else "" for color in colors]
    return QUESTION.format(a=names[0], b=names[1], marker_a=markers[0], marker_b=markers[1])


TASK = Relation()
