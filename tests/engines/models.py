"""Models that work and models that fail, importable by replicas."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cambrian_eval.sample import Request, Response, Sample


class Plain:
    """Returns `answer ID`, with a given batch size."""

    max_images: int | None = 1

    def __init__(self, batch: int = 1, delay: float = 0.0) -> None:
        self.name, self.fingerprint = "plain", "plain-1"
        self.batch, self.delay = batch, delay

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        while held := [r for _, r in zip(range(self.batch), requests, strict=False)]:
            if self.delay:
                time.sleep(self.delay * len(held))
            for request in held:
                yield from self.reply(request)

    def reply(self, request: Request) -> Iterator[Response]:
        yield Response(request.id, f"answer {request.id}")

    def describe(self) -> Mapping[str, Any]:
        return {"batch": self.batch}


class Raises(Plain):
    """Raises an error on every id that ends in 3."""

    def reply(self, request: Request) -> Iterator[Response]:
        if request.id.endswith("3"):
            raise RuntimeError(f"no idea about {request.id}")
        yield from super().reply(request)


class Wrong(Plain):
    """Breaks the contract at id 5: no response (`fewer`), two (`twice`), or one for an `unknown` id."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def reply(self, request: Request) -> Iterator[Response]:
        if request.id == "5" and self.how == "fewer":
            return
        yield Response("nobody" if request.id == "5" and self.how == "unknown" else request.id, "x")
        if request.id == "5" and self.how == "twice":
            yield Response(request.id, "x")


class Crashes(Plain):
    """Crashes, hangs or runs out of memory on chosen ids; with a folder, only the first `times` times."""

    def __init__(self, ids: Sequence[str], how: str, marks: Path | None = None, times: int = 1, batch: int = 4) -> None:
        super().__init__(batch)
        self.ids, self.how, self.marks, self.times = set(ids), how, marks, times

    def reply(self, request: Request) -> Iterator[Response]:
        if request.id in self.ids and self._again(request.id):
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            elif self.how == "hang":
                time.sleep(3600)
            elif self.how == "memory":
                raise MemoryError("no room for the activations")
        yield from super().reply(request)

    def _again(self, request_id: str) -> bool:
        if self.marks is None:
            return True
        seen = len(list(self.marks.glob(f"{request_id}.*")))
        if seen < self.times:
            (self.marks / f"{request_id}.{seen}").touch()
            return True
        return False


class Seen(Plain):
    """Records which process got which request; with `first_is_slow`, the first process is slow."""

    def __init__(self, marks: Path, delay: float = 0.0, first_is_slow: float = 0.0) -> None:
        super().__init__(1, delay)
        self.marks, self.first_is_slow = marks, first_is_slow

    def reply(self, request: Request) -> Iterator[Response]:
        with (self.marks / f"{os.getpid()}.seen").open("a") as file:
            file.write(f"{request.id}\n")
        if self.first_is_slow and self._is_first():
            time.sleep(self.first_is_slow)
        yield from super().reply(request)

    def _is_first(self) -> bool:
        mark = self.marks / "first"
        try:
            with mark.open("x") as file:
                file.write(str(os.getpid()))
        except FileExistsError:
            return mark.read_text() == str(os.getpid())
        return True


class Observes(Plain):
    """Returns what it observed: the number of samples and the first question."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, Sequence[Sample]] = {}

    def observe(self, benchmark: str, samples: Sequence[Sample]) -> None:
        self.seen[benchmark] = samples

    def reply(self, request: Request) -> Iterator[Response]:
        samples = self.seen[request.benchmark]
        yield Response(request.id, f"{len(samples)} {samples[0].question}")
