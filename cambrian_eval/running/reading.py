"""Samples and verdicts of a run, read from their files: quickly where a file is as this version writes it.

The whole file is decoded in one call and encoded again. Equal bytes mean that every line has all fields with their
types, none twice, and nothing else. Every other file (of an earlier version, edited, damaged) is read line by line,
which accepts more and names the line that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from hashlib import blake2b
from io import BytesIO
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec

from cambrian_eval.errors import UserError
from cambrian_eval.json_input import MAX_DEPTH
from cambrian_eval.running.files import content_of, lines_of
from cambrian_eval.running.records import Record, decode_lines
from cambrian_eval.running.shapes import (
    CHANGED,
    ENCODER,
    Identified,
    StoredVerdict,
    VerdictLine,
    stored_sample,
    stored_verdict,
    typed,
)
from cambrian_eval.sample import Sample, Verdict

T = TypeVar("T")

BLOCK = 2**20
"""Bytes of responses that are decoded at a time, rounded up to a whole line."""


def read_samples(path: Path) -> list[Sample]:
    """The samples in a file, in its order, without their images."""
    content = content_of(path)
    # A line with more brackets may be nested too deeply.
    shallow = all(line.count(b"[") + line.count(b"{") <= MAX_DEPTH for line in content.split(b"\n"))
    lines = _as_written(content, _sample_lines()) if shallow else None
    if lines is not None and len({line.id for line in lines}) == len(lines):
        return msgspec.convert(lines, list[Sample], from_attributes=True)
    found: dict[str, Sample] = {}
    for one, where in lines_of(path):
        sample = typed(stored_sample, one, where, Sample)
        if sample.id in found:
            raise UserError(f"{where}: the sample {sample.id!r} is there twice; {CHANGED}")
        found[sample.id] = sample
    return list(found.values())


def read_verdicts(path: Path) -> list[StoredVerdict]:
    """The lines of a verdict file."""
    content = content_of(path)
    lines = _as_written(content, _decoder(VerdictLine))
    if lines is not None and all(0 <= line.value <= 1 for line in lines):
        verdicts = msgspec.convert(lines, list[Verdict], from_attributes=True)
        pairs = zip(lines, verdicts, strict=True)
        return [StoredVerdict(line.id, verdict, line.repeat, line.rules, line.inputs) for line, verdict in pairs]
    found = []
    for one, where in lines_of(path):
        stored = typed(stored_verdict, one, where, StoredVerdict)
        if not 0 <= stored.verdict.value <= 1:
            raise UserError(f"{where}: the value {stored.verdict.value!r} is not between 0 and 1; {CHANGED}")
        found.append(stored)
    return found


def read_responses(path: Path) -> dict[tuple[str, int], Record]:
    """The responses in a file by sample id and repeat; none where it is not there, and without damaged lines."""
    found: dict[tuple[str, int], Record] = {}
    if path.is_file():
        with path.open("rb") as file:
            while lines := file.readlines(BLOCK):
                found.update({(record.id, record.repeat): record for record in decode_lines(lines)})
    return found


def hashed_inputs(path: Path, responses: Iterable[Record]) -> dict[str, str]:
    """For every sample in a file that has a response, a hash of its line and its responses."""
    said: dict[str, str] = {}
    for r in sorted(responses, key=_REPEAT):
        error = r.error if r.finish == "failed" else ""
        said[r.id] = f"{said.get(r.id, '')}{r.repeat}\0{r.finish}\0{r.text}\0{r.thoughts}\0{error}"
    found: dict[str, str] = {}
    decoder, content = _decoder(Identified), content_of(path) if path.is_file() else b""
    for number, line in enumerate(BytesIO(content), 1):
        try:
            identity = decoder.decode(line).id
        except msgspec.DecodeError:
            identity = typed(lambda values: values, line, f"{path} line {number}", Identified).id
        if (text := said.get(identity)) is not None:
            whole = line.rstrip(b"\n") + text.encode("utf-8", "surrogatepass")
            found[identity] = blake2b(whole, digest_size=8).hexdigest()
    return found


def hash_of_inputs(inputs: Mapping[str, str]) -> str:
    """One hash of those of all samples and their responses."""
    text = "\n".join([f"{identity!r} {digest}" for identity, digest in inputs.items()])
    return blake2b(text.encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


_REPEAT = attrgetter("repeat")


def _as_written(content: bytes, decoder: msgspec.json.Decoder[T]) -> list[T] | None:
    """The lines as values; None where writing them again does not give the same bytes."""
    try:
        found = decoder.decode_lines(content)
        return found if ENCODER.encode_lines(found) == content else None
    except (ValueError, TypeError, RecursionError):  # among them those of msgspec, and invalid UTF-8
        return None


@cache
def _decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(kind)


@cache
def _sample_lines() -> msgspec.json.Decoder[Any]:
    """Decodes lines with the fields of `Sample` in their order, then the number of images."""
    kinds = get_type_hints(Sample)
    stored = [(f.name, kinds[f.name]) for f in fields(Sample) if f.name != "images"]
    renamed = {"n_images": "images"}  # in the file only: a sample that is made of the line has no images
    return msgspec.json.Decoder(msgspec.defstruct("SampleLine", [*stored, ("n_images", int)], rename=renamed, gc=False))
