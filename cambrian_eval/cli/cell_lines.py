"""A cell of a run (benchmark and condition) in one line: its tokens, its time, its end."""

from __future__ import annotations

from cambrian_eval.numbers import number
from cambrian_eval.running.records import Cell
from cambrian_eval.sample import Response, Result


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


def finished(
    cell: Cell, result: Result | None, done: int, total: int, fresh: int, failed: int, seconds: float, tokens: Tokens
) -> str:
    """A finished cell in a line: its score, its responses, and how fast this start made them."""
    score = number(result.score) if result is not None and result.score is not None else "-"
    parts = [f"{done:,} of {total:,}"]
    if fresh:
        parts[0] += f" in {clock(seconds)}"
        parts.append(f"{fresh / max(seconds, 1e-6):.1f}/s")
    elif done:
        parts.append("stored before")
    failed = failed if result is None else result.n_failed
    parts += [f"{failed} failed"] if failed else []
    parts += [str(tokens)] if str(tokens) else []
    parts += ["synthetic"] if result is not None and result.synthetic else []
    return f"{cell.stem:<24} {score:>7}  {', '.join(parts)}"


def clock(seconds: float) -> str:
    """Seconds as 4.2 s, 3:07 or 2:14:09."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
