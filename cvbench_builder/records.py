"""Reading large JSON files into small typed records.

msgspec decodes typed structs from a memory map; the standard library reads the files that contain NaN or infinite
numbers. Each source declares its records with `record`; this module knows nothing about their meaning.
"""

from __future__ import annotations

import gc
import json
import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

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


def decode_raw_many(values: list[Any]) -> list[Any]:
    """`decode_raw` for a whole list in one call of the parser."""
    if values and isinstance(values[0], msgspec.Raw):
        try:
            return list(msgspec.json.decode(b"[" + b",".join(values) + b"]"))
        except msgspec.DecodeError:  # some records lack the field
            joined = b"[" + b",".join(bytes(v) or b"null" for v in values) + b"]"
            return list(msgspec.json.decode(joined))
    return list(values)


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


def read_lists(path: Path, lists: dict[str, RecordType]) -> dict[str, Any]:
    """The top-level object of `path`: each named list as records, plus `info` as plain data.

    A list that the file does not have is None in the result.
    """
    data = map_file(path)
    with collector_off():
        try:
            return _read_typed(data, lists)
        except RecursionError:
            raise _too_deep(path) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            _explain_or_pass(path, data, error)
        return _from_tree(path, _read_tree(path, data), lists)


def _read_typed(data: Any, lists: dict[str, RecordType]) -> dict[str, Any]:
    top = msgspec.defstruct(
        "Top",
        [*((name, list[kind.cls] | None, None) for name, kind in lists.items()), ("info", Any, None)],  # type: ignore[name-defined]
        gc=False,
    )
    parsed = msgspec.json.decode(data, type=top)
    return {name: getattr(parsed, name) for name in (*lists, "info")}


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
