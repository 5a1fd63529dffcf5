"""Front: of two objects whose boxes overlap, is the first in front of the second or behind it, seen from the camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntFlag
from typing import Annotated

import numpy as np

from cvbench_builder.candidates import OWN_REASONS, CandidateTable
from cvbench_builder.catalog import Catalog
from cvbench_builder.geometry import overlap_of_smaller
from cvbench_builder.settings import BuildSettings, Meta, Rules
from cvbench_builder.task import Candidate, Prior, Row, Wording
from cvbench_builder.tasks.depth import Depth, DepthReason

QUESTION = (
    "Seen from the camera, is the {first} (highlighted by {first_box} {marker}) in front of or behind "
    "the {second} (highlighted by {second_box} {marker})?"
)
WORDS = ("in front of", "behind")
OPPOSITE = dict(zip(WORDS, WORDS[::-1], strict=True))


@dataclass(frozen=True)
class FrontRules(Rules):
    """Rules of Front."""

    title = "Front"

    front_overlap: Annotated[float, Meta("Smallest overlap of the two boxes, as a share of the smaller one.", 0, 1)] = (
        0.05
    )


class FrontReason(IntFlag):
    """Reasons for rejection that only Front has; the first ones are those of Depth."""

    OFFSET_NOT_MET = int(DepthReason.OFFSET_NOT_MET)
    Z_DISAGREES = int(DepthReason.Z_DISAGREES)
    BOXES_APART = OWN_REASONS << 2


class Front(Depth):
    """Camera order of two objects that overlap in the image. `answer` says which of the two is nearer, 0 or 1."""

    name = "Front"
    order = 60
    rows = 200
    extra = True
    rules = (*Depth.rules, FrontRules)
    own_reasons = FrontReason

    def candidates(self, catalog: Catalog, settings: BuildSettings) -> Iterator[CandidateTable]:
        """The candidates of Depth whose boxes overlap."""
        for table in super().candidates(catalog, settings):
            both = np.flatnonzero((table.objects >= 0).all(axis=1))
            boxes = catalog.object_box[table.objects[both]]
            apart = overlap_of_smaller(boxes[:, 0], boxes[:, 1]) < settings[FrontRules].front_overlap
            reasons = table.reasons.copy()
            reasons[both[apart]] |= int(FrontReason.BOXES_APART)
            yield replace(table, reasons=reasons)

    def ask(
        self, candidate: Candidate, place: int, settings: BuildSettings, options: list[int] | None = None
    ) -> Wording:
        """Is A in front of B; always in front before behind."""
        words = super().ask(candidate, place, settings)
        # `fill` puts the nearer object at `place`: named first, it is in front
        text = self.fill(QUESTION, candidate, place, settings, words.tightness)
        return replace(text, choices=list(WORDS))

    def classes_in(self, row: Row) -> list[str]:
        """The two names in the question."""
        body = row["question"].removeprefix("Seen from the camera, is the ")
        first, _, second = body.partition(" in front of or behind the ")
        return [first.partition(" (")[0], second.partition(" (")[0]]

    def prior_keys(self, row: Row) -> list[tuple[str, ...]]:
        """The pair in its order."""
        return [("ordered", *row["classes"])]

    def lessons(self, row: Row, answer: str) -> list[Prior]:
        """A row also teaches its mirror question."""
        a, b = row["classes"]
        return [(("ordered", a, b), answer), (("ordered", b, a), OPPOSITE.get(answer, ""))]


TASK = Front()
