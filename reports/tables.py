"""Score tables in the layout of the paper's Table 9, and rank tables as its Table 2: Markdown, LaTeX, CSV, HTML.

Owns the layout (categories with their average first, rows by group, best of each group in bold) and the four
formats. The numbers come from a `ScoreTable`; averages from `category_means`.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cambrian_eval.errors import UserError, one_line, unknown
from cambrian_eval.numbers import number as written
from cambrian_eval.numbers import rounded
from cambrian_eval.results.averages import OVERALL
from cambrian_eval.safe_text import csv_text

from .catalogue import canonical, categories_of, entry
from .category_means import COLUMNS, by_category, ranks
from .scores import ScoreTable

FORMATS = ("markdown", "latex", "csv", "html")
ITALICS = "your runs are in italics"
"""The note of a table that has your runs beside others."""
AVERAGES = {
    "avg_general": "General",
    "avg_knowledge": "Knowledge",
    "avg_ocr": "OCR & Chart",
    "avg_vision": "Vision-Centric",
    "avg": OVERALL,
}
"""Names of average columns in `--columns`."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of numbers."""

    name: str
    """A benchmark, one of AVERAGES, or `visual_tokens`."""
    head: str
    category: str
    """The heading above it; empty for none."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One number as printed."""

    value: float | None
    low: float | None = None
    high: float | None = None
    bold: bool = False
    partial: bool = False
    digits: int = 1
    most: float = 100.0
    """The largest value there is."""


@dataclass(frozen=True)
class Layout:
    """A table ready to be written in any format."""

    columns: tuple[Column, ...]
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    """Group heading and its models."""
    cells: dict[tuple[str, str], Cell]
    own: frozenset[str]
    notes: tuple[str, ...]
    intervals: bool = False


def columns_named(text: str | None, table: ScoreTable) -> list[str]:
    """Columns from a comma-separated list; without one, each category's average, then its benchmarks."""
    if text:
        names = []
        for part in (p.strip() for p in text.split(",") if p.strip()):
            name = part.lower() if part.lower() in (*AVERAGES, "visual_tokens") else canonical(part) or part
            if name not in (*AVERAGES, "visual_tokens", *table.benchmarks):
                raise unknown("column", part, [*AVERAGES, "visual_tokens", *table.benchmarks])
            names.append(name)
        if not names:
            raise UserError(f"--columns {text!r} names no column; give benchmarks or {', '.join(AVERAGES)}")
        return list(dict.fromkeys(names))
    names = ["visual_tokens"] if any("visual_tokens" in a for a in table.attributes.values()) else []
    of = {category: name for name, category in AVERAGES.items()}
    for category in categories_of(table.benchmarks):
        names += [of[category]] if category in of else []
        names += [b for b in table.benchmarks if entry(b).category == category]
    return [*names, "avg"] if len(categories_of(table.benchmarks)) > 1 else names


def layout(table: ScoreTable, columns: Sequence[str], intervals: bool = False) -> Layout:
    """Cells with the best of each group marked; all that are equal at the printed digit are best."""
    heads = tuple(_column(name) for name in columns)
    means = by_category(table)
    cells: dict[tuple[str, str], Cell] = {}
    for model in table.models:
        row = table.row(model)
        for name in columns:
            if name == "visual_tokens":
                tokens = table.attributes.get(model, {}).get("visual_tokens")
                cells[model, name] = Cell(tokens, digits=0)
            elif name in AVERAGES:
                mean = means.get((model, AVERAGES[name]))
                cells[model, name] = (
                    Cell(None) if mean is None else Cell(mean.value, mean.low, mean.high, partial=mean.partial)
                )
            else:
                low, high = table.intervals.get((model, name), (None, None))
                cells[model, name] = Cell(row.get(name), low, high, most=100.0 * entry(name).divisor)
    groups: dict[str, list[str]] = {}
    for model in table.models:
        groups.setdefault(table.groups.get(model, ""), []).append(model)
    for members in groups.values():
        for name in columns:
            if name != "visual_tokens":
                _embolden(cells, members, name)
    notes = list(table.notes)
    if any(c.partial for c in cells.values()):
        notes.append("* average over fewer benchmarks than the paper's; never marked as best")
    if "mme" in table.benchmarks and any(name in AVERAGES for name in columns):
        notes.append("MME is divided by 20 in averages")
    if table.apart:
        notes.append(ITALICS)
    ordered = tuple((title, tuple(members)) for title, members in groups.items())
    return Layout(heads, ordered, cells, table.apart, tuple(notes), intervals)


def _column(name: str) -> Column:
    if name == "visual_tokens":
        return Column(name, "# Vis Tok.", "")
    if name in AVERAGES:
        category = AVERAGES[name]
        return Column(name, "Avg", "All" if category == OVERALL else category)
    return Column(name, entry(name).short, entry(name).category)


def _embolden(cells: dict[tuple[str, str], Cell], members: Sequence[str], name: str) -> None:
    """Marks the best of a group; none where all are equal or there is only one."""
    known = {m: c for m in members if (c := cells[m, name]).value is not None and not c.partial}
    if len(known) < 2:
        return
    shown = {m: rounded(c.value or 0.0, c.digits) for m, c in known.items()}
    best = max(shown.values())
    if min(shown.values()) == best:
        return
    for m, c in known.items():
        if shown[m] == best:
            cells[m, name] = replace(c, bold=True)


def rank_layout(table: ScoreTable) -> Layout:
    """Ranks of the models by category average, the best overall first (the paper's Table 2)."""
    found = ranks(table)
    if not any(found.values()):
        raise UserError(f"{table.source}: no model has a complete category; ranks need all four benchmarks of one")
    present = [c for c in COLUMNS if any(c in row for row in found.values())]
    names = {category: name for name, category in AVERAGES.items()}
    last = len(table.models) + 1
    ordered = sorted(table.models, key=lambda m: (found[m].get(OVERALL, last), table.models.index(m)))
    cells = {
        (m, names[c]): Cell(None if c not in found[m] else float(found[m][c]), bold=found[m].get(c) == 1, digits=0)
        for m in ordered
        for c in present
    }
    columns = tuple(Column(names[c], "Overall" if c == OVERALL else c, "") for c in present)
    notes = ("rank by category average, 1 is best; only complete averages are ranked", *table.notes)
    return Layout(columns, (("", tuple(ordered)),), cells, table.apart, notes)


def write(made: Layout, kind: str) -> str:
    """The table in one format, ending in a newline."""
    writers = {"markdown": _markdown, "latex": _latex, "csv": _csv, "html": _html}
    if kind not in writers:
        raise unknown("table format", kind, FORMATS)
    return writers[kind](made)


def number(cell: Cell, intervals: bool, dash: str = "–", plus_minus: str = "±") -> str:
    """A cell as text: `1,547.1`, `73.1`, on request with half the interval's width, or both sides of it where half the
    width would pass 0 or the largest value.
    """
    if cell.value is None:
        return dash
    text = f"{rounded(cell.value, cell.digits):,.{cell.digits}f}" + ("*" if cell.partial else "")
    if intervals and cell.low is not None and cell.high is not None:
        half = (cell.high - cell.low) / 2
        if cell.value - half < 0 or cell.value + half > cell.most:
            return f"{text} +{written(cell.high - cell.value)}/-{written(cell.value - cell.low)}"
        text += f" {plus_minus}{written(half)}"
    return text


def headings(made: Layout) -> list[tuple[str, int]]:
    """Category headings with the number of columns each spans."""
    spans: list[tuple[str, int]] = []
    for column in made.columns:
        if spans and spans[-1][0] == column.category:
            spans[-1] = column.category, spans[-1][1] + 1
        else:
            spans.append((column.category, 1))
    return spans


def _several(made: Layout) -> bool:
    return len(made.groups) > 1


def _markdown(made: Layout) -> str:
    """Markdown has one heading row, so the head of an average names its category."""

    def clean(text: str) -> str:
        return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").split())

    heads = [
        ("Average" if c.category == "All" else f"{c.category} avg") if c.name in AVERAGES and c.category else c.head
        for c in made.columns
    ]
    lines = ["| Model | " + " | ".join(clean(h) for h in heads) + " |"]
    lines.append("| :--- |" + " ---: |" * len(heads))
    for title, members in made.groups:
        if _several(made):
            lines.append(f"| **{clean(title or 'Other')}** |" + " |" * len(heads))
        for model in members:
            name = f"*{clean(model)}*" if model in made.own else clean(model)
            cells = []
            for column in made.columns:
                cell = made.cells[model, column.name]
                text = number(cell, made.intervals).replace("*", "\\*")
                cells.append(f"**{text}**" if cell.bold else text)
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [""] + [f"{one_line(note)}  " for note in made.notes] if made.notes else []
    return "\n".join(line.rstrip() if not line.startswith("|") else line for line in lines) + "\n"


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


def _latex(made: Layout) -> str:
    """A `tabular` that needs no package; put it into a table environment, or compile it as it is."""
    starts, position = [], 0
    for _, span in headings(made):
        starts.append(position)
        position += span
    spec = "l" + "".join(("|" if i in starts else "") + "r" for i in range(len(made.columns)))
    width = len(made.columns) + 1
    heads = [rf"\multicolumn{{{span}}}{{|c}}{{{latex_text(title)}}}" for title, span in headings(made)]
    notes = [one_line(note).replace("\\", _LATEX["\\"]) for note in made.notes]
    lines = [f"% {note}" for note in notes] + [rf"\begin{{tabular}}{{{spec}}}", r"\hline"]
    if any(title for title, _ in headings(made)):
        lines.append(" & ".join(["", *heads]) + r" \\")
    lines.append(" & ".join(["Model", *(latex_text(c.head) for c in made.columns)]) + r" \\")
    for title, members in made.groups:
        lines.append(r"\hline")
        if _several(made):
            lines.append(rf"\multicolumn{{{width}}}{{l}}{{\textit{{{latex_text(title or 'Other')}}}}} \\")
        for model in members:
            name = latex_text(model)
            cells = [rf"\textit{{{name}}}" if model in made.own else name]
            for column in made.columns:
                cell = made.cells[model, column.name]
                text = latex_text(number(cell, made.intervals))
                cells.append(rf"\textbf{{{text}}}" if cell.bold else text)
            # After the end of a row, LaTeX reads a bracket or asterisk as an argument; an empty group prevents it.
            lines.append(("{}" if name.startswith(("[", "*")) else "") + " & ".join(cells) + r" \\")
    lines += [r"\hline", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def _csv(made: Layout) -> str:
    """Full precision; with intervals two more columns each."""
    heads: list[str] = ["model", "group", "own"]
    for column in made.columns:
        heads += [column.name, f"{column.name}_low", f"{column.name}_high"] if made.intervals else [column.name]
    rows: list[list[object]] = []
    for title, members in made.groups:
        for model in members:
            row: list[object] = [model, title, "yes" if model in made.own else ""]
            for column in made.columns:
                cell = made.cells[model, column.name]
                row += [cell.value, cell.low, cell.high] if made.intervals else [cell.value]
            rows.append(row)
    return csv_text(heads, rows)


def _html(made: Layout) -> str:
    """A `<table>` with scoped headings; classes `best` and `own` are for the page's style."""
    out = ['<table class="scores">', "<thead>"]
    if any(title for title, _ in headings(made)):
        spans = "".join(
            f'<th scope="colgroup" colspan="{n}">{html.escape(title)}</th>' if title else f'<td colspan="{n}"></td>'
            for title, n in headings(made)
        )
        out.append(f"<tr><td></td>{spans}</tr>")
    heads = "".join(f'<th scope="col">{html.escape(c.head)}</th>' for c in made.columns)
    out += [f'<tr><th scope="col">Model</th>{heads}</tr>', "</thead>"]
    for title, members in made.groups:
        out.append("<tbody>")
        if _several(made):
            name = html.escape(title or "Other")
            out.append(f'<tr class="group"><th scope="rowgroup" colspan="{len(made.columns) + 1}">{name}</th></tr>')
        for model in members:
            cells = []
            for column in made.columns:
                cell = made.cells[model, column.name]
                text = html.escape(number(cell, made.intervals))
                average = ' class="average"' if column.name in AVERAGES else ""
                cells.append(f"<td{average}><strong>{text}</strong></td>" if cell.bold else f"<td{average}>{text}</td>")
            own = ' class="own"' if model in made.own else ""
            name = f"<em>{html.escape(model)}</em>" if own else html.escape(model)
            out.append(f'<tr{own}><th scope="row">{name}</th>{"".join(cells)}</tr>')
        out.append("</tbody>")
    out.append("</table>")
    out += [f'<p class="note">{html.escape(note)}</p>' for note in made.notes]
    return "\n".join(out) + "\n"
