"""Reading large JSON files into small typed records.

msgspec decodes typed structs from a memory map; the standard library reads the files that contain NaN or infinite
numbers. Each source declares its records with `record`; this module knows nothing about their meaning.
"""

from __future__ import annotations

import gc
import json
import math
import mmap
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from cvbench_builder.errors import BuilderError
from cvbench_builder.files import require_file


@dataclass(frozen=True)
class Field:
    """One wanted field: `kind` is a Python type, or `"raw"` for a value that is decoded later or never."""

    name: str
    kind: Any
    default: Any = None


@dataclass(frozen=True)
class RecordType:
    """A record class and the fields it was declared with."""

    cls: Any
    fields: tuple[Field, ...]
    checked: Any
    """The same without the raw fields: checks values that the standard library has read."""


def record(name: str, *fields: Field) -> RecordType:
    """Declare a record: a struct that the cyclic garbage collector does not track."""
    parts = [
        (f.name, msgspec.Raw, msgspec.field(default_factory=msgspec.Raw))
        if f.kind == "raw"
        else (f.name, f.kind, f.default)
        for f in fields
    ]
    typed = [part for f, part in zip(fields, parts, strict=True) if f.kind != "raw"]
    return RecordType(
        msgspec.defstruct(name, parts, gc=False, module=__name__),
        fields,
        msgspec.defstruct(f"{name}Checked", typed, gc=False, module=__name__),
    )


def decode_raw(value: Any) -> Any:
    """The value of a raw field, or None if the file had none."""
    if isinstance(value, msgspec.Raw):
        data = bytes(value)
        return msgspec.json.decode(data) if data else None
    return value


def is_absent(value: Any) -> bool:
    """Whether the file had no value, or null, for a raw field."""
    return value is None or (isinstance(value, msgspec.Raw) and bytes(value) in (b"", b"null"))


def decode_raw_many(values: list[Any]) -> list[Any]:
    """`decode_raw` for a whole list in one call of the parser."""
    if values and isinstance(values[0], msgspec.Raw):
        try:
            return list(msgspec.json.decode(b"[" + b",".join(values) + b"]"))
        except msgspec.DecodeError:  # some records lack the field
            joined = b"[" + b",".join(bytes(v) or b"null" for v in values) + b"]"
            return list(msgspec.json.decode(joined))
    return list(values)


def decode_numbers(values: list[Any], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Raw fields that hold (nested) lists of numbers as one array [n, *shape]; NaN where one has another shape."""
    if values and isinstance(values[0], msgspec.Raw):
        # one flat list of all numbers is decoded much faster than nested ones, if every list is complete: nothing is
        # left of a value but its commas
        joined = b";".join(values).translate(None, b"[] \t\r\n")
        commas = b";".join([b"," * (math.prod(shape) - 1)] * len(values))
        if joined.translate(None, b"0123456789.+-eE") == commas:
            try:
                numbers = msgspec.json.decode(b"[" + joined.replace(b";", b",") + b"]", type=list[float])
                packed = bytearray(struct.pack(f"{len(numbers)}d", *numbers))  # takes half the time of numpy
                return np.frombuffer(packed, np.float64).reshape(-1, *shape)
            except msgspec.DecodeError:
                pass  # an empty list
        values = decode_raw_many(values)
    out = np.full((len(values), *shape), np.nan)
    for i, value in enumerate(values):
        try:
            out[i] = np.array(value, np.float64).reshape(shape)
        except (ValueError, TypeError):
            continue
    return out


@contextmanager
def collector_off() -> Iterator[None]:
    """Switch the cyclic garbage collector off; it takes half the time of a parse that builds millions of objects."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def map_file(path: Path) -> Any:
    """The file's bytes as a read-only memory map."""
    require_file(path)
    try:
        with path.open("rb") as handle:
            return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:
        raise BuilderError(f"{path}: the file is empty; download it again") from None
    except OSError as error:
        raise BuilderError(f"{path}: cannot be read ({error.strerror})") from None


def read_lists(path: Path, lists: dict[str, RecordType], streamed: str = "") -> dict[str, Any]:
    """The top-level object of `path`: each named list as records, plus `info` as plain data.

    A list that the file does not have is None in the result. The list named `streamed` is a `Stream` of pieces.
    """
    data = map_file(path)
    with collector_off():
        split = _read_split(path, data, lists, streamed) if streamed else None
        if split is not None:
            return split
        result = _read_whole(path, data, lists)
        if streamed and result[streamed] is not None:
            rows = result[streamed]
            result[streamed] = Stream(rows[:1], lambda: iter([rows]))
        return result


def _read_whole(path: Path, data: Any, lists: dict[str, RecordType]) -> dict[str, Any]:
    try:
        return _decode_typed(data, lists)
    except RecursionError:
        raise _too_deep(path) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _explain_or_pass(path, data, error)
    return _from_tree(path, _read_tree(path, data), lists)


def _decode_typed(data: Any, lists: dict[str, RecordType]) -> dict[str, Any]:
    top = msgspec.defstruct(
        "Top",
        [*((name, list[kind.cls] | None, None) for name, kind in lists.items()), ("info", Any, None)],  # type: ignore[name-defined]
        gc=False,
    )
    parsed = msgspec.json.decode(data, type=top)
    return {name: getattr(parsed, name) for name in (*lists, "info")}


@dataclass(frozen=True)
class Stream:
    """A list of records that is decoded piece by piece, so that only one piece is in memory."""

    first: list[Any]
    """The first record, if there is one."""
    pieces: Callable[[], Iterator[list[Any]]]


_PIECE = 2_000_000
"""Bytes of a streamed list that are decoded at a time; a few thousand records, which the processor's cache can hold."""
_BETWEEN = re.compile(rb"\}\s*,\s*\{")


def _read_split(path: Path, data: Any, lists: dict[str, RecordType], streamed: str) -> dict[str, Any] | None:
    """Everything but most of the streamed list; None where the file cannot be split.

    The text is cut between two objects near its end. What precedes the list and what follows the cut is a small file of
    the same form, and is decoded as one. A cut inside a nested list never leaves valid JSON, and a cut inside another
    list leaves that list out; in both cases the file is decoded as a whole instead.
    """
    name = b'"' + streamed.encode() + b'"'
    opening = re.compile(name + rb"\s*:\s*\[").search(data, max(data.find(name), 0))
    cut = _BETWEEN.search(data, max(len(data) - 2 * _PIECE, 0))
    if opening is None or cut is None or cut.start() < opening.end() + _PIECE:
        return None
    view = memoryview(data)
    try:
        result = _decode_typed(b"".join((view[: opening.end()], view[cut.end() - 1 :])), lists)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if any(result[name] is None for name in lists):
        return None
    last = result[streamed]

    def pieces() -> Iterator[list[Any]]:
        done = 0
        try:
            for rows in _pieces(data, opening.end(), cut.start() + 1, lists[streamed]):
                yield rows
                done += len(rows)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # also gives the error of a wrong value its place
            yield _read_whole(path, data, {streamed: lists[streamed]})[streamed][done:]
        else:
            yield last

    try:
        first = next(_pieces(data, opening.end(), opening.end() + 1, lists[streamed]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    result[streamed] = Stream(first[:1], pieces)
    return result


def _pieces(data: Any, start: int, end: int, kind: RecordType) -> Iterator[list[Any]]:
    """The records of the objects between two places of a file, at least one of them, a few megabytes at a time."""
    decoder, view = msgspec.json.Decoder(list[kind.cls]), memoryview(data)  # type: ignore[name-defined]
    while start < end:
        cut = _BETWEEN.search(data, min(start + _PIECE, end - 1))
        stop = cut.start() + 1 if cut else end
        yield decoder.decode(b"".join((b"[", view[start:stop], b"]")))
        start = cut.end() - 1 if cut else end
        # pages of the file that were read count as memory of the process
        data.madvise(mmap.MADV_DONTNEED, 0, start // mmap.PAGESIZE * mmap.PAGESIZE)


_NOT_JSON = re.compile(rb"-?(NaN|Infinity)")


def _explain_or_pass(path: Path, data: Any, error: Exception) -> None:
    """Raise the error for a damaged file; return if the standard library can read it."""
    if isinstance(error, UnicodeDecodeError):
        raise BuilderError(f"{path}: the text is not UTF-8; convert the file or download it again") from None
    text = str(error)
    if isinstance(error, msgspec.ValidationError):
        if "out of range" in text:
            return  # 1e999: the standard library reads it as infinity, and the object is then rejected
        raise BuilderError(f"{path}: {text[0].lower()}{text[1:]}; is this the right file for this flag?") from None
    if "truncated" in text:
        raise BuilderError(
            f"{path}: the JSON is incomplete and ends at byte {len(data)} (truncated file); download it again"
        ) from None
    found = re.search(r"byte (\d+)", text)
    offset = int(found.group(1)) if found else 0
    # json.dump of Python writes NaN and Infinity; only the standard library reads them back
    if _NOT_JSON.match(data[max(0, offset - 1) : offset + 10]) or _NOT_JSON.match(data[offset : offset + 10]):
        return
    raise BuilderError(f"{path}: not valid JSON at byte {offset} ({text.split(' (')[0]}); download it again") from None


def _read_tree(path: Path, data: Any) -> Any:
    try:
        return json.loads(data[:])
    except RecursionError:
        raise _too_deep(path) from None
    except json.JSONDecodeError as error:
        raise _json_error(path, data, error.pos) from None
    except UnicodeDecodeError:
        raise BuilderError(f"{path}: the text is not UTF-8; convert the file or download it again") from None


def _too_deep(path: Path) -> BuilderError:
    return BuilderError(f"{path}: lists or objects are nested too deeply; is this the right file for this flag?")


def _json_error(path: Path, data: Any, position: int) -> BuilderError:
    offset = len(data[:].decode("utf-8", "replace")[:position].encode())
    if offset >= len(data.rstrip() if isinstance(data, bytes) else data[:].rstrip()):
        return BuilderError(
            f"{path}: the JSON is incomplete and ends at byte {offset} (truncated file); download it again"
        )
    return BuilderError(f"{path}: not valid JSON at byte {offset}; download it again")


def _from_tree(path: Path, tree: Any, lists: dict[str, RecordType]) -> dict[str, Any]:
    if not isinstance(tree, dict):
        raise BuilderError(
            f"{path}: expected `object`, got `{type(tree).__name__}`; is this the right file for this flag?"
        )
    result: dict[str, Any] = {"info": tree.get("info")}
    for name, kind in lists.items():
        rows = tree.get(name)
        if rows is not None and not isinstance(rows, list):
            raise BuilderError(f"{path}: expected `array` - at `$.{name}`; is this the right file for this flag?")
        result[name] = None if rows is None else [_build(path, name, i, row, kind) for i, row in enumerate(rows)]
    return result


def _build(path: Path, name: str, index: int, row: Any, kind: RecordType) -> Any:
    if not isinstance(row, dict):
        raise BuilderError(f"{path}: expected `object` - at `$.{name}[{index}]`; is this the right file for this flag?")
    try:
        typed = msgspec.convert(row, kind.checked)
    except (msgspec.ValidationError, RecursionError) as error:
        text = str(error)
        raise BuilderError(
            f"{path}: {text[:1].lower()}{text[1:]} in `$.{name}[{index}]`; is this the right file for this flag?"
        ) from None
    raw = {f.name: row[f.name] for f in kind.fields if f.kind == "raw" and f.name in row}
    return kind.cls(**{f.name: getattr(typed, f.name) for f in kind.fields if f.kind != "raw"}, **raw)


def first_keys(path: Path, name: str) -> set[str]:
    """Keys of the first object of a top-level list; they show which file was given by mistake."""
    tree = _read_tree(path, map_file(path))
    rows = tree.get(name) if isinstance(tree, dict) else None
    first = rows[0] if isinstance(rows, list) and rows else {}
    return set(first) if isinstance(first, dict) else set()
