"""Cache of judge responses, by the content of the request; shared between runs.

One append-only JSONL file for each judge, with a checksum on every line. Writers hold a file lock while they write and
readers read what others append, so any number of processes can share a folder. An incomplete line, left by a killed
process, is ignored; the next writer starts a new line.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from cambrian_eval.endpoint.responses import MAX_TOKENS
from cambrian_eval.errors import UserError
from cambrian_eval.json_input import parse_object


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """An unmodified response of a judge."""

    text: str
    finish: str
    prompt_tokens: int
    new_tokens: int
    served_by: str | None = None
    """The name of the model as the endpoint reported it."""


def default_folder() -> Path:
    """The `judge` folder in CAMBRIAN_EVAL_CACHE, else in the user's cache folder."""
    if root := os.environ.get("CAMBRIAN_EVAL_CACHE"):
        return Path(root) / "judge"
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "cambrian-eval" / "judge"


class ResponseCache:
    """The cached responses of one judge."""

    def __init__(self, folder: Path, model: str, place: str) -> None:
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", model)[:60].strip(".-") or "judge"
        digest = hashlib.sha256(f"{model}\0{place}".encode("utf-8", "replace")).hexdigest()[:8]
        self.path = folder / f"{slug}-{digest}.jsonl"
        self._known: dict[str, CachedResponse] = {}
        self._offset = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise UserError(
                f"the judge cache {self.path} cannot be opened: {error.strerror}; choose a folder with --judge-cache"
            ) from None
        self._read_new()

    def get(self, key: str) -> CachedResponse | None:
        """The cached response to a request, whichever process has added it; None where there is none."""
        if key not in self._known:
            self._read_new()
        return self._known.get(key)

    def put(self, key: str, response: CachedResponse) -> None:
        """Stores a response; it survives a kill of the process once this returns."""
        values = {
            "key": key,
            "text": response.text,
            "finish": response.finish,
            "prompt_tokens": response.prompt_tokens,
            "new_tokens": response.new_tokens,
            "served_by": response.served_by,
        }
        body = json.dumps(values).encode("ascii")
        line = body[:-1] + b', "sum": "%08x"}\n' % zlib.crc32(body)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            try:
                end = os.fstat(self._handle).st_size
                incomplete = end > 0 and os.pread(self._handle, 1, end - 1) != b"\n"
                self._write(b"\n" + line if incomplete else line)
            finally:
                fcntl.flock(self._handle, fcntl.LOCK_UN)
        except OSError as error:
            raise UserError(
                f"the judge cache {self.path} cannot be written: {error.strerror}; responses so far are stored"
            ) from None
        self._known[key] = response

    def close(self) -> None:
        """Closes the file; every response that was put is already in it."""
        os.close(self._handle)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._handle, data) :]

    def _read_new(self) -> None:
        """Reads the complete lines that were appended since the last call."""
        size = os.fstat(self._handle).st_size
        if size <= self._offset:
            return
        data = os.pread(self._handle, size - self._offset, self._offset)
        complete = data.rfind(b"\n") + 1
        self._offset += complete
        for line in data[:complete].splitlines():
            if (found := _parse(line)) is not None:
                self._known[found[0]] = found[1]


def _parse(line: bytes) -> tuple[str, CachedResponse] | None:
    """Key and response of a line; None where the line is incomplete or damaged."""
    end = len(b', "sum": "00000000"}')
    body = line[:-end] + b"}"
    if line[-end:] != b', "sum": "%08x"}' % zlib.crc32(body):
        return None
    try:
        found = msgspec.convert(parse_object(body, "the line"), _Line)
    except (UserError, msgspec.ValidationError):
        return None
    return found.key, CachedResponse(found.text, found.finish, found.prompt_tokens, found.new_tokens, found.served_by)


_Tokens = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]


class _Line(msgspec.Struct):
    """A line of the file."""

    key: str
    text: str
    finish: str
    prompt_tokens: _Tokens
    new_tokens: _Tokens
    served_by: str | None = None
