"""The one reader of JSONL files that people hand in: one JSON object per line, UTF-8."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.json_input import MAX_BYTES, parse_object


def read_text(path: Path) -> str:
    """The text of a regular UTF-8 file of at most `MAX_BYTES`, with or without a byte order mark."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise UserError(f"{path} is not a regular file")
        if about.st_size > MAX_BYTES:
            raise UserError(f"{path} has more than {MAX_BYTES} bytes; split the file")
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None


def read_objects(path: Path, form: str = "a JSON object") -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file with their line numbers from 1; empty lines are skipped.

    `form` says what a line must be, for the error message.
    """
    for number, line in enumerate(read_text(path).split("\n"), 1):  # `splitlines` would also split at U+2028
        if not line.strip():
            continue
        yield number, parse_object(line, f"{path} line {number}", f"each line must be {form}")
