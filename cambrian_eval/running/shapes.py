"""The files of a run as types: what readers rely on, and how files of earlier versions fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from operator import attrgetter
from typing import Annotated, Any, TypeVar

import msgspec

from cambrian_eval.errors import UserError
from cambrian_eval.json_input import parse_object
from cambrian_eval.sample import Outcome, Reason, Result, Sample, Verdict

T = TypeVar("T")

SCHEMA = 2
"""Number of the layout; older ones are read, a newer one is not."""
MOST_REPEATS = 1000
"""The most responses to one request."""
CHANGED = "another program has changed the file"


def is_synthetic(about: Mapping[str, Any]) -> bool:
    """Whether a benchmark's entry in run.json says that its rows were drawn by a program."""
    data = about.get("data", {})
    return bool(data.get("synthetic")) or data.get("kind") == "mini"  # runs of earlier versions have the kind alone


_NAMES = tuple(f.name for f in fields(Sample) if f.name != "images")
_fields_of = attrgetter(*_NAMES)
_IMAGES = [f.name for f in fields(Sample)].index("images")


def sample_values(sample: Sample) -> dict[str, Any]:
    """A sample as plain JSON, its images by their number."""
    values: dict[str, Any] = dict(zip(_NAMES, _fields_of(sample), strict=True))
    values["tags"], values["extra"] = dict(sample.tags), dict(sample.extra)
    values["images"] = len(sample.images)
    return values


def without_images(sample: Sample) -> Sample:
    """The sample as it is read from a run folder, where images are not stored."""
    values = list(_fields_of(sample))
    values.insert(_IMAGES, ())
    return Sample(*values)


class Identified(msgspec.Struct):
    """The id of a line."""

    id: str


class StoredVerdict(msgspec.Struct):
    """One line of a verdict file."""

    id: str
    verdict: Verdict
    repeat: int = 0
    rules: str | None = None
    """The version of the scorer; None in runs of older versions."""
    inputs: str | None = None
    """Hash of the sample and the response it was made from; None in runs of older versions."""


class VerdictLine(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """A line of a verdict file as this version writes it, its fields in their order; see `StoredVerdict`."""

    id: str
    repeat: int = 0
    value: float
    extracted: str | None
    rule: str
    outcome: Outcome
    reason: Reason | None = None
    rules: str | None = None
    inputs: str | None = None


ENCODER = msgspec.json.Encoder()


class Results(msgspec.Struct):
    """results.json, as far as it is read."""

    results: list[Result]


class _Data(msgspec.Struct):
    fingerprint: str


class _Subset(msgspec.Struct):
    name: str
    of: int
    sha256: str


class _BenchmarkInfo(msgspec.Struct):
    samples: int
    complete: bool
    settings: dict[str, Any]
    warnings: list[str]
    data: _Data
    max_new_tokens: int | None = None
    subset: _Subset | None = None


class _ModelInfo(msgspec.Struct):
    name: str
    fingerprint: str
    max_images: int | None = None


class _Pass(msgspec.Struct):
    end: str | None
    interrupted: bool | None
    benchmarks: list[str] = []
    conditions: list[str] = []


class _Stop(msgspec.Struct):
    """Where a rule stopped a cell; see `stopping.Stop`."""

    rule: str
    scorer: str
    seed: int
    blocks: Annotated[int, msgspec.Meta(ge=1)]
    samples: int
    of: int
    half_width: float | None
    found: str


class RunFile(msgspec.Struct):
    """What every reader of run.json relies on; the other keys are information."""

    schema: int
    model: _ModelInfo
    responses_depend_on: dict[str, Any]
    conditions: list[str]
    scorers: list[str]
    benchmarks: dict[str, _BenchmarkInfo]
    passes: list[_Pass]
    stopped: dict[str, _Stop] = {}
    repeats: Annotated[int, msgspec.Meta(ge=1, le=MOST_REPEATS)] = 1


def typed(shape: Callable[[dict[str, Any]], dict[str, Any]], line: bytes, where: str, kind: type[T]) -> T:
    """A line as a type, its values put in shape first; `where` is its place for error messages."""
    return convert(shape(parse_object(line, where, CHANGED)), where, kind)


def convert(value: Any, where: str, kind: type[T]) -> T:
    """The value as its type; what does not fit is named with its field."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UserError(f"{where}: {error}; {CHANGED}") from None


def stored_sample(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a stored sample; the number of its images is information (`pictures` in old runs)."""
    return {name: value for name, value in values.items() if name not in ("images", "pictures")}


def stored_verdict(values: dict[str, Any]) -> dict[str, Any]:
    """A stored verdict; old files have `parsed`, and the rule begins with the outcome."""
    identity, repeat = values.pop("id", None), values.pop("repeat", 0)
    if "parsed" in values:
        rule = str(values.get("rule"))
        started = next((name for start, name in _OLD_OUTCOMES.items() if rule.startswith(start)), "unparsed")
        values["outcome"] = "read" if values.pop("parsed") else started
    return {
        "id": identity,
        "repeat": repeat,
        "rules": values.get("rules"),
        "inputs": values.get("inputs"),
        "verdict": values,
    }


_OLD_OUTCOMES = {"failed: ": "failed", "undecided: ": "undecided", "the answer is withheld": "withheld"}


def verdict_line(identity: str, repeat: int, verdict: Verdict, rules: str | None, inputs: str | None) -> bytes:
    """A verdict on a response as its line."""

    def encoded(said: Verdict) -> bytes:
        line = VerdictLine(
            id=identity,
            repeat=repeat,
            value=said.value,
            extracted=said.extracted,
            rule=said.rule,
            outcome=said.outcome,
            reason=said.reason,
            rules=rules,
            inputs=inputs,
        )
        return ENCODER.encode(line) + b"\n"

    try:
        return encoded(verdict)
    except (UnicodeEncodeError, TypeError):  # a lone surrogate, or values of a scorer that are subclasses of plain ones
        return encoded(printable(verdict))


def printable(verdict: Verdict) -> Verdict:
    """Values that JSON files can hold: lone surrogates, which no UTF-8 has, become their escapes."""

    def clean(text: str) -> str:
        return text.encode("utf-8", "backslashreplace").decode("utf-8")

    extracted = None if verdict.extracted is None else clean(verdict.extracted)
    return replace(verdict, value=float(verdict.value), extracted=extracted, rule=clean(verdict.rule))
