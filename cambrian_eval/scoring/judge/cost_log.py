"""The cost log of a run's judge: an append-only file with one line for each response, so that no cost is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cambrian_eval.endpoint.responses import ChatResponse
from cambrian_eval.errors import UserError


class CostLog:
    """Tokens and cost of every response that a run has received from its judge."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spent = 0.0
        self.requests = self.prompt_tokens = self.new_tokens = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            for values in _complete_lines(path):
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

    def add(self, key: str, model: str, response: ChatResponse) -> None:
        """Writes the tokens and cost of a response, then counts them."""
        values = {
            "key": key,
            "model": model,
            "prompt_tokens": response.prompt_tokens,
            "new_tokens": response.new_tokens,
            "counted": response.counted,
            "cost": response.cost,
        }
        line = json.dumps(values).encode("ascii") + b"\n"
        try:
            written = os.write(self._handle, line)
        except OSError as error:
            raise UserError(f"{self.path} cannot be written: {error.strerror}; responses so far are stored") from None
        if written < len(line):
            raise UserError(f"{self.path} cannot be written: the disk is full; responses so far are stored")
        self.spent += response.cost or 0.0
        self._count(response.prompt_tokens, response.new_tokens)

    def close(self) -> None:
        """Closes the file; every line is already in it."""
        os.close(self._handle)


def _complete_lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    for line in path.read_bytes().splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # an incomplete line, left by a killed process
            continue
