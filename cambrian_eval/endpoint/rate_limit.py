"""Client-side rate limiting: a number of in-flight requests that adapts to HTTP 429, and backoff between retries.

The number of in-flight requests is halved when the endpoint returns 429 and grows slowly with every success.
`Retry-After` delays all requests, because the rate limit is that of the account.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER = 300.0
"""The longest `Retry-After` in seconds that is waited for, unless another is chosen."""


class ConcurrencyLimit:
    """Limits the number of in-flight requests; the limit adapts to the endpoint."""

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self.limit = float(maximum)
        self.in_flight = 0
        self._resume_at = 0.0
        self._reduced_at = 0.0
        self._freed: asyncio.Condition | None = None

    def start(self) -> None:
        """Called before requests run in a new event loop."""
        self._freed = asyncio.Condition()
        self.in_flight = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Held while a request is in flight."""
        assert self._freed is not None, "call start() first"
        async with self._freed:
            while True:
                await self._freed.wait_for(lambda: self.in_flight < max(1, int(self.limit)))
                if (wait := self._resume_at - time.monotonic()) <= 0:
                    break
                self._freed.release()
                try:
                    await asyncio.sleep(wait)
                finally:
                    await self._freed.acquire()
            self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
            async with self._freed:
                self._freed.notify_all()

    def succeeded(self) -> None:
        """Records a success: the limit grows by about one for each full round of requests."""
        self.limit = min(float(self.maximum), self.limit + 1.0 / self.limit)

    def rate_limited(self, sent_at: float, retry_after: float | None) -> None:
        """Records that the endpoint rejected a request sent at that time with HTTP 429."""
        now = time.monotonic()
        if sent_at >= self._reduced_at:  # requests sent before the last reduction belong to the same overload
            self.limit = max(1.0, self.limit / 2)
            self._reduced_at = now
        if retry_after is not None:
            self._resume_at = max(self._resume_at, now + retry_after)


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
