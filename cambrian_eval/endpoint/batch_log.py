"""Which batches a run has at a provider: an append-only file in the run folder, so that a killed run finds them again.

    {"batch": NAME, "keys": [...], "sent": {...}, "reserved": ID, "amount": US_DOLLARS}   before the upload
    {"batch": NAME, "file": ID}          the requests are uploaded
    {"batch": NAME, "id": ID}            the batch exists
    {"batch": NAME, "ended": REASON}     all its responses are stored, or it never was

A batch without an id may exist all the same; the provider's list says so, because NAME is in its metadata.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cambrian_eval.errors import UserError
from cambrian_eval.json_input import parse_object


@dataclass(slots=True, eq=False)
class Batch:
    """One batch of requests."""

    name: str
    """Ours; in the provider's metadata too."""
    keys: frozenset[str]
    """The request keys."""
    sent: Mapping[str, Any]
    """The parameters that its requests were sent with."""
    reserved: str | None
    """The id of its reservation in the cost log."""
    amount: float
    """The most US dollars that it can cost."""
    file: str | None = None
    id: str | None = None
    ended: str | None = None


class _Line(msgspec.Struct):
    batch: str
    keys: list[str] | None = None
    sent: dict[str, Any] = {}
    reserved: str | None = None
    amount: float = 0.0
    file: str | None = None
    id: str | None = None
    ended: str | None = None


class BatchLog:
    """The batches of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.batches: dict[str, Batch] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            content = path.read_bytes() if path.is_file() else b""
        except OSError as error:
            raise self._unusable(error) from None
        self._torn = bool(content) and not content.endswith(b"\n")
        for number, line in enumerate(content.splitlines(), 1):
            self._read(line, f"{path} line {number}")

    def _read(self, line: bytes, where: str) -> None:
        try:
            found = msgspec.convert(parse_object(line, where), _Line)
        except (UserError, msgspec.ValidationError):  # torn by a kill; what it said had not been done
            return
        if found.keys is not None:
            self.batches[found.batch] = Batch(
                found.batch, frozenset(found.keys), found.sent, found.reserved, found.amount
            )
        elif (batch := self.batches.get(found.batch)) is not None:
            batch.file, batch.id = found.file or batch.file, found.id or batch.id
            batch.ended = found.ended or batch.ended

    @property
    def open(self) -> list[Batch]:
        """The batches that have not ended."""
        return [batch for batch in self.batches.values() if batch.ended is None]

    def begin(self, batch: Batch) -> None:
        """Records a batch before anything of it is sent."""
        self.batches[batch.name] = batch
        values = {"sent": dict(batch.sent), "reserved": batch.reserved, "amount": batch.amount}
        self._append({"batch": batch.name, "keys": sorted(batch.keys), **values})

    def uploaded(self, batch: Batch, file: str) -> None:
        """Records the file of a batch."""
        batch.file = file
        self._append({"batch": batch.name, "file": file})

    def created(self, batch: Batch, id: str) -> None:
        """Records the provider's id of a batch."""
        batch.id = id
        self._append({"batch": batch.name, "id": id})

    def end(self, batch: Batch, reason: str) -> None:
        """Records that nothing more is expected of a batch."""
        batch.ended = reason
        self._append({"batch": batch.name, "ended": reason})

    def _append(self, values: Mapping[str, Any]) -> None:
        line = (b"\n" if self._torn else b"") + json.dumps(values).encode("ascii") + b"\n"
        self._torn = False
        try:
            with self.path.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self._torn = True
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> UserError:
        return UserError(f"{self.path} cannot be used: {error.strerror}; responses so far are stored")
