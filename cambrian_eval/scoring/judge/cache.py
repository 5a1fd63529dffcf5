"""Replies of judges, kept by the content of the request and shared between runs.

One JSONL file for each judge, only ever appended to, a checksum on every line. Writers take a lock for the moment of
writing and readers follow what others append, so any number of processes may share a folder. A line that a kill
left torn is passed over; the next writer begins a new one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError


@dataclass(frozen=True, slots=True)
class KeptReply:
    """A judge's reply as it came."""

    text: str
    finish: str
    prompt_tokens: int
    new_tokens: int


def default_folder() -> Path:
    """CAMBRIAN_EVAL_CACHE, else the user's cache folder."""
    if root := os.environ.get("CAMBRIAN_EVAL_CACHE"):
        return Path(root) / "judge"
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "cambrian-eval" / "judge"


class ReplyCache:
    """The kept replies of one judge."""

    def __init__(self, folder: Path, model: str, place: str) -> None:
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", model)[:60].strip(".-") or "judge"
        mark = hashlib.sha256(f"{model}\0{place}".encode("utf-8", "replace")).hexdigest()[:8]
        self.path = folder / f"{slug}-{mark}.jsonl"
        self._known: dict[str, KeptReply] = {}
        self._offset = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise UserError(
                f"the judge's cache {self.path} cannot be opened: {error.strerror}; name a folder with --judge-cache"
            ) from None
        self._follow()

    def get(self, key: str) -> KeptReply | None:
        """The reply to a request; looks for what others have added since when it is not known."""
        if key not in self._known:
            self._follow()
        return self._known.get(key)

    def put(self, key: str, reply: KeptReply) -> None:
        """Keeps a reply; it survives a kill when this returns."""
        values = {
            "key": key,
            "text": reply.text,
            "finish": reply.finish,
            "prompt_tokens": reply.prompt_tokens,
            "new_tokens": reply.new_tokens,
        }
        body = json.dumps(values).encode("ascii")
        line = body[:-1] + b', "sum": "%08x"}\n' % zlib.crc32(body)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            try:
                end = os.fstat(self._handle).st_size
                torn = end > 0 and os.pread(self._handle, 1, end - 1) != b"\n"
                self._write(b"\n" + line if torn else line)
            finally:
                fcntl.flock(self._handle, fcntl.LOCK_UN)
        except OSError as error:
            raise UserError(
                f"the judge's cache {self.path} cannot be written: {error.strerror}; what was written is kept"
            ) from None
        self._known[key] = reply

    def close(self) -> None:
        """Closes the file; what `put` returned from is in it already."""
        os.close(self._handle)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._handle, data) :]

    def _follow(self) -> None:
        """Reads the whole lines that were appended since the last look."""
        size = os.fstat(self._handle).st_size
        if size <= self._offset:
            return
        data = os.pread(self._handle, size - self._offset, self._offset)
        whole = data.rfind(b"\n") + 1
        self._offset += whole
        for line in data[:whole].splitlines():
            if (found := _kept(line)) is not None:
                self._known[found[0]] = found[1]


def _kept(line: bytes) -> tuple[str, KeptReply] | None:
    """Key and reply of a line; None where it is torn."""
    end = len(b', "sum": "00000000"}')
    body = line[:-end] + b"}"
    if line[-end:] != b', "sum": "%08x"}' % zlib.crc32(body):
        return None
    values: Mapping[str, Any] = json.loads(body)
    return values["key"], KeptReply(values["text"], values["finish"], values["prompt_tokens"], values["new_tokens"])
