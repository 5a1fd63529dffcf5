"""More: are there more objects of one class or of another in the image.

Both classes must be countable as in Count, and their numbers must differ clearly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Annotated

import numpy as np

from cvbench_builder.candidates import OWN_REASONS, CandidateTable, Pick, Reason, pairs_within
from cvbench_builder.catalog import Catalog, Ints, ObjectFlag
from cvbench_builder.class_names import plural
from cvbench_builder.settings import BuildSettings, Meta, Rules
from cvbench_builder.task import Candidate, Prior, Profile, Row, Wording
from cvbench_builder.tasks.count import RELIABLE, CountRules, countable
from cvbench_builder.tasks.image_objects import ImageTask, Presence, object_reasons, presence
from cvbench_builder.wording import box_record

QUESTION = "Are there more {first} or more {second} in the image?"


@dataclass(frozen=True)
class MoreRules(Rules):
    """Rules of More."""

    title = "More"

    more_difference: Annotated[int, Meta("Smallest difference of the two numbers.", 1)] = 1
    more_ratio: Annotated[float, Meta("Smallest ratio of the two numbers.", 1)] = 1.5


class MoreReason(IntFlag):
    """Reasons for rejection that only More has."""

    NOT_COUNTABLE_NAME = OWN_REASONS
    NUMBERS_ALIKE = OWN_REASONS << 1
    SOFT = OWN_REASONS << 2


class More(ImageTask):
    """Which of two classes occurs more often. `objects` are one instance of each; `answer` says which, 0 or 1."""

    name = "More"
    order = 70
    rows = 200
    extra = True
    rules = (*ImageTask.rules, CountRules, MoreRules)
    roles = ("first", "second")
    margins = ("difference", "ratio")
    own_reasons = MoreReason

    def candidates(self, catalog: Catalog, settings: BuildSettings) -> Iterator[CandidateTable]:
        """Every pair of classes that an image shows."""
        rules = settings[MoreRules]
        groups = presence(catalog, settings, object_reasons(catalog, settings))
        own = self._reasons(catalog, groups, settings)
        member = np.zeros(len(groups.image), np.int64)
        member[groups.group_of[::-1]] = np.arange(len(groups.group_of))[::-1]  # the first instance of each class
        a, b = pairs_within(groups.image, groups.image)
        keep = a < b
        a, b = a[keep], b[keep]
        reasons = own[a] | own[b]
        reasons[groups.clash_matrix[groups.class_index[a], groups.class_index[b]]] |= int(Reason.CLASH)
        more, fewer = np.maximum(groups.whole[a], groups.whole[b]), np.minimum(groups.whole[a], groups.whole[b])
        ratio = more / np.maximum(fewer, 1)
        alike = (more - fewer < rules.more_difference) | (ratio < rules.more_ratio - 1e-9)
        reasons[alike] |= int(MoreReason.NUMBERS_ALIKE)
        yield self.table(
            len(a),
            image=groups.image[a],
            objects=np.stack([member[a], member[b]], axis=1),
            class_index=groups.class_index[a],
            answer=np.where(groups.whole[a] > groups.whole[b], 0, 1),
            reasons=reasons,
            margins=np.stack([more - fewer, ratio], axis=1).astype(np.float64),
        )

    def _reasons(self, catalog: Catalog, groups: Presence, settings: BuildSettings) -> Ints:
        """Why a class cannot be counted in an image."""
        reasons = groups.reasons.copy()
        reasons[~countable(catalog, settings)[groups.class_index]] |= int(MoreReason.NOT_COUNTABLE_NAME)
        reasons[~catalog.usable_image[groups.image]] |= int(Reason.IMAGE_UNUSABLE)
        reasons[(groups.whole == 0) & ~groups.crowd] |= int(Reason.PART)
        if not settings[CountRules].keep_soft:
            hidden = ObjectFlag.CROPPED | ObjectFlag.OCCLUDED | ObjectFlag.OUT_OF_BOUNDS
            soft = ((groups.flags & int(hidden)) != 0) | (groups.whole > RELIABLE)
            reasons[soft] |= int(MoreReason.SOFT)
        return reasons

    def profile(self, catalog: Catalog, table: CandidateTable, row: int) -> Profile:
        """A cell per source."""
        names = tuple(catalog.class_names(table.objects[row].tolist()))
        return Profile(catalog.source, names, names[int(table.answer[row])])

    def quotas(self, total: int, sources: Sequence[str], settings: BuildSettings) -> dict[str, int]:
        """The sources in their shares."""
        return self.split_by_source(total, sources, settings)

    def priors(self, classes: tuple[str, ...], answer: str) -> list[Prior]:
        """Which of a pair is usually more frequent."""
        return [(("pair", *sorted(classes)), answer)]

    def sides(self, pick: Pick) -> list[tuple[str, int]]:
        """The pair, and each class."""
        a, b = pick.classes
        won = 1 if int(pick.table.answer[pick.row]) == 0 else -1
        pair = (f"pair {min(a, b)} / {max(a, b)}", won if a <= b else -won)
        return [pair, (f"class {a}", won), (f"class {b}", -won)]

    def ask(
        self, candidate: Candidate, place: int, settings: BuildSettings, options: list[int] | None = None
    ) -> Wording:
        """Are there more A or B; the boxes of both classes are recorded, but not drawn."""
        catalog, table, row = candidate.catalog, candidate.table, candidate.row
        objects = [int(o) for o in table.objects[row]]
        if int(table.answer[row]) != place % 2:
            objects.reverse()
        names = catalog.class_names(objects)
        style, rules = settings[CountRules].plural, settings[MoreRules]
        choices = [plural(name, style) for name in names]
        low, high = np.searchsorted(catalog.object_image, [table.image[row], table.image[row] + 1]).tolist()
        boxes = [
            box_record(catalog, low + i, f"instance of {name}", "")
            for o, name in zip(objects, names, strict=True)
            for i, k in enumerate(catalog.object_class[low:high].tolist())
            if k == catalog.object_class[o]
        ]
        difference, ratio = table.margins[row].tolist()
        return Wording(
            question=QUESTION.format(first=choices[0], second=choices[1]),
            choices=choices,
            place=place % 2,
            classes=tuple(names),
            boxes=boxes,
            tightness=min(
                difference / rules.more_difference, ratio / rules.more_ratio if rules.more_ratio else math.inf
            ),
        )

    def classes_in(self, row: Row) -> list[str]:
        """The options."""
        return list(row["choices"])


TASK = More()
