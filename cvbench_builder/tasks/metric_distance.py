"""Meters: how far the surfaces of two objects are apart, in meters, as a number.

A response is right within a tolerance, and the mean relative accuracy says how close the responses are (see the
adapter `cvbench_extra`). The distance of the cuboids' surfaces is exact for the cuboids, which are themselves
estimates in some components; pairs that are nearer than a smallest distance are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntFlag
from typing import Annotated

import numpy as np

from cvbench_builder.candidates import OWN_REASONS, CandidateTable, pairs_within
from cvbench_builder.catalog import Catalog
from cvbench_builder.geometry import cuboid_distance, cuboids
from cvbench_builder.settings import BuildSettings, Meta, Rules
from cvbench_builder.task import Candidate, Prior, Profile, Row, Wording
from cvbench_builder.tasks.cuboid_objects import EPSILON, CuboidTask, drawing_conflict, tightness

QUESTION = (
    "How far apart are the {first} (highlighted by {first_box} {marker}) and the {second} (highlighted by "
    "{second_box} {marker}) in the real world, measured between their closest points? "
    "Answer with a number in meters."
)
_CHUNK = 5_000
_BANDS = (1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True)
class MetersRules(Rules):
    """Rules of Meters."""

    title = "Meters"

    meters_min: Annotated[float, Meta("Smallest distance that is asked about, in meters.", 0)] = 0.5
    meters_max: Annotated[float, Meta("Largest distance that is asked about, in meters.", 0)] = 50.0


class MetersReason(IntFlag):
    """Reasons for rejection that only Meters has."""

    TOO_CLOSE = OWN_REASONS
    TOO_FAR = OWN_REASONS << 1


class Meters(CuboidTask):
    """The distance between two objects. `answer` is the number of the band that it is in."""

    name = "Meters"
    order = 80
    rows = 200
    extra = True
    rules = (*CuboidTask.rules, MetersRules)
    roles = ("first", "second")
    margins = ("meters",)
    own_reasons = MetersReason
    free_answer = "number"

    def candidates(self, catalog: Catalog, settings: BuildSettings) -> Iterator[CandidateTable]:
        """The unusable cuboids, then every pair of usable ones of different classes, in chunks."""
        rules = settings[MetersRules]
        usable, rejected = self.usable_and_rejected(catalog, settings)
        yield rejected
        if not len(usable):
            return
        bodies = cuboids(catalog.corners[usable])
        image, class_index = catalog.object_image[usable], catalog.object_class[usable]
        for start in range(0, len(usable), _CHUNK):
            a, b = pairs_within(image[start : start + _CHUNK], image)
            a = a + start
            keep = (a < b) & (class_index[a] != class_index[b])
            a, b = a[keep], b[keep]
            reasons = drawing_conflict(catalog.object_box[usable[a]], catalog.object_box[usable[b]], settings)
            meters = cuboid_distance(bodies.take(a), bodies.take(b))
            reasons[meters < rules.meters_min - EPSILON] |= int(MetersReason.TOO_CLOSE)
            reasons[meters > rules.meters_max + EPSILON] |= int(MetersReason.TOO_FAR)
            yield self.table(
                len(a),
                image=image[a],
                objects=np.stack([usable[a], usable[b]], axis=1),
                class_index=class_index[a],
                answer=np.searchsorted(_BANDS, meters),
                reasons=reasons,
                margins=meters[:, None],
            )

    def profile(self, catalog: Catalog, table: CandidateTable, row: int) -> Profile:
        """A cell per component; the answer is its band."""
        classes = tuple(catalog.class_names([int(o) for o in table.objects[row]]))
        return Profile(catalog.component, classes, str(int(table.answer[row])))

    def sides(self, pick: object) -> list[tuple[str, int]]:
        """None: there is no option to choose between; the limits on pairs hold."""
        return []

    def priors(self, classes: tuple[str, ...], answer: str) -> list[Prior]:
        """The usual band of a pair."""
        return [(("pair", *sorted(classes)), answer)]

    def answer_share(self, settings: BuildSettings) -> float | None:
        """No band may hold more than half of the rows about a pair."""
        return 0.5

    def ask(
        self, candidate: Candidate, place: int, settings: BuildSettings, options: list[int] | None = None
    ) -> Wording:
        """How far apart; both objects have a marker. The answer has two digits after the point."""
        meters = float(candidate.table.margins[candidate.row, 0])
        least = settings[MetersRules].meters_min
        # `fill` orders the objects by an answer of 0 or 1
        one_of_two = replace(candidate.table, answer=np.zeros_like(candidate.table.answer))
        words = self.fill(
            QUESTION,
            replace(candidate, table=one_of_two),
            place,
            settings,
            tightness(meters, least) if least else math.inf,
        )
        return replace(words, choices=[], number=f"{meters:.2f}")

    def option_count(self, table: CandidateTable, row: int, key: str, settings: BuildSettings) -> int:
        """Only the order of the two objects alternates."""
        return 2

    def classes_in(self, row: Row) -> list[str]:
        """The two names in the question."""
        body = row["question"].removeprefix("How far apart are the ")
        first, _, second = body.partition(") and the ")
        return [first.partition(" (")[0], second.partition(" (")[0]]

    def free_option(self, answer: str) -> str | None:
        """Any positive number."""
        try:
            value = float(answer)
        except ValueError:
            return None
        return f"{value:.2f}" if 0 < value < 1e6 else None


TASK = Meters()
