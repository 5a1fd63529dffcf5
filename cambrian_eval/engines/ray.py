"""The engine of many: a replica of the model per GPU (or per CPU slot) on one machine or a cluster, through Ray.

The driver alone reads the data and writes the store. Each replica is an actor that is called again and again with
new work and returns what is ready; one that dies, hangs or breaks is replaced, and what it held is done again
(`dispatch` decides what goes where). Nothing waits for all replicas at once, so none can stop the others.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cambrian_eval import errors
from cambrian_eval.engines import cluster
from cambrian_eval.engines.dispatch import Dispatch, Seat
from cambrian_eval.engines.local import Completed, Job
from cambrian_eval.engines.parcels import Card, Report, parcels
from cambrian_eval.engines.replica import Replica
from cambrian_eval.engines.supply import Supply
from cambrian_eval.errors import CambrianEvalError, UserError
from cambrian_eval.model import Model
from cambrian_eval.sample import Request, Response, Sample

STARTS = 3
"""How often in a row a seat's replica may fail to start before the seat stays empty."""


@dataclass(slots=True)
class _Link:
    """The thread between the driver and one seat's replica."""

    seat: Seat
    actor: Any = None
    call: Any = None
    """The call in flight: `begin` until the seat is ready, then `exchange`."""
    taking: Any = None
    """A `give_back` in flight."""
    called_at: float = 0.0
    place: str = ""
    told: int = 0
    """How many observations the replica has been given."""
    failures: int = 0
    gpus: Sequence[Mapping[str, Any]] = ()


class Remote:
    """Stands in this process for a model that is loaded elsewhere."""

    def __init__(self, card: Card) -> None:
        self.name, self.fingerprint, self.max_images = card.name, card.fingerprint, card.max_images
        self._description = card.description

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """Never answers: that another engine pulls from it is an error of the caller."""
        raise errors.ContractError(f"model {self.name} is loaded on replicas; only the Ray engine can ask it")

    def describe(self) -> Mapping[str, Any]:
        """What the first replica that loaded the model said of it."""
        return self._description


class RemoteObserver(Remote):
    """The same for a model that looks at a benchmark's samples first. Images do not travel with them."""

    def __init__(self, card: Card, tell: Callable[[str, Sequence[Sample]], None]) -> None:
        super().__init__(card)
        self._tell = tell

    def observe(self, benchmark: str, samples: Sequence[Sample]) -> None:
        """Passes the samples on to the replicas, those that start later included."""
        self._tell(benchmark, [replace(s, images=()) for s in samples])


@dataclass(slots=True)
class RayEngine:
    """Drives replicas of a model. `open` starts them, `close` ends them."""

    replicas: int | None = None
    """None = as many as the cluster has room for."""
    gpus_per_replica: float | None = None
    """None = one where there are GPUs, else a CPU slot."""
    address: str | None = None
    """A running cluster; None starts one in this machine unless `RAY_ADDRESS` names one."""
    timeout: float = 600.0
    """Seconds a replica with work in hand may go without any answer before it is replaced."""
    start_timeout: float = 1800.0
    """Seconds for the first replica to load the model."""
    deaths: int = 3
    """How many replicas a request may end before it is failed."""
    repeat: bool = True
    """Whether an idle replica may do a straggler's requests a second time at the end."""
    workers: int | None = None
    """Threads for each replica that decode images."""
    say: Callable[[str], None] = lambda text: None
    """Told in a line what happens to replicas."""
    _ray: Any = field(default=None, init=False)
    _owns: bool = field(default=False, init=False)
    _room: cluster.Room | None = field(default=None, init=False)
    _links: list[_Link] = field(default_factory=list, init=False)
    _observed: list[Any] = field(default_factory=list, init=False)
    _start: Callable[[], Any] | None = field(default=None, init=False)
    _card: Card | None = field(default=None, init=False)
    _replaced: int = field(default=0, init=False)
    _words: str = field(default="", init=False)
    _tickets: Iterator[int] = field(default_factory=itertools.count, init=False)

    # -- starting and ending

    def open(self, model: str | Model, options: Mapping[str, Any]) -> Model:
        """Starts the replicas; returns when the first has loaded the model, the others join as they come."""
        self._check(options)
        self._ray = cluster.load_ray()
        self._owns = cluster.join(self._ray, self.address, self.replicas)
        try:
            self._room = cluster.room(self._ray, self.replicas, self.gpus_per_replica, not self._owns)
            if self._room.replicas > self._room.fits:
                self.say(f"{self._room.text} asked for, room for {self._room.fits}; the rest begin when there is more")
            self._start = self._starter(model, options)
            self._links = [_Link(Seat(i)) for i in range(self._room.replicas)]
            for link in self._links:
                self._begin(link)
            self._card = self._first_card()
        except BaseException:
            self.close()
            raise
        return RemoteObserver(self._card, self._tell) if self._card.observes else Remote(self._card)

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

    def _starter(self, model: str | Model, options: Mapping[str, Any]) -> Callable[[], Any]:
        """Makes one more replica. A model given as an object is put into the cluster's memory once."""
        assert self._room is not None
        resources = {"num_cpus": 1, "num_gpus": self._room.gpus, "max_concurrency": 4, "max_restarts": 0}
        kind = self._ray.remote(**resources)(Replica)
        workers = self.workers or max(2, min(8, (os.cpu_count() or 1) // self._room.replicas))
        try:
            given = model if isinstance(model, str) else self._ray.put(model)
        except TypeError as error:
            raise UserError(
                f"model {getattr(model, 'name', model)!r} cannot be sent to replicas ({str(error).splitlines()[0]}); "
                "name it by a --model spec"
            ) from None
        folder = os.getcwd()
        return lambda: kind.remote(given, options, folder, workers)

    def _begin(self, link: _Link) -> None:
        assert self._start is not None
        link.actor = self._start()
        link.call = link.actor.begin.remote()
        link.taking, link.told, link.called_at = None, 0, time.monotonic()

    def _first_card(self) -> Card:
        deadline = time.monotonic() + self.start_timeout
        said = time.monotonic()
        while True:
            if not any(link.call is not None for link in self._links):
                raise UserError(f"no replica could load the model: {self._words}")
            waiting = {link.call: link for link in self._links if link.call is not None}
            done, _ = self._ray.wait(list(waiting), num_returns=1, timeout=1.0)
            for call in done:
                if self._joined(waiting[call]):
                    return self._ray.get(call)  # type: ignore[no-any-return]
            now = time.monotonic()
            if now > deadline:
                raise UserError(
                    f"no replica was ready after {self.start_timeout:.0f} s; free: {self._ray.available_resources()}"
                )
            if now - said > 30:
                said = now
                self.say(f"waiting for a first replica; free in the cluster: {self._ray.available_resources()}")

    def _joined(self, link: _Link) -> bool:
        """Whether a replica that has answered `begin` can work; one that cannot is started anew, a few times."""
        call, link.call = link.call, None
        try:
            card: Card = self._ray.get(call)
        except Exception as error:
            cause = getattr(error, "cause", None) or error
            if isinstance(cause, CambrianEvalError) and self._card is None:
                raise type(cause)(str(cause)) from None
            link.failures += 1
            self._words = self._reason(error)
            self.say(f"replica {link.seat.number} did not start: {self._words}")
            if link.failures < STARTS:
                self._begin(link)
            return False
        known = self._card
        if known is not None and card.fingerprint != known.fingerprint:
            raise UserError(
                f"the replica on {card.place} has another model than the first ({card.fingerprint} there, "
                f"{known.fingerprint} here); every node must hold the same checkpoint"
            )
        link.seat.ready, link.failures, link.place = True, 0, card.place
        return True

    def _tell(self, benchmark: str, samples: Sequence[Sample]) -> None:
        self._observed.append(self._ray.put((benchmark, samples)))

    def close(self) -> None:
        """Ends the replicas, and the cluster where it was started here."""
        for link in self._links:
            self._end(link)
        self._links, self._observed = [], []
        if self._owns and self._ray is not None and self._ray.is_initialized():
            self._ray.shutdown()
        self._owns = False

    def _end(self, link: _Link) -> None:
        if link.actor is not None and self._ray.is_initialized():
            self._ray.kill(link.actor, no_restart=True)
        link.actor = link.call = link.taking = None

    def facts(self) -> dict[str, Any]:
        """Which engine and how large, for run.json."""
        assert self._room is not None
        return {"name": "ray", "replicas": self._room.replicas, "gpus_per_replica": self._room.gpus}

    def state(self) -> dict[str, Any]:
        """How things stand at this moment, for `status`."""
        ready = [link for link in self._links if link.seat.ready]
        return {
            "replicas": {"ready": len(ready), "of": len(self._links), "replaced": self._replaced},
            "gpus": [{**gpu, "place": link.place} for link in ready for gpu in link.gpus],
        }

    # -- a stream of requests

    def run(self, model: Model, jobs: Iterator[Job], stop: threading.Event) -> Iterator[Completed]:
        """Answers in any order. After `stop` is set, what the models already hold is still answered."""
        supply = Supply(jobs, self._tickets, min(8, os.cpu_count() or 1), max(64, 48 * len(self._links)))
        for link in self._links:
            if link.actor is None and link.failures < STARTS:
                self._begin(link)
        dispatch = Dispatch([link.seat for link in self._links], supply, self.deaths, self.repeat)
        clean = False
        try:
            while not dispatch.done:
                if stop.is_set() and not dispatch.stopping:
                    self._stop(dispatch)
                self._hand_out(dispatch)
                yield from supply.broken()
                yield from self._collect(dispatch)
                yield from self._replace_the_hung(dispatch)
                self._check_alive()
            clean = True
        finally:
            supply.close()
            if not clean:
                for link in self._links:  # what they still work on belongs to nobody
                    self._end(link)
                    link.seat = Seat(link.seat.number)

    def _stop(self, dispatch: Dispatch) -> None:
        dispatch.stop()
        for link in self._links:
            if link.seat.held and link.taking is None:
                link.taking = link.actor.give_back.remote(1 << 30, True)

    def _hand_out(self, dispatch: Dispatch) -> None:
        now = time.monotonic()
        for link in self._links:
            seat = link.seat
            if not seat.ready or link.call is not None:
                continue
            items = dispatch.work_for(seat, now)
            if not items and seat.idle:
                self._relieve(dispatch)
                items = dispatch.repeat(seat, now)
            if not items and seat.idle and link.told == len(self._observed):
                continue
            low = dispatch.low(seat)
            slow_supply = low < 0 and not dispatch.flush(seat)
            observed, link.told = self._observed[link.told :], len(self._observed)
            link.call = link.actor.exchange.remote(
                parcels(items), dispatch.flush(seat), low, 0.02 if slow_supply else 5.0, *observed
            )
            link.called_at = now

    def _relieve(self, dispatch: Dispatch) -> None:
        """Asks the seat with the longest queue for some of it back, for whoever is idle."""
        found = dispatch.victim()
        if found is None:
            return
        link = self._links[found[0].number]
        if link.taking is None:
            link.taking = link.actor.give_back.remote(found[1], dispatch.flush(link.seat))

    def _collect(self, dispatch: Dispatch) -> Iterator[Completed]:
        calls = {ref: link for link in self._links for ref in (link.call, link.taking) if ref is not None}
        resting = any(link.seat.idle for link in self._links) and not dispatch.drained
        patience = 0.005 if resting else 0.2
        if not calls:
            time.sleep(patience)
            return
        refs = list(calls)
        done, _ = self._ray.wait(refs, num_returns=1, timeout=patience)
        if done:
            done, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        for ref in done:
            link = calls[ref]
            if ref is link.taking:
                self._took(dispatch, link)
            elif ref is link.call and not link.seat.ready:
                self._joined(link)
            elif ref is link.call:
                yield from self._exchanged(dispatch, link)

    def _took(self, dispatch: Dispatch, link: _Link) -> None:
        call, link.taking = link.taking, None
        try:
            tickets = self._ray.get(call)
        except self._ray.exceptions.RayError:  # it is dead, and its exchange will say so
            return
        dispatch.gave_back(link.seat, tickets)
        if dispatch.stopping and tickets:  # a smaller request may have been under way when everything was to stop
            link.taking = link.actor.give_back.remote(1 << 30, True)

    def _exchanged(self, dispatch: Dispatch, link: _Link) -> Iterator[Completed]:
        call, link.call = link.call, None
        try:
            report: Report = self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause or error from None
        except self._ray.exceptions.RayError as error:
            yield from self._lost(dispatch, link, self._reason(error))
            return
        link.gpus = report.gpus
        yield from dispatch.settled(link.seat, report.settled, time.monotonic())
        link.seat.queued, link.seat.waiting = report.queued, report.waiting
        if report.broken is not None:
            kind, text = report.broken
            raise getattr(errors, kind, CambrianEvalError)(text)
        if report.lost is not None:
            yield from self._lost(dispatch, link, report.lost)

    def _replace_the_hung(self, dispatch: Dispatch) -> Iterator[Completed]:
        now = time.monotonic()
        for link in self._links:
            seat = link.seat
            working = seat.ready and (seat.held or seat.stale or link.call is not None)
            if working and now - max(seat.moved_at, link.called_at if seat.idle else 0.0) > self.timeout:
                yield from self._lost(dispatch, link, f"no answer for {self.timeout:g} s")

    def _lost(self, dispatch: Dispatch, link: _Link, reason: str) -> Iterator[Completed]:
        """Puts a new replica where one was lost."""
        held = len(link.seat.held)
        self._end(link)
        yield from dispatch.died(link.seat, reason)
        self._replaced += 1
        self.say(f"replica {link.seat.number} is replaced ({reason}); it held {held} requests")
        self._begin(link)

    def _check_alive(self) -> None:
        if not any(link.call is not None or link.seat.ready for link in self._links):
            raise UserError("no replica starts any more; what is answered is stored, run again to go on")

    def _reason(self, error: BaseException) -> str:
        """Why a replica is gone, in a few words that do not change from time to time."""
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if "OutOfMemoryError" in kinds:
            return "its node ran out of memory"
        if "NodeDiedError" in kinds or "node has died" in str(error):
            return "its node was lost"
        if "RayActorError" in kinds:
            return "its process ended"
        cause = getattr(error, "cause", None) or error
        return f"{type(cause).__name__}: {' '.join(str(cause).split())[:300]}"
