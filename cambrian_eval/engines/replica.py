"""One replica: a model in a process of its own, fed and emptied by the driver through short calls.

The model sits in one thread and pulls requests as it does under the local engine, whose rules (each answered once,
exceptions become failed answers) hold here unchanged. Calls only fill its queue and collect what is ready, so the
model decides how to batch and never waits for the driver as long as its queue holds something.
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

from cambrian_eval.engines.local import Completed, Feed, Job, LocalEngine, gpu_memory
from cambrian_eval.engines.parcels import Card, Parcel, Report, Settled, Ticket
from cambrian_eval.errors import CambrianEvalError
from cambrian_eval.model import Model, Observer
from cambrian_eval.registry import resolve
from cambrian_eval.sample import Sample

LINGER = 0.005
"""Seconds that a first answer waits for company on the way back."""
GPU_EVERY = 2.0


class Replica:
    """The actor. `begin` returns when the model is ready; everything after goes through `exchange`."""

    def __init__(self, model: str | Model, options: Mapping[str, Any], folder: str, workers: int) -> None:
        self._spec, self._options, self._folder = model, options, folder
        self._engine = LocalEngine(workers=workers, lookahead=max(8, 2 * workers), hopeless=hopeless)
        self._queue = _Queue()
        self._changed = self._queue.changed
        self._feed: Feed | None = None
        self._outbox: list[Settled] = []
        self._broken: tuple[str, str] | None = None
        self._lost: str | None = None
        self._gpus: tuple[float, list[dict[str, Any]]] = (0.0, [])

    def begin(self) -> Card:
        """Loads the model and says who this is."""
        with contextlib.suppress(OSError):  # a relative checkpoint path means the driver's folder, if it exists here
            os.chdir(self._folder)
        if self._options.get("offline"):
            from cambrian_eval.data.hub import go_offline

            go_offline()
        model = resolve(self._spec, self._options) if isinstance(self._spec, str) else self._spec
        self._model = model
        threading.Thread(target=self._work, name="model", daemon=True).start()
        return Card(
            model.name,
            model.fingerprint,
            model.max_images,
            dict(model.describe()),
            isinstance(model, Observer),
            f"{socket.gethostname()} process {os.getpid()}",
        )

    def exchange(
        self, parcels: Sequence[Parcel], flush: bool, low: int, wait: float, *observed: tuple[str, Sequence[Sample]]
    ) -> Report:
        """Takes work, waits until there is something to say (answers, or a queue of at most `low`), and says it."""
        if isinstance(self._model, Observer):
            for benchmark, samples in observed:
                self._model.observe(benchmark, samples)
        self._queue.put([job for parcel in parcels for job in parcel.jobs()], flush, low)
        with self._changed:
            self._changed.wait_for(lambda: bool(self._outbox) or self._must_speak(low), wait)
            if self._outbox and not self._must_speak(low):
                self._changed.wait_for(lambda: self._must_speak(low), LINGER)
            settled, self._outbox = tuple(self._outbox), []
            waiting = self._feed.waiting if self._feed else 0
            return Report(settled, len(self._queue), waiting, self._broken, self._lost, self._memory())

    def _must_speak(self, low: int) -> bool:
        return self._broken is not None or self._lost is not None or len(self._queue) <= low

    def give_back(self, most: int, flush: bool) -> list[Ticket]:
        """Takes back up to `most` requests that the model has not asked for, the last ones first."""
        with self._changed:
            self._queue.set_flush(flush)
            back = self._queue.give_back(most)
            if self._feed is not None and len(back) < most:
                back += [self._queue.ticket(i) for i in self._feed.give_back(most - len(back))]
            return back

    def _memory(self) -> list[dict[str, Any]]:
        now = time.monotonic()
        if now - self._gpus[0] >= GPU_EVERY:
            self._gpus = now, gpu_memory()
        return self._gpus[1]

    def _work(self) -> None:
        """The model's thread: one stream of requests after the other."""
        never = threading.Event()
        try:
            while True:
                self._queue.wait()
                self._feed = feed = self._engine.feed(self._queue, never)
                for answer in self._engine.drive(self._model, feed):
                    self._send(answer)
                feed.close()
        except CambrianEvalError as error:
            self._end(broken=(type(error).__name__, str(error)))
        except BaseException as error:
            self._end(lost=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")

    def _send(self, answer: Completed) -> None:
        with self._changed:
            ticket = self._queue.ticket(answer.response.id)
            self._outbox.append(Settled(ticket, answer.response, answer.request is not None))
            if len(self._outbox) == 1:
                self._changed.notify_all()

    def _end(self, broken: tuple[str, str] | None = None, lost: str | None = None) -> None:
        with self._changed:
            self._broken, self._lost = broken, lost
            self._changed.notify_all()


def hopeless(error: Exception) -> bool:
    """Out of memory, or a GPU in a state that only a new process leaves."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"MemoryError", "OutOfMemoryError", "AcceleratorError"}:
        return True
    return isinstance(error, RuntimeError) and "CUDA error" in str(error)


class _Queue:
    """Jobs that wait for the model; a `Source` whose end is what the driver calls a flush.

    `changed` guards it and what the replica keeps beside it.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._jobs: deque[tuple[Ticket, Job]] = deque()
        self._tickets: dict[str, Ticket] = {}
        self._flush = False
        self._low = -1

    def __len__(self) -> int:
        return len(self._jobs)

    def put(self, jobs: Sequence[tuple[Ticket, Job]], flush: bool, low: int) -> None:
        with self.changed:
            self._jobs.extend(jobs)
            self._tickets.update({job.id: ticket for ticket, job in jobs})
            self._flush, self._low = flush, low
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
            if len(self._jobs) == self._low:
                self.changed.notify_all()
            return job

    def wait(self) -> None:
        """Until there is something to do."""
        with self.changed:
            self.changed.wait_for(lambda: bool(self._jobs))

    def ticket(self, request_id: str) -> Ticket:
        """The ticket of a request that leaves this replica."""
        return self._tickets.pop(request_id)

    def give_back(self, most: int) -> list[Ticket]:
        back = [self._jobs.pop() for _ in range(min(most, len(self._jobs)))]
        for _, job in back:
            del self._tickets[job.id]
        return [ticket for ticket, _ in back]
