"""What is sent between the driver and its replicas, as plain picklable values.

A batch carries the encoded bytes of its images once, with all requests about these images; the replica decodes them
once. Requests and responses are pickled as tuples of their values: pickle would collect and set the fields of each
frozen dataclass one by one in Python, which takes more of the driver than all the rest. Nothing here depends on Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from operator import attrgetter
from typing import Any

from cambrian_eval.engines.local import Job
from cambrian_eval.errors import CambrianEvalError
from cambrian_eval.image import LazyImage
from cambrian_eval.sample import Request, Response

Ticket = int
"""A number that identifies one request during the life of an engine; sample ids repeat in every condition."""
_SENT = tuple(f.name for f in fields(Request) if f.name != "images")
_request_values = attrgetter(*_SENT)
_response_values = attrgetter(*(f.name for f in fields(Response)))


@dataclass(frozen=True, slots=True)
class RequestBatch:
    """Requests that share the same images, with the encoded bytes of these images."""

    images: tuple[tuple[bytes, str, str], ...]
    """Bytes, SHA-256 and name of each image."""
    requests: tuple[tuple[Ticket, Request], ...]
    """The requests; they arrive without their images."""
    max_pixels: int
    """The largest image in pixels that may be decoded."""

    def __reduce__(self) -> tuple[Any, ...]:
        requests = [(ticket, _request_values(request)) for ticket, request in self.requests]
        return _received_batch, (self.images, requests, self.max_pixels)

    def jobs(self) -> list[tuple[Ticket, Job]]:
        """The requests as jobs of a local engine, which decode the shared images once."""

        @lru_cache(maxsize=1)
        def images(decode: bool) -> tuple[LazyImage, ...]:
            found = (LazyImage.received(*parts) for parts in self.images)
            return tuple(image.decoded(self.max_pixels) if decode else image for image in found)

        def preparation(request: Request) -> Callable[[bool], Request]:
            return lambda decode: replace(request, images=images(decode))

        return [(ticket, Job(request.id, preparation(request), self.max_pixels)) for ticket, request in self.requests]


@dataclass(frozen=True, slots=True)
class ReplicaResponse:
    """One response of a replica."""

    ticket: Ticket
    response: Response
    prepared: bool
    """False where the images could not be decoded, so that the model never got the request."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _received_response, (self.ticket, _response_values(self.response), self.prepared)


@dataclass(frozen=True, slots=True)
class ReplicaReport:
    """What a replica returns from one call of `exchange`."""

    responses: tuple[ReplicaResponse, ...] = ()
    n_queued: int = 0
    """Number of received requests whose preparation has not started."""
    n_prepared: int = 0
    """Number of prepared requests that the model has not pulled yet."""
    error: CambrianEvalError | None = None
    """An error that ends the run: a broken contract, or a user error raised by the model."""
    fatal: str | None = None
    """Why the replica cannot continue and has to be replaced."""
    gpus: Sequence[dict[str, Any]] = ()
    returned: tuple[Ticket, ...] = ()
    """Requests that are left without a response, because the run was stopped while they waited for an endpoint."""


@dataclass(frozen=True, slots=True)
class ReplicaInfo:
    """The facts about a model that a replica has loaded."""

    name: str
    fingerprint: str
    max_images: int | None
    description: dict[str, Any]
    is_observer: bool
    place: str
    """Host and process of the replica."""
    decodes: frozenset[str] = frozenset()
    """What the model honours, see `model.honours`."""
    declines: Mapping[str, str] = field(default_factory=dict)
    """Why it does not honour some of it."""


@dataclass(slots=True)
class PendingRequest:
    """A request that has no response yet, as the driver keeps it."""

    ticket: Ticket
    request: Request
    max_pixels: int
    replica_failures: int = 0
    """How many replicas failed while this request was in flight."""
    reasons: list[str] = field(default_factory=list)
    """Why they failed."""
    slots: set[int] = field(default_factory=set)
    """The replica slots at which the request is in flight."""

    @property
    def n_bytes(self) -> int:
        """Encoded bytes of its images."""
        return sum(len(p.data()) for p in self.request.images)

    @property
    def image_hashes(self) -> tuple[str, ...]:
        """The hashes of its images; requests with equal hashes are sent in one batch."""
        return tuple(p.sha256 for p in self.request.images)


def batches(pending: Sequence[PendingRequest]) -> list[RequestBatch]:
    """The requests as batches: consecutive requests with the same images are one batch."""
    groups: list[list[PendingRequest]] = []
    for item in pending:
        if groups and item.request.images and groups[-1][0].image_hashes == item.image_hashes:
            groups[-1].append(item)
        else:
            groups.append([item])
    return [_batch(group) for group in groups]


def _batch(group: Sequence[PendingRequest]) -> RequestBatch:
    first = group[0]
    return RequestBatch(
        tuple((p.data(), p.sha256, p.name) for p in first.request.images),
        tuple((item.ticket, item.request) for item in group),
        first.max_pixels,
    )


def _received_batch(images: Any, requests: Sequence[tuple[Ticket, tuple[Any, ...]]], max_pixels: int) -> RequestBatch:
    made = ((ticket, Request(**dict(zip(_SENT, values, strict=True)), images=())) for ticket, values in requests)
    return RequestBatch(images, tuple(made), max_pixels)


def _received_response(ticket: Ticket, values: tuple[Any, ...], prepared: bool) -> ReplicaResponse:
    return ReplicaResponse(ticket, Response(*values), prepared)
