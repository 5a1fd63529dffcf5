"""The cost log: an append-only file in a run folder, so that a budget holds over several commands and no cost is lost.

    {"request": ID, "model": ..., "reserved": US_DOLLARS}      before a request is sent: the most it can cost
    {"request": ID, "prompt_tokens": ..., "cost": US_DOLLARS}  a response
    {"request": ID, "lost": US_DOLLARS}                        a response that was lost on the way, which may be billed
    {"request": ID, "released": true}                          an error that costs nothing

A reservation without a later line belongs to a killed command and counts as spent. A torn line, left by a killed
process, is ignored: if it was a reservation, the request was not sent.
"""

from __future__ import annotations

import errno
import json
import math
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from cambrian_eval.endpoint.responses import MAX_TOKENS, ChatResponse
from cambrian_eval.errors import UserError
from cambrian_eval.json_input import parse_object


class _Line(msgspec.Struct):
    """A line of the log; lines of earlier versions have a `key` and no `request`."""

    request: str | None = None
    reserved: float | None = None
    lost: float | None = None
    cost: float | None = None
    released: bool = False
    prompt_tokens: int | None = None
    new_tokens: int = 0

    def __post_init__(self) -> None:
        for amount in (self.reserved, self.lost, self.cost):
            if amount is not None and not (math.isfinite(amount) and amount >= 0):
                raise ValueError("a cost is negative or not finite")
        for n in (self.prompt_tokens or 0, self.new_tokens):
            if not 0 <= n <= MAX_TOKENS:
                raise ValueError("a number of tokens is negative or too large")


class CostLog:
    """Tokens and cost of every response that a run has received, lost responses included.

    With `strict` a line that is valid JSON but no cost is an error, because a budget relies on every line.
    """

    def __init__(self, path: Path, model: str, strict: bool) -> None:
        self.path, self.model = path, model
        self.spent = 0.0
        self.requests = self.prompt_tokens = self.new_tokens = 0
        self.most_prompt = self.most_new = 0
        self._torn = False
        open_amounts: dict[str, float] = {}
        try:
            content = path.read_bytes() if path.is_file() else b""
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from None
        self._torn = bool(content) and not content.endswith(b"\n")
        for number, line in enumerate(content.splitlines(), 1):
            found = self._parsed(line, f"{path} line {number}", strict)
            if found is not None:
                self._count(found, open_amounts)
        self.spent += sum(open_amounts.values())

    def _parsed(self, line: bytes, where: str, strict: bool) -> _Line | None:
        try:
            values = parse_object(line, where)
        except UserError:
            return None
        try:
            return msgspec.convert(values, _Line)
        except msgspec.ValidationError as error:
            if strict:
                raise UserError(f"{where}: {error}; the budget counts every line; correct it or remove it") from None
            return None

    def _count(self, line: _Line, open_amounts: dict[str, float]) -> None:
        if line.request is not None:
            open_amounts.pop(line.request, None)
            if line.reserved is not None:
                open_amounts[line.request] = line.reserved
        self.spent += (line.cost or 0.0) + (line.lost or 0.0)
        if line.prompt_tokens is not None:
            self._count_response(line.prompt_tokens, line.new_tokens)

    def _count_response(self, prompt_tokens: int, new_tokens: int) -> None:
        self.requests += 1
        self.prompt_tokens += prompt_tokens
        self.new_tokens += new_tokens
        self.most_prompt = max(self.most_prompt, prompt_tokens)
        self.most_new = max(self.most_new, new_tokens)

    def reserve(self, amount: float) -> str:
        """Writes the most that a request can cost, and returns its id; the line is in the file on return."""
        request = uuid.uuid4().hex[:16]
        self._append({"request": request, "model": self.model, "reserved": amount})
        return request

    def add(self, request: str | None, response: ChatResponse, cost: float | None) -> None:
        """Writes the tokens and cost of a response, then counts them."""
        self._append(
            {
                "request": request,
                "model": self.model,
                "prompt_tokens": response.prompt_tokens,
                "new_tokens": response.new_tokens,
                "counted": response.counted,
                "cost": cost,
            }
        )
        self.spent += cost or 0.0
        self._count_response(response.prompt_tokens, response.new_tokens)

    def lose(self, request: str | None, amount: float) -> None:
        """Writes that a response was lost, and counts the most it can have cost."""
        self._append({"request": request, "lost": amount})
        self.spent += amount

    def release(self, request: str) -> None:
        """Writes that a request cost nothing."""
        self._append({"request": request, "released": True})

    def _append(self, values: Mapping[str, Any]) -> None:
        line = memoryview((b"\n" if self._torn else b"") + json.dumps(values).encode("ascii") + b"\n")
        self._torn = False
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                while line:
                    line = line[os.write(handle, line) :]
            finally:
                os.close(handle)
        except OSError as error:
            self._torn = True
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> UserError:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full; free some space and run again" if full else error.strerror
        return UserError(f"{self.path} cannot be written: {reason}; responses so far are stored")
