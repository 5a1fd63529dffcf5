"""Which requests form a batch: of one kind, of similar size, and those about the same images together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Protocol, TypeVar

from cambrian_eval.sample import Request

FEWEST_ROWS = 3
"""Questions of a batch about the same images from which the beginning of their prompt is computed once."""
MOST_ROWS = 16
"""Questions with a shared beginning in one batch, where no batch size is set: their own part is short."""


class Row(Protocol):
    """A request in the model's chat template."""

    @property
    def request(self) -> Request:
        """The request."""

    @property
    def kind(self) -> tuple[Any, ...]:
        """Equal in all rows of a batch."""

    @property
    def images(self) -> tuple[str, ...]:
        """The content of its images."""

    @property
    def size(self) -> int:
        """About how much there is to compute."""


AnyRow = TypeVar("AnyRow", bound=Row)


def ordered(rows: Sequence[AnyRow]) -> list[AnyRow]:
    """Rows of one kind together, the largest first, and those about the same images next to each other."""
    largest: dict[Any, int] = {}
    for row in rows:
        group = row.kind, row.images
        largest[group] = max(largest.get(group, 0), row.size)
    return sorted(rows, key=lambda row: (row.kind, largest[row.kind, row.images], row.images, row.size), reverse=True)


def next_batch(rows: Sequence[AnyRow], size: int, shared_size: int) -> list[AnyRow]:
    """The first rows that form a batch of at most `size`.

    Rows that share the beginning of their prompt are a batch of their own, of at most `shared_size` (0: none share).
    """
    if not rows:
        return []
    if share_beginning(rows[:shared_size]):
        alike = takewhile(lambda row: (row.kind, row.images) == (rows[0].kind, rows[0].images), rows[:shared_size])
        return list(alike)
    found: list[AnyRow] = []
    for index, row in enumerate(rows[:size]):
        if row.kind != rows[0].kind or share_beginning(rows[index : index + shared_size]):
            break
        found.append(row)
    return found


def share_beginning(rows: Sequence[Row]) -> bool:
    """Whether enough of the first rows are about the same images for computing their prompt's beginning once."""
    if len(rows) < FEWEST_ROWS or not rows[0].images:
        return False
    first = rows[0].request
    if (first.decoding.num_beams or 1) > 1 or first.order == "text_first" or first.places_images:
        return False  # generate would not repeat keys and values for its beams; text that differs comes first
    return all((row.kind, row.images) == (rows[0].kind, rows[0].images) for row in rows[1:FEWEST_ROWS])
