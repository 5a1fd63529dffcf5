"""How a response is decoded: sampling, limits and thinking, beside the prompt and the images.

`Decoding` and `Thinking` are values of a run and of every request; None means "not set". What is set is part of the
request key and of run.json, under the names that it has here. A model states what it honours (`model.honours`); the
runner refuses the rest by name.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from cambrian_eval.errors import UserError, unknown

THOUGHT_TOKENS = 4096
"""The most tokens of a thought where no budget is set. They are not counted as tokens of the answer."""
MOST_TOKENS = 10**7
"""The largest token limit."""
SAMPLING = ("top_p", "top_k", "min_p")
"""Settings that choose among tokens and so need a temperature above 0."""


def _setting(
    default: Any, help: str, low: float | None = None, high: float | None = None, above: float | None = None
) -> Any:
    """A field of `Decoding`; `above` is a bound that is itself not allowed."""
    return dataclasses.field(default=default, metadata={"help": help, "low": low, "high": high, "above": above})


@dataclass(frozen=True, slots=True)
class Decoding:
    """How tokens are chosen. The default is greedy: the most likely token, until the model ends its response."""

    temperature: float = _setting(0.0, "0 is greedy; larger values sample more evenly", low=0, high=10)
    top_p: float | None = _setting(None, "sample from the most likely tokens with this total probability", 0, 1, 0)
    top_k: int | None = _setting(None, "sample from this many most likely tokens", low=1, high=MOST_TOKENS)
    min_p: float | None = _setting(None, "sample from tokens with this share of the largest probability", 0, 1)
    repetition_penalty: float | None = _setting(None, "divide logits of tokens that were there already", 0, 100, 0)
    presence_penalty: float | None = _setting(None, "subtract from logits of tokens in the response", -10, 10)
    frequency_penalty: float | None = _setting(None, "subtract once for each time the token is there", -10, 10)
    seed: int | None = _setting(None, "seed of the sampling", low=0, high=2**63 - 1)
    max_new_tokens: int | None = _setting(None, "most tokens of an answer, thoughts not counted", 1, MOST_TOKENS)
    stop: tuple[str, ...] = _setting((), "text that ends the response; may be repeated")
    num_beams: int | None = _setting(None, "beam search with this many beams", low=1, high=64)

    def as_dict(self) -> dict[str, Any]:
        """The settings that differ from greedy decoding, as plain JSON; empty for the default."""
        found = {name: getattr(self, name) for name in SETTINGS if getattr(self, name) != getattr(GREEDY, name)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}

    @property
    def samples(self) -> bool:
        """Whether tokens are drawn at random."""
        return self.temperature > 0

    def __post_init__(self) -> None:
        for name in SAMPLING:
            if getattr(self, name) is not None and not self.samples:
                raise UserError(
                    f"{name} has no effect at temperature 0; set a temperature too, such as temperature=0.7"
                )
        if (self.num_beams or 1) > 1 and self.samples:
            raise UserError("num_beams needs temperature 0; leave out one of num_beams and temperature")


SETTINGS: tuple[str, ...] = tuple(field.name for field in dataclasses.fields(Decoding))
"""The names of all decoding settings."""
GREEDY = Decoding()
"""The paper's decoding, and the default."""

Mode = Literal["auto", "on", "off"]
"""Whether a model thinks before it answers; `auto` leaves that to the model and its chat template."""


@dataclass(frozen=True, slots=True)
class Thinking:
    """Whether and how long a model thinks before it answers."""

    mode: Mode = "auto"
    """`on` and `off` set the switch of the chat template or of the endpoint."""
    budget: int | None = None
    """The most tokens of a thought; None = `THOUGHT_TOKENS`."""

    def as_dict(self) -> dict[str, Any]:
        """What differs from the default, as plain JSON."""
        return {k: v for k, v in (("mode", self.mode), ("budget", self.budget)) if v not in ("auto", None)}

    @property
    def limit(self) -> int:
        """The most tokens of a thought."""
        return self.budget or THOUGHT_TOKENS

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise unknown("--thinking", str(self.mode), get_args(Mode))
        if self.budget is not None and not 1 <= self.budget <= MOST_TOKENS:
            raise UserError(f"--thinking-budget must be from 1 to {MOST_TOKENS}, not {self.budget}")
        if self.mode == "off" and self.budget is not None:
            raise UserError("--thinking off and --thinking-budget contradict each other; leave out one of them")


AUTO = Thinking()
"""As the model and its chat template do; thoughts end at `THOUGHT_TOKENS`."""


Order = Literal["image_first", "text_first"]
"""Whether the images of a request come before its text, as models are usually trained, or after it."""


def parse(values: Mapping[str, Any], base: Decoding = GREEDY, where: str = "-G") -> Decoding:
    """`base` with settings from texts (command line) or typed values (TOML, Python); names and values are checked.

    Temperature 0 removes what only sampling needs from `base`, so that one setting makes a recipe greedy.
    """
    found = {written.replace("-", "_"): value for written, value in values.items()}
    for name in found:
        if name not in SETTINGS:
            raise unknown(f"decoding setting ({where})", name, SETTINGS)
    typed = {name: _value(name, value, where) for name, value in found.items()}
    if typed.get("temperature") == 0:
        base = dataclasses.replace(base, temperature=0.0, top_p=None, top_k=None, min_p=None)
    return dataclasses.replace(base, **typed)


def options(texts: Iterable[str]) -> dict[str, Any]:
    """The values of `-G name=value`; `stop` may be given several times."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not (name and equals):
            raise UserError(f"-G {text!r} is not of the form name=value, for example -G temperature=0.7")
        if name == "stop":
            found.setdefault(name, []).append(value)
        elif name in found:
            raise UserError(f"-G {name} is given twice; give it once")
        else:
            found[name] = value
    return found


def _value(name: str, given: Any, where: str) -> Any:
    field = _FIELDS[name]
    if name == "stop":
        texts = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, (list, tuple)) else (None,)
        if not texts or not all(isinstance(text, str) and text for text in texts):
            raise UserError(f"{where}: stop must be text that is not empty, not {given!r}")
        return tuple(str(text).replace("\\n", "\n").replace("\\t", "\t") for text in texts)
    low, high, above = field.metadata["low"], field.metadata["high"], field.metadata["above"]
    whole = "int" in str(_HINTS[name])
    try:
        if isinstance(given, bool) or not isinstance(given, (int, float, str)) or (whole and isinstance(given, float)):
            raise ValueError
        value = int(given) if whole else float(given)
        if not math.isfinite(value) or not low <= value <= high or value == above:
            raise ValueError
    except (ValueError, OverflowError):
        kind = "a whole number" if whole else "a number"
        bounds = f"above {above:g}, at most {high:g}" if above is not None else f"from {low:g} to {high:g}"
        raise UserError(f"{where}: {name} must be {kind} {bounds}, not {given!r}") from None
    return value


_FIELDS = {field.name: field for field in dataclasses.fields(Decoding)}
_HINTS = get_type_hints(Decoding)


NEUTRAL = {
    "top_p": 1.0,
    "min_p": 0.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "repetition_penalty": 1.0,
    "num_beams": 1,
}
"""Values that change nothing, which every model honours. They are sent nevertheless: servers have other defaults."""


def asked(decoding: Decoding, system: str | None, thinking: Thinking, order: Order = "image_first") -> dict[str, str]:
    """What a request needs of its model beyond greedy decoding: name -> how a user writes it."""
    settings = {name: value for name, value in decoding.as_dict().items() if NEUTRAL.get(name) != value}
    found = {name: f"-G {name}={value}" for name, value in settings.items() if name != "max_new_tokens"}
    if system is not None:
        found["system"] = "--system-prompt"
    if thinking.mode != "auto":
        found[f"thinking_{thinking.mode}"] = f"--thinking {thinking.mode}"
    if thinking.budget is not None:
        found["thinking_budget"] = "--thinking-budget"
    if order == "text_first":
        found[order] = "the recipe's order of text_first"
    return found


def in_words(info: Mapping[str, Any]) -> str:
    """The decoding that run.json states, in words: "greedy", or what differs from it."""
    stored = info.get("responses_depend_on", {})
    settings, thinking, system = (stored.get(name) for name in ("decoding", "thinking", "system"))
    found = [f"{name}={value}" for name, value in (settings or {}).items()]
    if not {"temperature", "num_beams"} & (settings or {}).keys():
        found.insert(0, "greedy")
    if stored.get("max_new_tokens") is not None:
        found.append(f"max_new_tokens={stored['max_new_tokens']}")
    if thinking:
        found.append(f"thinking {thinking.get('mode', 'auto')}")
        found += [f"thoughts of at most {thinking['budget']} tokens"] if "budget" in thinking else []
    if system is not None:
        found.append(f"system prompt {system!r}")
    if info.get("repeats", 1) > 1:
        found.append(f"{info['repeats']} repeats")
    return ", ".join(found)


def facts(decoding: Decoding, system: str | None, thinking: Thinking, order: Order = "image_first") -> dict[str, Any]:
    """What differs from greedy decoding with the template's own system prompt: for request keys and run.json."""
    settings = decoding.as_dict()
    settings.pop("max_new_tokens", None)  # it is stated beside them, as the limit of the answer
    parts = {"decoding": settings, "system": system, "thinking": thinking.as_dict()}
    parts["order"] = None if order == "image_first" else order
    return {name: value for name, value in parts.items() if value not in ({}, None)}


FACTS = ("decoding", "system", "thinking", "order")
"""The names that `facts` gives values to."""


def key_parts(
    max_new_tokens: int | None, seed: int, stated: Mapping[str, Any], repeat: int, places_images: bool
) -> dict[str, Any]:
    """What a request's key depends on besides model, prompt and images; `stated` may be that part of run.json."""
    parts = {"max_new_tokens": max_new_tokens, "seed": seed}
    parts |= {name: stated[name] for name in FACTS if name in stated}
    parts |= {"places_images": True} if places_images else {}
    return parts | ({"repeat": repeat} if repeat else {})
