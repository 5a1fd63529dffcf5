"""What represents a model in the driver's process when replicas have loaded it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cambrian_eval.engines.messages import ReplicaInfo
from cambrian_eval.errors import ContractError
from cambrian_eval.sample import Request, Response, Sample


class RemoteModel:
    """Represents, in this process, a model that the replicas have loaded."""

    def __init__(self, info: ReplicaInfo) -> None:
        self.name, self.fingerprint, self.max_images = info.name, info.fingerprint, info.max_images
        self.decodes, self.declines = info.decodes, info.declines
        self._description = info.description

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """Always an error: only the Ray engine can send requests to the replicas."""
        raise ContractError(f"model {self.name} is loaded on replicas; run it with the Ray engine")

    def describe(self) -> Mapping[str, Any]:
        """The description by the first replica that loaded the model."""
        return self._description


class RemoteObserver(RemoteModel):
    """Represents a model that observes the samples of a benchmark first. Their images are not sent."""

    def __init__(self, info: ReplicaInfo, observe: Callable[[str, Sequence[Sample]], None]) -> None:
        super().__init__(info)
        self._observe = observe

    def observe(self, benchmark: str, samples: Sequence[Sample]) -> None:
        """Sends the samples to all replicas, including those that start later."""
        self._observe(benchmark, [replace(s, images=()) for s in samples])
