"""Score tables as LaTeX: booktabs rules, rotated heads, and a size of text at which the table fits a width.

A table that has to fit a width is a `tabular*` of that width, and is not higher than a page. The size of its text is
found from the widths of characters in Computer Modern, which are larger than those of Times; no text is smaller than 7
points. Columns that do not fit beside each other are split into blocks, one below the other.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from itertools import combinations, groupby, pairwise

from cambrian_eval.errors import UserError, one_line

from .cells import AVERAGES, Column, Layout, headings, number

SIZES = (10.0, 9.0, 8.0, 7.0)
"""Sizes of text in points, the largest that fits is taken."""
GAP = 3.0
"""The least space between two columns, in points."""
SMALL = SIZES[-2:]
"""Sizes of text where there are several blocks: larger text would make them higher than needed."""
HEIGHT = 8.5
"""The most height of a table that fits a width, in inches: a page of the venues less a caption."""
MOST_BLOCKS = 4
"""The most blocks, one below the other, that the columns of a table are split into."""
STRAIGHT = 6
"""Heads of more columns than this are rotated."""

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "—": "---",
    "±": r"$\pm$",
    '"': "''",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "’": "'",
    "“": "``",
    "”": "''",
}


def latex_text(text: str) -> str:
    """Any text as LaTeX that compiles without packages: accents are removed, other scripts become `?`."""
    parts = []
    for character in " ".join(text.split()):
        if character in _LATEX:
            parts.append(_LATEX[character])
        elif " " <= character <= "~":
            parts.append(character)
        else:
            plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
            parts.append("".join(_LATEX.get(c, c) for c in plain if c.isprintable()) or "?")
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table: its name and its cells as LaTeX, or a heading that spans all columns."""

    name: str
    cells: tuple[str, ...] = ()
    heading: bool = False
    ruled: bool = False
    """Whether a rule is above it."""


@dataclass(frozen=True)
class Grid:
    """A table by rows and columns, whichever of them are models."""

    first: str
    """The head of the first column."""
    spans: tuple[tuple[str, int], ...]
    """Headings above the heads, with the number of columns each spans; an empty one is not written."""
    heads: tuple[str, ...]
    lines: tuple[Line, ...]


def latex(made: Layout, width: float | None = None, transpose: bool = False, most: int = MOST_BLOCKS) -> str:
    """A table for `booktabs`, on request with models as columns; `width` in inches is what it must fill.

    With a width, the table is not higher than `HEIGHT`.
    `most` is the largest number of blocks that its columns may be split into.
    """
    grid = _by_benchmark(made) if transpose else _by_model(made)
    blocks, size, rotated = _fitting(grid, width, most)
    packages = "booktabs,graphicx" if rotated else "booktabs"
    notes = [one_line(note).replace("\\", _LATEX["\\"]) for note in made.notes]
    lines = [rf"% needs \usepackage{{{packages}}} in the preamble", *(f"% {note}" for note in notes)]
    if width is None:
        return "\n".join([*lines, *_tabular(grid, rotated, "tabular", "")]) + "\n"
    if len(blocks) > 1:
        lines.append(
            f"% {len(grid.heads)} columns in {len(blocks)} blocks: beside each other they do not fit the width"
        )
    lines.append(rf"{{\fontsize{{{size:g}}}{{{size * 1.2:g}}}\selectfont\setlength{{\tabcolsep}}{{0pt}}%")
    lines += [r"\begin{tabular}{@{}c@{}}"] * (len(blocks) > 1)
    for i, block in enumerate(blocks):
        lines += [r"\\ \addlinespace[2ex]"] * (i > 0)
        lines += _tabular(block, rotated, "tabular*", rf"{{{width:g}in}}")
    lines += [r"\end{tabular}"] * (len(blocks) > 1)
    lines[-1] += "}%"
    return "\n".join(lines) + "\n"


def _tabular(grid: Grid, rotated: bool, environment: str, width: str) -> list[str]:
    """One block of columns, with its head and rules."""
    columns = "l" + "r" * len(grid.heads)
    columns = rf"@{{\extracolsep{{\fill}}}}{columns}@{{}}" if width else columns
    lines = [rf"\begin{{{environment}}}{width}{{{columns}}}", r"\toprule", *_head(grid, rotated)]
    for i, line in enumerate(grid.lines):
        lines += [r"\midrule"] if i and (line.heading or line.ruled) else []
        if line.heading:
            lines.append(rf"\multicolumn{{{len(grid.heads) + 1}}}{{l}}{{\textit{{{line.name}}}}} \\")
        else:
            # After the end of a row, LaTeX reads a bracket or asterisk as an argument; an empty group prevents it.
            guard = "{}" if line.name.startswith(("[", "*")) else ""
            lines.append(guard + " & ".join([line.name, *line.cells]) + r" \\")
    return [*lines, r"\bottomrule", rf"\end{{{environment}}}"]


def _head(grid: Grid, rotated: bool) -> list[str]:
    """Headings with a rule under each, then the heads of the columns."""
    lines = []
    if any(title for title, _ in grid.spans):
        cells, rules, at = [""], [], 2
        for title, count in grid.spans:
            cells.append(rf"\multicolumn{{{count}}}{{c}}{{{title}}}")
            rules += [rf"\cmidrule(lr){{{at}-{at + count - 1}}}"] if title else []
            at += count
        lines += [" & ".join(cells) + r" \\", "".join(rules)]
    heads = [rf"\rotatebox{{90}}{{{head}}}" for head in grid.heads] if rotated else list(grid.heads)
    return [*lines, " & ".join([grid.first, *heads]) + r" \\", r"\midrule"]


def _cell(made: Layout, model: str, column: str) -> str:
    cell = made.cells[model, column]
    text = latex_text(number(cell, made.intervals))
    return rf"\textbf{{{text}}}" if cell.bold else text


def _model(made: Layout, model: str) -> str:
    name = latex_text(model)
    return rf"\textit{{{name}}}" if model in made.own else name


def _by_model(made: Layout) -> Grid:
    """Models as rows, as in the paper."""
    lines: list[Line] = []
    for title, members in made.groups:
        if len(made.groups) > 1:
            lines.append(Line(latex_text(title or "Other"), heading=True))
        lines += [
            Line(_model(made, model), tuple(_cell(made, model, c.name) for c in made.columns)) for model in members
        ]
    spans = tuple((latex_text(title), count) for title, count in headings(made))
    heads = [c.head for c in made.columns]
    if all(count == 1 for _, count in spans):
        # A heading above a single column is wide: the head says it, where it is not a benchmark's own name.
        spans = ()
        heads = [_average(c) if c.name in AVERAGES and c.category else c.head for c in made.columns]
    return Grid("Model", spans, tuple(latex_text(head) for head in heads), tuple(lines))


def _average(column: Column) -> str:
    return "Average" if column.category == "All" else f"{column.category} avg"


def _by_benchmark(made: Layout) -> Grid:
    """Models as columns, below the names of their groups."""
    models = [model for _, members in made.groups for model in members]
    several = len(made.groups) > 1
    spans = tuple((latex_text(title or "Other") if several else "", len(members)) for title, members in made.groups)
    lines: list[Line] = []
    for category, columns in groupby(made.columns, key=lambda c: c.category):
        if category and category != "All":
            lines.append(Line(latex_text(category), heading=True))
        for column in columns:
            name = "Average" if column.name in AVERAGES and column.category else column.head
            cells = tuple(_cell(made, model, column.name) for model in models)
            # The average over all categories belongs to none of them.
            overall = category == "All"
            lines.append(Line("Average over all" if overall else latex_text(name), cells, ruled=overall))
    return Grid("", spans, tuple(_model(made, model) for model in models), tuple(lines))


def _fitting(grid: Grid, width: float | None, most: int) -> tuple[list[Grid], float, bool]:
    """Blocks of columns, size of text, and whether heads are rotated, so that a table fits.

    As few blocks as possible, then straight heads, then large text.
    """
    count = len(grid.heads)
    if width is None:
        return [grid], SIZES[0], count > STRAIGHT
    points = width * 72.27
    for n in range(1, min(most, count) + 1):
        for blocks in _splits(grid, n):
            ways = (False, True) if max(len(b.heads) for b in blocks) <= STRAIGHT else (True,)
            for rotated in ways:
                for size in SIZES if n == 1 else SMALL:
                    if all(_natural(b, rotated) * size + GAP * len(b.heads) <= points for b in blocks) and (
                        _height(blocks, rotated, size) <= HEIGHT * 72.27
                    ):
                        return blocks, size, rotated
    raise UserError(
        f"a table of {len(grid.lines)} rows and {count} columns does not fit into {width:g} by {HEIGHT:g} inches at "
        f"{SIZES[-1]:g} points, also in {most} blocks; choose fewer with --columns or --models, --transpose, or a "
        "wider --width"
    )


def _splits(grid: Grid, n: int) -> list[list[Grid]]:
    """The ways to split columns into n blocks: between headings, as even as possible; else of equal length."""
    ends, total = [], 0
    for _, count in grid.spans:
        total += count
        ends.append(total)
    whole = len(grid.heads)
    cuts = [(0, *chosen, whole) for chosen in combinations([e for e in ends if 0 < e < whole], n - 1)]
    even = sorted(cuts, key=lambda c: max(b - a for a, b in pairwise(c)))[:1]
    size = -(-whole // n)
    even.append((*range(0, whole, size), whole))
    return [[_part(grid, a, b) for a, b in pairwise(c)] for c in even]


def _part(grid: Grid, start: int, end: int) -> Grid:
    """Some of the columns of a table, with the headings above them."""
    spans, at = [], 0
    for title, count in grid.spans:
        inside = min(at + count, end) - max(at, start)
        spans += [(title, inside)] if inside > 0 else []
        at += count
    lines = tuple(line if line.heading else replace(line, cells=line.cells[start:end]) for line in grid.lines)
    return Grid(grid.first, tuple(spans), grid.heads[start:end], lines)


RULE = 5.0
"""The height of a rule with the space above and below it, in points."""


def _height(blocks: list[Grid], rotated: bool, size: float) -> float:
    """The height of blocks one below the other, in points."""
    lines, rules = 1.2 * (len(blocks) - 1), 0
    for grid in blocks:
        spans = any(title for title, _ in grid.spans)
        head = max([1.2, *map(_ems, grid.heads)]) if rotated else 1.2
        lines += head + 1.2 * (len(grid.lines) + spans)
        rules += 2 + spans + sum(line.heading or line.ruled for line in grid.lines[1:])
    return size * lines + RULE * rules


def _natural(grid: Grid, rotated: bool) -> float:
    """The width of a table without space between its columns, for text of 1 point."""
    rows = [line for line in grid.lines if not line.heading]
    first = max(_ems(text) for text in (grid.first, *(line.name for line in rows)))
    columns = [
        max(1.0 if rotated else _ems(head), *(_ems(line.cells[j]) for line in rows))
        for j, head in enumerate(grid.heads)
    ]
    total, at = first, 0
    for title, count in grid.spans:
        # A heading wider than its columns makes them wider. Rules end 0.5 em before the next column.
        total += max(sum(columns[at : at + count]), _ems(title) + 0.5)
        at += count
    return total + sum(columns[at:])


_WIDTHS = (("il.,;:!|'", 0.28), ("ftrjsI()[]/-` ", 0.42), ("0123456789", 0.5), ("mwMWOQ@%+", 1.03))
"""Widths of characters in ems of Computer Modern, those that are alike together; others are lower or upper case."""
_EM = {character: width for characters, width in _WIDTHS for character in characters}


def _ems(text: str) -> float:
    """The width of LaTeX text in ems of Computer Modern; bold is a sixth wider."""
    factor = 1.16 if text.startswith(r"\textbf{") else 1.0
    for wrapping in (r"\textbf{", r"\textit{"):
        text = text.removesuffix("}").removeprefix(wrapping) if text.startswith(wrapping) else text
    for command, letter in ((r"$\pm$", "+"), ("--", "0"), (r"\textbackslash{}", "0"), (r"\_", "0"), ("\\", "")):
        text = text.replace(command, letter)
    return factor * sum(_EM.get(c, 0.79 if c.isupper() else 0.56) for c in text)
