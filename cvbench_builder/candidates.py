"""Candidate tables: what a task enumerates, valid or rejected, as columns.

A table holds row numbers into one catalog, never copies of it, so a million candidates stay a few
dozen megabytes. Owns the key and the hash order of a candidate, and its line in
``candidates.jsonl``; the judgement of what is valid belongs to the tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntFlag
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np

from cvbench_builder.catalog import Catalog, Floats, Ints


class Why(IntFlag):
    """Reasons a candidate is rejected. More than one can hold."""

    IMAGE_UNUSABLE = 1
    STUFF = 2
    PART = 4
    CROWD = 8
    TOO_SMALL = 16
    NO_VISIBLE_PIXELS = 32
    DEGENERATE = 64
    MASK_CONFLICT = 128
    DUPLICATE_INSTANCE = 256
    NOT_COUNTABLE_NAME = 512
    CLASH = 1024
    ALSO_A_PART = 2048
    ANCHOR_NOT_UNIQUE = 4096
    GAP_TOO_SMALL = 8192
    OVERLAP = 16384
    NOT_DOMINANT_AXIS = 32768
    ROTATED_IMAGE = 65536
    UNFIT_CUBOID = 131072
    OFFSET_NOT_MET = 262144
    Z_DISAGREES = 524288
    SURFACE_DISAGREES = 1048576
    CORNER_DISAGREES = 2097152
    CENTRE_DISAGREES = 4194304
    CONTAINS_CENTRE = 8388608
    OVER_IMAGE_CAP = 16777216
    SOFT = 33554432


class Soft(IntFlag):
    """What a valid candidate is marked with."""

    CROPPED = 1
    OCCLUDED = 2
    OUT_OF_BOUNDS = 4
    MANY = 8
    MARKED = 16
    """The queried object is not alone of its class and gets a box."""
    MARKED_ANCHOR = 32
    OVERLAPPING_PROJECTIONS = 64
    ZERO_RANDOM = 128
    ZERO_POPULAR = 256
    ZERO_ADVERSARIAL = 512


LEFT, RIGHT, ABOVE, BELOW = range(4)
WORDS = ("left", "right", "above", "below")
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}


@dataclass(frozen=True)
class Table:
    """Candidates of one task over one catalog.

    ``objects`` are the rows of the objects in the order of the question (queried and anchor for
    Relation; the two for Depth; anchor and the two for Distance), -1 where there is none. For
    Count it holds nothing and ``kind`` names the class. ``answer`` is the count, the word number
    (Relation), or which of the two is nearer, 0 or 1.
    """

    task: str
    image: Ints
    objects: Ints
    kind: Ints
    answer: Ints
    why: Ints
    soft: Ints
    margins: Floats
    margin_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.image)

    def take(self, rows: Any) -> Table:
        """The candidates at these rows (numbers, mask or slice), in that order."""
        cut: dict[str, Any] = {
            n: getattr(self, n)[rows] for n in ("image", "objects", "kind", "answer", "why", "soft", "margins")
        }
        return replace(self, **cut)

    def valid(self) -> Table:
        """The candidates that nothing speaks against."""
        return self.take(self.why == 0)


def table(task: str, names: tuple[str, ...], n: int, **columns: Any) -> Table:
    """A table of ``n`` candidates; columns not given mean: no object, no class, no answer, no reason, margin 0."""
    width = {"Count": 0, "Relation": 2, "Depth": 2, "Distance": 3}[task]
    ready: dict[str, Any] = {
        "image": np.zeros(n, np.int64),
        "objects": np.full((n, width), -1, np.int64),
        "kind": np.full(n, -1, np.int64),
        "answer": np.full(n, -1, np.int64),
        "why": np.zeros(n, np.int64),
        "soft": np.zeros(n, np.int64),
        "margins": np.zeros((n, len(names))),
    }
    return Table(task=task, margin_names=names, **{**ready, **columns})


def join(tables: list[Table]) -> Table:
    """Tables of one task over one catalog as one, in the order given."""
    names = ("image", "objects", "kind", "answer", "why", "soft", "margins")
    columns: dict[str, Any] = {n: np.concatenate([getattr(t, n) for t in tables]) for n in names}
    return replace(tables[0], **columns)


def spans(groups: Ints) -> tuple[Ints, Ints]:
    """Start and length of each run of equal values in a sorted column."""
    if not len(groups):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    starts = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
    return starts, np.diff(np.append(starts, len(groups)))


def pairs_within(left: Ints, right: Ints) -> tuple[Ints, Ints]:
    """All (i, j) with left[i] == right[j], both columns sorted, without a Python loop."""
    start = np.searchsorted(right, left, "left")
    count = np.searchsorted(right, left, "right") - start
    first = np.repeat(np.arange(len(left)), count)
    within = np.arange(len(first)) - np.repeat(np.cumsum(count) - count, count)
    return first, np.repeat(start, count) + within


def key(catalog: Catalog, t: Table, row: int) -> str:
    """The identity of a question: what is asked of which objects of which image, seed left out."""
    return _digest("cvbench", catalog, t, row, 12)


def order(catalog: Catalog, t: Table, seed: int) -> list[str]:
    """The hash by which candidates are drawn."""
    return [_digest(str(seed), catalog, t, row, 16) for row in range(len(t))]


def _digest(salt: str, catalog: Catalog, t: Table, row: int, size: int) -> str:
    if t.task == "Count":
        ids = [catalog.classes[int(t.kind[row])].name]
    else:
        ids = [str(catalog.object_id[o]) for o in t.objects[row].tolist() if o >= 0]
    if t.task == "Relation":
        ids.append("x" if int(t.answer[row]) < ABOVE else "y")
    parts = (salt, t.task, catalog.name, catalog.split, str(catalog.image_id[t.image[row]]), *ids)
    return blake2b("\x1f".join(parts).encode(), digest_size=size).hexdigest()


def names_of(flags: int, kind: type[IntFlag]) -> list[str]:
    """The names of the set flags in lower case, as ``candidates.jsonl`` and the funnel write them."""
    return list(_names(flags, kind))


@lru_cache(maxsize=65536)
def _names(flags: int, kind: type[IntFlag]) -> tuple[str, ...]:
    return tuple(str(f.name).lower() for f in kind if flags & int(f))


def funnel(t: Table) -> dict[str, int]:
    """In, out and rejections by reason (a rejection with several reasons counts in each)."""
    counts = {"candidates": len(t), "valid": int(np.count_nonzero(t.why == 0))}
    for reason in Why:
        n = int(np.count_nonzero(t.why & int(reason)))
        if n:
            counts[str(reason.name).lower()] = n
    return counts


def add_funnels(total: dict[str, int], more: dict[str, int]) -> None:
    """Add the counts of ``more`` to ``total``, in place."""
    for name, n in more.items():
        total[name] = total.get(name, 0) + n


def in_chunks(t: Table, size: int = 20_000) -> Iterator[Table]:
    """The table in pieces of at most ``size`` candidates, so that what is made of each stays small."""
    for start in range(0, len(t), size):
        yield t.take(slice(start, start + size))
