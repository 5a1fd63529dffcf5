"""Size: which of two objects is larger in the real world, by the volume and the longest side of their cuboids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag
from typing import Annotated

import numpy as np

from cvbench_builder.candidates import OWN_REASONS, CandidateTable, pairs_within
from cvbench_builder.catalog import Catalog
from cvbench_builder.geometry import cuboids
from cvbench_builder.settings import BuildSettings, Meta, Rules
from cvbench_builder.task import Candidate, Wording
from cvbench_builder.tasks.cuboid_objects import EPSILON, CuboidTask, drawing_conflict, tightness

QUESTION = (
    "Which object is larger in the real world, the {first} (highlighted by {first_box} {marker}) "
    "or the {second} (highlighted by {second_box} {marker})?"
)
_CHUNK = 20_000


@dataclass(frozen=True)
class SizeRules(Rules):
    """Rules of Size."""

    title = "Size"

    size_measure: Annotated[
        str,
        Meta("What makes an object larger; `both` must agree.", choices=("volume", "longest", "both")),
    ] = "both"
    volume_ratio: Annotated[float, Meta("Smallest ratio of the two volumes.", 1)] = 2.0
    longest_ratio: Annotated[float, Meta("Smallest ratio of the two longest sides.", 1)] = 1.25


class SizeReason(IntFlag):
    """Reasons for rejection that only Size has."""

    VOLUMES_ALIKE = OWN_REASONS
    SIDES_ALIKE = OWN_REASONS << 1


class Size(CuboidTask):
    """Which of two objects is larger. `answer` says which of the two, 0 or 1."""

    name = "Size"
    order = 50
    rows = 200
    extra = True
    rules = (*CuboidTask.rules, SizeRules)
    roles = ("first", "second")
    margins = ("volume_ratio", "longest_ratio")
    own_reasons = SizeReason

    def candidates(self, catalog: Catalog, settings: BuildSettings) -> Iterator[CandidateTable]:
        """The unusable cuboids, then every pair of usable ones of different classes, in chunks."""
        rules = settings[SizeRules]
        usable, rejected = self.usable_and_rejected(catalog, settings)
        yield rejected
        if not len(usable):
            return
        sides = 2 * cuboids(catalog.corners[usable]).half
        measures = np.stack([sides.prod(axis=1), sides.max(axis=1)], axis=1)
        image, class_index = catalog.object_image[usable], catalog.object_class[usable]
        checks = (
            ("volume", 0, rules.volume_ratio, SizeReason.VOLUMES_ALIKE),
            ("longest", 1, rules.longest_ratio, SizeReason.SIDES_ALIKE),
        )
        deciding = 1 if rules.size_measure == "longest" else 0
        for start in range(0, len(usable), _CHUNK):
            a, b = pairs_within(image[start : start + _CHUNK], image)
            a = a + start
            keep = (a < b) & (class_index[a] != class_index[b])
            a, b = a[keep], b[keep]
            reasons = drawing_conflict(catalog.object_box[usable[a]], catalog.object_box[usable[b]], settings)
            first = measures[a, deciding] >= measures[b, deciding]
            larger, smaller = np.where(first, a, b), np.where(first, b, a)
            ratios = measures[larger] / measures[smaller]
            for name, column, needed, reason in checks:
                if rules.size_measure in ("both", name):
                    reasons[ratios[:, column] < needed - EPSILON] |= int(reason)
            yield self.table(
                len(a),
                image=image[a],
                objects=np.stack([usable[a], usable[b]], axis=1),
                class_index=class_index[a],
                answer=np.where(first, 0, 1),
                reasons=reasons,
                margins=ratios,
            )

    def ask(
        self, candidate: Candidate, place: int, settings: BuildSettings, options: list[int] | None = None
    ) -> Wording:
        """Which is larger; both objects have a marker."""
        rules = settings[SizeRules]
        volume, longest = candidate.table.margins[candidate.row].tolist()
        found = {"volume": tightness(volume, rules.volume_ratio), "longest": tightness(longest, rules.longest_ratio)}
        smallest = min(v for name, v in found.items() if rules.size_measure in ("both", name))
        return self.fill(QUESTION, candidate, place, settings, smallest)


TASK = Size()
