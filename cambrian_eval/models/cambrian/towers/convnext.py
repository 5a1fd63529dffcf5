"""ConvNeXt towers of open_clip, with the features of the last stage or of all stages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import ConvNextConfig, ConvNextModel

from ...tensor_files import Stored, StoredTensor
from ..sva import resample_map
from . import timm
from .kind import CLIP_MEAN, CLIP_STD, Settings, TowerKind, TowerSpec

EPSILON = 1e-5
"""Of every norm in the released networks; transformers' class has 1e-6 written into it."""

_RULES = (
    (r"stem\.0\.(weight|bias)", r"embeddings.patch_embeddings.\1"),
    (r"stem\.1\.(weight|bias)", r"embeddings.layernorm.\1"),
    (r"stages\.(\d+)\.downsample\.([01])\.(weight|bias)", r"encoder.stages.\1.downsampling_layer.\2.\3"),
    (r"stages\.(\d+)\.blocks\.(\d+)\.conv_dw\.(weight|bias)", r"encoder.stages.\1.layers.\2.dwconv.\3"),
    (r"stages\.(\d+)\.blocks\.(\d+)\.norm\.(weight|bias)", r"encoder.stages.\1.layers.\2.layernorm.\3"),
    (r"stages\.(\d+)\.blocks\.(\d+)\.mlp\.fc([12])\.(weight|bias)", r"encoder.stages.\1.layers.\2.pwconv\3.\4"),
    (r"stages\.(\d+)\.blocks\.(\d+)\.gamma", r"encoder.stages.\1.layers.\2.layer_scale_parameter"),
    (r"head\.norm\.(weight|bias)", r"layernorm.\1"),
)

_XXL: Settings = {
    "model_type": "convnext",
    "hidden_sizes": [384, 768, 1536, 3072],
    "depths": [3, 4, 30, 3],
    "patch_size": 4,
    "hidden_act": "gelu",
}
_L: Settings = {**_XXL, "hidden_sizes": [192, 384, 768, 1536], "depths": [3, 3, 27, 3]}
_XXL_ID = "laion/CLIP-convnext_xxlarge-laion2B-s34B-b82K-augreg-soup"
_L_ID = "laion/CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft-soup"
_RELEASED = {_XXL_ID: _XXL, _L_ID: _L}


class ConvNext(TowerKind):
    """An entry names the size (`XXL`, else L), `multi-stage`, and an input side such as `res768`."""

    name = "convnext"
    mean = CLIP_MEAN
    std = CLIP_STD
    side = 1024
    entry_mark = "clip-convnext"
    weight_files = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    released = _RELEASED
    classes = (ConvNextModel, ConvNextConfig)
    trunk_tensor = "stem.0.weight"
    has_attention = False
    channels_last = True

    def hub_ids(self, entry: str) -> tuple[str, ...]:
        """The repository of the size that the entry names."""
        return (_XXL_ID,) if "xxl" in entry.lower() else (_L_ID,)

    def input_side(self, settings: Settings) -> int:
        """The released side, because the settings of a convolutional network state none that applies."""
        return self.side

    def width(self, settings: Settings, multi_stage: bool) -> int:
        """The channels of the last stage, or of all stages together."""
        sizes = [int(size) for size in settings["hidden_sizes"]]
        return sum(sizes) if multi_stage else sizes[-1]

    def is_multi_stage(self, settings: Settings) -> bool:
        """Unless the settings say `multi_stage: false`."""
        return settings.get("multi_stage", True) is not False

    def from_timm(self, trunk: Stored, folder: Path) -> Stored:
        """Renames."""
        return timm.rename(trunk, _RULES, folder, ignored=("head.",))

    def infer(self, trunk: Stored, stated: Settings, folder: Path) -> Settings:
        """From the shapes; the input side may be stated."""
        blocks = [re.match(r"stages\.(\d+)\.blocks\.(\d+)\.conv_dw\.weight", name) for name in trunk]
        found = [(int(match.group(1)), int(match.group(2))) for match in blocks if match]
        stages = sorted({stage for stage, _ in found})
        settings: dict[str, Any] = {
            "model_type": "convnext",
            "hidden_sizes": [trunk[f"stages.{stage}.blocks.0.conv_dw.weight"].shape[0] for stage in stages],
            "depths": [1 + max(block for at, block in found if at == stage) for stage in stages],
            "num_stages": len(stages),
            "patch_size": trunk["stem.0.weight"].shape[-1],
            "hidden_act": "gelu",
        }
        size = timm.image_size(stated)
        given = {"image_size": size} if size else {}
        return settings | given | ({"multi_stage": False} if stated.get("multi_stage") is False else {})

    def adjust(self, network: nn.Module) -> None:
        """Set the epsilon of the released networks."""
        for module in network.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = EPSILON

    def fit(self, stored: Stored, spec: TowerSpec, config: Any) -> Stored:
        """With the final norm, which is not part of any feature and which open_clip files may leave out."""
        if "layernorm.weight" in stored:
            return stored
        width = (spec.settings["hidden_sizes"][-1],)
        origin = next(iter(stored.values())).origin
        one = StoredTensor(width, torch.float32, lambda dtype: torch.ones(width, dtype=dtype), origin)
        zero = StoredTensor(width, torch.float32, lambda dtype: torch.zeros(width, dtype=dtype), origin)
        return stored | {"layernorm.weight": one, "layernorm.bias": zero}

    def tokens(self, network: nn.Module, pixels: Tensor, spec: TowerSpec, side: int) -> Tensor:
        """The feature maps of the stages, each resampled to the grid, joined by channels."""
        output = network(pixel_values=pixels, output_hidden_states=spec.multi_stage)
        count = len(spec.settings["depths"])
        maps = output.hidden_states[-count:] if spec.multi_stage else [output.last_hidden_state]
        joined = torch.cat([resample_map(stage, side) for stage in maps], dim=1)
        return joined.flatten(2).transpose(1, 2)
