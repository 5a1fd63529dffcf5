"""Text from outside made safe for the place it goes to: a terminal, a name, a cell of a CSV file.

Models, datasets and runs of other people hold any text. These are the only three rules, one function each; LaTeX has
its own in `reports.latex.latex_text`, HTML is escaped by Jinja.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TextIO

from cambrian_eval.errors import UserError

MAX_NAME = 200
"""Characters of a name; the rest is cut off."""
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
_NUMBER = re.compile(r"[+-]?(\d[\d,]*\.?\d*|\.\d+)([eE][+-]?\d+)?%?")
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters that change a terminal's state or the order of the text beside them. Tab and line feed are not."""


def printable(text: str, escape: str = "") -> str:
    """The text with control characters, direction marks and lone surrogates written out, as in `\\x1b`.

    `escape="json"` writes them as `\\u001b`, which is valid inside a JSON string.
    """

    def written(found: re.Match[str]) -> str:
        code = ord(found[0])
        return f"\\x{code:02x}" if code < 256 and escape != "json" else f"\\u{code:04x}"

    return _UNSAFE.sub(written, text)


def name_line(text: str) -> str:
    """A name as one line of at most `MAX_NAME` printable characters: line breaks become blanks, the rest `?`."""
    line = " ".join(str(text).split())
    shown = "".join(c if c.isprintable() else "?" for c in line)
    return shown if len(shown) <= MAX_NAME else shown[: MAX_NAME - 3] + "..."


def csv_cell(value: Any) -> Any:
    """A cell that no spreadsheet reads as a formula: such a text gets an apostrophe in front.

    Texts that begin (behind blanks) with `=`, `+`, `-`, `@`, a tab or a line break are changed, except plain
    numbers such as `-5` and a dash alone.
    """
    if not isinstance(value, str) or not value:
        return value
    text = value.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")
    first = text[0] if text[0] in "\t\r\n" else text.lstrip()[:1]
    if first not in _FORMULA or not first or _NUMBER.fullmatch(text.strip()) or text in ("-", "--"):
        return text
    return "'" + text


def name_in_csv(text: str) -> str:
    """A name from a cell, as one line; the apostrophe that `csv_cell` put in front is taken off."""
    line = name_line(text)
    return line[1:] if line.startswith("'") and csv_cell(line[1:]) == line else line


def folder_name(text: str) -> str:
    """A text as the name of a folder: letters, digits, "_", "." and "-"; a dash for everything else."""
    return re.sub(r"[^\w.-]+", "-", text).strip(".-")[:MAX_NAME] or "run"


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV with every cell made safe; numbers in full precision, missing values empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([csv_cell(c) for c in columns])
    for row in rows:
        writer.writerow(
            ["" if v is None or v != v else repr(float(v)) if isinstance(v, float) else _in_row(v) for v in row]
        )
    return out.getvalue()


def _in_row(value: object) -> object:
    """A cell on lines that end in a line feed, where a carriage return would not be quoted."""
    cell = csv_cell(value)
    return cell.replace("\r\n", "\n").replace("\r", "\n") if isinstance(cell, str) else cell


class SafeStream:
    """A standard stream that survives a reader that went away, and on request writes `printable` text only.

    After a broken pipe, further text is dropped, so that a run whose output goes to `head` ends as it would have, with
    its own exit code. `result` marks the stream of results: a full disk there is an error, and control characters
    are written out. On the other stream (progress, which libraries draw with control characters) errors are ignored.
    """

    def __init__(self, stream: TextIO, result: bool) -> None:
        self._stream, self._result = stream, result
        self.reader_gone = False

    def write(self, text: str) -> int:
        """Writes the text."""
        self._attempt(lambda: self._stream.write(printable(text) if self._result else text))
        return len(text)

    def write_control(self, sequence: str) -> None:
        """Writes a sequence of this program's own, such as "clear the screen"."""
        self._attempt(lambda: self._stream.write(sequence))

    def writelines(self, lines: Iterable[str]) -> None:
        """Writes each text."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hands everything to the operating system."""
        self._attempt(self._stream.flush)

    def _attempt(self, act: Callable[[], object]) -> None:
        if self.reader_gone:
            return
        try:
            act()
        except BrokenPipeError:
            self.reader_gone = True
        except OSError as error:
            self.reader_gone = True
            if self._result:
                raise UserError(f"standard output cannot be written: {error.strerror}; free some space") from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
