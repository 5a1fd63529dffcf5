"""What a run tells while it works: the command line draws bars or lines from it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from cambrian_eval.running.store import Cell
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
