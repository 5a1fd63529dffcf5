"""Which replica gets which request: the bookkeeping of many replicas, independent of Ray so that it can be tested.

Requests are sent in groups that share an image. When none are left, idle replicas take over requests that other
replicas have not started, and then also run requests that are in flight at a slow replica; the first response counts.
When a replica fails, any of its in-flight requests can be the cause: they are retried in small groups, then one at a
time. A request that was alone at its last permitted replica failure is marked as failed, and all others succeed.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cambrian_eval.engines.local import Completed
from cambrian_eval.engines.messages import PendingRequest, ReplicaResponse, Ticket
from cambrian_eval.sample import Response

MAX_QUEUED = 64
"""The most requests that wait at a replica for its model (a group that shares an image is not split)."""
REFILL_AT = MAX_QUEUED // 2
"""The queue length at which a replica asks for more requests."""
MAX_SENT_BYTES = 32 << 20
"""The most encoded bytes of images that are sent in one call; one more group may exceed it."""


class RequestSource(Protocol):
    """Provides groups of requests, for example a `Prefetcher`."""

    def take(self) -> list[PendingRequest] | None:
        """The next group; None where none is available now."""
        ...

    @property
    def empty(self) -> bool:
        """Whether no group is available now."""
        ...

    @property
    def exhausted(self) -> bool:
        """Whether all requests have been taken."""
        ...

    def close(self) -> None:
        """Drops all groups that were not taken."""
        ...


@dataclass(slots=True)
class ReplicaSlot:
    """The driver's view of one replica; a replica that fails is replaced in the same slot."""

    number: int
    ready: bool = False
    in_flight: dict[Ticket, PendingRequest] = field(default_factory=dict)
    superseded: set[Ticket] = field(default_factory=set)
    """Requests that the replica still works on although another replica has returned their responses."""
    n_queued: int = 0
    """Number of its requests whose preparation has not started."""
    n_prepared: int = 0
    """Number of its prepared requests that the model has not pulled yet."""
    isolating: bool = False
    """Whether it retries requests of a failed replica, and gets no others until they are finished."""
    last_progress: float = 0.0
    """When it last returned a response, or got requests after having none."""
    busy_seconds: float = 0.0
    """Total seconds with requests in flight."""
    n_responses: int = 0

    @property
    def idle(self) -> bool:
        """Whether the replica is ready and has nothing to do, not even superseded requests."""
        return self.ready and not self.in_flight and not self.superseded

    @property
    def n_waiting(self) -> int:
        """Number of its requests that the model has not pulled yet."""
        return self.n_queued + self.n_prepared

    @property
    def seconds_per_response(self) -> float | None:
        """Average seconds between responses; None before the first."""
        return self.busy_seconds / self.n_responses if self.n_responses else None


class Dispatcher:
    """Distributes the requests of one source over replica slots."""

    def __init__(
        self, slots: Sequence[ReplicaSlot], source: RequestSource, max_replica_failures: int, repeat: bool
    ) -> None:
        self.slots, self.source = slots, source
        self._max_replica_failures, self._repeat = max_replica_failures, repeat
        self._returned: deque[list[PendingRequest]] = deque()
        self._suspects: deque[list[PendingRequest]] = deque()
        self._pending: dict[Ticket, PendingRequest] = {}
        self.stopping = False

    @property
    def all_sent(self) -> bool:
        """Whether no request is left to send, for the first time or again."""
        return self.source.exhausted and not self._returned and not self._suspects

    @property
    def done(self) -> bool:
        """Whether every request has a response."""
        return self.all_sent and not self._pending

    def stop(self) -> None:
        """Sends no further requests; in-flight requests are still finished."""
        self.stopping = True
        self.source.close()
        for group in (*self._returned, *self._suspects):
            for item in group:
                self._pending.pop(item.ticket, None)
        self._returned.clear()
        self._suspects.clear()

    # -- sending

    def next_requests(self, slot: ReplicaSlot, now: float) -> list[PendingRequest]:
        """The requests to send to a slot next; they are in flight from now on."""
        if not slot.ready or slot.superseded or (slot.isolating and slot.in_flight):
            return []
        found: list[PendingRequest] = []
        if not slot.in_flight:
            slot.isolating = bool(self._suspects)
            if slot.isolating:
                found = self._suspects.popleft()
        if not slot.isolating:
            size = 0
            while slot.n_queued + len(found) < MAX_QUEUED and size < MAX_SENT_BYTES:
                group = self._returned.popleft() if self._returned else self.source.take()
                if group is None:
                    break
                found += group
                size += group[0].n_bytes
        if found:
            self._assign(slot, found, now)
        return found

    def _assign(self, slot: ReplicaSlot, items: Sequence[PendingRequest], now: float) -> None:
        if not slot.in_flight:
            slot.last_progress = now
        for item in items:
            self._pending[item.ticket] = item
            slot.in_flight[item.ticket] = item
            item.slots.add(slot.number)
        slot.n_queued += len(items)

    def flush(self, slot: ReplicaSlot) -> bool:
        """Whether the model should run a batch without waiting for more requests."""
        return slot.isolating or self.stopping or (self.source.exhausted and not self._returned)

    def refill_at(self, slot: ReplicaSlot) -> int:
        """The queue length at which a replica should ask for more requests; -1 where none are available."""
        nothing = self.source.empty and not self._returned
        return -1 if slot.isolating or slot.superseded or nothing else REFILL_AT

    # -- receiving

    def record(self, slot: ReplicaSlot, responses: Sequence[ReplicaResponse], now: float) -> list[Completed]:
        """The responses that are new; a second response to the same request is dropped."""
        completed = []
        if responses:
            slot.busy_seconds += now - slot.last_progress
            slot.n_responses += len(responses)
            slot.last_progress = now
        for found in responses:
            slot.superseded.discard(found.ticket)
            item = self._pending.pop(found.ticket, None)
            slot.in_flight.pop(found.ticket, None)
            if item is None:
                continue
            item.slots.discard(slot.number)
            for other in self.slots:
                if other.number in item.slots and other.in_flight.pop(found.ticket, None) is not None:
                    other.superseded.add(found.ticket)
            completed.append(Completed(item.request if found.prepared else None, found.response))
        return completed

    def replica_failed(self, slot: ReplicaSlot, reason: str) -> list[Completed]:
        """Reassigns the in-flight requests of a failed replica; one that has caused enough failures is failed."""
        in_flight, isolating = list(slot.in_flight.values()), slot.isolating
        slot.ready = slot.isolating = False
        slot.in_flight.clear()
        slot.superseded.clear()
        slot.n_queued = slot.n_prepared = 0
        for item in in_flight:
            item.slots.discard(slot.number)
            item.replica_failures += 1
            item.reasons.append(reason)
        unassigned = [item for item in in_flight if not item.slots]
        if self.stopping:
            for item in unassigned:
                del self._pending[item.ticket]
            return []
        if len(in_flight) == 1 and unassigned and unassigned[0].replica_failures >= self._max_replica_failures:
            return [self._fail(unassigned[0])]
        size = 1 if isolating else max(1, math.isqrt(len(unassigned)))
        self._suspects.extend(unassigned[i : i + size] for i in range(0, len(unassigned), size))
        return []

    def _fail(self, item: PendingRequest) -> Completed:
        del self._pending[item.ticket]
        reasons = "; ".join(dict.fromkeys(item.reasons))
        error = f"{item.replica_failures} replicas failed on this request: {reasons}"[:500]
        return Completed(item.request, Response(item.request.id, "", finish="failed", error=error))

    # -- the last requests

    def most_loaded(self) -> tuple[ReplicaSlot, int] | None:
        """The slot with the most waiting requests, and how many of them an idle slot should take over."""
        if not self.source.exhausted or self._returned or self._suspects:
            return None
        loaded = [s for s in self.slots if s.ready and not s.isolating and s.n_waiting > 0 and s.in_flight]
        if not loaded:
            return None
        most = max(loaded, key=lambda s: s.n_waiting)
        return most, (most.n_waiting + 1) // 2

    def reassign(self, slot: ReplicaSlot, tickets: Sequence[Ticket]) -> None:
        """Makes requests that a replica has returned without a response available to other slots."""
        items = [item for t in reversed(tickets) if (item := slot.in_flight.pop(t, None)) is not None]
        slot.superseded.difference_update(tickets)
        left = slot.n_waiting - len(tickets)
        slot.n_queued, slot.n_prepared = (max(0, left), 0) if tickets else (0, 0)
        for item in items:
            item.slots.discard(slot.number)
        items = [item for item in items if not item.slots]
        if self.stopping:
            for item in items:
                del self._pending[item.ticket]
        elif items:
            self._returned.append(items)

    def repeat(self, slot: ReplicaSlot, now: float) -> list[PendingRequest]:
        """For an idle slot when no request is left: some of the in-flight requests of the slowest other slot."""
        if not (self._repeat and slot.idle and self.all_sent) or self.stopping:
            return []
        speeds = [s.seconds_per_response for s in self.slots if s.seconds_per_response is not None]
        if not speeds:
            return []
        threshold = max(1.0, 8 * sorted(speeds)[len(speeds) // 2])
        slowest, longest = None, threshold
        for other in self.slots:
            if other is not slot and other.ready and not other.isolating and other.in_flight:
                expected = len(other.in_flight) * (other.seconds_per_response or 0.0)
                delay = max(now - other.last_progress, expected)
                if delay > longest:
                    slowest, longest = other, delay
        if slowest is None:
            return []
        items = [item for item in slowest.in_flight.values() if len(item.slots) == 1]
        items = items[len(items) // 2 :]
        self._assign(slot, items, now)
        return items
