"""Pauses all requests while an endpoint is down, and tries it with one request at a time until it responds again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

log = logging.getLogger("cambrian_eval.endpoint")

THRESHOLD = 3
"""Failures in a row, over all requests, after which the endpoint counts as down."""
MAX_PROBE_WAIT = 10.0
"""The longest time in seconds between two tries while the endpoint is down."""


class CircuitBreaker:
    """Open while the endpoint is down: requests wait, and take turns in trying whether it responds again."""

    def __init__(self, bound: float, address: str) -> None:
        self.bound, self.address = bound, address
        self.failures = self.probes = 0
        self.last_success = time.monotonic()
        self._since: float | None = None
        self._resume_at = 0.0
        self._turn: asyncio.Lock | None = None

    def start(self) -> None:
        """Called before requests run in a new event loop."""
        self._turn = asyncio.Lock()
        self.last_success = time.monotonic()

    @property
    def is_open(self) -> bool:
        """Whether the endpoint counts as down."""
        return self.failures >= THRESHOLD

    @asynccontextmanager
    async def admitted(self, backoff: Callable[[int], float]) -> AsyncIterator[None]:
        """Entered by a request before it is sent; waits while the endpoint is down."""
        if self.is_open:
            assert self._turn is not None, "call start() first"
            async with self._turn:  # first come, first served: a request that failed goes to the end of the queue
                if self.is_open:
                    pause = min(MAX_PROBE_WAIT, backoff(self.probes + 1))
                    await asyncio.sleep(max(pause, self._resume_at - time.monotonic()))
                    self.probes += 1
                    yield
                    return
        yield

    def failed(self, reason: str, retry_after: float | None) -> None:
        """Records that the endpoint did not respond, or that it is not available."""
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        if retry_after is not None:
            self._resume_at = min(now + retry_after, self._since + self.bound)
        self.failures += 1
        if self.failures == THRESHOLD:
            log.warning(
                "%s is not available (%s); all requests wait for it for up to %g s", self.address, reason, self.bound
            )

    def succeeded(self) -> None:
        """Records a response: the waiting requests go on."""
        now = time.monotonic()
        if self.is_open and self._since is not None:
            log.warning("%s responds again after %.0f s", self.address, now - self._since)
        self.last_success = now
        self.reset()

    def reset(self) -> None:
        """Forgets the failures so far."""
        self.failures = self.probes = 0
        self._since, self._resume_at = None, 0.0

    @property
    def expired(self) -> bool:
        """Whether the outage has lasted longer than requests wait for its end."""
        return self._since is not None and time.monotonic() - self._since >= self.bound
