"""The shape of a figure of `tools/bench.py`, and its two tables: aligned in 80 columns, and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One figure: what the harness takes, and what it is compared with in the same run."""

    what: str
    """What is measured, in 27 characters at most, for 80 columns; details belong to the page."""
    ours: float
    unit: str
    """A short unit (us, s, MiB, MB); the floor and the peer have the same."""
    floor: float | None = None
    """A bare loop that does only what cannot be avoided."""
    peer: float | None = None
    peer_name: str = ""
    goal: float | None = None
    goal_of: str = "ours"
    """What ours may be at most: `ours` so much, `floor` so many times the floor, `peer` the peer divided by so much."""

    def __post_init__(self) -> None:
        if self.goal is not None and self.goal_of not in GOALS:
            raise ValueError(f"{self.what}: goal_of is {self.goal_of!r}; it is one of {', '.join(GOALS)}")
        if self.goal is not None and self.goal_of != "ours" and getattr(self, self.goal_of) is None:
            raise ValueError(f"{self.what}: the goal refers to a {self.goal_of}, which is missing")

    @property
    def ratio(self) -> float | None:
        """Ours in floors."""
        return None if not self.floor else self.ours / self.floor

    @property
    def missed(self) -> bool:
        """Whether there is a goal and it is not reached."""
        if self.goal is None:
            return False
        if self.goal_of == "peer":
            assert self.peer is not None
            return self.ours * self.goal > self.peer
        limit = self.goal if self.goal_of == "ours" else self.goal * (self.floor or 0.0)
        return self.ours > limit

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of a table; a goal that is missed has a star."""
        goal = "" if self.goal is None else GOALS[self.goal_of].format(goal=short(self.goal), unit=self.unit)
        return (
            self.what,
            f"{short(self.ours)} {self.unit}",
            "" if self.floor is None else short(self.floor),
            "" if self.ratio is None else f"{self.ratio:.{2 if self.ratio < 10 else 1}f}",
            "" if self.peer is None else f"{short(self.peer)} {self.peer_name}",
            f"{goal} *" if self.missed else goal,
        )


GOALS = {"ours": "{goal} {unit}", "floor": "{goal} floors", "peer": "peer / {goal}"}
HEADS = ("what", "ours", "floor", "ratio", "peer", "goal")


def short(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def markdown(rows: Sequence[Row]) -> str:
    """The table of a page."""
    lines = [HEADS, ("---", "---:", "---:", "---:", "---:", "---:")]
    lines += [tuple(cell.replace("|", "\\|") for cell in row.cells) for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def aligned(rows: Sequence[Row]) -> str:
    """The table of a terminal."""
    table = [HEADS, *(row.cells for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for first, *others in table:
        cells = [first.ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(others, widths[1:], strict=True))]
        lines.append(" ".join(cells).rstrip())
    return "\n".join(lines)


def stored(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows for a JSON file, with their ratios."""
    return [{**asdict(row), "ratio": row.ratio} for row in rows]


def restored(rows: Sequence[dict[str, Any]]) -> list[Row]:
    """Rows of a JSON file; the ratio is computed again."""
    return [Row(**{name: value for name, value in row.items() if name != "ratio"}) for row in rows]
