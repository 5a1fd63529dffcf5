"""What the drawn boxes and the options show without the image: the clues that a guesser can follow.

A clue gives each option a score; the guesser takes the option with the highest one. Sampling balances the same
clues (`balance`) that the audit measures (`guessers`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cvbench_builder import count_options
from cvbench_builder.task import Row

Box = Sequence[float]


@dataclass(frozen=True)
class Compared:
    """The boxes of the two options, and of the object that they are compared with."""

    options: tuple[Box, Box]
    anchor: Box | None


@dataclass(frozen=True)
class BoxClue:
    """A rule of thumb about two drawn boxes: the option with the higher score is the guess."""

    name: str
    score: Callable[[Box, Box | None], float | None]
    """Of an option's box and the anchor's; None where the rule needs an anchor and there is none."""
    steps: tuple[float, ...]
    """Where strong differences between two scores are told from weak ones, as shares of `unit`."""
    unit: Callable[[float, float], float]
    """What a difference is a share of, from the image's width and height; the area is compared by its logarithm."""


def center(box: Box) -> tuple[float, float]:
    """The middle of a box."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _log_area(box: Box, anchor: Box | None) -> float:
    return math.log(max((box[2] - box[0]) * (box[3] - box[1]), 1e-9))


def _lower_edge(box: Box, anchor: Box | None) -> float:
    return box[3]


def _higher(box: Box, anchor: Box | None) -> float:
    return -center(box)[1]


def _nearer(box: Box, anchor: Box | None) -> float | None:
    return None if anchor is None else -math.dist(center(box), center(anchor))


BOX_CLUES = (
    BoxClue("larger box", _log_area, (0.4, 0.9, 1.6), lambda width, height: 1.0),
    BoxClue("lower edge", _lower_edge, (0.08, 0.2), lambda width, height: height),
    BoxClue("higher in the image", _higher, (0.08, 0.2), lambda width, height: height),
    BoxClue("nearer in the plane", _nearer, (0.08, 0.2), math.hypot),
)


def compared(row: Row) -> Compared | None:
    """The compared boxes of a row in the order of its options; None where the row does not have them.

    Rows built here name the roles. Published rows have `bbox` alone: the two options, then the anchor.
    """
    if len(row["choices"]) != 2:
        return None
    roles = {b["role"]: b["xyxy"] for b in row.get("boxes") or []}
    if "first" in roles and "second" in roles:
        boxes = [roles["first"], roles["second"], *([roles["anchor"]] if "anchor" in roles else [])]
    elif row.get("boxes"):
        return None  # boxes with other roles, such as counted objects
    else:
        boxes = list(row.get("bbox") or [])
    if len(boxes) not in (2, 3) or any(len(b) != 4 for b in boxes):
        return None
    return Compared((boxes[0], boxes[1]), boxes[2] if len(boxes) == 3 else None)


def box_scores(row: Row, clue: BoxClue) -> list[float] | None:
    """The score of both options; None where the clue does not apply."""
    found = compared(row)
    if found is None:
        return None
    scores = [clue.score(box, found.anchor) for box in found.options]
    return None if None in scores else [float(s) for s in scores if s is not None]


def numbers(row: Row) -> list[int] | None:
    """The options as numbers; None where one is a word."""
    return (
        [int(c) for c in row["choices"]] if row["choices"] and all(str(c).isdecimal() for c in row["choices"]) else None
    )


def middle_scores(row: Row) -> list[float] | None:
    """Highest for the middle of the numbers.

    For the options of the published set, n - 2 to n + 2 and 0, that is n; otherwise the lower one of two middle ones.
    """
    values = numbers(row)
    if not values:
        return None
    window = sorted(values)
    published = [n for n in window if count_options.values(n, "published", "") == window]
    guess = published[-1] if published else window[(len(window) - 1) // 2]
    return [float(v == guess) for v in values]


def named_scores(row: Row) -> list[float] | None:
    """Highest for the option that the question names first; None where it does not name them all."""
    text = row["question"]
    places = [max(text.rfind(f"the {c} "), text.rfind(f"more {c} ")) for c in row["choices"]]
    if numbers(row) is not None or min(places, default=-1) < 0 or len(set(places)) < len(places):
        return None
    return [-float(p) for p in places]


def box_sides(options: tuple[Box, Box], anchor: Box | None, width: float, height: float) -> list[tuple[str, float]]:
    """Per clue the difference between the two options in its unit; positive where the clue is for the first."""
    found = []
    for clue in BOX_CLUES:
        a, b = (clue.score(box, anchor) for box in options)
        if a is not None and b is not None:
            found.append((clue.name, (a - b) / max(clue.unit(width, height), 1e-9)))
    return found


def strength(name: str, difference: float) -> int:
    """The class of a difference: how many of the clue's steps it exceeds."""
    steps = next(clue.steps for clue in BOX_CLUES if clue.name == name)
    return sum(abs(difference) > step for step in steps)
