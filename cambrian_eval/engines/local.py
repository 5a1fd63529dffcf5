"""The engine for one process: threads decode images ahead of the model, into a bounded queue.

It checks that a model returns exactly one response for every request, and turns exceptions into failed responses: when
a model raises an error, its in-flight requests are retried one at a time, so that only those that cause the error are
marked as failed.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from cambrian_eval.errors import CambrianEvalError, ContractError
from cambrian_eval.image import MAX_PIXELS
from cambrian_eval.model import Interruptible, Model, reads_pixels
from cambrian_eval.sample import Request, Response, failed_response

PIXELS_AHEAD = 1 << 28
"""The most decoded pixels that wait for the model (800 MB), so that a few very large images cannot fill the memory."""

QUICK = 0.002
"""Seconds: where preparation and model take less for a request, the model's own thread prepares it.

Handing it over to another thread would cost more than it saves.
"""

MAX_FINISHED_IDS = 10_000
"""The most ids of finished requests that are kept, to recognize a second response to the same request."""


class Job(NamedTuple):
    """A request that is not prepared yet: its images are read, and decoded if needed, in a worker thread."""

    id: str
    """The sample's id."""
    prepare: Callable[[bool], Request]
    """Returns the request with decoded images (True), or with their encoded bytes only (False)."""
    max_pixels: int = MAX_PIXELS
    """The largest image in pixels that is not refused."""


class Source(Protocol):
    """Provides the jobs of a `RequestStream`."""

    def take(self, wait: bool) -> Job | None:
        """The next job. None means that no jobs are left (with `wait`), or that none is available now (without)."""
        ...


class Completed(NamedTuple):
    """A response with its request; the request is None where its preparation failed."""

    request: Request | None
    response: Response


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """Runs a model over jobs in this process."""

    workers: int = max(1, min(8, os.cpu_count() or 1))
    """Number of threads that read and decode images."""
    lookahead: int = 64
    """The most prepared requests that wait for the model."""
    is_fatal: Callable[[Exception], bool] = lambda error: False
    """Whether the process cannot continue after an error; such an error is raised instead of recorded."""

    def facts(self) -> dict[str, Any]:
        """The engine and its settings, for run.json."""
        return {"name": "local", "workers": self.workers}

    def state(self) -> dict[str, Any]:
        """The present state, for `status`."""
        return {"gpus": gpu_memory()}

    def run(self, model: Model, jobs: Iterable[Job], stop: threading.Event) -> Iterator[Completed]:
        """Yields responses in any order. After `stop` is set, only the in-flight requests are finished."""
        stream = self.stream(_Jobs(jobs), stop, reads_pixels(model))
        try:
            yield from self.respond(model, stream)
        finally:
            stream.close()

    def stream(self, source: Source, stop: threading.Event, decode: bool) -> RequestStream:
        """The requests that a model pulls; the source may receive jobs while the model works."""
        return RequestStream(source, self.workers, self.lookahead, stop, decode)

    def respond(self, model: Model, stream: RequestStream) -> Iterator[Completed]:
        """The model's responses to all requests of the stream."""
        requests: Iterator[Request] = iter(stream)
        if isinstance(model, Interruptible):
            model.stop_on(stream.stop)
        while True:
            try:
                for response in model.respond(requests):
                    yield Completed(stream.match(response), response)
                    if stream.failed:
                        yield from stream.take_failed()
            except (CambrianEvalError, KeyboardInterrupt, GeneratorExit):
                raise
            except Exception as error:
                if self.is_fatal(error) and len(stream.in_flight) <= 1:
                    raise
                yield from stream.take_failed()
                yield from self._retry_one_by_one(model, stream, error)
                if stream.exhausted:
                    return
                continue
            yield from stream.take_failed()
            if stream.stop.is_set() and isinstance(model, Interruptible):
                return
            if stream.in_flight:
                first, n = next(iter(stream.in_flight)), len(stream.in_flight)
                raise ContractError(f"model {model.name} returned no response for request {first!r} ({n} in total)")
            if not stream.exhausted:
                raise ContractError(f"model {model.name} stopped before it had read all requests")
            return

    def _retry_one_by_one(self, model: Model, stream: RequestStream, error: Exception) -> Iterator[Completed]:
        """Retries the requests that were in flight at an error, each alone; those that raise again are failed."""
        for request in list(stream.in_flight.values()):
            try:
                responses = list(model.respond(iter((request,))))
            except (CambrianEvalError, KeyboardInterrupt):
                raise
            except Exception as again:
                if self.is_fatal(again):
                    raise
                yield Completed(stream.in_flight.pop(request.id), failed_response(request.id, again))
                continue
            if not responses:
                raise ContractError(f"model {model.name} returned no response for request {request.id!r}") from error
            for response in responses:
                yield Completed(stream.match(response), response)


def gpu_memory() -> list[dict[str, Any]]:
    """Name, used and total bytes of every GPU that this process uses; empty where it uses none."""
    torch = sys.modules.get("torch")  # not imported here: a process that has not imported torch uses no GPU
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return []
    found = []
    for i in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(i)
        found.append({"name": torch.cuda.get_device_name(i), "used": total - free, "total": total})
    return found


class _Jobs:
    """An iterable of jobs as a `Source`."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs = iter(jobs)

    def take(self, wait: bool) -> Job | None:
        return next(self._jobs, None)


class _Prepared:
    """A job that waits for the model, and what became of it."""

    __slots__ = ("done", "dropped", "job", "outcome", "pixels")

    outcome: Request | BaseException
    """The request, or the error of its preparation; set where `done`."""

    def __init__(self, job: Job) -> None:
        self.job, self.pixels = job, 0
        self.done = self.dropped = False


class RequestStream:
    """The iterator from which a model pulls requests; keeps those that are in flight.

    Threads prepare the requests ahead, in order, unless model and preparation are quick together. Where none has
    begun with the one that the model needs, the model's own thread prepares it.
    """

    def __init__(self, source: Source, workers: int, lookahead: int, stop: threading.Event, decode: bool) -> None:
        self._source, self._decode = source, decode
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="prepare")
        self._ahead: deque[_Prepared] = deque()
        self._todo: deque[_Prepared] = deque()
        self._workers, self._lookahead = workers, lookahead
        self.stop = stop
        self._changed = threading.Condition()
        self._working = self._pixels = self._pulled = 0
        self._begin = time.monotonic()
        self._awaited: _Prepared | None = None
        self.failed: list[Completed] = []
        self._finished: dict[str, None] = {}
        self.in_flight: dict[str, Request] = {}
        self.exhausted = self._closed = False

    def __iter__(self) -> Iterator[Request]:
        return self

    def __next__(self) -> Request:
        while not self.stop.is_set():
            if not self._is_quick():
                self._fill()
            one = self._next_ahead()
            job = self._source.take(wait=True) if one is None else one.job
            if job is None:
                break
            outcome = self._outcome(job) if one is None else self._finished_outcome(one)
            self._pulled += 1
            if isinstance(outcome, Request):
                self.in_flight[outcome.id] = outcome
                return outcome
            if isinstance(outcome, CambrianEvalError) or not isinstance(outcome, Exception):
                raise outcome
            self.failed.append(Completed(None, failed_response(job.id, outcome)))
        self.exhausted = True
        raise StopIteration

    def _is_quick(self) -> bool:
        """Whether model and preparation have together taken so little for each request that no thread can help."""
        return time.monotonic() - self._begin < QUICK * (self._pulled + 1)

    def _next_ahead(self) -> _Prepared | None:
        """The next of the jobs that threads prepare, if there is one."""
        if not self._ahead:
            return None
        with self._changed:
            return self._ahead.popleft() if self._ahead else None  # another thread may have taken it back

    @property
    def waiting(self) -> int:
        """Number of requests that are prepared, or being prepared, and not pulled yet."""
        return len(self._ahead)

    def take_back(self, most: int) -> list[str]:
        """Removes up to `most` waiting requests, the last first, and returns their ids; safe while the model pulls."""
        back: list[str] = []
        while len(back) < most:
            with self._changed:
                if not self._ahead:
                    break
                one = self._ahead.pop()
                if self._todo and self._todo[-1] is one:
                    self._todo.pop()
                self._pixels -= one.pixels
                one.dropped = True
            back.append(one.job.id)
        return back

    def _fill(self) -> None:
        while len(self._ahead) < self._lookahead and self._pixels < PIXELS_AHEAD:
            job = self._source.take(wait=False)
            if job is None:
                break
            one = _Prepared(job)
            with self._changed:
                self._ahead.append(one)
                self._todo.append(one)
        while self._working < min(self._workers, len(self._todo)) and self._may_prepare():
            with self._changed:
                self._working += 1
            self._pool.submit(self._work)

    def _may_prepare(self) -> bool:
        """Whether threads may prepare more requests."""
        return self._pixels < PIXELS_AHEAD and not self._is_quick()

    def _work(self) -> None:
        """Prepares what is to do; ends where nothing is, or where none may be prepared."""
        while True:
            with self._changed:
                if self._closed or not self._todo or not self._may_prepare():
                    self._working -= 1
                    return
                one = self._todo.popleft()
            self._prepare(one)

    def _finished_outcome(self, one: _Prepared) -> Request | BaseException:
        """What the model needs now, prepared."""
        with self._changed:
            mine = bool(self._todo) and self._todo[0] is one
            if mine:
                self._todo.popleft()
            else:
                self._awaited = one
                self._changed.wait_for(lambda: one.done)
        if mine:
            self._prepare(one)
        with self._changed:
            self._pixels -= one.pixels
        return one.outcome

    def _prepare(self, one: _Prepared) -> None:
        pixels = 0
        try:
            one.outcome = request = self._request(one.job)
            pixels = self._size(request)
        except BaseException as error:  # raised where the model asks for the request
            one.outcome = error
        with self._changed:
            one.done = True
            if not one.dropped:
                one.pixels = pixels
                self._pixels += pixels
            if self._awaited is one:
                self._changed.notify_all()

    def _outcome(self, job: Job) -> Request | BaseException:
        """The request, prepared now, or the error of its preparation."""
        try:
            return self._request(job)
        except BaseException as error:
            return error

    def _request(self, job: Job) -> Request:
        request = job.prepare(self._decode)
        if not self._decode:
            for image in request.images:
                image.header(job.max_pixels)
        return request

    def _size(self, request: Request) -> int:
        """The pixels of its images; of images that stay encoded, as many as fill the same memory."""
        if not self._decode:
            return sum(len(image.data()) // 3 for image in request.images)
        sizes = (image.load().size for image in request.images)
        return sum(width * height for width, height in sizes)

    def match(self, response: Response) -> Request:
        """The in-flight request of a response, which is then finished; an error where there is none."""
        request = self.in_flight.pop(response.id, None)
        if request is None:
            if response.id in self._finished:
                raise ContractError(f"the model returned a second response for request {response.id!r}")
            raise ContractError(f"the model returned a response for an unknown request {response.id!r}")
        self._finished[response.id] = None
        if len(self._finished) > MAX_FINISHED_IDS:
            del self._finished[next(iter(self._finished))]
        return request

    def take_failed(self) -> Iterator[Completed]:
        """The requests that could not be prepared since the last call."""
        found, self.failed = self.failed, []
        yield from found

    def close(self) -> None:
        """Drops the jobs that no thread has started, and does not wait for the others."""
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
