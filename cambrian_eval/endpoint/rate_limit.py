"""Client-side rate limiting: a number of in-flight requests that adapts to the endpoint, and backoff between retries.

`Retry-After` delays all requests, because the rate limit is that of the account.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER = 300.0
"""The longest `Retry-After` in seconds that is waited for, unless another is chosen."""
START = 16
"""Requests in flight at first."""
ROUND = 32
"""The least number of responses between two looks at the throughput."""


class ConcurrencyLimit:
    """The number of requests that may be in flight, which adapts to the endpoint up to a maximum.

    It starts at `START` and doubles with each round of responses while throughput grows with it; then it is halved
    once, and grows by one a round. It is halved on HTTP 429 and on a timeout, and reduced by a quarter where more
    requests in flight have made the endpoint so slow that it finishes fewer than half as many a second.
    """

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self.limit = float(min(START, maximum))
        self.in_flight = 0
        self._resume_at = 0.0
        self._reduced_at = 0.0
        self._doubling = maximum > START
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._n, self._beside, self._seconds = 0, 0, 0.0
        self._best = (0.0, 0.0)

    def start(self) -> None:
        """Called before requests run in a new event loop."""
        self._waiting.clear()
        self.in_flight = 0
        self._n, self._beside, self._seconds = 0, 0, 0.0
        self._best = (0.0, 0.0)  # other requests take another time

    @property
    def allowed(self) -> int:
        """The most requests in flight at this moment."""
        return max(1, int(self.limit))

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Held while a request is in flight."""
        while True:
            if (wait := self._resume_at - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            elif self.in_flight < self.allowed:
                break
            else:
                await self._turn()
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
            self._wake()

    async def _turn(self) -> None:
        """Waits until a slot may be free."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._wake()  # the slot may have been meant for this request
            raise

    def _wake(self) -> None:
        free = self.allowed - self.in_flight
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1

    def succeeded(self, seconds: float) -> None:
        """Records a response and how long it took."""
        self._n += 1
        self._seconds += seconds
        self._beside += self.in_flight + 1
        self.limit = min(float(self.maximum), self.limit + (0.5 if self._doubling else 1.0 / self.limit))
        if self._n >= max(ROUND, self.limit):
            self._end_round()

    def _end_round(self) -> None:
        """Compares the throughput with the best one so far (requests in flight / seconds of a request)."""
        in_flight, rate = self._beside / self._n, self._beside / max(self._seconds, 1e-9)
        best_in_flight, best_rate = self._best
        if rate > best_rate:
            self._best = in_flight, rate
        if self._doubling:
            if self.limit >= self.maximum:
                self._doubling = False
            elif rate <= 1.1 * best_rate:
                self._reduce(0.5)
        elif rate < best_rate / 2 and in_flight > best_in_flight:
            self._reduce(0.75)
        self._n, self._beside, self._seconds = 0, 0, 0.0

    def overloaded(self, sent_at: float, retry_after: float | None = None) -> None:
        """Records that a request sent at that time was rejected with HTTP 429, or had no response in time."""
        now = time.monotonic()
        if sent_at >= self._reduced_at:  # requests sent before the last reduction belong to the same overload
            self._reduced_at = now
            self._reduce(0.5)
        if retry_after is not None:
            self._resume_at = max(self._resume_at, now + retry_after)

    def _reduce(self, factor: float) -> None:
        self.limit, self._doubling = max(1.0, self.limit * factor), False


def backoff(tries: int) -> float:
    """Seconds before the next retry: doubling from half a second to half a minute, with jitter."""
    return min(30.0, 0.5 * 2.0 ** (tries - 1)) * random.uniform(0.5, 1.0)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds to wait that the headers ask for, given as a number or a date; None where they ask for none."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        if (text := headers.get(name)) is None:
            continue
        try:
            seconds = float(text) / unit
        except ValueError:
            try:
                seconds = parsedate_to_datetime(text).timestamp() - time.time()
            except (TypeError, ValueError, OverflowError):
                continue
        if seconds == seconds:
            return max(0.0, seconds)
    return None
