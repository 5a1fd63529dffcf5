"""The engine of `--serve`: starts OpenAI-compatible servers, runs the model that they serve, and stops them.

One server for each replica, each with its own GPUs (CUDA_VISIBLE_DEVICES); requests are spread over them. The servers
end with the run, however it ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cambrian_eval.endpoint.address import key_for
from cambrian_eval.engines.local import Completed, Job, LocalEngine
from cambrian_eval.engines.server import Command, Server
from cambrian_eval.errors import UserError
from cambrian_eval.model import Model
from cambrian_eval.models.spread import SpreadModel
from cambrian_eval.registry import resolve

MAX_IN_FLIGHT = 256
"""The bound of the requests in flight at each server; their number adapts below it."""
TIMEOUT = 3600.0
"""Seconds to wait until a server is ready."""


class ServeEngine:
    """Runs the model of servers that it starts itself; the work in this process is that of the local engine."""

    def __init__(
        self,
        command: str,
        logs: Path,
        say: Callable[[str], None],
        stop: threading.Event,
        replicas: int | None = None,
        gpus_per_replica: float | None = None,
        workers: int | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self.command = Command.parse(command)
        self._logs, self._say, self._stop, self._timeout = logs, say, stop, timeout
        self.replicas = replicas or 1
        if self.replicas > 1 and self.command.own_port is not None and not self.command.has_place:
            raise UserError("--serve names one port for several replicas; leave it out, or write {port} in its place")
        self.gpus = gpu_groups(self.replicas, gpus_per_replica)
        self._local = LocalEngine() if workers is None else LocalEngine(workers=workers)
        self._servers: list[Server] = []
        self._closing = False
        self._halted = threading.Event()
        self._ended: UserError | None = None

    def facts(self) -> dict[str, Any]:
        """The engine and its command, for run.json."""
        return {"name": "serve", "command": self.command.shown, "replicas": self.replicas, "gpus": self.gpus}

    def state(self) -> dict[str, Any]:
        """How many servers there are, for `status`."""
        return {"replicas": len(self._servers)}

    def open(self, model: str | Model, options: Mapping[str, Any]) -> Model:
        """Starts the servers and returns their model; `model` is `openai:` with the name that they must serve."""
        if not isinstance(model, str):
            raise UserError("--serve takes its model from the server; leave the model out, or give its name")
        wanted = model.removeprefix("openai:")
        if options.get("base_url") is not None:
            raise UserError("--serve chooses the address of its server; leave out --base-url")
        try:
            self._start()
            name = self._served(wanted)
            urls = ",".join(server.url for server in self._servers)
            given = {k: v for k, v in options.items() if k != "offline"}  # its server is on this machine
            found = resolve(f"openai:{name}", {"concurrency": MAX_IN_FLIGHT, **given, "base_url": urls})
        except BaseException:
            self.close()
            raise
        self._say(f"the server is ready: {name}" + (f", {self.replicas} replicas" if self.replicas > 1 else ""))
        for number, server in enumerate(self._servers):
            threading.Thread(target=self._watch, args=(number, server, found), name="server", daemon=True).start()
        return found

    def run(self, model: Model, jobs: Iterator[Job], stop: threading.Event) -> Iterator[Completed]:
        """As the local engine does; an error where the servers have ended, or another model answers."""
        taken = _Counted(jobs)
        n = 0
        for completed in self._local.run(model, taken, _Either(stop, self._halted)):
            n += 1
            served = completed.response.notes.get("served_by")
            if isinstance(served, str) and not _same(served, model.name):
                raise UserError(f"the server answered as {served!r}, not as {model.name!r}; give it one model")
            yield completed
        if self._ended is not None and (n < taken.n or not taken.exhausted):
            raise self._ended

    def close(self) -> None:
        """Stops all servers."""
        self._closing = True
        stopping = [threading.Thread(target=server.stop, name="stop") for server in self._servers]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()

    def _start(self) -> None:
        self._say(f"starting {self.command.shown}; its log: {self._logs}")
        key = key_for("http://127.0.0.1")[1]
        for number, gpus in enumerate(self.gpus):
            chosen = {} if gpus is None else {"CUDA_VISIBLE_DEVICES": gpus}
            self._servers.append(Server(self.command, self._logs / f"{number}.log", chosen, self._say))
        for server in self._servers:
            server.until_ready(self._stop, self._timeout, key)

    def _served(self, wanted: str) -> str:
        """The model's name at the servers."""
        names = self._servers[0].models(key_for("http://127.0.0.1")[1], wanted)
        shown = ", ".join(names[:5])
        if wanted and wanted not in names:
            raise UserError(f"the server serves {shown}, not {wanted}; leave out --model, or correct it")
        if not wanted and len(names) > 1:
            raise UserError(f"the server has several models ({shown}); name one with --model")
        return wanted or names[0]

    def _watch(self, number: int, server: Server, model: Model) -> None:
        """Tells the model of a server that ends by itself; without replicas the run ends resumably."""
        server.wait()
        if self._closing:
            return
        error = server.ended("in the middle of the run")
        if isinstance(model, SpreadModel):
            model.lose(number, str(error))
        else:
            self._ended = UserError(f"{error}; responses so far are stored; run again to resume", error.details)
            self._halted.set()


class _Counted:
    """Jobs, and how many of them were taken."""

    def __init__(self, jobs: Iterator[Job]) -> None:
        self._jobs, self.n, self.exhausted = jobs, 0, False

    def __iter__(self) -> Iterator[Job]:
        return self

    def __next__(self) -> Job:
        try:
            job = next(self._jobs)
        except StopIteration:
            self.exhausted = True
            raise
        self.n += 1
        return job


class _Either(threading.Event):
    """Set where one of two events is."""

    def __init__(self, one: threading.Event, other: threading.Event) -> None:
        super().__init__()
        self._one, self._other = one, other

    def is_set(self) -> bool:
        """Whether one of them is set."""
        return self._one.is_set() or self._other.is_set()


def _same(served: str, name: str) -> bool:
    """Whether a server answers as the model that was asked; some add a revision."""
    return served.startswith(name)


def gpu_groups(replicas: int, each: float | None) -> list[str | None]:
    """CUDA_VISIBLE_DEVICES of each replica; None where the environment is left as it is."""
    if replicas == 1 and each is None:
        return [None]
    if each is not None and each != int(each):
        raise UserError(f"--gpus-per-replica must be a whole number with --serve, not {each:g}")
    devices = _devices()
    n = len(devices) // replicas if each is None else int(each)
    if not devices and not each:
        return [None] * replicas
    if each == 0:
        return [""] * replicas  # hides the GPUs
    n = max(n, 1)
    if n * replicas > len(devices):
        raise UserError(f"{replicas} replicas with {n} GPUs each need {n * replicas} GPUs; there are {len(devices)}")
    return [",".join(devices[i * n : (i + 1) * n]) for i in range(replicas)]


def _devices() -> list[str]:
    """The GPUs of this process, as CUDA_VISIBLE_DEVICES names them."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [part.strip() for part in visible.split(",") if part.strip() and part.strip() != "-1"]
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.split() if done.returncode == 0 else []
