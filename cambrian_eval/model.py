"""Model: the one method an adapter implements, and how a `--model` spec becomes a model.

A spec is `KIND` or `KIND:REST` where KIND is the name of an entry point in `cambrian_eval.models`
(`chance`, `openai:gpt-4o`, `hf:llava-hf/llava-1.5-7b-hf`, `cambrian:PATH`). A bare hub id or folder is
resolved by what it is: Cambrian checkpoints by the Cambrian network, everything else by transformers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any, Protocol, runtime_checkable

from cambrian_eval.errors import UserError, unknown
from cambrian_eval.sample import Request, Response, Sample


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Everything the command line can say to a model; an adapter reads what concerns it and refuses what it cannot."""

    seed: int = 0
    """Of whatever a model draws at random; decoding is greedy throughout."""
    dtype: str | None = None
    """`float32`, `bfloat16`, `float16` or `auto`; None leaves it to the adapter."""
    device: str | None = None
    """`cpu`, `cuda`, `cuda:1`, `mps`; not together with `device_map`."""
    device_map: str | None = None
    """`auto` spreads a model over several devices."""
    batch_size: str = "auto"
    """`auto`, or a number as text."""
    attention: str | None = None
    """`sdpa`, `flash_attention_2` or `eager`; None leaves it to the adapter."""
    quantize: str | None = None
    """`4bit` or `8bit`, with bitsandbytes."""
    towers_root: str | None = None
    """Folder with local weights of Cambrian-1's vision towers."""
    template: str | None = None
    """Conversation template instead of the checkpoint's own."""
    vision_cache_gb: float | None = None
    """Memory for encoded images, in units of 10^9 bytes; None lets the adapter decide."""
    deterministic: bool = False
    """Asks for answers that do not depend on what shares a batch, where the adapter can give them."""
    base_url: str | None = None
    """Address of an OpenAI-compatible endpoint."""
    concurrency: int = 16
    """Requests to an endpoint at a time."""
    budget: float | None = None
    """The most US dollars to spend at an endpoint."""
    timeout: float = 120.0
    """Seconds to wait for one answer of an endpoint."""
    trust_remote_code: bool = False
    """Lets a checkpoint run code of its own."""
    allow_pickle: bool = False
    """Lets weights be read from pickled files, by torch's restricted loader only."""
    offline: bool = False
    """Open no connection; what is not in a cache is missing."""


@runtime_checkable
class Model(Protocol):
    """What a model adapter implements."""

    name: str
    """What results call it."""
    fingerprint: str
    """Changes whenever the answers could: weights, template, dtype, sampling. Part of every request key."""
    max_images: int | None
    """Most images one request may carry; None = any number, 0 = text only."""

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """Answer every request exactly once, in any order. The adapter pulls as many as it wants to batch.

        A request it cannot answer is a `Response` with finish "failed"; an exception ends the stream, and the
        engine asks the requests that were left one by one.
        """
        ...

    def describe(self) -> Mapping[str, Any]:
        """Plain JSON facts for run.json: versions, dtype, device, template, sizes."""
        ...


@runtime_checkable
class Observer(Protocol):
    """A model that may look at a benchmark's samples before it is asked (the blind baselines do)."""

    def observe(self, benchmark: str, samples: Sequence[Sample]) -> None:
        """Called before the first request of a benchmark and condition, with all its samples, gold answers included."""
        ...


class ModelFactory(Protocol):
    """What an entry point of `cambrian_eval.models` names: spec text after the colon and options to a model."""

    def __call__(self, rest: str, options: ModelOptions) -> Model:
        """The model; raises `UserError` where `rest` or an option does not fit."""
        ...


def resolve(spec: str, options: Mapping[str, Any] | None = None) -> Model:
    """The model a `--model` spec names."""
    point, rest = locate(spec)
    try:
        model = point.load()(rest, options if isinstance(options, ModelOptions) else ModelOptions(**(options or {})))
    except ImportError as error:
        raise UserError(f"model {spec!r} ({point.value}) cannot be imported: {error}") from error
    if not isinstance(model, Model):
        raise UserError(f"entry point {point.name!r} ({point.value}) does not make a Model")
    return model


def locate(spec: str) -> tuple[EntryPoint, str]:
    """The adapter a spec names and what it is to load; imports nothing, so a wrong name costs no time."""
    from cambrian_eval.registry import model_factories

    if not spec.strip():
        raise UserError("no model named; give for example chance, cambrian:PATH, hf:ID or openai:NAME")
    factories = model_factories()
    kind, _, rest = spec.partition(":")
    if kind in factories:
        return factories[kind], rest
    guess = _kind_of_checkpoint(spec)
    if guess is not None and guess in factories:
        return factories[guess], spec
    if guess is not None:
        raise UserError(f"model {spec!r} needs the {guess!r} adapter, which this installation does not have")
    raise unknown("model", spec, factories)


def _kind_of_checkpoint(spec: str) -> str | None:
    """`cambrian` or `hf` for a bare folder or hub id, None for anything else."""
    import json
    from pathlib import Path

    folder = Path(spec).expanduser()
    if folder.is_dir():
        try:
            config = json.loads((folder / "config.json").read_text())
        except FileNotFoundError:
            raise UserError(f"model folder {spec} has no config.json; name a checkpoint folder") from None
        except ValueError as error:
            raise UserError(f"{folder / 'config.json'} is no JSON: {error}") from None
        kinds = {"cambrian_llama", "cambrian_phi3", "cambrian"}
        is_cambrian = config.get("model_type") in kinds or "mm_vision_tower_aux_list" in config
        return "cambrian" if is_cambrian else "hf"
    if spec.count("/") == 1 and not spec.startswith((".", "/", "~")) and not spec.endswith("/"):
        return "cambrian" if spec.split("/")[1].lower().startswith("cambrian") else "hf"
    return None
