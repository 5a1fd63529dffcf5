"""What a run tells while it works: the command line draws bars or lines from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from cambrian_eval.running.records import Cell
from cambrian_eval.sample import Response, Result


class Progress(Protocol):
    """Receives events of a run; the command line draws progress bars from them."""

    def start(self, cell: Cell, total: int, done: int) -> None:
        """A cell of `total` samples begins, `done` of them completed by earlier starts."""
        ...

    def advance(self, cell: Cell, failed: bool) -> None:
        """One more response of the cell is stored."""
        ...

    def finish(self, cell: Cell, result: Result | None) -> None:
        """The cell ends, with its result by the first scorer; None where responses are still missing."""
        ...

    def say(self, text: str) -> None:
        """A warning, or a note about a repaired file, in one line."""
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """A progress that shows how many tokens models write."""

    def count(self, response: Response) -> None:
        """A response of the present cell, before `advance`."""
        ...


@runtime_checkable
class FollowsRun(Protocol):
    """A progress that shows what happens before the first request, and how far the whole run is."""

    def stage(self, text: str) -> None:
        """What happens now, such as `loading model chance`; an empty text ends it."""
        ...

    def plan(self, cells: Mapping[Cell, tuple[int, int]]) -> None:
        """All cells of the run with their numbers of responses, and how many of them are stored already."""
        ...


def stage(progress: Progress, text: str) -> None:
    """Tells what happens now, where it is shown."""
    if isinstance(progress, FollowsRun):
        progress.stage(text)


def plan(progress: Progress, cells: Mapping[Cell, tuple[int, int]]) -> None:
    """Tells what there is to do, where it is shown."""
    if isinstance(progress, FollowsRun):
        progress.plan(cells)


class Silent:
    """Progress for callers that want none."""

    def start(self, cell: Cell, total: int, done: int) -> None:
        """Ignores the event."""
        return None

    def advance(self, cell: Cell, failed: bool) -> None:
        """Ignores the event."""
        return None

    def finish(self, cell: Cell, result: Result | None) -> None:
        """Ignores the event; the result is in the `RunOutcome`."""
        return None

    def say(self, text: str) -> None:
        """Ignores the text; warnings about the data are also in run.json."""
        return None
