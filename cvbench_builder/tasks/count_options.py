"""The options of a Count question: which values, and in which order."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b


def values(n: int, style: str, key: str) -> list[int]:
    """The values, rising. `published`: n-2 to n+2 without negative ones, plus 0, at least four."""
    if style == "published":
        found = {0, *range(max(n - 2, 0), n + 3)}
        while len(found) < 4:
            found.add(max(found) + 1)
        return sorted(found)
    # balanced: n takes every rank of the window equally often, as far as the values below it permit
    size = window_size(key)
    first = max(n - _number(key, "rank") % size, 0)
    return list(range(first, first + size))


def balanced_windows(items: list[tuple[int, str]]) -> list[list[int]]:
    """For a whole set of (n, key): windows in which the answer takes every rank equally often.

    A small n cannot have a high rank, so the small ones choose first and the others compensate.
    """
    used: Counter[tuple[int, int]] = Counter()
    windows: list[list[int]] = [[] for _ in items]
    for i in sorted(range(len(items)), key=lambda i: (items[i][0], items[i][1])):
        n, key = items[i]
        size = window_size(key)
        rank = min(range(min(n, size - 1) + 1), key=lambda r: (used[(size, r)], _number(key, f"rank {r}")))
        used[(size, rank)] += 1
        windows[i] = list(range(n - rank, n - rank + size))
    return windows


def window_size(key: str) -> int:
    """The number of options of a balanced question: 4 to 6, determined by its key."""
    return 4 + _number(key, "window") % 3


def shuffled(options: list[int], answer: int, place: int, key: str) -> list[str]:
    """The options in an order determined by `key`, with the answer at `place`."""
    others = sorted((v for v in options if v != answer), key=lambda v: _number(key, f"option {v}"))
    others.insert(place, answer)
    return [str(v) for v in others]


def _number(key: str, what: str) -> int:
    return int.from_bytes(blake2b(f"{key}|{what}".encode(), digest_size=8).digest(), "big")
