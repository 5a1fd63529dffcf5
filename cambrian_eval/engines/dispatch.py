"""Who works on what: the bookkeeping of many replicas, without any of Ray, so that it can be tested alone.

Requests go out in groups that share an image. At the end idle replicas take over what others have not begun, and
then repeat what a straggler holds; the first answer counts. When a replica dies with requests in its hands, any of
them may be why: they are tried again in small batches, then alone, and a request that was alone when its last
permitted replica died is failed. Innocent neighbours therefore come through, whatever one request does.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from cambrian_eval.engines.local import Completed
from cambrian_eval.engines.parcels import Item, Settled, Ticket
from cambrian_eval.engines.supply import Supply
from cambrian_eval.sample import Response

QUEUE = 32
"""Requests that wait at a replica for its model at most (a group that shares an image stays whole)."""
LOW = QUEUE // 2
"""When a replica's queue has run down to this it asks for more."""
MOST_BYTES = 32 << 20
"""Encoded images sent to a replica in one call, give or take a group."""


@dataclass(slots=True)
class Seat:
    """A place for a replica: what the one that sits there holds, and how it does."""

    number: int
    ready: bool = False
    held: dict[Ticket, Item] = field(default_factory=dict)
    stale: set[Ticket] = field(default_factory=set)
    """Requests it works on that somebody else has answered."""
    queued: int = 0
    waiting: int = 0
    careful: bool = False
    """Works on requests that a replica died with, and gets nothing else until they are done."""
    moved_at: float = 0.0
    """When it last answered, or was given work after having none."""
    busy: float = 0.0
    """Seconds with work in hand, and `answers` in that time, for its pace."""
    answers: int = 0

    @property
    def idle(self) -> bool:
        """Whether a replica sits there with nothing to do, not even work that is answered already."""
        return self.ready and not self.held and not self.stale

    @property
    def pace(self) -> float | None:
        """Seconds from answer to answer."""
        return self.busy / self.answers if self.answers else None


class Dispatch:
    """One stream of requests over some seats."""

    def __init__(self, seats: Sequence[Seat], supply: Supply, deaths: int, repeat: bool) -> None:
        self.seats, self.supply = seats, supply
        self._deaths, self._repeat = deaths, repeat
        self._returned: deque[list[Item]] = deque()
        self._suspects: deque[list[Item]] = deque()
        self._open: dict[Ticket, Item] = {}
        self.stopping = False

    @property
    def drained(self) -> bool:
        """Whether nothing is left to send out for the first time or again."""
        return self.supply.exhausted and not self._returned and not self._suspects

    @property
    def done(self) -> bool:
        """Whether nothing is left to send out and nothing is out unanswered."""
        return self.drained and not self._open

    def stop(self) -> None:
        """Nothing more is sent out; what models have begun is still awaited."""
        self.stopping = True
        self.supply.close()
        for group in (*self._returned, *self._suspects):
            for item in group:
                self._open.pop(item.ticket, None)
        self._returned.clear()
        self._suspects.clear()

    # -- handing out

    def work_for(self, seat: Seat, now: float) -> list[Item]:
        """What this seat gets next; marks it as held."""
        if not seat.ready or seat.stale or (seat.careful and seat.held):
            return []
        given: list[Item] = []
        if not seat.held:
            seat.careful = bool(self._suspects)
            if seat.careful:
                given = self._suspects.popleft()
        if not seat.careful:
            size = 0
            while seat.queued + len(given) < QUEUE and size < MOST_BYTES:
                group = self._returned.popleft() if self._returned else self.supply.take()
                if group is None:
                    break
                given += group
                size += group[0].size
        if given:
            self._hold(seat, given, now)
        return given

    def _hold(self, seat: Seat, items: Sequence[Item], now: float) -> None:
        if not seat.held:
            seat.moved_at = now
        for item in items:
            self._open[item.ticket] = item
            seat.held[item.ticket] = item
            item.holders.add(seat.number)
        seat.queued += len(items)

    def flush(self, seat: Seat) -> bool:
        """Whether a model should answer what it holds without waiting for more."""
        return seat.careful or self.stopping or (self.supply.exhausted and not self._returned)

    def low(self, seat: Seat) -> int:
        """The queue length at which the seat should ask for more; -1 where there is nothing more for it."""
        nothing = self.supply.empty and not self._returned
        return -1 if seat.careful or seat.stale or nothing else LOW

    # -- coming back

    def settled(self, seat: Seat, found: Sequence[Settled], now: float) -> list[Completed]:
        """The answers that are news; those to what was answered before are dropped."""
        answers = []
        if found:
            seat.busy += now - seat.moved_at
            seat.answers += len(found)
            seat.moved_at = now
        for one in found:
            seat.stale.discard(one.ticket)
            item = self._open.pop(one.ticket, None)
            seat.held.pop(one.ticket, None)
            if item is None:
                continue
            item.holders.discard(seat.number)
            for other in self.seats:
                if other.number in item.holders and other.held.pop(one.ticket, None) is not None:
                    other.stale.add(one.ticket)
            answers.append(Completed(item.request if one.prepared else None, one.response))
        return answers

    def died(self, seat: Seat, reason: str) -> list[Completed]:
        """A replica is gone: what it held is tried again, or failed when it has been the end of enough replicas."""
        held, careful = list(seat.held.values()), seat.careful
        seat.ready = seat.careful = False
        seat.held.clear()
        seat.stale.clear()
        seat.queued = seat.waiting = 0
        for item in held:
            item.holders.discard(seat.number)
            item.deaths += 1
            item.reasons.append(reason)
        orphans = [item for item in held if not item.holders]
        if self.stopping:
            for item in orphans:
                del self._open[item.ticket]
            return []
        if len(held) == 1 and orphans and orphans[0].deaths >= self._deaths:
            return [self._fail(orphans[0])]
        size = 1 if careful else max(1, math.isqrt(len(orphans)))
        self._suspects.extend(orphans[i : i + size] for i in range(0, len(orphans), size))
        return []

    def _fail(self, item: Item) -> Completed:
        del self._open[item.ticket]
        reasons = "; ".join(dict.fromkeys(item.reasons))
        error = f"ended {item.deaths} replicas: {reasons}"[:500]
        return Completed(item.request, Response(item.request.id, "", finish="failed", error=error))

    # -- the tail

    def victim(self) -> tuple[Seat, int] | None:
        """Whom an idle seat should relieve of how many requests that wait there."""
        if not self.supply.exhausted or self._returned or self._suspects:
            return None
        laden = [s for s in self.seats if s.ready and not s.careful and s.queued + s.waiting > 0 and s.held]
        if not laden:
            return None
        most = max(laden, key=lambda s: s.queued + s.waiting)
        return most, (most.queued + most.waiting + 1) // 2

    def gave_back(self, seat: Seat, tickets: Sequence[Ticket]) -> None:
        """What a seat handed back goes to whoever is idle."""
        items = [item for t in reversed(tickets) if (item := seat.held.pop(t, None)) is not None]
        seat.stale.difference_update(tickets)
        left = seat.queued + seat.waiting - len(tickets)
        seat.queued, seat.waiting = (max(0, left), 0) if tickets else (0, 0)
        for item in items:
            item.holders.discard(seat.number)
        items = [item for item in items if not item.holders]
        if self.stopping:
            for item in items:
                del self._open[item.ticket]
        elif items:
            self._returned.append(items)

    def repeat(self, seat: Seat, now: float) -> list[Item]:
        """For an idle seat with nothing else to do: some of what the worst straggler holds, a second time."""
        if not (self._repeat and seat.idle and self.drained) or self.stopping:
            return []
        paces = [s.pace for s in self.seats if s.pace is not None]
        if not paces:
            return []
        patience = max(1.0, 8 * sorted(paces)[len(paces) // 2])
        worst, lag = None, patience
        for other in self.seats:
            if other is not seat and other.ready and not other.careful and other.held:
                own = max(now - other.moved_at, len(other.held) * (other.pace or 0.0))
                if own > lag:
                    worst, lag = other, own
        if worst is None:
            return []
        again = [item for item in worst.held.values() if len(item.holders) == 1]
        again = again[len(again) // 2 :]
        self._hold(seat, again, now)
        return again
