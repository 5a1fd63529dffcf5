"""An event loop in a thread of its own, in which requests run while the caller waits for their outcomes."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cambrian_eval.endpoint.budget import Budget, Reservation
from cambrian_eval.endpoint.failures import Abandoned, Failure
from cambrian_eval.endpoint.responses import ChatResponse
from cambrian_eval.errors import UserError

if TYPE_CHECKING:
    from cambrian_eval.endpoint.transport import Connections

POLL = 0.1
"""Seconds between two looks at whether the run was interrupted."""


Finished = tuple[Any, ChatResponse | Failure | BaseException]
"""A request by its tag, and its outcome."""


class EventLoop:
    """An event loop in its own thread, which runs requests while the caller waits for outcomes."""

    def __init__(
        self,
        connect: Callable[[], Coroutine[Any, Any, Connections]],
        budget: Budget,
        begun: Callable[[], None],
        ending: Callable[[], None],
    ) -> None:
        self.finished: queue.SimpleQueue[Finished | None] = queue.SimpleQueue()
        self._budget, self._ending = budget, ending
        self._loop = asyncio.new_event_loop()
        self._tasks: dict[asyncio.Task[ChatResponse | Failure], Reservation] = {}
        begun()
        self._thread = threading.Thread(target=self._loop.run_forever, name="endpoint", daemon=True)
        self._thread.start()
        try:
            self.connections = asyncio.run_coroutine_threadsafe(connect(), self._loop).result()
        except BaseException:
            self._stop()
            raise

    def submit(self, tag: Any, work: Coroutine[Any, Any, ChatResponse | Failure], reservation: Reservation) -> None:
        """Starts a request; its outcome comes from `next` with the tag."""

        def start() -> None:
            task = self._loop.create_task(work)
            self._tasks[task] = reservation
            task.add_done_callback(done)

        def done(task: asyncio.Task[ChatResponse | Failure]) -> None:
            del self._tasks[task]
            error = Abandoned() if task.cancelled() else task.exception()
            if error is not None:
                with suppress(UserError):  # a full disk: another error says so
                    self._budget.end(reservation)
            self.finished.put((tag, error or task.result()))

        self._loop.call_soon_threadsafe(start)

    def look_again(self) -> None:
        """Ends a wait in `next`: further requests may be sent."""
        self.finished.put(None)

    def next(self, stop: threading.Event | None) -> Finished | None:
        """The next outcome; None where `stop` is set, or `look_again` called, before there is one."""
        while True:
            try:
                return self.finished.get(timeout=None if stop is None else POLL)
            except queue.Empty:
                if stop is not None and stop.is_set():
                    return None

    def end(self, grace: float) -> None:
        """Abandons the requests that wait; those that have been sent get so many seconds, and no retry."""

        def abandon(all_of_them: bool) -> None:
            for task, reservation in list(self._tasks.items()):
                if all_of_them or not reservation.in_transit:
                    task.cancel()

        def begin() -> None:
            self._ending()
            abandon(False)
            self._loop.call_later(grace, abandon, True)

        self._loop.call_soon_threadsafe(begin)

    def close(self) -> None:
        """Cancels in-flight requests and closes connections."""

        async def end() -> None:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(Exception):
                await self.connections.close()

        with suppress(Exception):
            asyncio.run_coroutine_threadsafe(end(), self._loop).result(timeout=5)
        self._stop()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            self._loop.close()
