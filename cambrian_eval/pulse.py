"""progress.json: what a run that is going on tells people who look at its folder from outside.

Written every few seconds by the run, read by `cambrian-eval status`. It is information, not record: losing it
costs nothing, so a disk that is full or slow here neither stops nor slows the run.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.store import Cell, Run

EVERY = 2.0
"""Seconds between two writings."""
WINDOW = 60.0
"""Seconds of the past that the rate is measured over."""


class Pulse:
    """Counts answers and writes where the run stands."""

    def __init__(self, store: Run, condition: Callable[[], Mapping[str, Any]]) -> None:
        self._store, self._condition = store, condition
        self._totals: dict[str, int] = {}
        self._cell: str | None = None
        self._done = self._failed = self._fresh = 0
        self._marks: deque[tuple[float, int]] = deque()
        self._next = 0.0

    def plan(self, totals: Mapping[Cell, int]) -> None:
        """The cells of this run and how many samples each has."""
        self._totals = {cell.stem: n for cell, n in totals.items()}

    def start(self, cell: Cell, done: int, failed: int) -> None:
        """A cell begins with what earlier starts answered; the clock of the rate begins with the first cell."""
        self._cell, self._done, self._failed = cell.stem, done, failed
        if not self._marks:
            self._marks.append((time.monotonic(), self._fresh))
        self._write()

    def beat(self, failed: bool) -> None:
        """One more answer is stored."""
        self._done, self._failed, self._fresh = self._done + 1, self._failed + failed, self._fresh + 1
        if time.monotonic() >= self._next:
            self._write()

    def finish(self) -> None:
        """The cell in hand is done, or as far as it gets."""
        self._write()

    def _rate(self, now: float) -> float:
        self._marks.append((now, self._fresh))
        while len(self._marks) > 2 and self._marks[1][0] < now - WINDOW:
            self._marks.popleft()
        since, fresh = self._marks[0]
        return (self._fresh - fresh) / (now - since) if now > since else 0.0

    def _write(self) -> None:
        began = time.monotonic()
        content = {
            "process": os.getpid(),
            "host": socket.gethostname(),
            "time": time.time(),
            "cells": self._totals,
            "cell": self._cell,
            "done": self._done,
            "failed": self._failed,
            "answered_by_this_start": self._fresh,
            "per_second": round(self._rate(began), 3),
            "condition": dict(self._condition()),
        }
        with contextlib.suppress(UserError):
            self._store.save_progress(json.dumps(content) + "\n")
        took = time.monotonic() - began
        self._next = began + max(EVERY, 20 * took)
