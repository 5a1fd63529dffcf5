"""Values as small HTML tables, for notebooks. Every text is escaped.

`html` is imported where a table is made: values are made everywhere, tables in notebooks only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], title: str = "", notes: Sequence[str] = (), texts: int = 1
) -> str:
    """A table with a title above it and notes below; the first `texts` columns are text, the others numbers."""
    from html import escape

    def line(tag: str, cells: Sequence[str]) -> str:
        made = [
            f'<{tag} style="text-align:{"left" if i < texts else "right"}">{escape(cell)}</{tag}>'
            for i, cell in enumerate(cells)
        ]
        return f"<tr>{''.join(made)}</tr>"

    parts = [f"<p><b>{escape(title)}</b></p>"] if title else []
    parts += ["<table>", f"<thead>{line('th', heads)}</thead>", "<tbody>"]
    parts += [line("td", row) for row in rows]
    parts.append("</tbody></table>")
    parts += [f"<p><small>{escape(note)}</small></p>" for note in notes]
    return "\n".join(parts)


def card(title: str, facts: Sequence[tuple[str, object]], notes: Sequence[str] = ()) -> str:
    """Names with their values, a row each; what is None or empty is left out."""
    from html import escape

    rows = [(name, value) for name, value in facts if value is not None and value != ""]
    lines = "\n".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(str(value))}</td></tr>'
        for name, value in rows
    )
    below = "".join(f"\n<p><small>{escape(note)}</small></p>" for note in notes)
    return f"<p><b>{escape(title)}</b></p>\n<table><tbody>\n{lines}\n</tbody></table>{below}"
