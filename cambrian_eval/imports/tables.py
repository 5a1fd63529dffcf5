"""Tables of other harnesses: spreadsheets through openpyxl, and text with tabs or commas between cells."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError, describe


def read_table(path: Path, text: str, spreadsheet: bool) -> list[dict[str, Any]] | None:
    """The rows of a table; None for a file that is none."""
    if spreadsheet:
        return _spreadsheet(path)
    suffix = path.suffix.lower()
    return _delimited(path, text, "\t" if suffix == ".tsv" else ",") if suffix in (".tsv", ".csv") and text else None


def _spreadsheet(path: Path) -> list[dict[str, Any]]:
    try:
        import openpyxl
    except ImportError:
        raise UserError(f'{path} is a spreadsheet, which needs openpyxl: pip install "cambrian-eval[import]"') from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        rows = book.worksheets[0].iter_rows(values_only=True)
        heading = [str(name) if name is not None else "" for name in next(rows, ())]
        found = [dict(zip(heading, row, strict=False)) for row in rows if any(cell is not None for cell in row)]
        book.close()
    except Exception as error:  # whatever a damaged spreadsheet makes the library raise
        raise UserError(f"{path} cannot be read as a spreadsheet ({describe(error)}); copy it again") from None
    return found


def _delimited(path: Path, text: str, delimiter: str) -> list[dict[str, Any]]:
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    found = []
    try:
        for row in reader:
            if None in row:
                raise UserError(
                    f"{path} line {reader.line_num}: more cells than the heading has columns; quote cells that "
                    "hold tabs, commas or line breaks"
                )
            found.append({name: value if value != "" else None for name, value in row.items()})
    except csv.Error as error:
        raise UserError(f"{path} line {reader.line_num} is not valid ({error}); fix the line") from None
    return found
