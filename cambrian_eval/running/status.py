"""How far a run is: what a run writes about itself while it is running, and how others read it.

The run writes `progress.json` every few seconds. That file is information, not record: losing it costs nothing, so a
full or slow disk there neither stops nor slows the run. The status counts the response files themselves and takes
only rate, replicas and GPU memory from it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.running.records import Cell, decode
from cambrian_eval.running.sharding import Shard
from cambrian_eval.running.stopping import stop_of
from cambrian_eval.running.store import Run

EVERY = 2.0
"""Seconds between two writes."""
WINDOW = 60.0
"""Seconds over which the rate is measured."""


class Heartbeat:
    """Counts responses and writes the progress of the run."""

    def __init__(self, store: Run, state: Callable[[], Mapping[str, Any]]) -> None:
        self._store, self._state = store, state
        self._totals: dict[str, int] = {}
        self._cell: str | None = None
        self._done = self._failed = self._fresh = 0
        self._marks: deque[tuple[float, int]] = deque()
        self._next = 0.0

    def plan(self, totals: Mapping[Cell, int]) -> None:
        """The cells of this run and how many samples each has."""
        self._totals = {cell.stem: n for cell, n in totals.items()}

    def start(self, cell: Cell, done: int, failed: int) -> None:
        """A cell begins with what earlier starts completed; the rate is measured from the first cell on."""
        self._cell, self._done, self._failed = cell.stem, done, failed
        if not self._marks:
            self._marks.append((time.monotonic(), self._fresh))
        self._write()

    def beat(self, failed: bool) -> None:
        """One more response is stored."""
        self._done, self._failed, self._fresh = self._done + 1, self._failed + failed, self._fresh + 1
        if time.monotonic() >= self._next:
            self._write()

    def finish(self) -> None:
        """The current cell is done, or stopped."""
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
            "state": dict(self._state()),
        }
        with contextlib.suppress(UserError):
            self._store.save_progress(json.dumps(content) + "\n")
        took = time.monotonic() - began
        self._next = began + max(EVERY, 20 * took)


@dataclass(frozen=True, slots=True)
class CellStatus:
    """One benchmark under one condition."""

    cell: str
    """`benchmark.condition`, as in the names of its files."""
    done: int
    """Responses, failed ones included; with repeats several for each sample."""
    failed: int
    total: int
    """Responses of this run when it is complete."""
    stopped: str | None = None
    """The rule that stopped it, if one did; its total is then what is there."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run at one moment."""

    run: str
    """The folder."""
    model: str
    """The model's name in results."""
    running: bool
    """Whether a process is writing it."""
    writer: str | None
    """Which process is writing, in words."""
    state: str
    """`running`, `done`, `interrupted`, or `stopped` (the process ended without a word)."""
    cells: tuple[CellStatus, ...]
    done: int
    """Over all cells, as are `failed` and `total`."""
    failed: int
    total: int
    per_second: float | None
    """Over the last minute, while it is running."""
    seconds_left: float | None
    """At that rate."""
    replicas: dict[str, int] | None = None
    """How many are ready, of how many, and how many were replaced; None without Ray."""
    gpus: tuple[dict[str, Any], ...] = field(default=())
    """Name and memory of each GPU in use, while it is running."""


class Watcher:
    """Reads the status of a run; a second call reads only new lines."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._tallies: dict[Cell, _Tally] = {}
        self._totals: dict[str, int] = {}

    def look(self) -> RunStatus:
        """The status now; rate and replicas only while the run is being written."""
        info = self._run.info
        writer = self._run.writer_now()
        said = self._run.progress() or {}
        cells = tuple(self._cell(cell, info) for cell in self._run.asked())
        done, total = sum(c.done for c in cells), sum(c.total for c in cells)
        rate = float(said["per_second"]) if writer and said.get("per_second") else None
        state = said.get("state") or {} if writer else {}
        return RunStatus(
            run=str(self._run.path),
            model=info["model"]["name"],
            running=writer is not None,
            writer=writer,
            state=_state(writer, info["passes"][-1], done == total),
            cells=cells,
            done=done,
            failed=sum(c.failed for c in cells),
            total=total,
            per_second=rate,
            seconds_left=(total - done) / rate if rate else None,
            replicas=state.get("replicas"),
            gpus=tuple(state.get("gpus") or ()),
        )

    def _cell(self, cell: Cell, info: dict[str, Any]) -> CellStatus:
        tally = self._tallies.setdefault(cell, _Tally(self._run.path / "responses" / f"{cell.stem}.jsonl"))
        tally.read()
        done = len(tally.finished)
        stop = stop_of(info, cell)
        total = self._total(cell, info) if stop is None else done
        return CellStatus(cell.stem, done, sum(tally.finished.values()), total, None if stop is None else stop.rule)

    def _total(self, cell: Cell, info: dict[str, Any]) -> int:
        repeats = 1  # as many as the start with the most of them has asked of this cell
        for one in info["passes"]:
            names, conditions = one.get("benchmarks", info["benchmarks"]), one.get("conditions", info["conditions"])
            if cell.benchmark in names and cell.condition in conditions:
                repeats = max(repeats, int(one.get("repeats", 1)))
        return repeats * self._samples(cell, info)

    def _samples(self, cell: Cell, info: dict[str, Any]) -> int:
        shard = info["responses_depend_on"].get("shard")
        if shard is None:
            return int(info["benchmarks"][cell.benchmark]["samples"])
        if cell.benchmark not in self._totals:
            if not self._run.has_samples(cell.benchmark):
                return 0
            mine = Shard.parse(shard).of(self._run.samples(cell.benchmark))
            self._totals[cell.benchmark] = len(mine)
        return self._totals[cell.benchmark]


class _Tally:
    """Which samples a response file holds and which of them failed; each call reads only new lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self.finished: dict[tuple[str, int], bool] = {}

    def read(self) -> None:
        if not self._path.is_file():
            return
        with self._path.open("rb") as file:
            if file.seek(0, 2) < self._at:  # it was repaired: damaged lines are gone
                self._at, self.finished = 0, {}
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._at += len(line)
                if (record := decode(line[:-1])) is not None:
                    self.finished[record.id, record.repeat] = record.finish == "failed"


def _state(writer: str | None, last: dict[str, Any], complete: bool) -> str:
    if writer is not None:
        return "running"
    if last["end"] is None:
        return "stopped"
    return "interrupted" if last["interrupted"] or not complete else "done"
