"""The one way in which JSON from outside is parsed: bounded, and with one line where it is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError

MAX_BYTES = 1 << 30
"""Larger JSON files are refused before they are read."""
MAX_DEPTH = 100
"""Lists and objects inside each other beyond which JSON is refused."""


def parse(text: str | bytes, where: str, remedy: str = "fix the file") -> Any:
    """The value of a JSON text. `where` names the place for the error message.

    Refused with one line: what is not JSON, nesting beyond `MAX_DEPTH`, and an object with the same key twice.
    """
    if isinstance(text, bytes) and (found := _canonical(text)) is not None:
        return found
    try:
        value = _DECODER.decode(text if isinstance(text, str) else _decoded(text))
    except RecursionError:
        raise UserError(f"{where} is nested more than {MAX_DEPTH} levels deep; {remedy}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{where} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except ValueError as error:
        raise UserError(f"{where} is not valid JSON ({error}); {remedy}") from None
    if _opened(text) > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise UserError(f"{where} is nested more than {MAX_DEPTH} levels deep; {remedy}")
    return value


def parse_object(text: str | bytes, where: str, remedy: str = "fix the file") -> dict[str, Any]:
    """Like `parse`, for a text that must be a JSON object."""
    value = parse(text, where, remedy)
    if not isinstance(value, dict):
        raise UserError(f"{where} is not a JSON object; {remedy}")
    return value


def read_object(path: Path, remedy: str = "fix the file") -> dict[str, Any]:
    """The JSON object in a regular file of at most `MAX_BYTES`."""
    try:
        if not path.is_file():
            raise UserError(f"{path} is not a file")
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path} has more than {MAX_BYTES} bytes; {remedy}")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    return parse_object(content, str(path), remedy)


def _canonical(text: bytes) -> dict[str, Any] | None:
    """The object in a line as this package writes it, read quickly; None where `parse` must look closer.

    A text that comes out the same when its value is written again has no key twice.
    """
    import orjson

    line = text.rstrip(b"\n")
    if _opened(line) > MAX_DEPTH:
        return None
    try:
        found = orjson.loads(line)
        return found if isinstance(found, dict) and orjson.dumps(found) == line else None
    except (ValueError, TypeError):
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:80]!r} occurs twice in one object")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _decoded(text: bytes) -> str:
    """UTF-8, or another encoding of JSON that its first bytes tell."""
    return text.decode(json.detect_encoding(text), "surrogatepass")


def _opened(text: str | bytes) -> int:
    """How many lists and objects begin in a text at most: the depth cannot be larger."""
    return text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")


def _depth(value: Any) -> int:
    """How deeply lists and objects lie inside each other; stops above `MAX_DEPTH`."""
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        inside: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inside.extend(v for v in one.values() if isinstance(v, (dict, list)))
            elif isinstance(one, list):
                inside.extend(v for v in one if isinstance(v, (dict, list)))
        depth += isinstance(level[0], (dict, list))
        level = inside
    return depth
