"""What drives a model: the contract of the engines, as a run uses it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from cambrian_eval.engines.local import Completed, Job
from cambrian_eval.model import Model


class Engine(Protocol):
    """What drives a model: `engines.local` in this process, `engines.ray` over many."""

    def run(self, model: Model, jobs: Iterator[Job], stop: threading.Event) -> Iterator[Completed]:
        """An answer for each job, in any order. After `stop` is set, what models already hold is still answered."""
        ...

    def facts(self) -> dict[str, Any]:
        """Which engine and how large, for run.json."""
        ...

    def state(self) -> dict[str, Any]:
        """The state at this moment (GPU memory, replicas), for `status`."""
        ...


@runtime_checkable
class Loader(Protocol):
    """An engine that loads the model in other processes; `open` gives the local proxy."""

    def open(self, model: str | Model, options: Mapping[str, Any]) -> Model:
        """The proxy of the loaded model; called once, before the first `run`."""
        ...

    def close(self) -> None:
        """Releases what `open` started; called however the run ends."""
        ...
