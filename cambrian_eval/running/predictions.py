"""Imports predictions made elsewhere: checks a JSONL file against the samples before anything is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from cambrian_eval.data.jsonl import read_objects
from cambrian_eval.data.rows import load_samples
from cambrian_eval.errors import UserError
from cambrian_eval.model import Model
from cambrian_eval.registry import load_benchmark
from cambrian_eval.running.settings import Settings
from cambrian_eval.sample import Request, Response, Sample


def replayed(path: Path, settings: Settings, name: str) -> Model:
    """A model that replays the predictions in a file; every line is checked first."""
    (benchmark,) = settings.benchmarks
    declared = load_benchmark(benchmark, **settings.benchmark_settings.get(benchmark, {}))
    samples = load_samples(declared, settings.data, settings.limit).samples
    return _Replay(name, read_predictions(path, samples))


_FORM = '{"id": ..., "response": ...}'


def read_predictions(path: Path, samples: Sequence[Sample]) -> dict[str, str]:
    """Sample id to response, with every line checked and every sample answered exactly once."""
    known = {s.id for s in samples}
    found: dict[str, tuple[int, str]] = {}
    number = 0
    for number, value in read_objects(path, _FORM):
        identity, text = _fields(value, f"{path} line {number}")
        if identity not in known:
            near = sorted(known)[0] if known else "none"
            raise UserError(f"{path} line {number}: id {identity!r} is not in the dataset (ids look like {near!r})")
        if identity in found:
            raise UserError(f"{path} line {number}: id {identity!r} is also on line {found[identity][0]}; keep one")
        found[identity] = number, text
    missing = [s.id for s in samples if s.id not in found]
    if missing:
        raise UserError(
            f"{path} ends at line {number} without id {missing[0]!r} ({len(missing)} of {len(samples)} missing); "
            'add a line for each (an empty "response" counts as wrong), or use --limit'
        )
    return {identity: text for identity, (_, text) in found.items()}


def _fields(value: Mapping[str, Any], where: str) -> tuple[str, str]:
    if "id" not in value or "response" not in value:
        raise UserError(f'{where} has no "id" or no "response"; each line must be {_FORM}')
    identity, text = value["id"], value["response"]
    if not isinstance(text, str) or isinstance(identity, (dict, list, bool)) or identity is None:
        raise UserError(f'{where}: "response" must be a string and "id" a string or number')
    return str(identity), text


class _Replay:
    """A model whose responses come from a table."""

    max_images: int | None = None

    def __init__(self, name: str, texts: Mapping[str, str]) -> None:
        self.name = name
        self._texts = texts
        content = json.dumps(sorted(texts.items()), ensure_ascii=True)
        self.fingerprint = f"imported-{sha256(content.encode()).hexdigest()[:24]}"

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        for request in requests:
            yield Response(request.id, self._texts[request.id])

    def describe(self) -> Mapping[str, Any]:
        return {"kind": "imported predictions", "predictions": len(self._texts)}
