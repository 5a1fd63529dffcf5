"""A score table for the terminal: models as rows where that fits the width, else benchmarks as rows.

A line is a list of pieces of text, each with whether it is bold (the best of a group); who prints decides how.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from .cells import Cell, Layout, number
from .tables import ITALICS

Line = list[tuple[str, bool]]
"""Pieces of a line, and which of them are bold."""
HEAD = 14
"""The most characters of a line of a model's name above its column; longer names have several lines."""


def lines(made: Layout, width: int) -> list[Line]:
    """The table and its notes on lines of at most `width` characters, where a single column fits."""
    table = _models_as_rows(made)
    if _width(table) > width:
        table = _benchmarks_as_rows(made, width)
    notes = [note for note in made.notes if note != ITALICS]
    if ITALICS in made.notes:
        notes.append(f"your runs: {', '.join(m for _, members in made.groups for m in members if m in made.own)}")
    wrapped = [line for note in notes for line in textwrap.wrap(note, width, subsequent_indent="  ")]
    return [*table, *([[("", False)]] if wrapped else []), *([(line, False)] for line in wrapped)]


def plain(found: Sequence[Line]) -> str:
    """Lines as text without emphasis."""
    return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in found)


def _width(found: Sequence[Line]) -> int:
    return max(len("".join(text for text, _ in line).rstrip()) for line in found)


def _cell(made: Layout, cell: Cell) -> tuple[str, bool]:
    return number(cell, made.intervals, dash="-"), cell.bold


def _models_as_rows(made: Layout) -> list[Line]:
    heads = [[""], ["model"]]
    before = ""
    for column in made.columns:
        heads[0].append(column.category if column.category != before else "")
        heads[1].append(column.head)
        before = column.category
    rows: list[Line] = []
    for title, members in made.groups:
        if len(made.groups) > 1:
            rows.append([(title or "Other", True)])
        for model in members:
            rows.append([(model, False), *(_cell(made, made.cells[model, c.name]) for c in made.columns)])
    kept = [h for h in heads if any(h)]
    return _drawn(kept, rows, len(kept) - 1)


def _benchmarks_as_rows(made: Layout, width: int) -> list[Line]:
    """Blocks of models side by side, as many as fit; each block names its rows."""
    models = [(title if len(made.groups) > 1 else "", m) for title, members in made.groups for m in members]
    blocks: list[list[tuple[str, str]]] = [[]]
    for model in models:
        if blocks[-1] and _width(_block(made, [*blocks[-1], model])) > width:
            blocks.append([])
        blocks[-1].append(model)
    found: list[Line] = []
    for block in blocks:
        found += [[("", False)]] if found else []
        found += _block(made, block)
    return found


def _block(made: Layout, models: Sequence[tuple[str, str]]) -> list[Line]:
    names = [_head(model) for _, model in models]
    tall = max(map(len, names))
    heads = [["", *(n[i - tall + len(n)] if i >= tall - len(n) else "" for n in names)] for i in range(tall)]
    groups = [title for title, _ in models]
    spanning = 0
    if any(groups):
        shown = [t if t != b else "" for b, t in zip(["", *groups], groups, strict=False)]
        titles = [_head(title) for title in shown]
        spanning = max(map(len, titles))
        heads = [["", *(t[i] if i < len(t) else "" for t in titles)] for i in range(spanning)] + heads
    heads[-1][0] = "benchmark"
    rows: list[Line] = []
    before = ""
    for column in made.columns:
        if column.category and column.category != before:
            rows.append([(column.category, True)])
        before = column.category
        cells = [_cell(made, made.cells[model, column.name]) for _, model in models]
        rows.append([(f"  {column.head}" if column.category else column.head, False), *cells])
    return _drawn(heads, rows, spanning)


def _head(name: str) -> list[str]:
    """A name on lines of at most HEAD characters, broken behind blanks, slashes and hyphens where it has them."""
    return textwrap.wrap(name.replace("/", "/ "), HEAD) or [""]


def _drawn(heads: Sequence[Sequence[str]], rows: Sequence[Line], spanning: int) -> list[Line]:
    """Aligned lines. The first `spanning` headings stand over the columns up to the next one, from the left."""
    head_lines: list[Line] = [[(text, False) for text in head] for head in heads]
    every = [*head_lines, *rows]
    n = max(map(len, every))
    widths = [0] * n
    for k, row in enumerate(every):
        for i, (text, _) in enumerate(row):
            if k >= spanning or (text and i + 1 < n and row[i + 1][0]) or i + 1 == n:
                widths[i] = max(widths[i], len(text))
    made: list[Line] = []
    for k, row in enumerate(every):
        line: Line = []
        at = 0
        end = 0
        for i in range(n):
            text, bold = row[i] if i < len(row) else ("", False)
            at += widths[i] + (2 if i else 0)
            left = i == 0 or k < spanning
            start = at - widths[i] if left else at - len(text)
            if text:
                line.append((" " * max(1 if end else 0, start - end), False))
                line.append((text, bold))
                end = max(end + (1 if end else 0), start) + len(text)
        made.append(line or [("", False)])
    return made
