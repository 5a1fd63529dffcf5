"""Reads and hashes images ahead of the replicas, in threads, and groups requests that share their images.

Images stay encoded; the replicas decode them. The number of requests and of bytes that are read ahead is bounded.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from cambrian_eval.engines.local import Completed, Job
from cambrian_eval.engines.messages import PendingRequest
from cambrian_eval.errors import CambrianEvalError
from cambrian_eval.sample import failed_response

CHUNK = 8
"""Jobs that a thread prepares at a time; for small images, passing a job to a thread costs more than preparing it."""
MAX_GROUP = 256
"""The most requests in a group."""
MAX_BYTES_AHEAD = 256 << 20
"""The most encoded bytes that are read ahead."""


class Prefetcher:
    """Groups of requests whose images are read; `take` never blocks."""

    def __init__(self, jobs: Iterable[Job], tickets: Iterator[int], workers: int, max_ahead: int) -> None:
        self._jobs, self._tickets, self._max_ahead = iter(jobs), tickets, max_ahead
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="read")
        self._changed = threading.Condition()
        self._groups: deque[list[PendingRequest]] = deque()
        self._n_requests = self._n_bytes = 0
        self._failed: list[Completed] = []
        self._error: BaseException | None = None
        self._done = self._closed = False
        threading.Thread(target=self._work, name="prefetch", daemon=True).start()

    def take(self) -> list[PendingRequest] | None:
        """The next group; None where none is available now."""
        with self._changed:
            if self._error is not None and not self._groups:
                raise self._error
            if not self._groups:
                return None
            group = self._groups.popleft()
            self._n_requests -= len(group)
            self._n_bytes -= group[0].n_bytes
            if not self._groups or (self._has_room() and self._n_requests <= self._max_ahead // 2):
                self._changed.notify_all()  # waking the reader for each group would take more than reading
            return group

    def take_failed(self) -> list[Completed]:
        """The requests that could not be prepared since the last call."""
        with self._changed:
            found, self._failed = self._failed, []
            return found

    def wait(self, timeout: float) -> bool:
        """Waits until there is something to take or nothing is left to read; False after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._groups or self._failed) or self._done, timeout)

    @property
    def empty(self) -> bool:
        """Whether no group is available now."""
        return not self._groups

    @property
    def exhausted(self) -> bool:
        """Whether all requests have been read and taken."""
        with self._changed:
            return self._done and self._error is None and not self._groups and not self._failed

    def close(self) -> None:
        """Drops the groups that were not taken and stops reading."""
        with self._changed:
            self._closed = self._done = True
            self._groups.clear()
            self._changed.notify_all()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            self._read()
        except BaseException as raised:
            error = raised
        with self._changed:
            if not self._closed:  # closing cancels what is being read; errors of that are of no interest
                self._error = error
            self._done = True
            self._changed.notify_all()

    def _read(self) -> None:
        group: list[PendingRequest] = []
        for found in self._prepared():
            if isinstance(found, Completed):
                with self._changed:
                    self._failed.append(found)
                    self._changed.notify_all()
                continue
            shared = group and found.image_hashes and found.image_hashes == group[0].image_hashes
            if group and not (shared and len(group) < MAX_GROUP):
                self._put(group)
                group = []
            group.append(found)
            if self._closed:
                return
        if group:
            self._put(group)

    def _put(self, group: list[PendingRequest]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room() or not self._groups)
            if not self._closed:
                self._groups.append(group)
                self._n_requests += len(group)
                self._n_bytes += group[0].n_bytes
                self._changed.notify_all()

    def _has_room(self) -> bool:
        return self._n_requests < self._max_ahead and self._n_bytes < MAX_BYTES_AHEAD

    def _prepared(self) -> Iterator[PendingRequest | Completed]:
        """The prepared requests in order; some chunks are prepared ahead."""
        ahead: deque[Future[list[PendingRequest | Completed]]] = deque()
        while not self._closed:
            while len(ahead) < 8 and (chunk := list(islice(self._jobs, CHUNK))):
                ahead.append(self._pool.submit(self._prepare, chunk))
            if not ahead:
                return
            yield from ahead.popleft().result()

    def _prepare(self, jobs: list[Job]) -> list[PendingRequest | Completed]:
        return [self._prepare_one(job) for job in jobs]

    def _prepare_one(self, job: Job) -> PendingRequest | Completed:
        try:
            return self._pending(job, decode=False)
        except CambrianEvalError:
            raise
        except Exception:
            return self._prepare_decoded(job)

    def _prepare_decoded(self, job: Job) -> PendingRequest | Completed:
        """For images whose bytes cannot be read: decoding them gives the same error as the local engine."""
        try:
            return self._pending(job, decode=True)
        except CambrianEvalError:
            raise
        except Exception as error:
            return Completed(None, failed_response(job.id, error))

    def _pending(self, job: Job, decode: bool) -> PendingRequest:
        return PendingRequest(next(self._tickets), job.prepare(decode), job.max_pixels)
