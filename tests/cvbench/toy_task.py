"""A fifth task in one file, as a third party would write it: in which half of the image is an object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Annotated

import numpy as np

from cvbench_builder.candidates import OWN_REASONS, CandidateTable
from cvbench_builder.catalog import Catalog
from cvbench_builder.quotas import split
from cvbench_builder.settings import BuildSettings, Meta, Rules
from cvbench_builder.task import Candidate, Prior, Profile, Row, Wording
from cvbench_builder.tasks.image_objects import ImageTask, object_reasons
from cvbench_builder.wording import box_record

WORDS = ("left half", "right half")


@dataclass(frozen=True)
class HalfRules(Rules):
    """Rules of Half."""

    title = "Half"

    half_margin: Annotated[float, Meta("Smallest distance from the middle, as a share of the width.", 0, 0.5)] = 0.02


class HalfReason(IntFlag):
    """Reasons for rejection that only Half has."""

    NEAR_THE_MIDDLE = OWN_REASONS


class Half(ImageTask):
    """The half of the image that an object is in."""

    name = "Half"
    order = 15
    rows = 100
    rules = (*ImageTask.rules, HalfRules)
    roles = ("object",)
    margins = ("distance",)
    own_reasons = HalfReason
    limits_pairs = False
    sources = ("COCO",)

    def candidates(self, catalog: Catalog, settings: BuildSettings) -> Iterator[CandidateTable]:
        """Every object."""
        box, width = catalog.object_box, catalog.image_width[catalog.object_image]
        left, right = width / 2 - box[:, 2], box[:, 0] - width / 2
        distance = np.maximum(left, right) / width
        reasons = object_reasons(catalog, settings)
        reasons[distance < settings[HalfRules].half_margin] |= int(HalfReason.NEAR_THE_MIDDLE)
        yield self.table(
            len(box),
            image=catalog.object_image,
            objects=np.arange(len(box))[:, None],
            class_index=catalog.object_class,
            answer=(right > left).astype(np.int64),
            reasons=reasons,
            margins=distance[:, None],
        )

    def profile(self, catalog: Catalog, table: CandidateTable, row: int) -> Profile:
        """A cell per source."""
        name = catalog.classes[int(table.class_index[row])].name
        return Profile(catalog.source, (name,), WORDS[int(table.answer[row])])

    def quotas(self, total: int, sources: Sequence[str], settings: BuildSettings) -> dict[str, int]:
        """Equal parts."""
        return split(total, dict.fromkeys(sources, 1.0))

    def priors(self, classes: tuple[str, ...], answer: str) -> list[Prior]:
        """The usual half of a class."""
        return [(("class", *classes), answer)]

    def ask(
        self, candidate: Candidate, place: int, settings: BuildSettings, options: list[int] | None = None
    ) -> Wording:
        """In which half."""
        catalog, table, row = candidate.catalog, candidate.table, candidate.row
        name = catalog.classes[int(table.class_index[row])].name
        answer = WORDS[int(table.answer[row])]
        choices = [answer, *(w for w in WORDS if w != answer)]
        return Wording(
            question=f"In which half of the image is the {name}?",
            choices=choices if place == 0 else choices[::-1],
            place=place,
            classes=(name,),
            boxes=[box_record(catalog, int(table.objects[row, 0]), "object", "red")],
            tightness=float(table.margins[row, 0]) / 0.02,
        )

    def classes_in(self, row: Row) -> list[str]:
        """The name in the question."""
        return [row["question"].removeprefix("In which half of the image is the ").removesuffix("?")]


TASK = Half()
