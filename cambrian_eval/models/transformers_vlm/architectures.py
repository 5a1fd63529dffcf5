"""What was tested of each image-text-to-text architecture of transformers: the table of docs/models.md.

`tools/architectures.py` tries each one and writes `architectures.json`. The table also decides which work on images is
shared: only what gave the same token ids as the plain way.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec

Sharing = Literal["prompt", "features"]
SHARED: Mapping[Sharing, str] = {
    "prompt": "vision features and beginning of the prompt",
    "features": "vision features",
}


class Architecture(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row of the table. None = not tested."""

    model_class: str
    builds: str
    """`yes`, or why the class could not be built from its default configuration with few layers."""
    torchvision: bool
    """Whether images can be prepared only where torchvision is installed."""
    batch: bool | None = None
    """Whether a batch gives the same responses as single requests."""
    several_images: bool | None = None
    """Whether a request may have more than one image."""
    shared: Sharing | None = None
    """What questions about the same images share; None also where sharing was not exact."""
    thinking: str | None = None
    """Whether its checkpoints think by default, as their documentation says."""


class Table(msgspec.Struct, frozen=True):
    """All architectures by model type, and the version of transformers they were tested with."""

    transformers: str
    architectures: dict[str, Architecture]


FILE = Path(__file__).with_suffix(".json")


@cache
def table() -> Table:
    """The stored table."""
    return msgspec.json.decode(FILE.read_bytes(), type=Table)


def sharing_of(model_class: type[Any], config: Any) -> Sharing | None:
    """What questions about the same images may share with a model of this class and configuration."""
    row = table().architectures.get(str(config.model_type))
    if row is None or row.shared is None or not takes_features(model_class):
        return None
    return row.shared if row.shared == "features" or has_plain_cache(config) else "features"


def takes_features(model_class: type[Any]) -> bool:
    """Whether this version of transformers lets such a model be given ready vision features."""
    takes = "mm_encoder_outputs" in inspect.signature(model_class.forward).parameters
    return takes and hasattr(model_class, "get_image_features")


def has_plain_cache(config: Any) -> bool:
    """Whether all layers keep the keys and values of all positions: no sliding windows, no recurrent states."""
    from transformers.cache_utils import DynamicCache, DynamicLayer

    layers = DynamicCache(config=config.get_text_config(decoder=True)).layers
    return all(type(layer) is DynamicLayer for layer in layers)


def unknown(model_type: str, config: Mapping[str, Any]) -> str:
    """What to do with an architecture that transformers has no image-text-to-text class for."""
    ways = ['run it with --serve "vllm serve MODEL"']
    if config.get("auto_map"):
        ways.append("or its own code with --trust-remote-code")
    if model_type == "internvl_chat":
        ways.insert(0, "use the same model's checkpoint whose name ends in -HF")
    return f"unknown architecture {model_type}: {', '.join(ways)}"
