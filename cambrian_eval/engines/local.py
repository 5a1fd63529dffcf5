"""The engine of one process: pictures are decoded in threads ahead of the model, through a bounded queue.

It checks the contract of models (every request is answered exactly once) and turns exceptions into failed
responses: when a stream breaks, the requests it left open are asked again one at a time, so that only those
that truly break it are marked failed.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from cambrian_eval.errors import CambrianEvalError, ContractError
from cambrian_eval.model import Model
from cambrian_eval.sample import Request, Response


@dataclass(frozen=True, slots=True)
class Job:
    """A request still to be prepared: reading and decoding its pictures happens in a worker."""

    id: str
    prepare: Callable[[], Request]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response with the request it answers; no request where preparing it failed."""

    request: Request | None
    response: Response


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """Drives a model over jobs in this process."""

    workers: int = max(1, min(8, os.cpu_count() or 1))
    lookahead: int = 64
    """Prepared requests that wait for the model at most."""

    def run(self, model: Model, jobs: Iterable[Job], stop: threading.Event) -> Iterator[Answer]:
        """Answers in any order. After `stop` is set, what the model already holds is still answered."""
        feed = _Feed(jobs, self.workers, self.lookahead, stop)
        try:
            yield from self._drive(model, feed)
        finally:
            feed.close()

    def _drive(self, model: Model, feed: _Feed) -> Iterator[Answer]:
        stream: Iterator[Request] = iter(feed)
        while True:
            try:
                for response in model.respond(stream):
                    yield Answer(feed.settle(response), response)
                    yield from feed.failed()
            except (CambrianEvalError, KeyboardInterrupt, GeneratorExit):
                raise
            except Exception as error:
                yield from feed.failed()
                yield from self._one_by_one(model, feed, error)
                if feed.exhausted:
                    return
                continue
            yield from feed.failed()
            if feed.open:
                missing = next(iter(feed.open))
                raise ContractError(
                    f"model {model.name} left request {missing!r} unanswered ({len(feed.open)} in all)"
                )
            if not feed.exhausted:
                raise ContractError(f"model {model.name} stopped before it had read all requests")
            return

    def _one_by_one(self, model: Model, feed: _Feed, error: Exception) -> Iterator[Answer]:
        """Asks what a broken stream left open, each alone; those that break again are failed."""
        for request in list(feed.open.values()):
            try:
                responses = list(model.respond(iter((request,))))
            except (CambrianEvalError, KeyboardInterrupt):
                raise
            except Exception as again:
                yield Answer(feed.open.pop(request.id), failed(request.id, again))
                continue
            if not responses:
                raise ContractError(f"model {model.name} did not answer request {request.id!r}") from error
            for response in responses:
                yield Answer(feed.settle(response), response)


def failed(request_id: str, error: BaseException) -> Response:
    """The response that stands for an exception."""
    text = " ".join(str(error).split())[:500]
    return Response(
        request_id,
        "",
        finish="failed",
        error=f"{type(error).__name__}: {text}" if text else type(error).__name__,
    )


class _Feed:
    """The iterator a model pulls requests from; remembers which it has handed out."""

    def __init__(self, jobs: Iterable[Job], workers: int, lookahead: int, stop: threading.Event) -> None:
        self._jobs = iter(jobs)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="prepare")
        self._ahead: deque[tuple[Job, Future[Request]]] = deque()
        self._lookahead = lookahead
        self._stop = stop
        self._broken: list[Answer] = []
        self._answered: set[str] = set()
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
                self._broken.append(Answer(None, failed(job.id, error)))
                continue
            self.open[request.id] = request
            return request
        self.exhausted = True
        raise StopIteration

    def _fill(self) -> None:
        while len(self._ahead) < self._lookahead:
            job = next(self._jobs, None)
            if job is None:
                return
            self._ahead.append((job, self._pool.submit(job.prepare)))

    def settle(self, response: Response) -> Request:
        """The open request a response answers; anything else breaks the contract."""
        request = self.open.pop(response.id, None)
        if request is None:
            word = "twice" if response.id in self._answered else "although it was not asked"
            raise ContractError(f"the model answered request {response.id!r} {word}")
        self._answered.add(response.id)
        return request

    def failed(self) -> Iterator[Answer]:
        """Requests that could not be prepared since the last call."""
        broken, self._broken = self._broken, []
        yield from broken

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
