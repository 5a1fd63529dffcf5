"""Under which circumstances the responses of a run were made, besides model, data and prompts' style.

Reads run.json: what differs from the paper's circumstances is stored there, and nothing where nothing differs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cambrian_eval.decoding import AUTO, GREEDY, in_words
from cambrian_eval.errors import one_line

PAPER = "paper"
"""The recipe of a run that names none."""
SHOWN = 60
"""Characters of a text that are shown."""


def recipe_of(info: Mapping[str, Any]) -> str:
    """The name of a run's recipe, with the values that flags changed."""
    recipe = info.get("recipe") or {}
    changed = [name.removeprefix("decoding.") for name in recipe.get("changed", ())]
    return f"{recipe.get('name', PAPER)}" + (f" (changed: {', '.join(changed)})" if changed else "")


def values(info: Mapping[str, Any]) -> dict[str, str]:
    """Every circumstance by name, as text; what is not stored has its default."""
    stored = info.get("responses_depend_on", {})
    decoding = {"temperature": GREEDY.temperature, **stored.get("decoding", {})}
    thinking = {"mode": AUTO.mode, **stored.get("thinking", {})}
    found = {name: _text(value) for name, value in decoding.items()}
    found |= {"thinking" if name == "mode" else f"thinking {name}": _text(value) for name, value in thinking.items()}
    found["system prompt"] = _text(stored.get("system", "the model's own"))
    found["order"] = _text(stored.get("order", "image_first"))
    for benchmark, texts in stored.get("templates", {}).items():
        found |= {f"prompt of {benchmark} ({kind})": _text(text) for kind, text in texts.items()}
    for part in str(info.get("model", {}).get("options", {}).get("processor") or "").split(","):
        name, equals, value = part.partition("=")
        found |= {f"processor {name.strip()}": value.strip()} if equals else {}
    return found


def notes(info: Mapping[str, Any]) -> list[str]:
    """What a reader of a score must know: the recipe, and whatever is not the paper's."""
    name = (info.get("recipe") or {}).get("name", PAPER)
    if name != PAPER:
        return [f"recipe: {recipe_of(info)}", f"decoding: {in_words(info)}"]
    usual, mine = values({}), values(info)
    other = [f"{name} {value}" for name, value in mine.items() if usual.get(name) != value]
    decoding = [text for text in other if text.split()[0] in _DECODING]
    rest = [text for text in other if text not in decoding]
    found = [f"not the paper's decoding: {', '.join(decoding)}"] if decoding else []
    return found + ([f"not the paper's circumstances: {', '.join(rest)}"] if rest else [])


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """The circumstances that differ between two runs, as text."""
    found = [] if (x := recipe_of(a)) == (y := recipe_of(b)) else [f"recipe {x} in a, {y} in b"]
    left, right = values(a), values(b)
    for name in dict.fromkeys([*left, *right]):
        if (x := left.get(name, UNSET)) != (y := right.get(name, UNSET)):
            found.append(f"{name} {x} in a, {y} in b")
    return found


UNSET = "not set"
"""Stands for a value that one of two runs does not set."""
_DECODING = frozenset(GREEDY.__slots__)


def _text(value: Any) -> str:
    if isinstance(value, str):
        text = one_line(value)
        return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else json.dumps(value)
