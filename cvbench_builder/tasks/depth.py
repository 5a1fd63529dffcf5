"""Depth: which of two objects is closer to the camera.

A is closer if even its farthest corner, plus the offset, is nearer than the nearest corner of B. Two other
definitions must agree: depth along the optical axis, and distance to the surface (the nearest corner of a long
object can be much farther away than its nearest side).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag
from typing import Annotated, ClassVar

import numpy as np

from cvbench_builder.candidates import OWN_REASONS, CandidateTable, Reason, pairs_within
from cvbench_builder.catalog import Catalog
from cvbench_builder.geometry import cuboids, in_pieces, point_to_cuboid
from cvbench_builder.settings import BuildSettings, Meta, Rules
from cvbench_builder.task import Candidate, Wording
from cvbench_builder.tasks.cuboid_objects import EPSILON, CuboidTask, drawing_conflict, fixed_offset, tightness

QUESTION = (
    "Which object is closer to the camera taking this photo, the {first} (highlighted by {first_box} {marker}) "
    "or the {second} (highlighted by {second_box} {marker})?"
)
_CHUNK = 20_000


@dataclass(frozen=True)
class DepthRules(Rules):
    """Rules of Depth."""

    title = "Depth"

    depth_offset: Annotated[
        float | None,
        Meta("Smallest margin in meters by which an object must be nearer; default 0.3 indoors, 1.0 outdoors.", 0),
    ] = None
    depth_ratio: Annotated[
        float, Meta("Smallest margin as a share of the farther object's distance, if it exceeds --depth-offset.", 0)
    ] = 0.10
    shortcut_cap: Annotated[
        float, Meta('Largest share of rows that "larger box" or "lower edge" answers correctly, or wrongly.', 0, 1)
    ] = 0.6


class DepthReason(IntFlag):
    """Reasons for rejection that only Depth has."""

    OFFSET_NOT_MET = OWN_REASONS
    Z_DISAGREES = OWN_REASONS << 1


class Depth(CuboidTask):
    """Which of two objects is nearer to the camera."""

    name = "Depth"
    order = 30
    rows = 600
    rules = (*CuboidTask.rules, DepthRules)
    roles = ("first", "second")
    margins = ("corner", "z", "surface")
    own_reasons: ClassVar[type[IntFlag] | None] = DepthReason

    def candidates(self, catalog: Catalog, settings: BuildSettings) -> Iterator[CandidateTable]:
        """The unusable cuboids, then every pair of usable ones of different classes, in chunks."""
        rules = settings[DepthRules]
        usable, rejected = self.usable_and_rejected(catalog, settings)
        yield rejected
        if not len(usable):
            return
        corners = catalog.corners[usable]
        far, near, z_far, z_near = np.zeros((4, len(usable)))
        for rows, (x, y, z) in in_pieces(corners):
            reach = np.sqrt(x * x + y * y + z * z)
            far[rows], near[rows] = reach.max(axis=0), reach.min(axis=0)
            z_far[rows], z_near[rows] = z.max(axis=0), z.min(axis=0)
        surface = point_to_cuboid(np.zeros((len(usable), 1, 3)), cuboids(corners))[:, 0]
        image = catalog.object_image[usable]
        class_index = catalog.object_class[usable]
        fixed = fixed_offset(rules.depth_offset, catalog)
        for start in range(0, len(usable), _CHUNK):
            a, b = pairs_within(image[start : start + _CHUNK], image)
            a = a + start
            keep = (a < b) & (class_index[a] != class_index[b])
            a, b = a[keep], b[keep]
            reasons = drawing_conflict(catalog.object_box[usable[a]], catalog.object_box[usable[b]], settings)
            # the only one of the two that can be the nearer one
            first = far[a] + near[a] <= far[b] + near[b]
            p, q = np.where(first, a, b), np.where(first, b, a)
            needed = np.maximum(fixed, rules.depth_ratio * near[q]) - EPSILON
            margins = near[q] - far[p], z_near[q] - z_far[p], surface[q] - surface[p]
            reasons |= np.where(margins[0] < needed, int(DepthReason.OFFSET_NOT_MET), 0)
            reasons |= np.where(margins[1] < -EPSILON, int(DepthReason.Z_DISAGREES), 0)
            reasons |= np.where(margins[2] < needed, int(Reason.SURFACE_DISAGREES), 0)
            yield self.table(
                len(a),
                image=image[a],
                objects=np.stack([usable[a], usable[b]], axis=1),
                class_index=class_index[a],
                answer=np.where(first, 0, 1),
                reasons=reasons,
                margins=np.stack(margins, axis=1),
            )

    def shortcut_share(self, settings: BuildSettings) -> float | None:
        """The drawn boxes alone should not give the answers."""
        return settings[DepthRules].shortcut_cap

    def ask(
        self, candidate: Candidate, place: int, settings: BuildSettings, options: list[int] | None = None
    ) -> Wording:
        """Which is closer to the camera; both objects have a box."""
        catalog, table, row = candidate.catalog, candidate.table, candidate.row
        rules = settings[DepthRules]
        farther = int(table.objects[row, 1 - int(table.answer[row])])
        near = float(np.linalg.norm(catalog.corners[farther], axis=1).min())
        needed = max(fixed_offset(rules.depth_offset, catalog), rules.depth_ratio * near)
        smallest = min(float(table.margins[row, 0]), float(table.margins[row, 2]))
        return self.fill(QUESTION, candidate, place, settings, tightness(smallest, needed))


TASK = Depth()
