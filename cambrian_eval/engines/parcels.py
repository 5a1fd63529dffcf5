"""What travels between the driver and its replicas, as plain picklable values.

A parcel carries an image's encoded bytes once, with all the questions about it that go along; the replica decodes
it once. Nothing here knows Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from cambrian_eval.engines.local import Job
from cambrian_eval.image import LazyImage
from cambrian_eval.sample import Request, Response

Ticket = int
"""Names one request for as long as an engine lives; sample ids repeat from condition to condition."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Requests that show the same images, with those images' encoded bytes."""

    images: tuple[tuple[bytes, str, str], ...]
    """Bytes, SHA-256 and name of each."""
    requests: tuple[tuple[Ticket, Request], ...]
    """Requests without their images."""
    max_pixels: int

    def jobs(self) -> list[tuple[Ticket, Job]]:
        """The requests as jobs of a local engine that decode their images here, once for all of them."""

        @lru_cache(maxsize=1)
        def decoded() -> tuple[LazyImage, ...]:
            return tuple(LazyImage.received(*parts).decoded(self.max_pixels) for parts in self.images)

        def preparation(request: Request) -> Callable[[bool], Request]:
            return lambda decode: replace(request, images=decoded())

        return [(ticket, Job(request.id, preparation(request), self.max_pixels)) for ticket, request in self.requests]


@dataclass(frozen=True, slots=True)
class Settled:
    """One answer on its way back."""

    ticket: Ticket
    response: Response
    prepared: bool
    """False where the images could not be decoded, so that the model never saw the request."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a replica says when it is asked."""

    settled: tuple[Settled, ...] = ()
    queued: int = 0
    """Requests it was given and nobody has begun to prepare."""
    waiting: int = 0
    """Requests that are prepared and its model has not asked for yet."""
    broken: tuple[str, str] | None = None
    """Name and message of an error that ends the run: a broken contract or a user's error in the model."""
    lost: str | None = None
    """Why this replica can answer nothing more and should be replaced."""
    gpus: Sequence[dict[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """What a replica says about its model."""

    name: str
    fingerprint: str
    max_images: int | None
    description: dict[str, Any]
    observes: bool
    place: str


@dataclass(slots=True)
class Item:
    """A request in the driver's care: what was asked, who holds it, how many replicas died with it."""

    ticket: Ticket
    request: Request
    max_pixels: int
    deaths: int = 0
    reasons: list[str] = field(default_factory=list)
    holders: set[int] = field(default_factory=set)

    @property
    def size(self) -> int:
        """Bytes its images take on the way."""
        return sum(len(p.data()) for p in self.request.images)

    @property
    def shows(self) -> tuple[str, ...]:
        """Its images by hash: equal tuples travel in one parcel."""
        return tuple(p.sha256 for p in self.request.images)


def parcels(items: Sequence[Item]) -> list[Parcel]:
    """Neighbouring items with the same images as one parcel each."""
    runs: list[list[Item]] = []
    for item in items:
        if runs and item.request.images and runs[-1][0].shows == item.shows:
            runs[-1].append(item)
        else:
            runs.append([item])
    return [_parcel(run) for run in runs]


def _parcel(items: Sequence[Item]) -> Parcel:
    first = items[0]
    return Parcel(
        tuple((p.data(), p.sha256, p.name) for p in first.request.images),
        tuple((item.ticket, replace(item.request, images=())) for item in items),
        first.max_pixels,
    )
