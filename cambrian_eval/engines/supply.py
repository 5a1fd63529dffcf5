"""Reads and hashes images ahead of the replicas, in threads, and groups requests by image.

Images stay encoded: replicas decode. What waits is bounded by number and by bytes.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from cambrian_eval.engines.local import Completed, Job, failed
from cambrian_eval.engines.parcels import Item
from cambrian_eval.errors import CambrianEvalError

CHUNK = 8
"""Jobs that a thread prepares at a time; handing over costs more than preparing small ones."""
LARGEST_GROUP = 256
"""Questions about one image that travel together at most."""
BYTES_AHEAD = 256 << 20


class Supply:
    """Groups of requests, ready to be sent; `take` never blocks."""

    def __init__(self, jobs: Iterable[Job], tickets: Iterator[int], workers: int, most: int) -> None:
        self._jobs, self._tickets, self._most = iter(jobs), tickets, most
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="read")
        self._room = threading.Condition()
        self._groups: deque[list[Item]] = deque()
        self._count = self._bytes = 0
        self._broken: list[Completed] = []
        self._error: BaseException | None = None
        self._done = self._closed = False
        threading.Thread(target=self._work, name="supply", daemon=True).start()

    def take(self) -> list[Item] | None:
        """The next group; None where there is none at this moment."""
        with self._room:
            if self._error is not None and not self._groups:
                raise self._error
            if not self._groups:
                return None
            group = self._groups.popleft()
            self._count -= len(group)
            self._bytes -= group[0].size
            self._room.notify_all()
            return group

    def broken(self) -> list[Completed]:
        """Requests that could not be prepared since the last call."""
        with self._room:
            broken, self._broken = self._broken, []
            return broken

    @property
    def empty(self) -> bool:
        """Whether there is nothing to take at this moment."""
        return not self._groups

    @property
    def exhausted(self) -> bool:
        """Whether there will be nothing more."""
        with self._room:
            return self._done and self._error is None and not self._groups and not self._broken

    def close(self) -> None:
        """Drops what waits and stops reading."""
        with self._room:
            self._closed = self._done = True
            self._groups.clear()
            self._room.notify_all()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(self) -> None:
        try:
            group: list[Item] = []
            for found in self._prepared():
                if isinstance(found, Completed):
                    with self._room:
                        self._broken.append(found)
                    continue
                together = group and found.shows and found.shows == group[0].shows and len(group) < LARGEST_GROUP
                if group and not together:
                    self._put(group)
                    group = []
                group.append(found)
                if self._closed:
                    return
            if group:
                self._put(group)
        except BaseException as error:
            self._error = error
        finally:
            self._done = True

    def _put(self, group: list[Item]) -> None:
        with self._room:
            self._room.wait_for(
                lambda: self._closed or (self._count < self._most and self._bytes < BYTES_AHEAD) or not self._groups
            )
            if not self._closed:
                self._groups.append(group)
                self._count += len(group)
                self._bytes += group[0].size

    def _prepared(self) -> Iterator[Item | Completed]:
        ahead: deque[Future[list[Item | Completed]]] = deque()
        while not self._closed:
            while len(ahead) < 8 and (chunk := list(islice(self._jobs, CHUNK))):
                ahead.append(self._pool.submit(self._prepare, chunk))
            if not ahead:
                return
            yield from ahead.popleft().result()

    def _prepare(self, jobs: list[Job]) -> list[Item | Completed]:
        return [self._prepare_one(job) for job in jobs]

    def _prepare_one(self, job: Job) -> Item | Completed:
        try:
            return Item(next(self._tickets), job.prepare(False), job.max_pixels)
        except CambrianEvalError:
            raise
        except Exception:
            return self._as_the_local_engine(job)

    def _as_the_local_engine(self, job: Job) -> Item | Completed:
        """A request whose bytes cannot be read fails with the words it fails with when decoded at once."""
        try:
            return Item(next(self._tickets), job.prepare(True), job.max_pixels)
        except CambrianEvalError:
            raise
        except Exception as error:
            return Completed(None, failed(job.id, error))
