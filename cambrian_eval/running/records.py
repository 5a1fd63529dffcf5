"""Responses as lines of a file: the record, its line with a checksum, the writer, and the repair of a damaged file."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from cambrian_eval.errors import UserError
from cambrian_eval.running.files import disk_error, dumps, replace_file
from cambrian_eval.sample import Finish, Response
from cambrian_eval.scoring.reply import Reply
from cambrian_eval.scoring.thoughts import bare


class Record(msgspec.Struct, frozen=True, gc=False):
    """One stored response with its request."""

    id: str
    """The sample's id."""
    key: str
    """The request's key; empty where the request could not be made."""
    prompt: str
    """The prompt as it was sent."""
    images: tuple[str, ...]
    """SHA-256 of the encoded images the model was shown."""
    text: str
    finish: Finish
    error: str | None
    prompt_tokens: int | None
    new_tokens: int | None
    seconds: float | None
    notes: Mapping[str, Any]
    answer_start: int | None = 0
    """Where the answer begins in the text, behind the thoughts; None where a thought never ended."""
    thoughts: str = ""
    """What the model thought first; the text has it too where the model did not tell it apart."""
    thought_tokens: int | None = None
    """Tokens of the thoughts, which `new_tokens` does not count."""
    repeat: int = 0
    """Which response to the request this is, from 0."""

    @property
    def outage(self) -> bool:
        """Whether the request failed because its endpoint was not available; it is requested again on resume."""
        return self.finish == "failed" and bool(self.notes.get("outage"))

    @classmethod
    def of(cls, response: Response, key: str, prompt: str, images: Sequence[str], repeat: int = 0) -> Record:
        """The record of a response, with the request's key, prompt and image hashes beside it.

        Thoughts in the text are told apart here, once. The id is the sample's.
        """
        reply = Reply(response.text)
        cut = response.finish == "length" and reply.unfinished
        return cls(
            response.id.removesuffix(f"#{repeat}") if repeat else response.id,
            key,
            prompt,
            tuple(images),
            response.text,
            "unfinished_thought" if cut else response.finish,
            response.error,
            response.prompt_tokens,
            response.new_tokens,
            response.seconds,
            dict(response.notes),
            None if response.finish == "unfinished_thought" else reply.answer_start,
            response.thoughts or bare(reply.thoughts),
            response.thought_tokens,
            repeat,
        )

    @property
    def reply(self) -> Reply:
        """The response as scorers see it."""
        return Reply(self.text, thoughts=self.thoughts, unfinished=self.finish == "unfinished_thought")


@dataclass(frozen=True, slots=True)
class Cell:
    """One benchmark under one vision condition."""

    benchmark: str
    """The benchmark's name."""
    condition: str
    """The vision condition."""

    @property
    def stem(self) -> str:
        """`benchmark.condition`, as in the names of the cell's files."""
        return f"{self.benchmark}.{self.condition}"


def encode(record: Record) -> bytes:
    """A record as its line, checksum last; thoughts and the repeat only where they say something."""
    values: dict[str, Any] = {
        "id": record.id,
        "key": record.key,
        "prompt": record.prompt,
        "images": record.images,
        "text": record.text,
        "finish": record.finish,
        "error": record.error,
        "prompt_tokens": record.prompt_tokens,
        "new_tokens": record.new_tokens,
        "seconds": record.seconds,
        "notes": record.notes,
        "answer_start": record.answer_start,
    }
    if record.thoughts:
        values["thoughts"] = record.thoughts
    if record.thought_tokens is not None:
        values["thought_tokens"] = record.thought_tokens
    if record.repeat:
        values["repeat"] = record.repeat
    try:
        body = dumps(values)
    except TypeError:  # a lone surrogate in a response is not valid UTF-8; a JSON escape can hold it
        body = json.dumps(values).encode("ascii")
    return body[:-1] + b',"sum":"%08x"}\n' % zlib.crc32(body)


_SUM = len(b',"sum":"00000000"}')


def decode(line: bytes) -> Record | None:
    """The record of a line without its newline; None where the line is torn or damaged."""
    if not _intact(line):
        return None
    body = line[:-_SUM] + b"}"
    try:
        return _record_decoder().decode(body)
    except msgspec.DecodeError:  # an old run, or an escaped lone surrogate, which only the standard library reads
        return _record_of(body)


def decode_lines(lines: Sequence[bytes]) -> list[Record]:
    """The records of lines with their newlines, without the torn and damaged ones; quickly where there are none."""
    if all(_intact(line[:-1]) for line in lines):
        try:
            return _record_decoder().decode_lines(b"".join(lines))
        except msgspec.DecodeError:  # of one of them, as in `decode`
            pass
    return [record for line in lines if (record := decode(line[:-1])) is not None]


def _intact(line: bytes) -> bool:
    """Whether a line ends with the checksum of what is before it."""
    return line[-_SUM:] == b',"sum":"%08x"}' % zlib.crc32(line[:-_SUM] + b"}")


@cache
def _record_decoder() -> msgspec.json.Decoder[Record]:
    return msgspec.json.Decoder(Record)


def _record_of(body: bytes) -> Record | None:
    """The record of a line whose images are still called `pictures`, or whose text holds escaped surrogates."""
    try:
        values = json.loads(body)
        if "pictures" in values:
            values["images"] = values.pop("pictures")
        return msgspec.convert(values, Record)
    except (ValueError, TypeError, RecursionError, msgspec.ValidationError):
        return None


class ResponseWriter:
    """Appends records of one cell; a record is in the file (and survives a kill) when `append` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise disk_error(path, error) from error

    def append(self, record: Record) -> None:
        """Writes the whole line, however many writes that takes."""
        line = memoryview(encode(record))
        try:
            while line:
                line = line[os.write(self._handle, line) :]
        except OSError as error:
            raise disk_error(self.path, error) from error

    def close(self) -> None:
        """Forces the lines to the disk, so that they survive a loss of power too."""
        try:
            os.fsync(self._handle)
        except OSError as error:
            raise disk_error(self.path, error) from error
        finally:
            os.close(self._handle)


def repair(path: Path) -> str | None:
    """Moves torn and damaged lines out of a response file; returns a note about them."""
    if not path.is_file():
        raise UserError(f"{path} is not a regular file; remove it")
    content = path.read_bytes()
    lines = content.split(b"\n")
    tail = lines.pop()
    if not tail and len(decode_lines([line + b"\n" for line in lines])) == len(lines):
        return None
    damaged = [line for line in lines if decode(line) is None] + ([tail] if tail else [])
    if not damaged:
        return None
    with path.with_name(path.name + ".damaged").open("ab") as aside:
        aside.write(b"".join(line + b"\n" for line in damaged))
    replace_file(path, b"".join(line + b"\n" for line in lines if decode(line) is not None))
    return f"{path.name}: {len(damaged)} torn or damaged lines moved to {path.name}.damaged and requested again"
