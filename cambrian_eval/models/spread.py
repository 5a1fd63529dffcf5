"""One model behind several addresses: replicas of a server, among which requests are spread.

Each replica takes a request when it has room for one, so that a faster one gets more. Where one is lost, the others
take its requests.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from cambrian_eval.errors import UserError
from cambrian_eval.model import Interruptible, Model, Spending, declines, honours
from cambrian_eval.sample import Request, Response

log = logging.getLogger("cambrian_eval.endpoint")

POLL = 0.1
"""Seconds between two looks at whether the run was interrupted."""


class Member(Model, Interruptible, Spending, Protocol):
    """A model behind one address."""


class SpreadModel:
    """A model whose requests are answered by several equal endpoints."""

    max_images: int | None = None
    reads_pixels = False

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = tuple(members)
        first = self.members[0]
        if len({m.fingerprint for m in members}) > 1:
            raise UserError("the addresses of a base URL must be replicas of one service; give one of them")
        self.name, self.fingerprint = first.name, first.fingerprint
        self.decodes, self.declines = honours(first), declines(first)
        self._stop = threading.Event()
        self._ends = [threading.Event() for _ in members]
        self._lost: dict[int, str] = {}

    def lose(self, number: int, reason: str) -> None:
        """Sends nothing more to a replica, and what it has not answered to the others."""
        self._lost[number] = reason
        self._ends[number].set()

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """Responses in the order of arrival; an error where all replicas are lost."""
        shared = _Shared(requests)
        self._ends = [threading.Event() for _ in self.members]
        while True:
            live = [n for n in range(len(self.members)) if n not in self._lost]
            if not live:
                raise UserError(f"no replica is left: {'; '.join(dict.fromkeys(self._lost.values()))}")
            yield from self._round(shared, live)
            if self._stop.is_set() or not shared.returned:
                return

    def _round(self, shared: _Shared, live: Sequence[int]) -> Iterator[Response]:
        """Until every replica has no more to do; requests of those that are lost on the way may be left."""
        results: queue.SimpleQueue[Response | int | Exception] = queue.SimpleQueue()

        def work(number: int) -> None:
            share = _Share(shared)
            try:
                for response in self.members[number].respond(share):
                    share.in_flight.pop(response.id, None)
                    results.put(response)
            except Exception as error:
                if error is shared.error or not isinstance(error, UserError):
                    results.put(error)
                else:
                    self._lost.setdefault(number, str(error))
            if number in self._lost:
                log.warning("replica %d of %d is lost: %s", number + 1, len(self.members), self._lost[number])
                shared.returned.extend(share.in_flight.values())
            results.put(number)

        for number in live:
            self.members[number].stop_on(self._ends[number])
            threading.Thread(target=work, args=(number,), name=f"replica-{number}", daemon=True).start()
        working = set(live)
        try:
            while working:
                try:
                    found = results.get(timeout=POLL)
                except queue.Empty:
                    if self._stop.is_set():
                        self._end()
                    continue
                if isinstance(found, int):
                    working.discard(found)
                elif isinstance(found, Exception):
                    raise found
                else:
                    yield found
        finally:
            if working:
                self._end()

    def _end(self) -> None:
        for end in self._ends:
            end.set()

    def stop_on(self, stop: threading.Event) -> None:
        """Once the event is set, requests that wait for a replica are left without a response."""
        self._stop = stop

    def record_costs(self, path: Path) -> None:
        """Records the costs of all replicas in one file."""
        for member in self.members:
            member.record_costs(path)

    def describe(self) -> Mapping[str, Any]:
        """As one of them describes itself, and how many there are."""
        return {**self.members[0].describe(), "addresses": len(self.members)}


class _Shared:
    """The requests of a run, for several threads."""

    def __init__(self, requests: Iterator[Request]) -> None:
        self._requests = requests
        self._lock = threading.Lock()
        self.error: Exception | None = None
        self.returned: deque[Request] = deque()
        """Requests that a lost replica has not answered."""

    def take(self) -> Request | None:
        with self._lock:
            try:
                return self.returned.popleft() if self.returned else next(self._requests, None)
            except Exception as error:
                self.error = error
                raise


class _Share:
    """What one replica takes of them."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared
        self.in_flight: dict[str, Request] = {}

    def __iter__(self) -> Iterator[Request]:
        return self

    def __next__(self) -> Request:
        request = self._shared.take()
        if request is None:
            raise StopIteration
        self.in_flight[request.id] = request
        return request
