"""Values as small HTML tables, for notebooks. Every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], title: str = "", notes: Sequence[str] = ()) -> str:
    """A table with a title above it and notes below; cells that begin with a digit or a sign are right-aligned."""
    lines = [f"<p><b>{escape(title)}</b></p>"] if title else []
    lines.append("<table>")
    if heads:
        cells = "".join(
            f'<th style="text-align:{"right" if i else "left"}">{escape(h)}</th>' for i, h in enumerate(heads)
        )
        lines.append(f"<thead><tr>{cells}</tr></thead>")
    lines.append("<tbody>")
    lines += [f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows]
    lines.append("</tbody></table>")
    lines += [f"<p><small>{escape(note)}</small></p>" for note in notes]
    return "\n".join(lines)


def card(title: str, facts: Sequence[tuple[str, object]], notes: Sequence[str] = ()) -> str:
    """Names with their values, a row each; what is None or empty is left out."""
    rows = [(name, value) for name, value in facts if value is not None and value != ""]
    lines = "\n".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(str(value))}</td></tr>'
        for name, value in rows
    )
    below = "".join(f"\n<p><small>{escape(note)}</small></p>" for note in notes)
    return f"<p><b>{escape(title)}</b></p>\n<table><tbody>\n{lines}\n</tbody></table>{below}"


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    side = "right" if text[:1].isdigit() or text[:1] in ("-", "+", "[", "<") else "left"
    return f'<td style="text-align:{side}">{escape(text)}</td>'
