"""How fast an endpoint is asked: a number of requests at a time that gives way to 429, and waits between tries.

The number of requests in flight is halved when the endpoint says it is too many and creeps up again with every
success; `Retry-After` holds everybody back, because the limit is the account's and not one request's.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 600.0
"""Seconds of `Retry-After` that are still waited for."""


class Pace:
    """Lets at most `limit` requests be in flight, where the limit follows what the endpoint bears."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        self.active = 0
        self._resume_at = 0.0
        self._slowed_at = 0.0
        self._freed: asyncio.Condition | None = None

    def begin(self) -> None:
        """Called in the event loop that the next requests run in."""
        self._freed = asyncio.Condition()
        self.active = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Held while a request is in flight."""
        assert self._freed is not None, "begin() comes first"
        async with self._freed:
            while True:
                await self._freed.wait_for(lambda: self.active < max(1, int(self.limit)))
                if (wait := self._resume_at - time.monotonic()) <= 0:
                    break
                self._freed.release()
                try:
                    await asyncio.sleep(wait)
                finally:
                    await self._freed.acquire()
            self.active += 1
        try:
            yield
        finally:
            self.active -= 1
            async with self._freed:
                self._freed.notify_all()

    def succeeded(self) -> None:
        """One more success: the limit grows by about one for each full round of requests."""
        self.limit = min(float(self.most), self.limit + 1.0 / self.limit)

    def too_many(self, sent_at: float, wait: float | None) -> None:
        """The endpoint refused a request sent at that time because there were too many."""
        now = time.monotonic()
        if sent_at >= self._slowed_at:  # those sent before the last slowing say nothing new
            self.limit = max(1.0, self.limit / 2)
            self._slowed_at = now
        if wait is not None:
            self._resume_at = max(self._resume_at, now + wait)


def backoff(tries: int) -> float:
    """Seconds before the next try: doubling from half a second to half a minute, with jitter."""
    return min(30.0, 0.5 * 2.0 ** (tries - 1)) * random.uniform(0.5, 1.0)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the endpoint asks to wait, from a number or a date; None where it does not say."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        if (text := headers.get(name)) is None:
            continue
        try:
            seconds = float(text) / unit
        except ValueError:
            try:
                seconds = parsedate_to_datetime(text).timestamp() - time.time()
            except (TypeError, ValueError):
                continue
        if seconds == seconds:
            return max(0.0, seconds)
    return None
