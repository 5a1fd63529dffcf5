"""Progress of a run: bars on a terminal (`cli.bars`), plain lines elsewhere. Everything goes to stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cambrian_eval.cli.cell_lines import Tokens, clock
from cambrian_eval.cli.output import say
from cambrian_eval.numbers import number
from cambrian_eval.running.records import Cell
from cambrian_eval.sample import Response, Result

if TYPE_CHECKING:
    from cambrian_eval.cli.bars import Bars


def progress(quiet: bool = False) -> Bars | Lines:
    """Bars where stderr is a terminal, else lines."""
    if not sys.stderr.isatty() or quiet:
        return Lines(quiet)
    from cambrian_eval.cli.bars import Bars

    return Bars()


class Lines:
    """A line when a cell begins and ends and about every ten seconds between."""

    def __init__(self, quiet: bool = False, every: float = 10.0) -> None:
        self._quiet, self._every = quiet, every
        self._last = self._start = 0.0
        self._total = self._done = self._fresh = self._failed = 0
        self._tokens = Tokens()
        self._waiting: threading.Timer | None = None

    def start(self, cell: Cell, total: int, done: int) -> None:
        """Prints which cell begins and how much of it earlier starts have completed."""
        self._total, self._done, self._fresh, self._failed = total, done, 0, 0
        self._tokens = Tokens()
        self._start = self._last = time.monotonic()
        known = f", {done} already done" if done else ""
        self.say(f"{cell.stem}: {total} samples{known}")

    def stage(self, text: str) -> None:
        """Prints what happens beside requests once it takes as long as the time between two lines."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if text:
            self._waiting = threading.Timer(self._every, self.say, (f"{text} ...",))
            self._waiting.daemon = True
            self._waiting.start()

    def plan(self, cells: Mapping[Cell, tuple[int, int]]) -> None:
        """Prints nothing: each cell says how much it is."""
        return None

    def count(self, response: Response) -> None:
        """Counts the tokens of a response."""
        self._tokens.add(response)

    def advance(self, cell: Cell, failed: bool) -> None:
        """Counts a response; prints the progress when the last line is old enough."""
        self._done, self._fresh, self._failed = self._done + 1, self._fresh + 1, self._failed + failed
        now = time.monotonic()
        if now - self._last >= self._every:
            self._last = now
            rate = self._fresh / (now - self._start)
            left = (self._total - self._done) / rate
            thought = f", {self._tokens}" if str(self._tokens) else ""
            self.say(
                f"{cell.stem}: {self._done}/{self._total}, {rate:.1f}/s, {clock(left)} left, "
                f"{self._failed} failed{thought}"
            )

    def finish(self, cell: Cell, result: Result | None) -> None:
        """Prints how long the cell took and, when it was scored, its score by the first scorer."""
        took = time.monotonic() - self._start
        rate = f", {self._fresh / took:.0f}/s" if self._fresh and took > 0 else ""
        score = f", score {number(result.score)}" if result and result.score is not None else ""
        score += " (synthetic)" if score and result and result.synthetic else ""
        score = f", {self._tokens}{score}" if str(self._tokens) else score
        self.say(f"{cell.stem}: {self._done}/{self._total} in {clock(took)}{rate}{score}")

    def say(self, text: str) -> None:
        """Prints a line at once, so that it appears in a log; nothing when quiet."""
        if not self._quiet:
            say(text)

    def close(self) -> None:
        """Ends what has been waited for."""
        self.stage("")
