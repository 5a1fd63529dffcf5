"""The engine of one process: images are decoded in threads ahead of the model, through a bounded queue.

It checks the contract of models (every request is answered exactly once) and turns exceptions into failed
responses: when a stream breaks, the requests it left open are asked again one at a time, so that only those
that truly break it are marked failed.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from cambrian_eval.errors import CambrianEvalError, ContractError
from cambrian_eval.image import MAX_PIXELS
from cambrian_eval.model import Model
from cambrian_eval.sample import Request, Response

PIXELS_AHEAD = 1 << 28
"""Decoded pixels that wait for the model at most (800 MB): a few huge images must not fill the memory."""

REMEMBERED = 10_000
"""Answered requests that are remembered, to say of a wrong answer that it came twice."""


@dataclass(frozen=True, slots=True)
class Job:
    """A request still to be prepared: reading and decoding its images happens in a worker."""

    id: str
    """The sample's id."""
    prepare: Callable[[bool], Request]
    """The request with its images decoded (True), or with their encoded bytes alone (False)."""
    max_pixels: int = MAX_PIXELS
    """The limit to decode under, for whoever decodes later."""


class Source(Protocol):
    """Where a feed takes jobs from."""

    def take(self, wait: bool) -> Job | None:
        """The next job. None: with `wait`, there will be no more; without, there is none at this moment."""
        ...


@dataclass(frozen=True, slots=True)
class Completed:
    """A response with the request it answers; no request where preparing it failed."""

    request: Request | None
    response: Response


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """Drives a model over jobs in this process."""

    workers: int = max(1, min(8, os.cpu_count() or 1))
    """Threads that read and decode images."""
    lookahead: int = 64
    """Prepared requests that wait for the model at most."""
    hopeless: Callable[[Exception], bool] = lambda error: False
    """Whether an error says that this process can answer nothing more; it is then raised instead of recorded."""

    def facts(self) -> dict[str, Any]:
        """Which engine, for run.json."""
        return {"name": "local", "workers": self.workers}

    def state(self) -> dict[str, Any]:
        """How things stand at this moment, for `status`."""
        return {"gpus": gpu_memory()}

    def run(self, model: Model, jobs: Iterable[Job], stop: threading.Event) -> Iterator[Completed]:
        """Answers in any order. After `stop` is set, what the model already holds is still answered."""
        feed = self.feed(_Listed(jobs), stop)
        try:
            yield from self.drive(model, feed)
        finally:
            feed.close()

    def feed(self, source: Source, stop: threading.Event) -> Feed:
        """What a model is to pull requests from; the source's jobs may arrive while the model works."""
        return Feed(source, self.workers, self.lookahead, stop)

    def drive(self, model: Model, feed: Feed) -> Iterator[Completed]:
        """Answers everything the feed has to give."""
        stream: Iterator[Request] = iter(feed)
        while True:
            try:
                for response in model.respond(stream):
                    yield Completed(feed.settle(response), response)
                    yield from feed.failed()
            except (CambrianEvalError, KeyboardInterrupt, GeneratorExit):
                raise
            except Exception as error:
                if self.hopeless(error) and len(feed.open) <= 1:
                    raise
                yield from feed.failed()
                yield from self._one_by_one(model, feed, error)
                if feed.exhausted:
                    return
                continue
            yield from feed.failed()
            if feed.open:
                missing = next(iter(feed.open))
                raise ContractError(f"model {model.name} left request {missing!r} unanswered ({len(feed.open)} in all)")
            if not feed.exhausted:
                raise ContractError(f"model {model.name} stopped before it had read all requests")
            return

    def _one_by_one(self, model: Model, feed: Feed, error: Exception) -> Iterator[Completed]:
        """Asks what a broken stream left open, each alone; those that break again are failed."""
        for request in list(feed.open.values()):
            try:
                responses = list(model.respond(iter((request,))))
            except (CambrianEvalError, KeyboardInterrupt):
                raise
            except Exception as again:
                if self.hopeless(again):
                    raise
                yield Completed(feed.open.pop(request.id), failed(request.id, again))
                continue
            if not responses:
                raise ContractError(f"model {model.name} did not answer request {request.id!r}") from error
            for response in responses:
                yield Completed(feed.settle(response), response)


def failed(request_id: str, error: BaseException) -> Response:
    """The response that stands for an exception."""
    text = " ".join(str(error).split())[:500]
    return Response(
        request_id,
        "",
        finish="failed",
        error=f"{type(error).__name__}: {text}" if text else type(error).__name__,
    )


def gpu_memory() -> list[dict[str, Any]]:
    """Name, used and total bytes of every GPU this process works with; empty where there is none."""
    torch = sys.modules.get("torch")  # not imported for this: without torch no GPU is in use
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return []
    found = []
    for i in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(i)
        found.append({"name": torch.cuda.get_device_name(i), "used": total - free, "total": total})
    return found


class _Listed:
    """Jobs that are all known."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs = iter(jobs)

    def take(self, wait: bool) -> Job | None:
        return next(self._jobs, None)


class Feed:
    """The iterator a model pulls requests from; remembers which it has handed out."""

    def __init__(self, source: Source, workers: int, lookahead: int, stop: threading.Event) -> None:
        self._source = source
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="prepare")
        self._ahead: deque[tuple[Job, Future[Request]]] = deque()
        self._lookahead, self._busy_most = lookahead, 2 * workers
        self._stop = stop
        self._count = threading.Lock()
        self._busy = self._pixels = 0
        self._broken: list[Completed] = []
        self._answered: dict[str, None] = {}
        self.open: dict[str, Request] = {}
        self.exhausted = False

    def __iter__(self) -> Iterator[Request]:
        return self

    def __next__(self) -> Request:
        while not self._stop.is_set():
            self._fill()
            if not self._ahead:
                break
            job, future = self._ahead.popleft()
            try:
                request = future.result()
            except CambrianEvalError:
                raise
            except Exception as error:
                self._broken.append(Completed(None, failed(job.id, error)))
                continue
            with self._count:
                self._pixels -= _pixels(request)
            self.open[request.id] = request
            return request
        self.exhausted = True
        raise StopIteration

    @property
    def waiting(self) -> int:
        """Requests that are prepared, or being prepared, and not handed out."""
        return len(self._ahead)

    def give_back(self, most: int) -> list[str]:
        """Takes up to `most` of the waiting requests out again, the last first; safe while the model pulls."""
        back: list[str] = []
        while len(back) < most:
            try:
                job, future = self._ahead.pop()
            except IndexError:
                break
            future.cancel()
            future.add_done_callback(self._forget)
            back.append(job.id)
        return back

    def _forget(self, future: Future[Request]) -> None:
        with self._count:
            if future.cancelled():
                self._busy -= 1
            elif future.exception() is None:
                self._pixels -= _pixels(future.result())

    def _fill(self) -> None:
        while not self._ahead or self._has_room():
            job = self._source.take(wait=not self._ahead)
            if job is None:
                return
            with self._count:
                self._busy += 1
            self._ahead.append((job, self._pool.submit(self._prepare, job)))

    def _has_room(self) -> bool:
        """Bounded by number and by decoded pixels; few at a time, because sizes are known only when decoded."""
        return len(self._ahead) < self._lookahead and self._busy < self._busy_most and self._pixels < PIXELS_AHEAD

    def _prepare(self, job: Job) -> Request:
        request = None
        try:
            request = job.prepare(True)
            return request
        finally:
            with self._count:
                self._busy -= 1
                self._pixels += _pixels(request) if request else 0

    def settle(self, response: Response) -> Request:
        """The open request a response answers; anything else breaks the contract."""
        request = self.open.pop(response.id, None)
        if request is None:
            word = "twice" if response.id in self._answered else "although it was not asked"
            raise ContractError(f"the model answered request {response.id!r} {word}")
        self._answered[response.id] = None
        if len(self._answered) > REMEMBERED:
            del self._answered[next(iter(self._answered))]
        return request

    def failed(self) -> Iterator[Completed]:
        """Requests that could not be prepared since the last call."""
        broken, self._broken = self._broken, []
        yield from broken

    def close(self) -> None:
        """Drops what no worker has begun and does not wait for the rest."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _pixels(request: Request) -> int:
    sizes = (p.load().size for p in request.images)
    return sum(width * height for width, height in sizes)
