"""Candidate tables: the questions that a task considers, valid or rejected, as columns.

A table holds row numbers into one catalog, not copies of it, so a million candidates need a few dozen megabytes.
What is valid is decided by the tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntFlag
from functools import lru_cache
from typing import Any

import numpy as np

from cvbench_builder.catalog import Catalog, Floats, Ints

OWN_REASONS = 1 << 32
"""First bit for the reasons that a task defines itself; lower bits belong to `Reason`."""


class Reason(IntFlag):
    """Reasons for rejecting a candidate that several tasks share. More than one can apply."""

    IMAGE_UNUSABLE = 1
    STUFF = 2
    PART = 4
    CROWD = 8
    TOO_SMALL = 16
    NO_VISIBLE_PIXELS = 32
    DEGENERATE = 64
    MASK_CONFLICT = 128
    DUPLICATE_INSTANCE = 256
    CLASH = 512
    ALSO_A_PART = 1024
    OVERLAP = 2048
    UNFIT_CUBOID = 4096
    SURFACE_DISAGREES = 8192
    CONTAINS_CENTRE = 16384
    UNNAMED = 32768
    """A label without a meaning, such as dontcare or unknown."""


@dataclass(frozen=True)
class CandidateTable:
    """Candidates of one task over one catalog.

    `objects` are the rows of the objects in the order of the task's roles, -1 where there is none; `class_index`
    names the class where a question is about a class. What `answer` and the bits of `flags` mean is up to the task.
    """

    image: Ints
    objects: Ints
    class_index: Ints
    answer: Ints
    reasons: Ints
    """Why the candidate is rejected; 0: it is valid."""
    flags: Ints
    """Properties of a valid candidate, from the flags of its task."""
    margins: Floats

    def __len__(self) -> int:
        return len(self.image)

    def take(self, rows: Any) -> CandidateTable:
        """The candidates at these rows (numbers, mask or slice), in that order."""
        return CandidateTable(**{name: getattr(self, name)[rows] for name in COLUMNS})

    def valid(self) -> CandidateTable:
        """The candidates without a reason for rejection."""
        rows = np.flatnonzero(self.reasons == 0)
        if len(rows) == len(self):
            return self
        return CandidateTable(**{name: np.take(getattr(self, name), rows, axis=0) for name in COLUMNS})


COLUMNS = ("image", "objects", "class_index", "answer", "reasons", "flags", "margins")


def new_table(n: int, width: int, margin_count: int, **columns: Any) -> CandidateTable:
    """A table of `n` candidates; columns not given mean: no object, class, answer, reason or flag, margin 0."""
    default: dict[str, Any] = {"objects": ((n, width), -1), "margins": ((n, margin_count), 0.0)}
    default |= {"image": (n, 0), "class_index": (n, -1), "answer": (n, -1), "reasons": (n, 0), "flags": (n, 0)}
    absent = {name: np.full(*default[name]) for name in COLUMNS if name not in columns}
    return CandidateTable(**absent, **columns)


def join(tables: list[CandidateTable]) -> CandidateTable:
    """Tables of one task over one catalog as one, in the given order."""
    return replace(tables[0], **{n: np.concatenate([getattr(t, n) for t in tables]) for n in COLUMNS})


@dataclass(frozen=True, slots=True)
class Pick:
    """One valid candidate with everything that sampling looks at."""

    hash: str
    catalog: Catalog
    table: CandidateTable
    row: int
    cell: str
    """The quota cell that the candidate counts for."""
    image: str
    """Identity of the image across catalogs; duplicates of an image share it."""
    scene: str
    frame: int
    classes: tuple[str, ...]
    answer: str
    shortcuts: tuple[bool, ...] = ()
    """For each rule of thumb that looks at the drawn boxes alone: whether it gives the answer."""


def image_key(catalog: Catalog, image: int) -> str:
    """Source or component, split and id: different for every image of every catalog."""
    return f"{catalog.name}/{catalog.split}/{catalog.image_id[image]}"


def spans(groups: Ints) -> tuple[Ints, Ints]:
    """Start and length of each run of equal values in a sorted column."""
    if not len(groups):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    starts = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
    return starts, np.diff(np.append(starts, len(groups)))


def pairs_within(left: Ints, right: Ints) -> tuple[Ints, Ints]:
    """All (i, j) with left[i] == right[j], both columns sorted, without a Python loop."""
    runs, length = spans(left)
    start = np.searchsorted(right, left[runs], "left")
    count = np.repeat(np.searchsorted(right, left[runs], "right") - start, length)
    first = np.repeat(np.arange(len(left)), count)
    # where the partners of i start in `right`, less where its pairs start in the result
    shift = np.repeat(start, length) - (np.cumsum(count) - count)
    return first, np.arange(len(first)) + np.repeat(shift, count)


def names_of(flags: int, kind: type[IntFlag]) -> list[str]:
    """The names of the set flags in lower case, as `candidates.jsonl` and the funnel write them."""
    return list(_names(flags, kind))


@lru_cache(maxsize=65536)
def _names(flags: int, kind: type[IntFlag]) -> tuple[str, ...]:
    return tuple(str(f.name).lower() for f in kind if flags & int(f))


def funnel(table: CandidateTable, own_reasons: type[IntFlag] | None) -> dict[str, int]:
    """Candidates, valid ones and rejections by reason (a rejection with several reasons counts for each)."""
    counts = {"candidates": len(table), "valid": int(np.count_nonzero(table.reasons == 0))}
    for reason in (*Reason, *(own_reasons or ())):
        n = int(np.count_nonzero(table.reasons & int(reason)))
        if n:
            counts[str(reason.name).lower()] = n
    return counts


def add_funnels(total: dict[str, int], more: dict[str, int]) -> None:
    """Add the counts of `more` to `total`, in place."""
    for name, n in more.items():
        total[name] = total.get(name, 0) + n


def in_chunks(table: CandidateTable, size: int) -> Iterator[CandidateTable]:
    """The table in pieces of at most `size` candidates, so that what is made of each stays small."""
    for start in range(0, len(table), size):
        yield table.take(slice(start, start + size))
