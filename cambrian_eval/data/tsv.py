"""Reads TSV tables with base64 images from disk."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cambrian_eval.data.cells import image_cell
from cambrian_eval.data.spilled import Spilled
from cambrian_eval.data.table import Table
from cambrian_eval.errors import UserError, one_line
from cambrian_eval.image import IMAGE_COLUMN, MAX_BYTES, LazyImage

LONGEST_REFERENCE = 64
"""Characters of an image cell of a TSV up to which it may be the index of the row that holds the image."""


def read_tsv(files: Sequence[Path], root: Path, urls: bool = False) -> Table:
    """Rows of TSV files as harnesses write them: quoted cells, base64 images, empty cells for nothing.

    Images are copied to a temporary file while the table is read. A short image cell that equals the index of another
    row means the image of that row.
    """
    columns: dict[str, list[Any]] = {}
    spilled = Spilled()
    for path in files:
        for number, row in _tsv_rows(path):
            if columns and set(row) != set(columns):
                raise UserError(f"{path} has other columns than {files[0].name}; one folder must hold one table")
            for name, text in row.items():
                cell: Any = text if text != "" else None
                if cell is not None and IMAGE_COLUMN.fullmatch(name) and len(text) > LONGEST_REFERENCE:
                    image = image_cell(text, (root,), urls)
                    try:
                        cell = spilled.keep(image.data()) if isinstance(image, LazyImage) else None
                    except (OSError, ValueError) as error:
                        cell = LazyImage.unreadable(f"{path.name} line {number}: {one_line(error, 200)}")
                columns.setdefault(name, []).append(cell)
    where = {str(key): i for i, key in enumerate(columns.get("index", ()))}
    for name in filter(IMAGE_COLUMN.fullmatch, columns):
        cells = columns[name]
        for i, cell in enumerate(cells):
            if isinstance(cell, str):
                other = cells[where[cell]] if cell in where else None
                cells[i] = other if isinstance(other, LazyImage) else image_cell(cell, (root,), urls)
    return Table(columns)


def _tsv_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of one file with their line numbers."""
    csv.field_size_limit(MAX_BYTES)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", strict=True)
            names = reader.fieldnames or []
            if twice := sorted({n for n in names if names.count(n) > 1}):
                raise UserError(f"{path}: column {twice[0]!r} occurs twice; remove one of them")
            for row in reader:
                if None in row or None in row.values():
                    raise UserError(f"{path} line {reader.line_num}: not as many cells as the first line has; fix it")
                yield reader.line_num, row
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a readable TSV file ({one_line(error, 200)}); download it again") from error
