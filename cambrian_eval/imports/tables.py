"""Tables of other harnesses: spreadsheets through openpyxl, and text with tabs or commas between cells."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from cambrian_eval.errors import UserError, describe

if TYPE_CHECKING:
    from cambrian_eval.imports.log import Source


def read_table(source: Source) -> list[dict[str, Any]] | None:
    """The rows of a table; None for a file that is none."""
    if "xl/workbook.xml" in source.members:
        return _spreadsheet(source)
    if source.path.suffix.lower() in (".tsv", ".csv") and source.text:
        return _delimited(source, "\t" if source.path.suffix.lower() == ".tsv" else ",")
    return None


def _spreadsheet(source: Source) -> list[dict[str, Any]]:
    try:
        import openpyxl
    except ImportError:
        raise UserError(
            f'{source.path} is a spreadsheet, which needs openpyxl: pip install "cambrian-eval[import]"'
        ) from None
    try:
        book = openpyxl.load_workbook(source.path, read_only=True, data_only=True)
        rows = book.worksheets[0].iter_rows(values_only=True)
        heading = [str(name) if name is not None else "" for name in next(rows, ())]
        found = [dict(zip(heading, row, strict=False)) for row in rows if any(cell is not None for cell in row)]
        book.close()
    except Exception as error:  # whatever a damaged spreadsheet makes the library raise
        raise UserError(f"{source.path} cannot be read as a spreadsheet ({describe(error)}); copy it again") from None
    return found


def _delimited(source: Source, delimiter: str) -> list[dict[str, Any]]:
    csv.field_size_limit(max(csv.field_size_limit(), len(source.text) + 1))
    reader = csv.DictReader(io.StringIO(source.text, newline=""), delimiter=delimiter)
    found = []
    try:
        for row in reader:
            if None in row:
                raise UserError(
                    f"{source.path} line {reader.line_num}: more cells than the heading has columns; quote cells that "
                    "hold tabs, commas or line breaks"
                )
            found.append({name: value if value != "" else None for name, value in row.items()})
    except csv.Error as error:
        raise UserError(f"{source.path} line {reader.line_num} is not valid ({error}); fix the line") from None
    return found
