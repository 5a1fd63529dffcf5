"""One replica: a model in its own process, which the driver gives requests and takes responses from by short calls.

The model runs in one thread and pulls requests as in the local engine, with the same checks: exactly one response for
every request, exceptions become failed responses. Calls only fill its queue and collect responses. The model therefore
decides how to batch, and does not wait for the driver while its queue contains requests.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from cambrian_eval.engines.local import Completed, Job, LocalEngine, RequestStream, gpu_memory
from cambrian_eval.engines.messages import ReplicaInfo, ReplicaReport, ReplicaResponse, RequestBatch, Ticket
from cambrian_eval.errors import CambrianEvalError, ContractError, UserError, describe
from cambrian_eval.model import Interruptible, Model, Observer, declines, honours, reads_pixels
from cambrian_eval.registry import resolve
from cambrian_eval.sample import Sample

BATCH_DELAY = 0.02
"""Seconds that a first response waits for further ones, to be returned together."""
GPU_INTERVAL = 2.0
"""Seconds between two queries of the GPU memory."""


class Replica:
    """The Ray actor. `load` returns when the model is loaded; requests and responses then pass through `exchange`."""

    def __init__(self, model: str | Model, options: Mapping[str, Any], folder: str, workers: int) -> None:
        self._spec, self._options, self._folder = model, options, folder
        self._engine = LocalEngine(workers=workers, lookahead=max(8, 2 * workers), is_fatal=is_fatal)
        self._queue = _Queue()
        self._changed = self._queue.changed
        self._stream: RequestStream | None = None
        self._responses: list[ReplicaResponse] = []
        self._error: CambrianEvalError | None = None
        self._fatal: str | None = None
        self._stop = threading.Event()
        self._returned: list[Ticket] = []
        self._gpus: tuple[float, list[dict[str, Any]]] = (0.0, [])

    def load(self) -> ReplicaInfo:
        """Loads the model and returns the facts about it."""
        with contextlib.suppress(
            OSError
        ):  # a relative checkpoint path refers to the driver's folder, if that exists here
            os.chdir(self._folder)
        if self._options.get("offline"):
            from cambrian_eval.data.hub import go_offline

            go_offline()
        model = resolve(self._spec, self._options) if isinstance(self._spec, str) else self._spec
        self._model = model
        threading.Thread(target=self._work, name="model", daemon=True).start()
        return ReplicaInfo(
            model.name,
            model.fingerprint,
            model.max_images,
            dict(model.describe()),
            isinstance(model, Observer),
            f"{socket.gethostname()} process {os.getpid()}",
            honours(model),
            declines(model),
        )

    def exchange(
        self,
        batches: Sequence[RequestBatch],
        flush: bool,
        refill_at: int,
        timeout: float,
        *observed: tuple[str, Sequence[Sample]],
    ) -> ReplicaReport:
        """Takes requests, and returns when there are responses or at most `refill_at` requests are queued."""
        if isinstance(self._model, Observer):
            for benchmark, samples in observed:
                self._model.observe(benchmark, samples)
        self._queue.put([job for batch in batches for job in batch.jobs()], flush, refill_at)
        with self._changed:
            self._changed.wait_for(
                lambda: bool(self._responses or self._returned) or self._must_return(refill_at), timeout
            )
            if self._responses and not self._must_return(refill_at):
                self._changed.wait_for(lambda: self._must_return(refill_at), BATCH_DELAY)
            responses, self._responses = tuple(self._responses), []
            returned, self._returned = tuple(self._returned), []
            n_prepared = self._stream.waiting if self._stream else 0
            queued, gpus = len(self._queue), self._gpu_memory()
            return ReplicaReport(responses, queued, n_prepared, self._error, self._fatal, gpus, returned)

    def _must_return(self, refill_at: int) -> bool:
        return self._error is not None or self._fatal is not None or len(self._queue) <= refill_at

    def take_back(self, most: int, flush: bool) -> list[Ticket]:
        """Removes up to `most` requests that the model has not pulled, the last first, and returns their tickets."""
        with self._changed:
            self._queue.set_flush(flush)
            found = self._queue.take_back(most)
            if self._stream is not None and len(found) < most:
                found += [self._queue.ticket(i) for i in self._stream.take_back(most - len(found))]
            return found

    def stop(self) -> None:
        """The run ends: requests that wait for an endpoint are returned without a response."""
        if isinstance(self._model, Interruptible):
            self._stop.set()

    def _gpu_memory(self) -> list[dict[str, Any]]:
        now = time.monotonic()
        if now - self._gpus[0] >= GPU_INTERVAL:
            self._gpus = now, gpu_memory()
        return self._gpus[1]

    def _work(self) -> None:
        """The model's thread: one stream of requests after the other, until the run is stopped."""
        try:
            while True:
                self._queue.wait()
                self._stream = stream = self._engine.stream(self._queue, self._stop, reads_pixels(self._model))
                for completed in self._engine.respond(self._model, stream):
                    self._return(completed)
                stream.close()
                if self._stop.is_set():
                    break
            with self._changed:
                left = [*stream.in_flight, *stream.take_back(len(stream.in_flight) + stream.waiting)]
                self._returned += [self._queue.ticket(i) for i in left]
                self._returned += self._queue.take_back(len(self._queue))
                self._changed.notify_all()
        except CambrianEvalError as error:
            self._end(error=_plain(error))
        except BaseException as error:
            self._end(fatal=describe(error))

    def _return(self, completed: Completed) -> None:
        with self._changed:
            ticket = self._queue.ticket(completed.response.id)
            self._responses.append(ReplicaResponse(ticket, completed.response, completed.request is not None))
            if len(self._responses) == 1:
                self._changed.notify_all()

    def _end(self, error: CambrianEvalError | None = None, fatal: str | None = None) -> None:
        with self._changed:
            self._error, self._fatal = error, fatal
            self._changed.notify_all()


def is_fatal(error: Exception) -> bool:
    """Whether only a new process can continue: out of memory, or a GPU error."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"MemoryError", "OutOfMemoryError", "AcceleratorError"}:
        return True
    return isinstance(error, RuntimeError) and "CUDA error" in str(error)


def _plain(error: CambrianEvalError) -> CambrianEvalError:
    """The error as one of the base kinds, which can always be pickled."""
    for kind in (ContractError, UserError):
        if isinstance(error, kind):
            return kind(str(error))
    return CambrianEvalError(str(error))


class _Queue:
    """Jobs that wait for the model; the `Source` of its stream, which ends when the driver asks for a flush.

    `changed` protects the queue and the state of the replica.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._jobs: deque[tuple[Ticket, Job]] = deque()
        self._tickets: dict[str, Ticket] = {}
        self._flush = False
        self._refill_at = -1

    def __len__(self) -> int:
        return len(self._jobs)

    def put(self, jobs: Sequence[tuple[Ticket, Job]], flush: bool, refill_at: int) -> None:
        with self.changed:
            self._jobs.extend(jobs)
            self._tickets.update({job.id: ticket for ticket, job in jobs})
            self._flush, self._refill_at = flush, refill_at
            self.changed.notify_all()

    def set_flush(self, flush: bool) -> None:
        with self.changed:
            self._flush = flush
            self.changed.notify_all()

    def take(self, wait: bool) -> Job | None:
        with self.changed:
            if wait:
                self.changed.wait_for(lambda: bool(self._jobs) or self._flush)
            if not self._jobs:
                return None
            _, job = self._jobs.popleft()
            if len(self._jobs) == self._refill_at:
                self.changed.notify_all()
            return job

    def wait(self) -> None:
        """Waits until there is a job."""
        with self.changed:
            self.changed.wait_for(lambda: bool(self._jobs))

    def ticket(self, request_id: str) -> Ticket:
        """The ticket of a request that leaves this replica."""
        return self._tickets.pop(request_id)

    def take_back(self, most: int) -> list[Ticket]:
        found = [self._jobs.pop() for _ in range(min(most, len(self._jobs)))]
        for _, job in found:
            del self._tickets[job.id]
        return [ticket for ticket, _ in found]
