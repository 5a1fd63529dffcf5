"""The options of a Count question: which values, and in which order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b


def values(n: int, style: str, key: str) -> list[int]:
    """The values, rising. `published`: n-2 to n+2 without negative ones, plus 0, at least four."""
    if style == "published":
        found = {0, *range(max(n - 2, 0), n + 3)}
        while len(found) < 4:
            found.add(max(found) + 1)
        return sorted(found)
    if style == "uniform":
        first = max(n - _number(key, "rank") % SIZES[0], 0)
        return list(range(first, first + SIZES[0]))
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


SIZES = (4, 3)
"""Options of a question whose answer is uniform given its options; the larger size is tried first."""

Window = tuple[int, int]
"""First value and size."""


def complete_windows(counts: Mapping[int, int]) -> dict[Window, int]:
    """Complete windows in these counts of values: each takes one row of each of its values.

    If the counts consist of complete windows, all of them are found. Otherwise the larger ones are filled first, the
    lowest first, which for one size gives as many as possible.
    """
    top = max(counts, default=-1)
    exact = _exact(tuple(counts.get(v, 0) for v in range(top + 1)), 0)
    if exact is not None:
        return exact
    left = dict(counts)
    found: dict[Window, int] = {}
    for size in SIZES:
        for first in range(top + 1):
            copies = min(left.get(v, 0) for v in range(first, first + size))
            if copies:
                found[(first, size)] = copies
                for v in range(first, first + size):
                    left[v] -= copies
    return found


@lru_cache(maxsize=4096)
def _exact(counts: tuple[int, ...], first: int) -> dict[Window, int] | None:
    """Windows that use up all counts from `first` on; None if there are none."""
    if first == len(counts):
        return {}
    need, large, small = counts[first], *SIZES
    for copies in range(need, -1, -1):
        # the lowest value can only be in windows that start at it
        left = list(counts)
        for size, n in ((large, copies), (small, need - copies)):
            for v in range(first, first + size) if n else ():
                if v >= len(left):
                    break
                left[v] -= n
            else:
                continue
            break
        else:
            if min(left[first:]) >= 0 and (rest := _exact(tuple(left), first + 1)) is not None:
                own = {(first, size): n for size, n in ((large, copies), (small, need - copies)) if n}
                return own | rest
    return None


def uniform_windows(items: list[tuple[str, int, str]]) -> tuple[list[list[int]], list[int]]:
    """For a whole set of (word, n, key): windows in which every value is the answer equally often.

    Also returns for each row how far that holds: 0 for its word, 1 over all words together, 2 not at all.
    """
    windows: list[list[int]] = [[] for _ in items]
    levels = [2] * len(items)
    for level in (0, 1):
        rows: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for i in sorted((i for i in range(len(items)) if not windows[i]), key=lambda i: items[i][2], reverse=True):
            word, n, _ = items[i]
            rows[word if level == 0 else ""][n].append(i)
        for values in rows.values():
            for (first, size), copies in complete_windows({n: len(own) for n, own in values.items()}).items():
                window = list(range(first, first + size))
                for i in [values[v].pop() for v in window for _ in range(copies)]:
                    windows[i], levels[i] = window, level
    rest = [i for i in range(len(items)) if not windows[i]]
    used: Counter[Window] = Counter()
    for i in sorted(rest, key=lambda i: (items[i][1], items[i][2])):
        _, n, key = items[i]
        rank = min(range(min(n, SIZES[0] - 1) + 1), key=lambda r: (used[(n - r, n)], _number(key, f"rank {r}")))
        used[(n - rank, n)] += 1
        windows[i] = list(range(n - rank, n - rank + SIZES[0]))
    return windows, levels


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
