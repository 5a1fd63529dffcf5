"""Count: how many whole objects of a class an image shows, zero included.

A class is counted only if every instance is a visible whole object of sufficient size and no other name in the
image could mean the same. Which absent classes are asked about is decided in `zero_questions`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Annotated, Any

import numpy as np

from cvbench_builder import count_options
from cvbench_builder.candidates import OWN_REASONS, CandidateTable, Pick, Reason
from cvbench_builder.catalog import Bools, Catalog, ObjectFlag
from cvbench_builder.class_names import is_stuff, is_uncountable, is_unnamed, plural
from cvbench_builder.quotas import split, take_evenly
from cvbench_builder.settings import BuildSettings, Meta, ObjectRules, Rules
from cvbench_builder.stats import answer_text, row_key
from cvbench_builder.task import Candidate, Prior, Profile, Row, SampledRows, Wording
from cvbench_builder.tasks import uniform_counts, zero_questions
from cvbench_builder.tasks.image_objects import ImageTask, object_reasons, presence
from cvbench_builder.wording import box_record

QUESTION = "How many {plural} are in the image?"
RELIABLE = 10
"""Above this number, annotators switch to crowd regions."""
ZERO_STRATEGIES = ("random", "popular", "adversarial")
VALUE_SHARES = {
    "even": {"1": 0.20, "2": 0.20, "3": 0.15, "4": 0.10, "5-10": 0.20},
    # the 3,586 options of the 788 published rows leave 0.62 for one and 0.20 for two if nothing was corrected by hand
    "published": {"1": 0.62, "2": 0.20, "3": 0.08, "4": 0.04, "5-10": 0.05, ">10": 0.01},
}
"""Wanted rows by number of objects, beside those with none."""


@dataclass(frozen=True)
class CountRules(Rules):
    """Rules of Count."""

    title = "Count"

    count_options: Annotated[
        str,
        Meta(
            "Options: `published` are the values around the answer, and 0; `balanced` are windows of values in which "
            "the answer takes every rank equally often; `uniform` are three or four consecutive values, each of them "
            "the answer equally often for each class.",
            choices=("published", "balanced", "uniform"),
            presets={"strict": "uniform"},
        ),
    ] = "published"
    plural: Annotated[
        str,
        Meta(
            "`proper` plurals, or an s after every name as in the `published` set.",
            choices=("proper", "published"),
            presets={"published": "published"},
        ),
    ] = "proper"
    keep_soft: Annotated[
        bool,
        Meta("Keep counts of cropped, occluded or more than ten objects, with a flag.", presets={"strict": False}),
    ] = True
    value_quotas: Annotated[
        str,
        Meta(
            "How many rows each number of objects has: `even`, or as in the `published` set.",
            choices=tuple(VALUE_SHARES),
            presets={"published": "published"},
        ),
    ] = "even"
    zero_share: Annotated[
        float,
        Meta(
            "Share of rows whose answer is 0; with uniform options the largest share.",
            0,
            1,
            presets={"strict": 0.34, "published": 0.0},
        ),
    ] = 0.15
    value_share: Annotated[
        float, Meta("Largest share of one value among the rows about a class.", 0, 1, presets={"published": 1.0})
    ] = 0.5


class CountReason(IntFlag):
    """Reasons for rejection that only Count has."""

    NOT_COUNTABLE_NAME = OWN_REASONS
    SOFT = OWN_REASONS << 1


class CountFlag(IntFlag):
    """Properties of a valid count."""

    CROPPED = 1
    OCCLUDED = 2
    OUT_OF_BOUNDS = 4
    MANY = 8
    ZERO_RANDOM = 16
    ZERO_POPULAR = 32
    ZERO_ADVERSARIAL = 64


class Count(ImageTask):
    """How many objects of a class there are. `answer` is the number, `class_index` the class."""

    name = "Count"
    order = 10
    rows = 788
    rules = (*ImageTask.rules, CountRules)
    roles = ()
    margins = ("smallest_area",)
    own_reasons = CountReason
    flags = CountFlag
    limits_pairs = False
    prior_name = "value prior"
    free_answer = "number"

    def candidates(self, catalog: Catalog, settings: BuildSettings) -> Iterator[CandidateTable]:
        """One candidate for each class that an image shows, then absent classes for the zero questions."""
        objects = object_reasons(catalog, settings)
        groups = presence(catalog, settings, objects)
        reasons, flags = groups.reasons.copy(), np.zeros(len(groups.image), np.int64)
        names = countable(catalog, settings)
        reasons[~names[groups.class_index]] |= int(CountReason.NOT_COUNTABLE_NAME)
        reasons[~catalog.usable_image[groups.image]] |= int(Reason.IMAGE_UNUSABLE)
        only_parts = (groups.whole == 0) & ~groups.crowd
        reasons[only_parts] |= int(Reason.PART)
        for object_flag, flag in (
            (ObjectFlag.CROPPED, CountFlag.CROPPED),
            (ObjectFlag.OCCLUDED, CountFlag.OCCLUDED),
            (ObjectFlag.OUT_OF_BOUNDS, CountFlag.OUT_OF_BOUNDS),
        ):
            flags[(groups.flags & int(object_flag)) != 0] |= int(flag)
        flags[groups.whole > RELIABLE] |= int(CountFlag.MANY)
        if not settings[CountRules].keep_soft:
            reasons[flags != 0] |= int(CountReason.SOFT)
        size = (catalog.image_width * catalog.image_height)[catalog.object_image]
        smallest = np.full(len(groups.image), np.inf)
        np.minimum.at(smallest, groups.group_of, catalog.object_area / size)
        yield self.table(
            len(reasons),
            image=groups.image,
            class_index=groups.class_index,
            answer=groups.whole,
            reasons=reasons,
            flags=flags,
            margins=smallest[:, None],
        )
        marks = np.array([CountFlag.ZERO_ADVERSARIAL, CountFlag.ZERO_POPULAR, CountFlag.ZERO_RANDOM], np.int64)
        for image, class_index, strategy in zero_questions.choose(catalog, groups, names, settings.seed):
            yield self.table(
                len(image),
                image=image,
                class_index=class_index,
                answer=np.zeros(len(image), np.int64),
                flags=marks[strategy],
                margins=np.full((len(image), 1), np.nan),
            )

    def identity(self, catalog: Catalog, table: CandidateTable, row: int) -> list[str]:
        """The class."""
        return [catalog.classes[int(table.class_index[row])].name]

    def describe_rejected(self, catalog: Catalog, table: CandidateTable, row: int) -> dict[str, Any]:
        """Class and number."""
        return {"classes": self.identity(catalog, table, row), "value": int(table.answer[row])}

    def profile(self, catalog: Catalog, table: CandidateTable, row: int) -> Profile:
        """Cells are bands of values, for zeros the strategy that chose the class."""
        value, flags = int(table.answer[row]), int(table.flags[row])
        strategy = [s for s in ZERO_STRATEGIES if flags & int(CountFlag[f"ZERO_{s.upper()}"])]
        cell = " ".join([catalog.source, band(value), *strategy])
        return Profile(cell, tuple(self.identity(catalog, table, row)), str(value))

    def quotas(self, total: int, sources: Sequence[str], settings: BuildSettings) -> dict[str, int]:
        """Bands of values in fixed proportions; zeros have their share and come from the strategies in equal parts."""
        zeros, wanted_shares = settings[CountRules].zero_share, VALUE_SHARES[settings[CountRules].value_quotas]
        scale = (1 - zeros) / sum(wanted_shares.values())
        cells: dict[str, int] = {}
        for source, wanted in self.split_by_source(total, sources, settings).items():
            shares = {f"{source} {v}": share * scale for v, share in wanted_shares.items()}
            shares |= {f"{source} 0 {strategy}": zeros / len(ZERO_STRATEGIES) for strategy in ZERO_STRATEGIES}
            cells |= split(wanted, shares)
        return cells

    def priors(self, classes: tuple[str, ...], answer: str) -> list[Prior]:
        """The usual number of a class."""
        return [(("class", classes[0]), answer)]

    def answer_share(self, settings: BuildSettings) -> float | None:
        """No value may be the answer of too many rows about a class."""
        return settings[CountRules].value_share

    def excess(self, picks: list[Pick], settings: BuildSettings) -> list[Pick]:
        """Zero questions above their share of the rows that exist, not of those wanted."""
        zeros = sorted((p for p in picks if p.answer == "0"), key=lambda p: p.hash)
        room = zero_room(len(picks) - len(zeros), len(zeros), settings[CountRules].zero_share)
        kept = {p.hash for p in take_evenly(zeros, room)}
        return [p for p in zeros if p.hash not in kept]

    def letter_group(self, catalog: Catalog) -> str:
        """All sources together."""
        return ""

    def option_count(self, table: CandidateTable, row: int, key: str, settings: BuildSettings) -> int:
        """Depends on the answer, or on the key."""
        return len(count_options.values(int(table.answer[row]), settings[CountRules].count_options, key))

    def joint_options(self, picks: list[Pick], keys: list[str], settings: BuildSettings) -> list[list[int] | None]:
        """Balanced and uniform windows are chosen for all rows together."""
        style = settings[CountRules].count_options
        if style == "uniform":
            # rows of a source were chosen together
            words = [f"{pick.catalog.source} {pick.classes[0]}" for pick in picks]
            items = [(word, int(p.answer), key) for word, p, key in zip(words, picks, keys, strict=True)]
            return [*count_options.uniform_windows(items)[0]]
        if style == "balanced":
            return [*count_options.balanced_windows([(int(p.answer), k) for p, k in zip(picks, keys, strict=True)])]
        return super().joint_options(picks, keys, settings)

    def choose(
        self,
        picks: list[Pick],
        sources: Sequence[str],
        settings: BuildSettings,
        permits: Callable[[Pick], bool],
        take: Callable[[Pick], None],
    ) -> SampledRows | None:
        """Complete windows of one class: as many rows of each value of the window."""
        if settings[CountRules].count_options != "uniform":
            return None
        return uniform_counts.choose(
            self.split_by_source(settings.size(self.name) or 0, sources, settings),
            picks,
            settings[CountRules].zero_share,
            permits,
            take,
        )

    def ask(
        self, candidate: Candidate, place: int, settings: BuildSettings, options: list[int] | None = None
    ) -> Wording:
        """How many; the boxes of the instances are recorded, but not drawn."""
        catalog, table, row, key = candidate.catalog, candidate.table, candidate.row, candidate.key
        rules = settings[CountRules]
        class_index, number, image = int(table.class_index[row]), int(table.answer[row]), int(table.image[row])
        name = catalog.classes[class_index].name
        values = options or count_options.values(number, rules.count_options, key)
        choices = count_options.shuffled(values, number, place % len(values), key)
        members = []
        if number:
            low, high = np.searchsorted(catalog.object_image, [image, image + 1]).tolist()
            members = [low + i for i, k in enumerate(catalog.object_class[low:high].tolist()) if k == class_index]
        smallest = min((float(catalog.object_area[o]) for o in members), default=None)
        coco = catalog.source == "COCO"
        share, min_area = float(table.margins[row, 0]), settings[ObjectRules].min_area
        return Wording(
            question=QUESTION.format(plural=plural(name, rules.plural)),
            choices=choices,
            place=choices.index(str(number)),
            classes=(name,),
            boxes=[box_record(catalog, o, "instance", "") for o in members],
            tightness=share / min_area if np.isfinite(share) and min_area else math.inf,
            target_class=name if coco else None,
            target_size=None if smallest is None or not coco else round(smallest),
        )

    def classes_in(self, row: Row) -> list[str]:
        """The plural in the question."""
        before, after = QUESTION.split("{plural}")
        return [row["question"].removeprefix(before).removesuffix(after)]

    def free_option(self, answer: str) -> str | None:
        """Any number."""
        return str(int(answer)) if answer.isascii() and answer.isdigit() and len(answer) < 7 else None

    def new_choices(self, row: Row, answer: str, settings: dict[str, Any]) -> list[str]:
        """The options that a question with this answer has."""
        values = count_options.values(int(answer), settings["count_options"], row["key"])
        return count_options.shuffled(values, int(answer), int(row["key"][:8], 16) % len(values), row["key"])

    def redrawn(self, rows: list[Row]) -> list[tuple[list[str], int]] | None:
        """Uniform windows; a count needs nothing but its answer."""
        answers = [answer_text(row) for row in rows]
        if not all(answer.isdecimal() for answer in answers):
            return None
        keys = [row_key(row) for row in rows]
        items = [(row["classes"][0], int(answer), key) for row, answer, key in zip(rows, answers, keys, strict=True)]
        windows, _ = count_options.uniform_windows(items)
        places: list[int] = [0] * len(rows)
        turns: Counter[int] = Counter()
        for i in sorted(range(len(rows)), key=lambda i: keys[i]):
            places[i] = turns[len(windows[i])] % len(windows[i])
            turns[len(windows[i])] += 1
        found = zip(windows, items, places, strict=True)
        return [(count_options.shuffled(values, n, place, key), place) for values, (_, n, key), place in found]

    def prior_keys(self, row: Row) -> list[tuple[str, ...]]:
        """The class."""
        return [("class", row["classes"][0])]


def countable(catalog: Catalog, settings: BuildSettings) -> Bools:
    """Per class, whether its name can follow "how many"."""
    if settings[ObjectRules].any_name:
        return np.array([not is_unnamed(c.name) for c in catalog.classes], bool)
    return np.array([not is_stuff(c.name) and not is_uncountable(c.name) for c in catalog.classes], bool)


def band(value: int) -> str:
    """The quota band of a number: single values below 5, then 5-10, then the rest."""
    return str(value) if value < 5 else "5-10" if value <= 10 else ">10"


def zero_room(others: int, zeros: int, share: float) -> int:
    """How many zero questions are permitted beside so many others; a set of zeros alone may keep a few."""
    if share >= 1:
        return zeros
    # rounded up, because quotas are rounded too
    return max(math.ceil(others * share / (1 - share) - 1e-9), min(zeros, 3) if share and not others else 0)


TASK = Count()
