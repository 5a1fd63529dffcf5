"""What a run has paid its judge for, reply by reply: an append-only file, so that no kill loses the count."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cambrian_eval.endpoint.replies import Reply
from cambrian_eval.errors import UserError


class Ledger:
    """What a run has paid for, reply by reply."""

    def __init__(self, path: Path) -> None:
        self.spent = 0.0
        self.requests = self.prompt_tokens = self.new_tokens = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            for values in _whole_lines(path):
                self.spent += values["cost"] or 0.0
                self._count(values["prompt_tokens"], values["new_tokens"])
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            end = os.fstat(self._handle).st_size
            if end and os.pread(self._handle, 1, end - 1) != b"\n":
                os.write(self._handle, b"\n")
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}") from None

    def _count(self, prompt_tokens: int, new_tokens: int) -> None:
        self.requests += 1
        self.prompt_tokens += prompt_tokens
        self.new_tokens += new_tokens

    def add(self, key: str, model: str, reply: Reply) -> None:
        """Writes a paid reply down before it is counted."""
        values = {
            "key": key,
            "model": model,
            "prompt_tokens": reply.prompt_tokens,
            "new_tokens": reply.new_tokens,
            "counted": reply.counted,
            "cost": reply.cost,
        }
        os.write(self._handle, json.dumps(values).encode("ascii") + b"\n")
        self.spent += reply.cost or 0.0
        self._count(reply.prompt_tokens, reply.new_tokens)

    def close(self) -> None:
        """Closes the file; every line is in it already."""
        os.close(self._handle)


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    for line in path.read_bytes().splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # the line a kill tore
            continue
