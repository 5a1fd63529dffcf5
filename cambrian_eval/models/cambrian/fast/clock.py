"""Time by phase: towers, prefill, decode, waiting. On a GPU measured by events, which do not block."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Clock:
    """Seconds by phase and plain counts. Phases do not nest."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._open: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []
        self.counts: Counter[str] = Counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Work on the device."""
        if self._device.type != "cuda":
            with self.host(name):
                yield
            return
        begin, end = _event(), _event()
        stream = torch.cuda.current_stream(self._device)
        begin.record(stream)
        try:
            yield
        finally:
            end.record(stream)
            self._open.append((name, begin, end))

    @contextmanager
    def host(self, name: str) -> Iterator[None]:
        """Work on the host, during which the device is idle."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] += time.perf_counter() - start

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by phase so far."""
        for name, begin, end in self._open:
            end.synchronize()
            self._seconds[name] += begin.elapsed_time(end) / 1000
        self._open.clear()
        return dict(self._seconds)


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
