"""The Ray engine: one replica of the model per GPU (or per CPU) on one machine or a cluster.

Only the driver reads the dataset and writes the run folder. Each replica is a Ray actor, which the driver calls
repeatedly with new requests and which returns the responses that are ready. A replica that crashes or hangs is
replaced, and its in-flight requests are reassigned (`dispatch`). Nothing waits for all replicas at the same time, so no
replica can block the others.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cambrian_eval.engines import cluster
from cambrian_eval.engines.dispatch import Dispatcher, ReplicaSlot
from cambrian_eval.engines.local import Completed, Job
from cambrian_eval.engines.messages import ReplicaInfo, ReplicaReport, batches
from cambrian_eval.engines.prefetch import Prefetcher
from cambrian_eval.engines.remote import RemoteModel, RemoteObserver
from cambrian_eval.engines.replica import Replica
from cambrian_eval.errors import CambrianEvalError, UserError, describe
from cambrian_eval.model import Model
from cambrian_eval.sample import Sample

MAX_STARTS = 3
"""How often in a row a replica may fail to start before its slot stays empty."""


@dataclass(slots=True)
class _Handle:
    """The driver's connection to the replica in one slot."""

    slot: ReplicaSlot
    actor: Any = None
    call: Any = None
    """The present call: `load` until the slot is ready, then `exchange`."""
    take_back: Any = None
    """The present call of `take_back`."""
    called_at: float = 0.0
    place: str = ""
    n_observed: int = 0
    """How many of the engine's observations were sent to the replica."""
    failed_starts: int = 0
    gpus: Sequence[Mapping[str, Any]] = ()


@dataclass(slots=True)
class RayEngine:
    """Runs replicas of a model. `open` starts them, `close` stops them."""

    in_order = False
    """Requests are not answered in about the order in which they come, as a rule that stops a run needs it."""
    replicas: int | None = None
    """Number of replicas; None = as many as the cluster has resources for."""
    gpus_per_replica: float | None = None
    """GPUs for each replica; None = one if the cluster has GPUs, else one CPU."""
    address: str | None = None
    """A running cluster; None = `RAY_ADDRESS`, else a new cluster on this machine."""
    timeout: float = 600.0
    """Seconds that a replica with in-flight requests may return no response before it is replaced."""
    start_timeout: float = 1800.0
    """Seconds for the first replica to load the model."""
    max_replica_failures: int = 3
    """How many replicas may fail on a request before the request is marked as failed."""
    repeat: bool = True
    """Whether an idle replica may also run requests that are in flight at a slow replica, when no others are left."""
    workers: int | None = None
    """Number of threads of each replica that decode images."""
    say: Callable[[str], None] = lambda text: None
    """Called with a line of text for every event that concerns a replica."""
    stage: Callable[[str], None] = lambda text: None
    """Called with what is being waited for while the engine starts."""
    _ray: Any = field(default=None, init=False)
    _owns_cluster: bool = field(default=False, init=False)
    _capacity: cluster.Capacity | None = field(default=None, init=False)
    _handles: list[_Handle] = field(default_factory=list, init=False)
    _observed: list[Any] = field(default_factory=list, init=False)
    _new_actor: Callable[[], Any] | None = field(default=None, init=False)
    _info: ReplicaInfo | None = field(default=None, init=False)
    _n_replaced: int = field(default=0, init=False)
    _last_start_error: str = field(default="", init=False)
    _tickets: Iterator[int] = field(default_factory=itertools.count, init=False)

    # -- starting and stopping

    def open(self, model: str | Model, options: Mapping[str, Any]) -> Model:
        """Starts the replicas; returns when the first has loaded the model, while the others still load it."""
        self._check(options)
        address = self.address or os.environ.get("RAY_ADDRESS")
        self.stage(f"connecting to the Ray cluster at {address}" if address else "starting Ray on this machine")
        self._ray = cluster.load_ray()
        self._owns_cluster = cluster.connect(self._ray, self.address, self.replicas)
        try:
            joined = not self._owns_cluster
            self._capacity = cluster.plan_capacity(self._ray, self.replicas, self.gpus_per_replica, joined)
            if self._capacity.replicas > self._capacity.available:
                self.say(
                    f"{self._capacity.text} requested, resources for {self._capacity.available} available; the others "
                    "start when resources become free"
                )
            self._new_actor = self._actor_factory(model, options)
            self._handles = [_Handle(ReplicaSlot(i)) for i in range(self._capacity.replicas)]
            for handle in self._handles:
                self._start(handle)
            named = model if isinstance(model, str) else model.name
            self.stage(f"loading model {named}: waiting for the first of {self._capacity.text}")
            self._info = self._first_info()
        except BaseException:
            self.close()
            raise
        return RemoteObserver(self._info, self._observe) if self._info.is_observer else RemoteModel(self._info)

    def _check(self, options: Mapping[str, Any]) -> None:
        if self.replicas is not None and self.replicas < 1:
            raise UserError(f"--replicas {self.replicas}: at least one replica is needed")
        if self.gpus_per_replica is not None and self.gpus_per_replica < 0:
            raise UserError(f"--gpus-per-replica {self.gpus_per_replica:g} is negative")
        device = options.get("device")
        if device is not None and ":" in device:
            kind = device.partition(":")[0]
            raise UserError(
                f"option device={device}: with --engine ray each replica sees its own GPUs only; use device={kind}"
            )

    def _actor_factory(self, model: str | Model, options: Mapping[str, Any]) -> Callable[[], Any]:
        """A function that creates one more replica. A model object is put into Ray's object store once."""
        assert self._capacity is not None
        resources = {"num_cpus": 1, "num_gpus": self._capacity.gpus_per_replica}
        kind = self._ray.remote(**resources, max_concurrency=4, max_restarts=0)(Replica)
        workers = self.workers or max(2, min(8, (os.cpu_count() or 1) // self._capacity.replicas))
        given: Any = model
        if not isinstance(model, str):
            try:
                given = self._ray.put(model)
            except TypeError as error:
                raise UserError(
                    f"model {model.name!r} cannot be sent to replicas ({str(error).splitlines()[0]}); "
                    "specify it with --model"
                ) from None
        folder = os.getcwd()
        return lambda: kind.remote(given, options, folder, workers)

    def _start(self, handle: _Handle) -> None:
        assert self._new_actor is not None
        handle.actor = self._new_actor()
        handle.call = handle.actor.load.remote()
        handle.take_back, handle.n_observed, handle.called_at = None, 0, time.monotonic()

    def _first_info(self) -> ReplicaInfo:
        """Waits until a first replica has loaded the model."""
        deadline = time.monotonic() + self.start_timeout
        last_message = time.monotonic()
        while True:
            if not any(handle.call is not None for handle in self._handles):
                raise UserError(f"no replica could load the model: {self._last_start_error}")
            loading = {handle.call: handle for handle in self._handles if handle.call is not None}
            done, _ = self._ray.wait(list(loading), num_returns=1, timeout=1.0)
            for call in done:
                if self._loaded(loading[call]):
                    return self._ray.get(call)  # type: ignore[no-any-return]
            now = time.monotonic()
            free = self._ray.available_resources()
            if now > deadline:
                raise UserError(
                    f"no replica had loaded the model after {self.start_timeout:.0f} s; free resources of the "
                    f"cluster: {free}"
                )
            if now - last_message > 30:
                last_message = now
                self.say(f"waiting for the first replica; free resources of the cluster: {free}")

    def _loaded(self, handle: _Handle) -> bool:
        """Whether a replica whose `load` has returned is ready; one that failed is started again, a few times."""
        call, handle.call = handle.call, None
        try:
            info: ReplicaInfo = self._ray.get(call)
        except Exception as error:
            cause = self._cause(error)
            if isinstance(cause, CambrianEvalError) and self._info is None:
                raise type(cause)(str(cause)) from None
            handle.failed_starts += 1
            self._last_start_error = self._reason(error)
            self.say(f"replica {handle.slot.number} did not start: {self._last_start_error}")
            if handle.failed_starts < MAX_STARTS:
                self._start(handle)
            return False
        first = self._info
        if first is not None and info.fingerprint != first.fingerprint:
            raise UserError(
                f"the replica on {info.place} has a different model from the first ({info.fingerprint} there, "
                f"{first.fingerprint} here); every node must have the same checkpoint"
            )
        handle.slot.ready, handle.failed_starts, handle.place = True, 0, info.place
        return True

    def _observe(self, benchmark: str, samples: Sequence[Sample]) -> None:
        self._observed.append(self._ray.put((benchmark, samples)))

    def close(self) -> None:
        """Stops the replicas, and the cluster if it was started here."""
        for handle in self._handles:
            self._kill(handle)
        self._handles, self._observed = [], []
        if self._owns_cluster and self._ray is not None and self._ray.is_initialized():
            self._ray.shutdown()
        self._owns_cluster = False

    def _kill(self, handle: _Handle) -> None:
        if handle.actor is not None and self._ray.is_initialized():
            self._ray.kill(handle.actor, no_restart=True)
        handle.actor = handle.call = handle.take_back = None

    def facts(self) -> dict[str, Any]:
        """The engine and its size, for run.json."""
        assert self._capacity is not None
        return {
            "name": "ray",
            "replicas": self._capacity.replicas,
            "gpus_per_replica": self._capacity.gpus_per_replica,
        }

    def state(self) -> dict[str, Any]:
        """The present state, for `status`."""
        ready = [handle for handle in self._handles if handle.slot.ready]
        return {
            "replicas": {"ready": len(ready), "of": len(self._handles), "replaced": self._n_replaced},
            "gpus": [{**gpu, "place": handle.place} for handle in ready for gpu in handle.gpus],
        }

    # -- a stream of requests

    def run(self, model: Model, jobs: Iterator[Job], stop: threading.Event) -> Iterator[Completed]:
        """Yields responses in any order. After `stop` is set, only the in-flight requests are finished."""
        source = Prefetcher(jobs, self._tickets, min(8, os.cpu_count() or 1), max(128, 96 * len(self._handles)))
        for handle in self._handles:
            if handle.actor is None and handle.failed_starts < MAX_STARTS:
                self._start(handle)
        slots = [handle.slot for handle in self._handles]
        dispatcher = Dispatcher(slots, source, self.max_replica_failures, self.repeat)
        finished = False
        try:
            while not dispatcher.done:
                if stop.is_set() and not dispatcher.stopping:
                    self._stop(dispatcher)
                self._send(dispatcher)
                yield from source.take_failed()
                yield from self._receive(dispatcher, source)
                yield from self._replace_hung(dispatcher)
                self._check_alive()
            finished = True
        finally:
            source.close()
            if not finished:
                for handle in self._handles:  # nobody waits for the responses to their in-flight requests
                    self._kill(handle)
                    handle.slot = ReplicaSlot(handle.slot.number)

    def _stop(self, dispatcher: Dispatcher) -> None:
        dispatcher.stop()
        for handle in self._handles:
            if handle.slot.in_flight:
                handle.actor.stop.remote()
                if handle.take_back is None:
                    handle.take_back = handle.actor.take_back.remote(1 << 30, True)

    def _send(self, dispatcher: Dispatcher) -> None:
        """Sends requests to every replica that has returned from its last call."""
        now = time.monotonic()
        for handle in self._handles:
            slot = handle.slot
            if not slot.ready or handle.call is not None:
                continue
            requests = dispatcher.next_requests(slot, now)
            if not requests and slot.idle:
                self._relieve(dispatcher)
                requests = dispatcher.repeat(slot, now)
            if not requests and slot.idle and handle.n_observed == len(self._observed):
                continue
            flush, refill_at = dispatcher.flush(slot), dispatcher.refill_at(slot)
            timeout = 0.02 if refill_at < 0 and not flush else 5.0  # short while the prefetcher is behind
            observed, handle.n_observed = self._observed[handle.n_observed :], len(self._observed)
            handle.call = handle.actor.exchange.remote(batches(requests), flush, refill_at, timeout, *observed)
            handle.called_at = now

    def _relieve(self, dispatcher: Dispatcher) -> None:
        """Takes waiting requests back from the replica with the most of them, for idle replicas."""
        found = dispatcher.most_loaded()
        if found is None:
            return
        slot, most = found
        handle = self._handles[slot.number]
        if handle.take_back is None:
            handle.take_back = handle.actor.take_back.remote(most, dispatcher.flush(slot))

    def _receive(self, dispatcher: Dispatcher, source: Prefetcher) -> Iterator[Completed]:
        """Waits a moment for calls to return, and handles those that have returned."""
        calls = {ref: h for h in self._handles for ref in (h.call, h.take_back) if ref is not None}
        any_idle = any(handle.slot.idle for handle in self._handles) and not dispatcher.all_sent
        timeout = 0.005 if any_idle else 0.2
        if not calls:
            source.wait(timeout)
            return
        refs = list(calls)
        done, _ = self._ray.wait(refs, num_returns=1, timeout=timeout)
        if done:
            done, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        for ref in done:
            handle = calls[ref]
            if ref is handle.take_back:
                self._taken_back(dispatcher, handle)
            elif ref is handle.call and not handle.slot.ready:
                self._loaded(handle)
            elif ref is handle.call:
                yield from self._exchanged(dispatcher, handle)

    def _taken_back(self, dispatcher: Dispatcher, handle: _Handle) -> None:
        call, handle.take_back = handle.take_back, None
        try:
            tickets = self._ray.get(call)
        except self._ray.exceptions.RayError:  # the replica has failed, which its `exchange` reports
            return
        dispatcher.reassign(handle.slot, tickets)
        if dispatcher.stopping and tickets:  # a call for fewer requests may have been in flight at the stop
            handle.take_back = handle.actor.take_back.remote(1 << 30, True)

    def _exchanged(self, dispatcher: Dispatcher, handle: _Handle) -> Iterator[Completed]:
        call, handle.call = handle.call, None
        try:
            report: ReplicaReport = self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause or error from None
        except self._ray.exceptions.RayError as error:
            yield from self._replace(dispatcher, handle, self._reason(error))
            return
        slot = handle.slot
        handle.gpus = report.gpus
        yield from dispatcher.record(slot, report.responses, time.monotonic())
        if report.returned:
            dispatcher.reassign(slot, report.returned)
        slot.n_queued, slot.n_prepared = report.n_queued, report.n_prepared
        if report.error is not None:
            raise report.error
        if report.fatal is not None:
            yield from self._replace(dispatcher, handle, report.fatal)

    def _replace_hung(self, dispatcher: Dispatcher) -> Iterator[Completed]:
        """Replaces the replicas that have returned no response within the timeout."""
        now = time.monotonic()
        for handle in self._handles:
            slot = handle.slot
            working = slot.ready and (slot.in_flight or slot.superseded or handle.call is not None)
            since = max(slot.last_progress, handle.called_at if slot.idle else 0.0)
            if working and now - since > self.timeout:
                yield from self._replace(dispatcher, handle, f"no response for {self.timeout:g} s")

    def _replace(self, dispatcher: Dispatcher, handle: _Handle, reason: str) -> Iterator[Completed]:
        """Starts a new replica in place of a failed one."""
        n = len(handle.slot.in_flight)
        self._kill(handle)
        yield from dispatcher.replica_failed(handle.slot, reason)
        self._n_replaced += 1
        self.say(f"replica {handle.slot.number} is replaced ({reason}); its {n} in-flight requests are reassigned")
        self._start(handle)

    def _check_alive(self) -> None:
        if not any(handle.call is not None or handle.slot.ready for handle in self._handles):
            raise UserError(
                f"no replica can be started any more ({self._last_start_error}); responses so far are stored, run "
                "again to resume"
            )

    def _cause(self, error: BaseException) -> BaseException:
        """The error that was raised in a replica; the given one where Ray itself raised it."""
        if isinstance(error, self._ray.exceptions.RayTaskError) and isinstance(error.cause, BaseException):
            return error.cause
        return error

    def _reason(self, error: BaseException) -> str:
        """Why a replica has failed, in a few words that are the same for every failure of one kind."""
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if "OutOfMemoryError" in kinds:
            return "its node ran out of memory"
        if "NodeDiedError" in kinds or "node has died" in str(error):
            return "its node failed"
        if "RayActorError" in kinds:
            return "its process ended"
        return describe(self._cause(error))
