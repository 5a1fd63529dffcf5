"""Distance: which of two objects is closer to an anchor object.

The interval rule (every point of A, plus the offset, nearer than every point of B) must hold with the anchor taken
as its center, as its corners and as its surface; none of the three implies another. The surface distance is exact:
the farthest point of A is a corner of A, the nearest point of B comes from the distance between the two cuboids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntFlag
from hashlib import blake2b
from typing import Annotated

import numpy as np

from cvbench_builder.candidates import OWN_REASONS, CandidateTable, Reason, pairs_within, spans
from cvbench_builder.catalog import Catalog, Floats, Ints
from cvbench_builder.geometry import Cuboids, cuboid_distance, cuboids, distance_floor, point_to_cuboid, squares_beyond
from cvbench_builder.settings import BuildSettings, Meta, Rules
from cvbench_builder.task import Candidate, Prior, Row, Wording
from cvbench_builder.tasks.cuboid_objects import EPSILON, CuboidTask, drawing_conflict, fixed_offset, tightness

QUESTION = (
    "Estimate the real-world distances between objects in this image. Which object is closer to the {anchor} "
    "(highlighted by {anchor_box} {marker}), the {first} (highlighted by {first_box} {marker}) "
    "or the {second} (highlighted by {second_box} {marker})?"
)
_PAIRS = 60_000
_CACHED = 2_000
"""Pairs measured at a time, few enough for the processor's cache."""


@dataclass(frozen=True)
class DistanceRules(Rules):
    """Rules of Distance."""

    title = "Distance"

    distance_offset: Annotated[
        float | None,
        Meta("Smallest margin in meters by which an object must be nearer; default 0.3 indoors, 1.0 outdoors.", 0),
    ] = None
    distance_ratio: Annotated[
        float,
        Meta("Smallest margin as a share of the nearer object's distance, if it exceeds --distance-offset.", 0),
    ] = 0.20
    anchor_metric: Annotated[
        str,
        Meta(
            "What distances are measured from; `all`: the three must agree.",
            choices=("centre", "corner", "surface", "all"),
        ),
    ] = "all"
    triples_per_image: Annotated[
        int, Meta("Largest number of candidates per image, chosen by their hash; 0: no limit.", 0)
    ] = 200


class DistanceReason(IntFlag):
    """Reasons for rejection that only Distance has."""

    CORNER_DISAGREES = OWN_REASONS
    CENTRE_DISAGREES = OWN_REASONS << 1
    OVER_IMAGE_CAP = OWN_REASONS << 2


class Distance(CuboidTask):
    """Which of two objects is nearer to a third one."""

    name = "Distance"
    order = 40
    rows = 600
    rules = (*CuboidTask.rules, DistanceRules)
    roles = ("anchor", "first", "second")
    margins = ("centre", "corner", "surface")
    own_reasons = DistanceReason

    def candidates(self, catalog: Catalog, settings: BuildSettings) -> Iterator[CandidateTable]:
        """The unusable cuboids, then every anchor with two others of different classes, whole images at a time."""
        usable, rejected = self.usable_and_rejected(catalog, settings)
        yield rejected
        starts, lengths = spans(catalog.object_image[usable])
        triples = np.cumsum(lengths.astype(np.int64) ** 3)
        done = 0
        while done < len(starts):
            # whole images, until their triples fill a bounded piece of memory
            base = triples[done - 1] if done else 0
            stop = max(int(np.searchsorted(triples, base + 20 * _PAIRS)), done + 1)
            rows = usable[starts[done] : starts[stop - 1] + lengths[stop - 1]]
            yield self._triples(catalog, settings, rows)
            done = stop

    def _triples(self, catalog: Catalog, settings: BuildSettings, rows: Ints) -> CandidateTable:
        rules = settings[DistanceRules]
        image, class_index = catalog.object_image[rows], catalog.object_class[rows]
        box = np.ascontiguousarray(catalog.object_box[rows].T)
        bodies = cuboids(catalog.corners[rows])
        # ordered pairs (anchor, other) of different classes; a triple is two pairs with one anchor
        anchor, other = pairs_within(image, image)
        conflict = drawing_conflict(np.take(box, anchor, axis=1).T, np.take(box, other, axis=1).T, settings)
        pair_of = _pair_numbers(image)
        keep = class_index[anchor] != class_index[other]
        with_anchor, anchor, other = conflict[keep], anchor[keep], other[keep]
        center, corner, surface_far = _intervals(bodies, anchor, other)
        p, q = pairs_within(anchor, anchor)
        kind = class_index[other]
        keep = (p < q) & (kind[p] != kind[q])
        p, q = p[keep], q[keep]
        # where the rule holds, the nearer object's far end is the nearer far end, for every metric
        far = {"centre": center[1], "surface": surface_far}.get(rules.anchor_metric, corner[1])
        first = far[p] <= far[q]
        x, y = np.where(first, p, q), np.where(first, q, p)
        reasons = with_anchor[p] | with_anchor[q] | conflict[pair_of[other[p]] + other[q]]
        fixed = fixed_offset(rules.distance_offset, catalog)
        margins = np.full((3, len(p)), np.nan)
        for k, (name, value, reason) in enumerate(
            (("centre", center, DistanceReason.CENTRE_DISAGREES), ("corner", corner, DistanceReason.CORNER_DISAGREES))
        ):
            nearer_end = value[1, x]
            margins[k] = value[0, y] - nearer_end
            if rules.anchor_metric in ("all", name):
                needed = np.maximum(fixed, rules.distance_ratio * nearer_end)
                reasons |= np.where(margins[k] < needed - EPSILON, int(reason), 0)
        needed = np.maximum(fixed, rules.distance_ratio * surface_far[x])
        if rules.anchor_metric in ("all", "surface"):
            _check_surface(bodies, (anchor, other), (x, y), surface_far, needed, reasons)
        objects = np.stack([rows[anchor[p]], rows[other[p]], rows[other[q]]], axis=1)
        image = image[anchor[p]]
        _limit(catalog, settings, image, objects, reasons)
        return self.table(
            len(p),
            image=image,
            objects=objects,
            class_index=class_index[anchor[p]],
            answer=np.where(first, 0, 1),
            reasons=reasons,
            margins=np.ascontiguousarray(margins.T),
        )

    def complete(self, catalog: Catalog, table: CandidateTable) -> CandidateTable:
        """The table with the exact surface margin of every row that has two compared objects."""
        rows = np.flatnonzero((table.objects >= 0).all(axis=1))
        if not len(rows):
            return table
        place = np.arange(len(rows))
        nearer = table.answer[rows]
        objects = table.objects[rows]
        anchor, x, y = (
            cuboids(catalog.corners[o]) for o in (objects[:, 0], objects[place, 1 + nearer], objects[place, 2 - nearer])
        )
        margins = table.margins.copy()
        margins[rows, 2] = cuboid_distance(anchor, y) - point_to_cuboid(x.corners, anchor).max(axis=1)
        return replace(table, margins=margins)

    def priors(self, classes: tuple[str, ...], answer: str) -> list[Prior]:
        """The pair alone, and the pair with this anchor."""
        pair = super().priors(classes, answer)
        return [*pair, (("triple", classes[0], *sorted(classes[1:])), answer)]

    def ask(
        self, candidate: Candidate, place: int, settings: BuildSettings, options: list[int] | None = None
    ) -> Wording:
        """Which is closer to the anchor; all three objects have a box, the anchor in the first color."""
        smallest = min(self.margin_values(candidate.table, candidate.row).values())
        needed = fixed_offset(settings[DistanceRules].distance_offset, candidate.catalog)
        return self.fill(QUESTION, candidate, place, settings, tightness(smallest, needed))

    def classes_in(self, row: Row) -> list[str]:
        """The anchor in the question, and the options."""
        before, after = QUESTION.split("{anchor}")
        anchor = row["question"].partition(before)[2].partition(after.partition(" by ")[0])[0]
        return [anchor, *row["choices"]]

    def prior_keys(self, row: Row) -> list[tuple[str, ...]]:
        """The triple, then the pair."""
        pair = super().prior_keys(row)
        return [("triple", row["classes"][0], *pair[0]), *pair]


def _pair_numbers(image: Ints) -> Ints:
    """For each object i the number to which j is added for the place of (i, j) in `pairs_within(image, image)`."""
    starts, lengths = spans(image)
    partners = np.repeat(lengths, lengths)
    return np.asarray(np.cumsum(partners) - partners - np.repeat(starts, lengths))


def _intervals(bodies: Cuboids, anchor: Ints, other: Ints) -> tuple[Floats, Floats, Floats]:
    """Per pair: distances of the other object's nearest and farthest corner from the anchor's center and from its
    corners, and of the farthest one from its surface."""
    n = len(anchor)
    center, corner, surface = np.zeros((2, n)), np.zeros((2, n)), np.zeros(n)
    for start in range(0, n, _CACHED):
        rows = slice(start, start + _CACHED)
        at = bodies.take(anchor[rows])
        # pairs along the last axis
        away = np.ascontiguousarray(np.take(bodies.corners, other[rows], axis=0).transpose(2, 1, 0))
        from_center = _squares(away, at.center.T)
        first, *others = np.ascontiguousarray(at.corners.transpose(1, 2, 0))
        from_corners = _squares(away, first)
        for another in others:
            np.minimum(from_corners, _squares(away, another), out=from_corners)
        for column, square in ((center, from_center), (corner, from_corners)):
            column[:, rows] = np.sqrt(square.min(axis=0)), np.sqrt(square.max(axis=0))
        surface[rows] = np.sqrt(squares_beyond(away, at).max(axis=0))
    return center, corner, surface


def _squares(points: Floats, start: Floats) -> Floats:
    """[k, n] squared distances of points [3, k, n] from one start [3, n] each."""
    total: Floats = (points[0] - start[0]) ** 2
    total += (points[1] - start[1]) ** 2
    total += (points[2] - start[2]) ** 2
    return total


def _check_surface(
    bodies: Cuboids,
    pair: tuple[Ints, Ints],
    chosen: tuple[Ints, Ints],
    surface_far: Floats,
    needed: Floats,
    reasons: Ints,
) -> None:
    """The surface metric, exactly, for the triples that the cheaper metrics have left."""
    anchor, other = pair
    x, y = chosen
    left = np.flatnonzero(reasons == 0)
    if not len(left):
        return
    asked = np.zeros(len(anchor), bool)
    asked[y[left]] = True
    rows = np.flatnonzero(asked)
    nearest = np.zeros(len(anchor))
    nearest[rows] = distance_floor(bodies, anchor[rows], other[rows])
    # the lower bound decides most triples; the exact distance is for the others
    far = surface_far[x[left]] + needed[left] - EPSILON
    rows = np.unique(y[left][nearest[y[left]] < far])
    nearest[rows] = cuboid_distance(bodies.take(anchor[rows]), bodies.take(other[rows]))
    reasons[left[nearest[y[left]] < far]] |= int(Reason.SURFACE_DISAGREES)


def _limit(catalog: Catalog, settings: BuildSettings, image: Ints, objects: Ints, reasons: Ints) -> None:
    """Reject candidates above the limit per image, the last ones by hash."""
    limit = settings[DistanceRules].triples_per_image
    if not limit:
        return
    rows = np.flatnonzero(reasons == 0)
    rows = rows[np.argsort(image[rows], kind="stable")]
    starts, lengths = spans(image[rows])
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        if length <= limit:
            continue
        group = rows[start : start + length]
        ids = catalog.object_id[objects[group]]
        marks = [blake2b(f"{settings.seed}|{'|'.join(t)}".encode(), digest_size=8).digest() for t in ids.tolist()]
        over = sorted(range(length), key=lambda i: marks[i])[limit:]
        reasons[group[over]] |= int(DistanceReason.OVER_IMAGE_CAP)


TASK = Distance()
