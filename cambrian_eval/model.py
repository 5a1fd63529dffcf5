"""Model: what a model implements, and the adapter that makes one from a `--model` spec and its options.

An entry point in the group `cambrian_eval.models` names an `Adapter`. A spec is `KIND` or `KIND:REST`, where KIND is
the adapter's name (`chance`, `openai:gpt-4o`, `hf:llava-hf/llava-1.5-7b-hf`, `cambrian:PATH`). A bare folder or Hub id
goes to the adapter that recognizes it. `registry` finds adapters; this module knows none.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import NoneType
from typing import Any, ClassVar, Protocol, get_args, get_type_hints, runtime_checkable

from cambrian_eval.errors import ContractError, UserError
from cambrian_eval.sample import Request, Response, Sample


@runtime_checkable
class Model(Protocol):
    """A model that answers requests."""

    name: str
    """Display name."""
    fingerprint: str
    """Changes whenever responses could change: weights, template, dtype, sampling. Part of every request key."""
    max_images: int | None
    """The most images one request may have; None = any number, 0 = text only."""

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """Answer every request exactly once, in any order. The model pulls as many as it wants to batch.

        A request it cannot answer is a `Response` with finish "failed"; an exception ends the stream, and the
        engine sends the remaining requests one by one.
        """
        ...

    def describe(self) -> Mapping[str, Any]:
        """Plain JSON facts for run.json: versions, dtype, device, template, sizes."""
        ...


def honours(model: Model) -> frozenset[str]:
    """What a model does with the decoding of its requests beyond greedy: its attribute `decodes`, else nothing.

    Names of `Decoding` settings, `system` (a system prompt), `thinking_on`, `thinking_off`, `thinking_budget` and
    `text_first` (images after the text).
    """
    return frozenset(getattr(model, "decodes", ()))


def declines(model: Model) -> Mapping[str, str]:
    """Why a model does not honour some of them: its attribute `declines`, reasons by name."""
    return dict(getattr(model, "declines", {}))


def refuse_unhonoured(model: Model, asked: Mapping[str, str]) -> None:
    """Raises `UserError` for the first name that the model does not honour; `asked` has what a user types for each."""
    can, reasons = honours(model), declines(model)
    for name, written in asked.items():
        if name not in can:
            reason = reasons.get(name) or f"it honours: {', '.join(sorted(can)) or 'greedy decoding alone'}"
            raise UserError(f"model {model.name} cannot be run with {written}: {reason}")


@runtime_checkable
class Observer(Protocol):
    """A model that sees a benchmark's samples before its requests (the blind baselines do)."""

    def observe(self, benchmark: str, samples: Sequence[Sample]) -> None:
        """Called before the first request of a benchmark and condition, with all its samples, gold answers included."""
        ...


@runtime_checkable
class Interruptible(Protocol):
    """A model that may wait for long without working (for an endpoint that is not available)."""

    def stop_on(self, stop: threading.Event) -> None:
        """Called before each `respond`. Once the event is set, requests that wait are left without a response."""
        ...


def reads_pixels(model: Model) -> bool:
    """Whether the images of a model's requests are decoded ahead; False for a model with `reads_pixels = False`.

    Such a model gets images whose header is read and whose bytes are not decoded (`LazyImage.header` and `data`).
    """
    return bool(getattr(model, "reads_pixels", True))


@runtime_checkable
class Resumable(Protocol):
    """A model that may have requests under way when its process ends."""

    def keep_in(self, folder: Path) -> None:
        """Called before the first request of a run: a folder of the run for what the model needs to resume."""
        ...


@runtime_checkable
class Spending(Protocol):
    """A model whose requests cost money."""

    def record_costs(self, path: Path) -> None:
        """Called before the first request of a run: what this file records is spent, and further costs go there."""
        ...


class Claim(IntEnum):
    """How well an adapter fits a bare checkpoint; the highest claim loads it."""

    NONE = 0
    """The adapter cannot load it."""
    GENERAL = 1
    """The adapter loads checkpoints of many architectures, this one probably among them."""
    OWN = 2
    """The adapter was written for this architecture."""


@dataclass(frozen=True)
class NoOptions:
    """The options of an adapter that has none."""


class Adapter(ABC):
    """Makes models of one kind. Importing its module must be fast: heavy imports belong inside `create`."""

    name: ClassVar[str]
    """The kind in a `--model` spec; equal to the name of the entry point."""
    summary: ClassVar[str]
    """One line for `cambrian-eval list models`."""
    Options: ClassVar[type[Any]] = NoOptions
    """A frozen dataclass whose fields are made by `option`: bool, int, float or str, each optionally `| None`."""
    paid: ClassVar[bool] = False
    """Whether requests cost money, so that none is sent twice to save time."""

    @abstractmethod
    def create(self, rest: str, options: Any) -> Model:
        """The model for the text after the colon; raises `UserError` where `rest` or an option does not fit.

        `options` is an instance of `Options`.
        """

    def recognizes(self, name: str, config: Mapping[str, Any] | None) -> Claim:
        """How well the adapter fits a checkpoint given without a kind.

        `config` is the content of config.json where `name` is a folder, and None where it is a Hub id.
        """
        return Claim.NONE

    def written(self, rest: str, options: Any, request: Request) -> str:
        """The exact text that the model is given for a request, in its chat template; loads no weights.

        An adapter without such a text leaves this method out.
        """
        raise UserError(f"model {self.name!r} does not show how it writes a prompt; leave out --model")

    def fetch(self, rest: str) -> list[str]:
        """Download what the model needs into the cache; returns one line for each download."""
        raise UserError(f"model {self.name!r} has nothing to download")


@dataclass(frozen=True, slots=True)
class OptionField:
    """One option of an adapter, as `list models --options` shows it."""

    name: str
    """In Python and in `-M name=value`."""
    type: type[bool] | type[int] | type[float] | type[str]
    """The type of its values."""
    default: Any
    """The value where nothing is set."""
    help: str
    """What it does, in one line."""
    choices: tuple[str, ...] = ()
    """The values allowed; empty = any."""
    minimum: float | None = None
    """The smallest number allowed."""
    optional: bool = False
    """Whether None is a value: the adapter then decides."""
    none: str | None = None
    """The text that means None, such as `auto`."""

    @property
    def allowed(self) -> str:
        """The values allowed, in words."""
        if self.type is bool:
            return "true or false"
        if self.choices:
            text = f"one of {', '.join(self.choices)}"
        else:
            text = {int: "an integer", float: "a number", str: "text"}[self.type]
            text += "" if self.minimum is None else f" of at least {self.minimum:g}"
        return text if self.none is None else f"{self.none} or {text}"

    @property
    def default_text(self) -> str:
        """The default as it would be written on the command line; empty where the adapter decides."""
        if self.default is None:
            return self.none or ""
        return str(self.default).lower() if self.type is bool else f"{self.default}"

    def value(self, given: Any) -> Any:
        """The value in the option's own type; raises `ValueError` where it is not allowed."""
        if given is None or (self.none is not None and given == self.none):
            if not self.optional:
                raise ValueError
            return None
        found = self._parsed(given.strip()) if isinstance(given, str) else self._typed(given)
        if self.choices and found not in self.choices:
            raise ValueError
        if isinstance(found, float) and not math.isfinite(found):
            raise ValueError
        if self.minimum is not None and found < self.minimum:
            raise ValueError
        return found

    def _parsed(self, text: str) -> Any:
        if self.type is not bool:
            return self.type(text)
        if text.lower() not in ("true", "false"):
            raise ValueError
        return text.lower() == "true"

    def _typed(self, given: Any) -> Any:
        if self.type is float and type(given) is int:
            return float(given)
        if type(given) is not self.type:
            raise ValueError
        return given


def option(
    default: Any, *, help: str, choices: Sequence[str] = (), minimum: float | None = None, none: str | None = None
) -> Any:
    """A field of an adapter's `Options`. `none` is the text that means None on the command line, such as `auto`."""
    return dataclasses.field(
        default=default, metadata={"help": help, "choices": tuple(choices), "minimum": minimum, "none": none}
    )


def option_fields(adapter: Adapter) -> dict[str, OptionField]:
    """The options of an adapter by name, in the order of its class."""
    hints = get_type_hints(adapter.Options)
    found = {}
    for field in dataclasses.fields(adapter.Options):
        kinds = set(get_args(hints[field.name]) or (hints[field.name],))
        optional = NoneType in kinds
        kinds -= {NoneType}
        kind = kinds.pop()
        if kinds or kind not in (bool, int, float, str) or "help" not in field.metadata:
            raise ContractError(
                f"adapter {adapter.name!r}: option {field.name} must be bool, int, float or str, made by `option`"
            )
        found[field.name] = OptionField(
            name=field.name, type=kind, default=field.default, optional=optional, **field.metadata
        )
    return found


def parse_options(adapter: Adapter, given: Mapping[str, Any]) -> Any:
    """The adapter's `Options` from texts (command line, TOML) or Python values; every name and value is checked."""
    known = option_fields(adapter)
    values = {}
    for written, value in given.items():
        name = written.replace("-", "_")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UserError(
                f"model {adapter.name!r} has no option {written!r}{hint} (its options: {', '.join(known) or 'none'})"
            )
        try:
            values[name] = known[name].value(value)
        except ValueError:
            raise UserError(
                f"model {adapter.name!r}: option {name} must be {known[name].allowed}, not {value!r}"
            ) from None
    return adapter.Options(**values)
