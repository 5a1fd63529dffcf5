"""DINOv2 towers, whose position table is resampled to the input's grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import Dinov2Config, Dinov2Model

from ...tensor_files import Stored, StoredTensor
from .kind import Settings, TowerKind, TowerSpec, entry_without_side

_POSITIONS = "embeddings.position_embeddings"

_RELEASED: Mapping[str, Settings] = {
    "facebook/dinov2-giant": {
        "model_type": "dinov2",
        "hidden_size": 1536,
        "num_hidden_layers": 40,
        "num_attention_heads": 24,
        "mlp_ratio": 4,
        "image_size": 518,
        "patch_size": 14,
        "use_swiglu_ffn": True,
    }
}


class Dinov2(TowerKind):
    """An entry may name an input side, as in `facebook/dinov2-giant-res378`."""

    name = "dinov2"
    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)
    padding = (123, 116, 103)
    side = 518
    entry_mark = "dinov2"
    weight_files = ("model.safetensors", "pytorch_model.bin")
    classes = (Dinov2Model, Dinov2Config)
    released = _RELEASED

    def hub_ids(self, entry: str) -> tuple[str, ...]:
        """The entry without its input side is the Hub id."""
        return (entry_without_side(entry),)

    def fit(self, stored: Stored, spec: TowerSpec, config: Any) -> Stored:
        """With the position table resampled to the input's grid."""
        if _POSITIONS not in stored:
            return stored
        table, side = stored[_POSITIONS], config.image_size // config.patch_size
        fitted = StoredTensor(
            (1, 1 + side * side, *table.shape[2:]),
            table.dtype,
            lambda dtype: resample_positions(table[...], side).to(dtype),
            table.origin,
        )
        return stored | {_POSITIONS: fitted}


def resample_positions(table: Tensor, side: int) -> Tensor:
    """A position table [1, 1 + s*s, D] for a `side` x `side` grid, by the rule of transformers 4.37.

    That release adds 0.1 to the side and samples with the resulting factor instead of the exact one, which moves the
    sampling points by up to 0.13 of a cell. The published models were used that way.
    """
    count = table.shape[1] - 1
    source = int(count**0.5)
    if source == side:
        return table
    grid = table[:, 1:].float().reshape(1, source, source, -1).permute(0, 3, 1, 2)
    factor = (side + 0.1) / source
    grid = F.interpolate(grid, scale_factor=(factor, factor), mode="bicubic", align_corners=False)
    patches = grid.permute(0, 2, 3, 1).reshape(1, side * side, -1).to(table.dtype)
    return torch.cat([table[:, :1], patches], dim=1)
