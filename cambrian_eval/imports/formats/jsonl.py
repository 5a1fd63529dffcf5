"""Our own JSONL: `{"id": ..., "response": ...}`, one line for each sample. Strict: every line must be right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cambrian_eval.data.jsonl import read_objects
from cambrian_eval.errors import UserError
from cambrian_eval.imports.log import Entry, Format, Source

FORM = '{"id": ..., "response": ...}'


class Jsonl(Format):
    """The one format that is written for us, so that what is wrong in it is an error and not a finding."""

    name = "jsonl"
    summary = 'JSONL, one {"id": ..., "response": ...} a line'
    strict = True

    def recognizes(self, source: Source) -> bool:
        """The two keys."""
        return "id" in source.first and "response" in source.first

    def read(self, source: Source) -> Iterator[Entry]:
        """One line, one response."""
        for number, value in read_objects(source.path, FORM):
            place = f"{source.path} line {number}"
            identity, text = _fields(value, place)
            yield Entry(place, text, id=identity)


def _fields(value: Mapping[str, Any], where: str) -> tuple[str, str]:
    if "id" not in value or "response" not in value:
        raise UserError(f'{where} has no "id" or no "response"; each line must be {FORM}')
    identity, text = value["id"], value["response"]
    if not isinstance(text, str) or isinstance(identity, (dict, list, bool)) or identity is None:
        raise UserError(f'{where}: "response" must be a string and "id" a string or number')
    return str(identity), text


FORMAT = Jsonl()
