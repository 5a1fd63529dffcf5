"""Progress of a run: bars on a terminal, plain lines elsewhere. Everything goes to stderr."""

from __future__ import annotations

import sys
import time
from typing import Any

from cambrian_eval.cli.output import say
from cambrian_eval.numbers import number
from cambrian_eval.running.store import Cell
from cambrian_eval.safe_text import printable
from cambrian_eval.sample import Response, Result


def progress(quiet: bool = False) -> Bars | Lines:
    """Bars where stderr is a terminal, else lines."""
    return Bars() if sys.stderr.isatty() and not quiet else Lines(quiet)


class Tokens:
    """Mean tokens of the responses of a cell, in words."""

    def __init__(self) -> None:
        self._answers: list[int] = [0, 0]
        self._thoughts: list[int] = [0, 0]

    def add(self, response: Response) -> None:
        """One more response; a count that it does not state is left out."""
        for sums, value in ((self._answers, response.new_tokens), (self._thoughts, response.thought_tokens)):
            if value is not None:
                sums[0], sums[1] = sums[0] + value, sums[1] + 1

    def __str__(self) -> str:
        """`12 + 340 thought tokens`; empty where nothing was thought."""
        if not self._thoughts[1]:
            return ""
        answer = self._answers[0] / max(1, self._answers[1])
        return f"{answer:.0f} + {self._thoughts[0] / self._thoughts[1]:.0f} thought tokens"


class Lines:
    """A line when a cell begins and ends and about every ten seconds between."""

    def __init__(self, quiet: bool = False, every: float = 10.0) -> None:
        self._quiet, self._every = quiet, every
        self._last = self._start = 0.0
        self._total = self._done = self._fresh = self._failed = 0
        self._tokens = Tokens()

    def start(self, cell: Cell, total: int, done: int) -> None:
        """Prints which cell begins and how much of it earlier starts have completed."""
        self._total, self._done, self._fresh, self._failed = total, done, 0, 0
        self._tokens = Tokens()
        self._start = self._last = time.monotonic()
        known = f", {done} already done" if done else ""
        self.say(f"{cell.stem}: {total} samples{known}")

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
        score = f", {self._tokens}{score}" if str(self._tokens) else score
        self.say(f"{cell.stem}: {self._done}/{self._total} in {clock(took)}{rate}{score}")

    def say(self, text: str) -> None:
        """Prints a line at once, so that it appears in a log; nothing when quiet."""
        if not self._quiet:
            say(text)

    def close(self) -> None:
        """Does nothing: there is nothing to close."""
        return None


class Bars:
    """One bar for each benchmark and condition, with rate and time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bars = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:>10}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
            refresh_per_second=5,
        )
        self._tasks: dict[Cell, Any] = {}
        self._counts: dict[Cell, tuple[float, int, int]] = {}
        self._tokens = Tokens()
        self._bars.start()

    def start(self, cell: Cell, total: int, done: int) -> None:
        """Adds the cell's bar, with the samples that earlier starts completed."""
        self._tasks[cell] = self._bars.add_task(cell.stem, total=total, completed=done, rate="", note="")
        self._counts[cell] = time.monotonic(), 0, 0
        self._tokens = Tokens()

    def count(self, response: Response) -> None:
        """Counts the tokens of a response of the present cell."""
        self._tokens.add(response)

    def advance(self, cell: Cell, failed: bool) -> None:
        """Advances the cell's bar by one; the rate counts the responses of this start only."""
        began, fresh, broken = self._counts[cell]
        fresh, broken = fresh + 1, broken + failed
        self._counts[cell] = began, fresh, broken
        rate = fresh / max(time.monotonic() - began, 1e-6)
        note = ", ".join(filter(None, (f"{broken} failed" if broken else "", str(self._tokens))))
        self._bars.update(self._tasks[cell], advance=1, rate=f"{rate:.1f}/s", note=note)

    def finish(self, cell: Cell, result: Result | None) -> None:
        """Writes the score by the first scorer at the end of the cell's bar; a cell without one keeps its note."""
        if result is not None and result.score is not None:
            note = ", ".join(filter(None, (f"score {number(result.score)}", str(self._tokens))))
            self._bars.update(self._tasks[cell], note=note)

    def say(self, text: str) -> None:
        """Prints a line above the bars, its square brackets taken as they are."""
        self._bars.console.print(printable(text), markup=False, highlight=False)

    def close(self) -> None:
        """Stops drawing and leaves the bars on the screen."""
        self._bars.stop()


def clock(seconds: float) -> str:
    """Seconds as 4.2 s, 3:07 or 2:14:09."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
