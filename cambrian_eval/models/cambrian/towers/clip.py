"""CLIP towers, read at the layer that the checkpoint selects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import CLIPVisionConfig, CLIPVisionModel

from cambrian_eval.errors import UserError

from ...tensor_files import Stored
from .kind import CLIP_MEAN, CLIP_STD, NestedVisionKind, Settings, TowerSpec, entry_without_side

_RELEASED: Mapping[str, Settings] = {
    "openai/clip-vit-large-patch14-336": {
        "model_type": "clip_vision_model",
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": 336,
        "patch_size": 14,
    }
}


class Clip(NestedVisionKind):
    """The tokens are the hidden states after the block that `mm_vision_select_layer` names."""

    name = "clip"
    mean = CLIP_MEAN
    std = CLIP_STD
    side = 336
    entry_mark = "openai/clip"
    weight_files = ("model.safetensors", "pytorch_model.bin")
    classes = (CLIPVisionModel, CLIPVisionConfig)
    released = _RELEASED

    def hub_ids(self, entry: str) -> tuple[str, ...]:
        """The entry is the Hub id."""
        return (entry_without_side(entry),)

    def settings_for_network(self, settings: dict[str, Any], select_layer: int) -> dict[str, Any]:
        """The state after block n is the last state of a network of n blocks; the others are never built."""
        depth = int(settings["num_hidden_layers"])
        blocks = select_layer if select_layer >= 0 else depth + 1 + select_layer
        if not 0 <= blocks <= depth:
            raise UserError(
                f"config.json: mm_vision_select_layer {select_layer} must be within the {depth} blocks of CLIP"
            )
        return settings | {"num_hidden_layers": blocks}

    def fit(self, stored: Stored, spec: TowerSpec, config: Any) -> Stored:
        """Without the blocks that are not built."""
        return {name: tensor for name, tensor in stored.items() if _block(name) < config.num_hidden_layers}


def _block(name: str) -> int:
    """Which encoder block a tensor belongs to; -1 for those before and after the blocks."""
    mark = "encoder.layers."
    return int(name.split(mark, 1)[1].split(".", 1)[0]) if mark in name else -1
