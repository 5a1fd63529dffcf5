"""Settings of a checkpoint's image processor, as `-P name=value` sets them: pixel limits, tiles, sizes."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from cambrian_eval.errors import UserError, describe, unknown


def parse(text: str) -> dict[str, Any]:
    """`max_pixels=1003520,do_resize=false,size.longest_edge=980` as names and values: numbers, true, false, or text."""
    found: dict[str, Any] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not (name and equals and value):
            raise UserError(f"-P {part!r} is not of the form name=value, for example -P max_pixels=1003520")
        try:
            found[name] = json.loads(value.lower())
        except ValueError:
            found[name] = value
    return found


def apply(processor: Any, settings: Mapping[str, Any], folder: object) -> None:
    """Rebuilds the processor's image processor with the settings; names that it does not have are refused.

    `a.b=value` sets one entry of a setting that is a table.
    """
    images = processor.image_processor
    known = set(getattr(getattr(type(images), "valid_kwargs", None), "__annotations__", ()))
    stored = images.to_dict()
    known |= {name for name in stored if not name.startswith("_") and not name.endswith("_type")}
    known -= {"return_tensors", "device", "data_format", "input_data_format", "disable_grouping", "processor_class"}
    changed: dict[str, Any] = {}
    for written, value in settings.items():
        name, dot, entry = written.partition(".")
        if name not in known:
            raise unknown(f"setting of {type(images).__name__} (-P)", written, known)
        if dot:
            table = changed.get(name, copy.deepcopy(stored.get(name)))
            if not isinstance(table, dict) or entry not in table:
                has = ", ".join(f"{name}.{key}" for key in table) if isinstance(table, dict) else f"{name}=VALUE"
                raise UserError(f"-P {written}: {type(images).__name__} has {has}")
            _check(written, value, table[entry])
            changed[name] = {**table, entry: value}
        else:
            _check(written, value, stored.get(name))
            changed[name] = value
    try:
        processor.image_processor = type(images).from_dict(stored, **changed)
    except Exception as error:
        named = ", ".join(f"{name}={value}" for name, value in settings.items())
        raise UserError(f"the image processor of {folder} does not take -P {named}: {describe(error)}") from error
    size = dict(getattr(processor.image_processor, "size", None) or {})
    least, most = size.get("shortest_edge"), size.get("longest_edge")
    if changed and least and most and least > most:
        raise UserError(
            f"-P: the smallest size {least} is above the largest, {most}; set both, such as min and max_pixels"
        )


def _check(name: str, value: Any, before: Any) -> None:
    """Refuses what the image processor itself would fail with at every image: text for a number, a size below 1."""
    if isinstance(value, str) and not isinstance(before, str):
        raise UserError(f"-P {name} must be a number, true or false, not {value!r}")
    if name.endswith(("_pixels", "_edge", "height", "width")) and not (type(value) is int and value >= 1):
        raise UserError(f"-P {name} must be a whole number of at least 1, not {value!r}")
