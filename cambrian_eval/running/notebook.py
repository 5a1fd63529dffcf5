"""Progress of a run in a notebook: one display that is updated, with a bar for the benchmark that runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from html import escape
from typing import Any

from cambrian_eval.numbers import number
from cambrian_eval.running.records import Cell
from cambrian_eval.sample import Result

EVERY = 0.2
"""Seconds between two updates of the display."""


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    if "IPython" not in sys.modules:
        return False
    from IPython.core.getipython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


class NotebookProgress:
    """Finished cells as lines, one bar for the cell that runs and one for the whole run, all in one output."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._lines: list[str] = []
        self._stage = ""
        self._cell: Cell | None = None
        self._total = self._done = self._fresh = self._failed = 0
        self._all_total = self._all_done = 0
        self._began = self._shown = 0.0

    def stage(self, text: str) -> None:
        """Shows what happens beside requests; an empty text ends it."""
        self._stage = text
        self._show()

    def plan(self, cells: Mapping[Cell, tuple[int, int]]) -> None:
        """Begins the bar of the whole run."""
        self._all_total, self._all_done = (sum(pair[i] for pair in cells.values()) for i in (0, 1))

    def start(self, cell: Cell, total: int, done: int) -> None:
        """Begins the bar of a cell."""
        self._cell, self._total, self._done, self._fresh, self._failed = cell, total, done, 0, 0
        self._began, self._stage = time.monotonic(), ""
        self._show()

    def advance(self, cell: Cell, failed: bool) -> None:
        """Advances both bars by one."""
        self._done, self._fresh, self._failed = self._done + 1, self._fresh + 1, self._failed + failed
        self._all_done += 1
        if time.monotonic() - self._shown >= EVERY:
            self._show()

    def finish(self, cell: Cell, result: Result | None) -> None:
        """Turns the bar of the cell into a line with its score by the first scorer."""
        score = "not complete" if result is None else f"score {number(result.score)}"
        drawn = " (synthetic data)" if result is not None and result.synthetic else ""
        failed = f", {self._failed:,} failed" if self._failed else ""
        took = time.monotonic() - self._began
        self._all_total -= self._total - self._done  # a cell may end early
        self._cell = None
        self.say(f"{cell.stem}: {self._done:,} of {self._total:,} in {took:.1f} s{failed}, {score}{drawn}")

    def say(self, text: str) -> None:
        """Adds a line."""
        self._lines.append(text)
        self._show()

    def _show(self) -> None:
        from IPython.display import HTML, display

        self._shown = time.monotonic()
        content = HTML(self._html())
        if self._handle is None:
            self._handle = display(content, display_id=True)
        else:
            self._handle.update(content)

    def _html(self) -> str:
        parts = [f"<div>{escape(line)}</div>" for line in self._lines]
        if self._stage:
            parts.append(f"<div>{escape(self._stage)} ...</div>")
        if self._cell is not None:
            parts.append(_bar(self._cell.stem, self._done, self._total, self._speed()))
            if self._all_total > self._total:
                parts.append(_bar("all", self._all_done, self._all_total))
        return f'<div style="font-family:monospace">{"".join(parts)}</div>'

    def _speed(self) -> str:
        if not self._fresh:
            return ""
        rate = self._fresh / max(time.monotonic() - self._began, 1e-6)
        failed = f", {self._failed:,} failed" if self._failed else ""
        return f", {rate:.1f}/s, {(self._total - self._done) / rate:.0f} s left{failed}"


def _bar(label: str, done: int, total: int, more: str = "") -> str:
    text = escape(f"{label}: {done:,} of {total:,}{more}")
    return f'<div><progress value="{done}" max="{max(total, 1)}"></progress> {text}</div>'
