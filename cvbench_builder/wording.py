"""The published question templates, and the options and prompt built around them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b

COUNT = "How many {plural} are in the image?"
RELATION = (
    "Considering the relative positions of the {a}{marker_a} and the {b}{marker_b} in the image provided, "
    "where is the {a}{again_a} located with respect to the {b}{again_b}?"
)
MARKER = " (annotated by the {colour} box)"
DEPTH = (
    "Which object is closer to the camera taking this photo, the {a} (highlighted by {red} box) "
    "or the {b} (highlighted by {blue} box)?"
)
DISTANCE = (
    "Estimate the real-world distances between objects in this image. Which object is closer to the {anchor} "
    "(highlighted by {red} box), the {a} (highlighted by {blue} box) or the {b} (highlighted by {green} box)?"
)
INTRODUCTION = " Select from the following choices."


@dataclass(frozen=True)
class Palette:
    """Three (name, RGB) in the order of the roles: first or anchor, next, third."""

    colours: tuple[tuple[str, tuple[int, int, int]], ...]

    def name(self, place: int) -> str:
        """The colour of a role."""
        return self.colours[place][0]

    def with_article(self, place: int) -> str:
        """As the question says it: "a red", "an orange"."""
        name = self.name(place)
        return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"

    def rgb(self, name: str) -> tuple[int, int, int]:
        """The pixels of a colour that a row names."""
        return dict(self.colours)[name]


PALETTES = {
    "published": Palette((("red", (255, 0, 0)), ("blue", (0, 0, 255)), ("green", (0, 255, 0)))),
    # told apart with every common colour blindness
    "safe": Palette((("orange", (230, 159, 0)), ("blue", (0, 114, 178)), ("yellow", (240, 228, 66)))),
}


def count_question(plural: str) -> str:
    """The Count template, filled."""
    return COUNT.format(plural=plural)


def relation_question(a: str, b: str, *, mark_a: bool, mark_b: bool, repeat: bool, palette: Palette) -> str:
    """The Relation template; ``repeat`` puts the markers at the second mention too."""
    marker_a = MARKER.format(colour=palette.name(0)) if mark_a else ""
    marker_b = MARKER.format(colour=palette.name(1)) if mark_b else ""
    return RELATION.format(
        a=a,
        b=b,
        marker_a=marker_a,
        marker_b=marker_b,
        again_a=marker_a if repeat else "",
        again_b=marker_b if repeat else "",
    )


def depth_question(a: str, b: str, palette: Palette) -> str:
    """The Depth template, both objects with their colour."""
    return DEPTH.format(a=a, b=b, red=palette.with_article(0), blue=palette.with_article(1))


def distance_question(anchor: str, a: str, b: str, palette: Palette) -> str:
    """The Distance template; the anchor has the palette's first colour."""
    red, blue, green = (palette.with_article(k) for k in range(3))
    return DISTANCE.format(anchor=anchor, a=a, b=b, red=red, blue=blue, green=green)


def prompt(question: str, choices: list[str]) -> str:
    """The ``prompt`` column: question, introduction, and a lettered line for each option."""
    lines = "".join(f"\n({letter(i)}) {choice}" for i, choice in enumerate(choices))
    return question + INTRODUCTION + lines


def letter(place: int) -> str:
    """A, B, C ... for places 0, 1, 2 ..."""
    return chr(ord("A") + place)


def count_values(n: int, style: str, key: str) -> list[int]:
    """The option values, rising. ``published``: n-2..n+2 cut at 0, plus 0, at least four."""
    if style == "published":
        values = {0, *range(max(n - 2, 0), n + 3)}
        while len(values) < 4:
            values.add(max(values) + 1)
        return sorted(values)
    # balanced: n takes every rank of the window equally often, as far as there is room below it
    size = window_size(key)
    first = max(n - _draw(key, "rank") % size, 0)
    return list(range(first, first + size))


def balanced_windows(items: list[tuple[int, str]]) -> list[list[int]]:
    """For a whole set of (n, key): windows in which the answer takes every rank equally often.

    A small n cannot have a high rank, so the small ones choose first and the rest make up for them.
    """
    used: Counter[tuple[int, int]] = Counter()
    windows: list[list[int]] = [[] for _ in items]
    for i in sorted(range(len(items)), key=lambda i: (items[i][0], items[i][1])):
        n, key = items[i]
        size = window_size(key)
        rank = min(range(min(n, size - 1) + 1), key=lambda r: (used[(size, r)], _draw(key, f"rank {r}")))
        used[(size, rank)] += 1
        windows[i] = list(range(n - rank, n - rank + size))
    return windows


def window_size(key: str) -> int:
    """How many options a balanced count question has: 4 to 6, drawn by its key."""
    return 4 + _draw(key, "window") % 3


def shuffled(values: list[int], answer: int, place: int, key: str) -> list[str]:
    """The options in an order drawn by ``key``, with the answer at ``place``."""
    others = sorted((v for v in values if v != answer), key=lambda v: _draw(key, f"option {v}"))
    others.insert(place, answer)
    return [str(v) for v in others]


def _draw(key: str, what: str) -> int:
    return int.from_bytes(blake2b(f"{key}|{what}".encode(), digest_size=8).digest(), "big")
