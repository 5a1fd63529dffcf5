"""SigLIP towers; the released one is a timm model in an open_clip repository."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from transformers import SiglipVisionConfig, SiglipVisionModel

from cambrian_eval.errors import UserError

from ...tensor_files import Stored, StoredTensor
from . import timm
from .kind import NestedVisionKind, Settings

_RULES = (
    (r"patch_embed\.proj\.(weight|bias)", r"vision_model.embeddings.patch_embedding.\1"),
    (r"blocks\.(\d+)\.norm([12])\.(weight|bias)", r"vision_model.encoder.layers.\1.layer_norm\2.\3"),
    (r"blocks\.(\d+)\.attn\.proj\.(weight|bias)", r"vision_model.encoder.layers.\1.self_attn.out_proj.\2"),
    (r"blocks\.(\d+)\.mlp\.fc([12])\.(weight|bias)", r"vision_model.encoder.layers.\1.mlp.fc\2.\3"),
    (r"norm\.(weight|bias)", r"vision_model.post_layernorm.\1"),
)
_FUSED = re.compile(r"blocks\.(\d+)\.attn\.qkv\.(weight|bias)")

_SETTINGS: Settings = {
    "model_type": "siglip_vision_model",
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "image_size": 384,
    "patch_size": 14,
}
_RELEASED = {"timm/ViT-SO400M-14-SigLIP-384": _SETTINGS, "google/siglip-so400m-patch14-384": _SETTINGS}


class Siglip(NestedVisionKind):
    """Normalized with 0.5 but padded with CLIP's mean color: the released model was trained that way."""

    name = "siglip"
    mean = (0.5, 0.5, 0.5)
    std = (0.5, 0.5, 0.5)
    side = 384
    entry_mark = "siglip"
    weight_files = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    released = _RELEASED
    classes = (SiglipVisionModel, SiglipVisionConfig)
    trunk_tensor = "patch_embed.proj.weight"
    has_class_token = False

    def settings_for_network(self, settings: dict[str, Any], select_layer: int) -> dict[str, Any]:
        """With timm's exact GELU, which the released model runs with whatever the published config states."""
        return settings | {"hidden_act": "gelu", "vision_use_head": False}

    def from_timm(self, trunk: Stored, folder: Path) -> Stored:
        """Renames; splits the fused query, key and value projections."""
        plain = {name: tensor for name, tensor in trunk.items() if not _FUSED.fullmatch(name) and name != "pos_embed"}
        found = timm.rename(plain, _RULES, folder, ignored=("attn_pool.", "head.", "fc_norm."))
        for name, tensor in trunk.items():
            if match := _FUSED.fullmatch(name):
                found.update(_split_fused(tensor, *match.groups()))
        if "pos_embed" in trunk:
            found["vision_model.embeddings.position_embedding.weight"] = trunk["pos_embed"].first()
        return found

    def infer(self, trunk: Stored, stated: Settings, folder: Path) -> Settings:
        """From the shapes; the input side and the number of heads may be stated."""
        width, _, _, patch = trunk["patch_embed.proj.weight"].shape
        layers = 1 + max(int(name.split(".")[1]) for name in trunk if name.startswith("blocks."))
        if "cls_token" in trunk or "pos_embed" not in trunk:
            raise UserError(f"{folder}: its timm trunk is not SigLIP's (it has a class token or no position table)")
        positions = trunk["pos_embed"].shape[1]
        return {
            "model_type": "siglip_vision_model",
            "hidden_size": width,
            "intermediate_size": trunk["blocks.0.mlp.fc1.weight"].shape[0],
            "num_hidden_layers": layers,
            "num_attention_heads": _heads(width, stated, folder),
            "image_size": timm.image_size(stated) or math.isqrt(positions) * patch,
            "patch_size": patch,
        }


def _split_fused(tensor: StoredTensor, layer: str, part: str) -> Stored:
    width = tensor.shape[0] // 3
    prefix = f"vision_model.encoder.layers.{layer}.self_attn"
    return {
        f"{prefix}.{name}_proj.{part}": tensor.rows(index * width, (index + 1) * width)
        for index, name in enumerate("qkv")
    }


def _heads(width: int, stated: Settings, folder: Path) -> int:
    for key in ("heads", "num_heads", "num_attention_heads"):
        if stated.get(key):
            return int(stated[key])
    # A head has 72 channels in SigLIP's shape-optimized models, 64 in all other ViTs.
    for head in (72, 64) if "so400m" in str(stated.get("timm_model_name", "")) or width == 1152 else (64,):
        if width % head == 0:
            return width // head
    raise UserError(
        f"{folder}: the number of attention heads cannot be inferred from the weights; add a config.json with "
        "model_type siglip_vision_model and num_attention_heads"
    )
