"""What a log of another harness says, row by row, and the contract of a format that reads one.

A format is a module of `imports.formats` with one `Format` as `FORMAT`. It recognizes files by their content, and turns
each row into an `Entry`; it knows no benchmark. `imports.matching` finds the samples that entries belong to.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from cambrian_eval.data.jsonl import read_text
from cambrian_eval.errors import UserError, describe
from cambrian_eval.json_input import MAX_BYTES, parse
from cambrian_eval.sample import Finish


@dataclass(frozen=True, slots=True)
class Entry:
    """One response in a log, with everything the log says about its question."""

    place: str
    """File and row, for messages."""
    response: str
    """What the model said; empty where the log has nothing."""
    id: str | None = None
    """The id of the question in the log."""
    row: int | None = None
    """The number of the dataset's row from 0, where the log counts rows."""
    question: str | None = None
    """The question alone."""
    prompt: str | None = None
    """The text the model was given."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Letter to option text as the model was shown them; empty where the log has no columns for them."""
    gold: tuple[str, ...] = ()
    """The answers the log takes as right."""
    image: str | None = None
    """The name of the image."""
    category: str | None = None
    """A category of the question."""
    split: str | None = None
    """The split of the dataset that the question is from, where the log holds several."""
    pictured: bool = True
    """Whether the question has an image; False where the log says it has none."""
    verdict: Mapping[str, Any] = field(default_factory=dict)
    """What the other harness decided, by the names of its own columns."""
    finish: Finish = "stop"
    """How the response ended, as far as the log says."""
    error: str | None = None
    """Why there is no response."""
    repeat: int = 0
    """Which response to the question this is, from 0."""


class Source:
    """A file or folder to recognize and read; each view of its content is made once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def text(self) -> str:
        """The text of the file; empty for a folder, for what is not UTF-8 text, and for a table of a spreadsheet."""
        if self.path.is_dir() or self.magic.startswith(b"PK"):
            return ""
        return read_text(self.path)

    @cached_property
    def magic(self) -> bytes:
        """The first bytes of the file."""
        try:
            with self.path.open("rb") as file:
                return file.read(4)
        except OSError as error:
            raise UserError(f"{self.path} cannot be read: {error.strerror}") from error

    @cached_property
    def first(self) -> dict[str, Any]:
        """The JSON object on the first line; empty where there is none."""
        line = next((line for line in self.text.split("\n") if line.strip()), "")
        try:
            found = json.loads(line) if line.lstrip().startswith("{") else {}
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @cached_property
    def whole(self) -> Any:
        """The value of a file that is one JSON text over several lines or on one; None for others."""
        text = self.text.strip()
        if not text.startswith(("{", "[")) or (self.first and "\n" in text):
            return None
        return parse(text, str(self.path))

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The rows of a table (xlsx, tsv, csv), or of a JSON list of objects or object of columns; else none."""
        if self.path.is_dir():
            return []
        from cambrian_eval.imports.tables import read_table

        table = read_table(self.path, self.text, "xl/workbook.xml" in self.members)
        if table is not None:
            return table
        value = self.whole
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            return value
        if isinstance(value, dict) and value and all(isinstance(column, dict) for column in value.values()):
            keys = list(next(iter(value.values())))
            if "prediction" in value and all(list(column) == keys for column in value.values()):
                return [{name: column[key] for name, column in value.items()} for key in keys]
        return []

    @cached_property
    def members(self) -> list[str]:
        """The names inside a zip file; empty for others."""
        import zipfile

        if self.path.is_dir() or not self.magic.startswith(b"PK"):
            return []
        try:
            with zipfile.ZipFile(self.path) as archive:
                return archive.namelist()
        except (zipfile.BadZipFile, OSError) as error:
            raise UserError(f"{self.path} cannot be read ({describe(error)}); copy it again") from None

    def member(self, name: str) -> Any:
        """The JSON value of a file inside a zip file."""
        import zipfile

        try:
            with zipfile.ZipFile(self.path) as archive:
                if archive.getinfo(name).file_size > MAX_BYTES:
                    raise UserError(f"{self.path}: {name} has more than {MAX_BYTES} bytes; split the log")
                content = archive.read(name)
        except (
            zipfile.BadZipFile,
            NotImplementedError,
            RuntimeError,
            KeyError,
            EOFError,
            OSError,
            ValueError,
        ) as error:
            raise UserError(
                f"{self.path}: {name} cannot be read ({describe(error)}); write the log as .json instead"
            ) from None
        return parse(content, f"{self.path}: {name}")


class Format(ABC):
    """The declaration of one kind of log."""

    name: ClassVar[str]
    """What `--format` calls it; letters, digits and `_`."""
    summary: ClassVar[str]
    """One line: which files of which harness."""
    strict: ClassVar[bool] = False
    """Whether a row without a sample, a second row for one, or a sample without a row is an error, not a finding."""
    settings: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """Benchmark to setting to value: settings under which `official` has the rule of the log's own authors."""

    @abstractmethod
    def recognizes(self, source: Source) -> bool:
        """Whether the content is of this kind."""

    @abstractmethod
    def read(self, source: Source) -> Iterator[Entry]:
        """The rows in order."""

    def model(self, source: Source) -> str | None:
        """The model's name, where the log has it."""
        return None


def text_of(value: Any) -> str:
    """A cell as the text of a response: a number as it is written, nothing for NaN and empty cells.

    >>> text_of(3.0), text_of(2.5), text_of(None), text_of(float("nan")), text_of(["B"])
    ('3', '2.5', '', '', 'B')
    """
    if isinstance(value, (list, tuple)):
        return text_of(value[0]) if value else ""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return value if isinstance(value, str) else str(value)


def texts_of(value: Any) -> tuple[str, ...]:
    """A cell or a list of gold answers as texts, lists in Python notation included; empty ones are left out."""
    from cambrian_eval.scoring.columns import golds

    if isinstance(value, dict):
        return ()
    found = golds(text_of(value) if not isinstance(value, (list, tuple)) else [text_of(one) for one in value])
    return tuple(text for text in found if text.strip())


def options_of(row: Mapping[str, Any]) -> dict[str, str]:
    """The options in columns A, B, C, ...; empty cells and "nan" are options that are absent."""
    found = {letter: text_of(row[letter]) for letter in "ABCDEFGHIJ" if letter in row}
    return {letter: text for letter, text in found.items() if text.strip() and text.strip().lower() != "nan"}


def chosen(row: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """The columns of these names that a row has and that are not empty."""
    return {name: row[name] for name in names if row.get(name) is not None and row[name] == row[name]}
