"""Where a run stands, seen from outside: reads its folder, never disturbs who writes it.

Counts come from the response files themselves; rate, replicas and GPU memory from what the run says in passing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cambrian_eval.sharding import Shard
from cambrian_eval.store import Cell, Run, decode


@dataclass(frozen=True, slots=True)
class CellStanding:
    """One benchmark under one condition."""

    cell: str
    """`benchmark.condition`, as in the names of its files."""
    done: int
    """Samples with an answer, failed ones included."""
    failed: int
    total: int
    """Samples this run is to answer."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A run at one moment."""

    run: str
    """The folder."""
    model: str
    """The model's name in results."""
    running: bool
    """Whether somebody is writing it."""
    writer: str | None
    """Who is writing, in words."""
    state: str
    """running, done, interrupted, or stopped (ended without saying so)."""
    cells: tuple[CellStanding, ...]
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
    """Looks at a run; a second look reads only what is new."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._tallies: dict[Cell, _Tally] = {}
        self._totals: dict[str, int] = {}

    def look(self) -> Standing:
        """Where the run stands now; rate and replicas only while somebody is writing it."""
        info = self._run.info
        writer = self._run.writer_now()
        said = self._run.progress() or {}
        cells = tuple(self._cell(cell, info) for cell in self._run.asked())
        done, total = sum(c.done for c in cells), sum(c.total for c in cells)
        rate = float(said["per_second"]) if writer and said.get("per_second") else None
        condition = said.get("condition") or {} if writer else {}
        return Standing(
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
            replicas=condition.get("replicas"),
            gpus=tuple(condition.get("gpus") or ()),
        )

    def _cell(self, cell: Cell, info: dict[str, Any]) -> CellStanding:
        tally = self._tallies.setdefault(cell, _Tally(self._run.path / "responses" / f"{cell.stem}.jsonl"))
        tally.read()
        return CellStanding(cell.stem, len(tally.finished), sum(tally.finished.values()), self._total(cell, info))

    def _total(self, cell: Cell, info: dict[str, Any]) -> int:
        shard = info["answers_depend_on"].get("shard")
        if shard is None:
            return int(info["benchmarks"][cell.benchmark]["samples"])
        if cell.benchmark not in self._totals:
            if not self._run.has_samples(cell.benchmark):
                return 0
            mine = Shard.parse(shard).of(self._run.samples(cell.benchmark))
            self._totals[cell.benchmark] = len(mine)
        return self._totals[cell.benchmark]


class _Tally:
    """Which samples a response file answers, and which of them failed; reads on from where it was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self.finished: dict[str, bool] = {}

    def read(self) -> None:
        if not self._path.is_file():
            return
        with self._path.open("rb") as file:
            if file.seek(0, 2) < self._at:  # it was mended: damaged lines are gone
                self._at, self.finished = 0, {}
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._at += len(line)
                if (record := decode(line[:-1])) is not None:
                    self.finished[record.id] = record.finish == "failed"


def _state(writer: str | None, last: dict[str, Any], complete: bool) -> str:
    if writer is not None:
        return "running"
    if last["end"] is None:
        return "stopped"
    return "interrupted" if last["interrupted"] or not complete else "done"
