"""Progress on a terminal: finished cells scroll up as lines; below them what happens now, one bar, and the total."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from cambrian_eval.cli.cell_lines import Tokens, clock, finished
from cambrian_eval.running.records import Cell
from cambrian_eval.safe_text import printable
from cambrian_eval.sample import Response, Result

if TYPE_CHECKING:
    from rich.console import RenderableType

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Sequences that move the cursor or set colours."""


EMPTY: dict[str, Any] = {"rate": "", "left": "", "note": ""}
"""The fields of a bar before its first response."""
ECHO = 3
"""Columns that are left free, for the `^C` that a terminal echoes: on a full line it would begin another one."""


class Bars:
    """One bar for the benchmark and condition that runs, one for the whole run with the time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.table import Column

        def text(field: str, **column: Any) -> TextColumn:
            return TextColumn(field, markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", **column))

        self._console = Console(stderr=True)
        self._bars = Progress(
            text("{task.description}", min_width=16, max_width=24),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            text("{task.fields[rate]}", justify="right"),
            text("{task.fields[left]}", justify="right"),
            text("{task.fields[note]}"),
            expand=True,
            console=self._console,
        )
        self._cell: Cell | None = None
        self._bar: Any = None
        self._all: Any = None
        self._plan: dict[Cell, tuple[int, int]] = {}
        self._stage, self._detail, self._since = "", "", 0.0
        self._began = 0.0
        self._all_size = self._all_done = self._all_fresh = 0
        self._all_began = 0.0
        self._done = self._size = self._fresh = self._failed = self._all_failed = self._n_finished = 0
        self._tokens = Tokens()
        self._live = Live(
            get_renderable=self._shown,
            console=self._console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._stderr: TextIO | None = None

    def _draw(self) -> None:
        """Begins to draw, where that has not begun."""
        if self._stderr is None:
            self._stderr = sys.stderr
            sys.stderr = Captured(self._stderr, self)
            self._live.start()

    def _shown(self) -> RenderableType:
        """What is below the lines: the stage, or the bars."""
        from rich.console import Group
        from rich.constrain import Constrain
        from rich.text import Text

        parts: list[RenderableType] = []
        if self._stage:
            line = f"{self._stage} ... {clock(time.monotonic() - self._since)}"
            line += f"  {self._detail}" if self._detail else ""
            parts.append(Text(line, no_wrap=True, overflow="ellipsis"))
        if self._bars.tasks:
            parts.append(self._bars.get_renderable())
        return Constrain(Group(*parts), self._console.width - ECHO)

    def stage(self, text: str) -> None:
        """What happens now, beside requests; an empty text ends it."""
        self._stage, self._detail, self._since = printable(text), "", time.monotonic()
        self._draw()

    def detail(self, text: str) -> None:
        """What a library says about the present stage, such as its own progress bar."""
        self._detail = text

    def plan(self, cells: Mapping[Cell, tuple[int, int]]) -> None:
        """Begins the total: the cells of the run with their responses, and those that are stored already."""
        self.stage("")
        self._plan = dict(cells)
        self._all_size, self._all_done = (sum(pair[i] for pair in self._plan.values()) for i in (0, 1))
        self._all_began = time.monotonic()
        self._bar = self._bars.add_task("", **EMPTY, visible=False)
        if len(self._plan) > 1:
            done = self._all_done
            self._all = self._bars.add_task(self._label(), total=self._all_size, completed=done, **EMPTY)

    def _label(self) -> str:
        return f"all ({self._n_finished} of {len(self._plan)} done)"

    def start(self, cell: Cell, total: int, done: int) -> None:
        """Replaces the bar by that of a cell, with the samples that earlier starts completed."""
        self.stage("")
        if self._bar is None:
            self.plan({cell: (total, done)})
        self._bars.reset(self._bar, total=total, completed=done, description=cell.stem, **EMPTY, visible=True)
        self._all_done += done - self._plan.get(cell, (total, done))[1]
        self._update_all()
        self._cell, self._size, self._done, self._fresh, self._failed = cell, total, done, 0, 0
        self._began = time.monotonic()
        self._tokens = Tokens()

    def count(self, response: Response) -> None:
        """Counts the tokens of a response of the present cell."""
        self._tokens.add(response)

    def advance(self, cell: Cell, failed: bool) -> None:
        """Advances the bars by one; the rate counts the responses of this start only."""
        self._done, self._fresh, self._failed = self._done + 1, self._fresh + 1, self._failed + failed
        self._all_failed += failed
        self._all_fresh += 1
        rate = self._fresh / max(time.monotonic() - self._began, 1e-6)
        left = f"{clock((self._size - self._done) / rate)} left"
        note = ", ".join(filter(None, (f"{self._failed} failed" if self._failed else "", str(self._tokens))))
        self._bars.update(self._bar, advance=1, rate=f"{rate:.1f}/s", left=left, note=note)
        self._all_done += 1
        self._update_all()

    def finish(self, cell: Cell, result: Result | None) -> None:
        """Writes the cell as a line above the bars, with its score by the first scorer."""
        took = time.monotonic() - self._began
        line = finished(cell, result, self._done, self._size, self._fresh, self._failed, took, self._tokens)
        self.say(line)
        self._n_finished += 1
        self._all_size -= self._size - self._done  # a cell may end early
        self._update_all()

    def _update_all(self) -> None:
        if self._all is not None:
            note = f"{self._all_failed} failed" if self._all_failed else ""
            left = ""
            if self._all_fresh:
                each = (time.monotonic() - self._all_began) / self._all_fresh
                left = f"{clock(each * (self._all_size - self._all_done))} left"
            about: dict[str, Any] = {"description": self._label(), "note": note, "left": left}
            self._bars.update(self._all, completed=self._all_done, total=self._all_size, **about)

    def say(self, text: str) -> None:
        """Prints a line above the bars, its square brackets taken as they are."""
        self._console.print(printable(text), markup=False, highlight=False)

    def close(self) -> None:
        """Removes the bars; the lines stay."""
        if self._stderr is not None:
            self._live.stop()
            sys.stderr, self._stderr = self._stderr, None


class Captured:
    """Standard error while bars are drawn: lines go above them, progress bars of libraries into the stage."""

    def __init__(self, stream: TextIO, bars: Bars) -> None:
        self.rich_proxied_file = stream  # what rich itself writes to
        self._stream, self._bars = stream, bars
        self._line, self._redrawn = "", False

    def write(self, text: str) -> int:
        """Takes text as a terminal would: a carriage return begins the line anew."""
        for part in re.split(r"([\r\n])", _CONTROL.sub("", text)):
            if part == "\n":
                if self._line.strip() and not self._redrawn:
                    self._bars.say(self._line.rstrip())
                self._line, self._redrawn = "", False
            elif part == "\r":
                self._line, self._redrawn = "", True
            elif part:
                self._line += part
                if self._redrawn:
                    self._bars.detail(printable(self._line.strip()))
        return len(text)

    def flush(self) -> None:
        """Nothing is held back but an unfinished line."""
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
