"""A recipe with what a user sets beside it, which wins: the settings of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cambrian_eval.benchmark import PromptStyle
from cambrian_eval.decoding import GREEDY, Decoding, Mode, Thinking, parse
from cambrian_eval.errors import UserError
from cambrian_eval.model import option_fields
from cambrian_eval.models.recipes.recipe import Recipe
from cambrian_eval.registry import locate


@dataclass(frozen=True, slots=True)
class Given:
    """What a user sets; None and empty = not set."""

    prompts: PromptStyle | None = None
    """`--prompts`."""
    decoding: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """`-G`."""
    max_new_tokens: int | None = None
    """`--max-new-tokens`."""
    system: str | None = None
    """`--system-prompt`."""
    thinking: Mode | None = None
    """`--thinking`."""
    thinking_budget: int | None = None
    """`--thinking-budget`."""
    processor: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """`-P`, see `processor_settings`."""


def applied(recipe: Recipe | None, given: Given) -> dict[str, Any]:
    """The arguments of `Settings` for a recipe and what the user sets."""
    base = GREEDY if recipe is None else recipe.decoding
    if given.max_new_tokens is not None:
        base = dataclasses.replace(base, max_new_tokens=None)
    thinking = Thinking() if recipe is None else recipe.thinking
    mode = given.thinking or thinking.mode
    budget = given.thinking_budget or (None if mode == "off" else thinking.budget)
    found: dict[str, Any] = {
        "prompts": given.prompts if given.prompts is not None else (recipe and recipe.prompts) or "official",
        "decoding": parse(given.decoding, base),
        "max_new_tokens": given.max_new_tokens,
        "system": given.system if given.system is not None or recipe is None else recipe.system,
        "thinking": Thinking(mode, budget),
    }
    if recipe is None:
        return found
    found |= {"order": recipe.order or "image_first", "templates": dict(recipe.templates)}
    return {**found, "recipe": {**recipe.record(), "changed": _changed(recipe, found, given.processor)}}


def processor_settings(options: Mapping[str, Any]) -> dict[str, str]:
    """The settings in a model's option `processor`, by name."""
    return dict(text.partition("=")[::2] for text in str(options.get("processor") or "").split(",") if text)


def processor_options(spec: str, recipe: Recipe | None, options: Mapping[str, Any]) -> dict[str, str]:
    """The model's option `processor`: the recipe's settings, and those among the options, which win."""
    from_recipe = {} if recipe is None else {name: _word(value) for name, value in recipe.processor.items()}
    settings = {**from_recipe, **processor_settings(options)}
    if not settings:
        return {}
    adapter, _ = locate(spec)
    if "processor" not in option_fields(adapter):
        whose = f"recipe {recipe.name}" if recipe is not None and from_recipe else "-P"
        raise UserError(
            f"model {adapter.name!r} takes no settings of an image processor ({whose}: {', '.join(settings)}); leave "
            "them out, for example with a recipe file of your own"
        )
    return {"processor": ",".join(f"{name}={value}" for name, value in settings.items())}


def _changed(recipe: Recipe, found: Mapping[str, Any], processor: Mapping[str, str]) -> list[str]:
    """The dotted names of the values in which a run differs from its recipe."""
    mine: Decoding = found["decoding"]
    if found["max_new_tokens"] is not None:
        mine = dataclasses.replace(mine, max_new_tokens=found["max_new_tokens"])
    settings = [field.name for field in dataclasses.fields(Decoding)]
    names = [f"decoding.{n}" for n in settings if getattr(mine, n) != getattr(recipe.decoding, n)]
    thinking: Thinking = found["thinking"]
    names += [f"thinking.{n}" for n in ("mode", "budget") if getattr(thinking, n) != getattr(recipe.thinking, n)]
    theirs = {name: _word(value) for name, value in recipe.processor.items()}
    names += [f"processor.{name}" for name, value in processor.items() if theirs.get(name) != value]
    names += ["system"] * (found["system"] != recipe.system)
    return names + ["prompts"] * (found["prompts"] != (recipe.prompts or "official"))


def _word(value: bool | int | float | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
