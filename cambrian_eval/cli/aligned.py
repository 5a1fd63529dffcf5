"""Aligned columns in a given width: long text is wrapped inside its column, else columns go below the others."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence

Rows = Sequence[Sequence[str]]
GAP = "  "
LEAST = 24
"""The least width of a column whose text is wrapped, and the most of names that are repeated in several blocks."""


def lines(rows: Rows, right: Collection[int] = (), width: int | None = None, keys: int = 1) -> list[str]:
    """Rows as lines of at most `width` characters where that is possible; the first row is the heading.

    The columns of `right` are aligned to the right. The first `keys` columns say what a row is: each block has them.
    """
    if (made := _whole(rows, right, width)) is not None or width is None:
        return made or []
    rows = _on_lines(rows, 0, LEAST, indent=GAP)  # names: they are in every block
    blocks = [list(range(keys))]
    for j in range(keys, len(rows[0])):
        if len(blocks[-1]) > keys and _widest(_aligned(*_part(rows, right, [*blocks[-1], j]))) > width:
            blocks.append(list(range(keys)))
        blocks[-1].append(j)
    parts = [_part(rows, right, block) for block in blocks]
    texts = [_whole(*part, width) or _aligned(*part) for part in parts]
    return [line for i, text in enumerate(texts) for line in ([""] * bool(i) + text)]


def _whole(rows: Rows, right: Collection[int], width: int | None) -> list[str] | None:
    """All columns beside each other, the longest text wrapped if need be; None where they do not fit."""
    made = _aligned(rows, right)
    if width is None or _widest(made) <= width:
        return made
    wrapped = _wrapped(rows, right, width)
    return None if wrapped is None else _aligned(wrapped, right)


def _aligned(rows: Rows, right: Collection[int]) -> list[str]:
    widths = _widths(rows)
    made = []
    for row in rows:
        cells = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        made.append(GAP.join(cells).rstrip())
    return made


def _widths(rows: Rows) -> list[int]:
    return [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]


def _widest(texts: Sequence[str]) -> int:
    return max(map(len, texts))


def _wrapped(rows: Rows, right: Collection[int], width: int) -> Rows | None:
    """The rows with the longest text on several lines; None where there is no room for it."""
    widths = _widths(rows)
    texts = [j for j in range(1, len(widths)) if j not in right]
    if not texts:
        return None
    long = max(texts, key=lambda j: widths[j])
    room = width - sum(widths) + widths[long] - len(GAP) * (len(widths) - 1)
    return None if room < LEAST else _on_lines(rows, long, room)


def _on_lines(rows: Rows, column: int, room: int, indent: str = "") -> Rows:
    """The rows with one column of at most `room` characters, on as many lines as that takes."""
    made: list[Sequence[str]] = []
    for row in rows:
        for i, text in enumerate(_lines_of(row[column], room, indent)):
            made.append([text if j == column else cell if i == 0 else "" for j, cell in enumerate(row)])
    return made


def _lines_of(text: str, room: int, indent: str) -> list[str]:
    parts = [textwrap.wrap(t, room, subsequent_indent=indent, break_on_hyphens=False) for t in text.splitlines()]
    return [line for part in parts for line in part] or [""]


def _part(rows: Rows, right: Collection[int], chosen: Sequence[int]) -> tuple[Rows, Collection[int]]:
    """Some of the columns."""
    return [[row[j] for j in chosen] for row in rows], [i for i, j in enumerate(chosen) if j in right]
