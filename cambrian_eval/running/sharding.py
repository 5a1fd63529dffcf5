"""Which samples go together: the order by image, and `--shard i/n` for n runs started by hand.

A shard holds whole images and whole groups, so that an image is encoded once and a pair is never split.
Every shard stores all samples of its benchmarks, so that `merge` finds what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cambrian_eval.errors import UserError
from cambrian_eval.sample import Sample, clusters

MOST = 100_000
"""The largest number of shards."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The i-th of n parts, counted from 1."""

    number: int
    """Which part, from 1."""
    of_all: int
    """How many parts there are."""

    @classmethod
    def parse(cls, text: str) -> Shard:
        """`2/4` from the command line."""
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text.strip())
        if match is None or not 1 <= int(match[1]) <= int(match[2]) <= MOST:
            raise UserError(f"--shard {text!r} is not of the form i/n with 1 <= i <= n <= {MOST}, for example 1/4")
        return cls(int(match[1]), int(match[2]))

    @property
    def text(self) -> str:
        """As `--shard` takes it and run.json stores it: "2/4"."""
        return f"{self.number}/{self.of_all}"

    def of(self, samples: Sequence[Sample]) -> list[Sample]:
        """This part of the samples, in their order: each connected set goes to the part with the fewest so far."""
        sizes = [0] * self.of_all
        mine: set[str] = set()
        for together in _connected(samples):
            place = sizes.index(min(sizes))
            sizes[place] += len(together)
            if place == self.number - 1:
                mine.update(s.id for s in together)
        return [s for s in samples if s.id in mine]


def by_image(samples: Sequence[Sample]) -> list[Sample]:
    """Samples with those that share an image side by side, images in order of first appearance."""
    places: dict[str, list[Sample]] = {}
    for sample in samples:
        places.setdefault(sample.image_id or f"\0{sample.id}", []).append(sample)
    return [s for group in places.values() for s in group]


def _connected(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Samples joined by an image or a group, however indirectly, in order of first appearance."""
    sets: dict[int, list[Sample]] = {}
    for number, sample in zip(clusters(samples), samples, strict=True):
        sets.setdefault(number, []).append(sample)
    return list(sets.values())
