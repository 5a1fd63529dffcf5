"""The weights of a tower folder, under the names that transformers' files use.

Recognises the layout by the tensors' names: transformers' own, or open_clip / timm files (`visual.trunk.*`),
which are renamed by tables. Can also read an architecture off the shapes where a folder states none. Text
towers and pooling heads are dropped. Building and running the network is left to `towers`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError

from .tensor_files import Stored, StoredTensor, open_folder

TRUNK = "visual.trunk."

_CONVNEXT_RULES = (
    (r"stem\.0\.(weight|bias)", r"embeddings.patch_embeddings.\1"),
    (r"stem\.1\.(weight|bias)", r"embeddings.layernorm.\1"),
    (r"stages\.(\d+)\.downsample\.([01])\.(weight|bias)", r"encoder.stages.\1.downsampling_layer.\2.\3"),
    (r"stages\.(\d+)\.blocks\.(\d+)\.conv_dw\.(weight|bias)", r"encoder.stages.\1.layers.\2.dwconv.\3"),
    (r"stages\.(\d+)\.blocks\.(\d+)\.norm\.(weight|bias)", r"encoder.stages.\1.layers.\2.layernorm.\3"),
    (
        r"stages\.(\d+)\.blocks\.(\d+)\.mlp\.fc([12])\.(weight|bias)",
        r"encoder.stages.\1.layers.\2.pwconv\3.\4",
    ),
    (r"stages\.(\d+)\.blocks\.(\d+)\.gamma", r"encoder.stages.\1.layers.\2.layer_scale_parameter"),
    (r"head\.norm\.(weight|bias)", r"layernorm.\1"),
)

_SIGLIP_RULES = (
    (r"patch_embed\.proj\.(weight|bias)", r"vision_model.embeddings.patch_embedding.\1"),
    (r"blocks\.(\d+)\.norm([12])\.(weight|bias)", r"vision_model.encoder.layers.\1.layer_norm\2.\3"),
    (r"blocks\.(\d+)\.attn\.proj\.(weight|bias)", r"vision_model.encoder.layers.\1.self_attn.out_proj.\2"),
    (r"blocks\.(\d+)\.mlp\.fc([12])\.(weight|bias)", r"vision_model.encoder.layers.\1.mlp.fc\2.\3"),
    (r"norm\.(weight|bias)", r"vision_model.post_layernorm.\1"),
)

_FUSED = re.compile(r"blocks\.(\d+)\.attn\.qkv\.(weight|bias)")


def read_tower(folder: Path, kind: str) -> Stored:
    """The vision tensors of a tower folder, under transformers' on-disk names."""
    stored = open_folder(folder, f"a {kind} tower")
    trunk = timm_trunk(stored)
    if trunk is not None:
        return from_timm(trunk, kind, folder)
    return _from_transformers(stored, kind)


def timm_trunk(stored: Stored) -> Stored | None:
    """The trunk of an open_clip or timm file without its prefix, or None for another layout."""
    trunk = {name.removeprefix(TRUNK): tensor for name, tensor in stored.items() if name.startswith(TRUNK)}
    if trunk:
        return trunk
    return stored if {"patch_embed.proj.weight", "stem.0.weight"} & stored.keys() else None


def from_timm(trunk: Stored, kind: str, folder: Path) -> Stored:
    """Rename a timm trunk; every tensor that the feature needs must be known to the table."""
    if kind == "convnext":
        return _rename(trunk, _CONVNEXT_RULES, folder, ignored=("head.",))
    if kind == "siglip":
        plain = {name: tensor for name, tensor in trunk.items() if not _FUSED.fullmatch(name) and name != "pos_embed"}
        mapped = _rename(plain, _SIGLIP_RULES, folder, ignored=("attn_pool.", "head.", "fc_norm."))
        for name, tensor in trunk.items():
            if match := _FUSED.fullmatch(name):
                mapped.update(_split_fused(tensor, *match.groups()))
        if "pos_embed" in trunk:
            mapped["vision_model.embeddings.position_embedding.weight"] = trunk["pos_embed"].first()
        return mapped
    raise UserError(f"{folder} holds open_clip / timm weights; for a {kind} tower use the transformers layout")


def _split_fused(tensor: StoredTensor, layer: str, part: str) -> Stored:
    width = tensor.shape[0] // 3
    prefix = f"vision_model.encoder.layers.{layer}.self_attn"
    return {
        f"{prefix}.{name}_proj.{part}": tensor.rows(index * width, (index + 1) * width)
        for index, name in enumerate("qkv")
    }


def _rename(trunk: Stored, rules: tuple[tuple[str, str], ...], folder: Path, ignored: tuple[str, ...] = ()) -> Stored:
    mapped: Stored = {}
    for name, tensor in trunk.items():
        target = next((re.sub(old, new, name) for old, new in rules if re.fullmatch(old, name)), None)
        if target is not None:
            mapped[target] = tensor
        elif not name.startswith(ignored):
            raise UserError(f"{folder}: tensor {TRUNK}{name} belongs to no tower known here; is it another network?")
    return mapped


def _from_transformers(stored: Stored, kind: str) -> Stored:
    """Keep the vision part of a file in transformers' layout, whole model or vision model alone."""
    if kind in ("clip", "siglip"):
        vision = {name: tensor for name, tensor in stored.items() if name.startswith("vision_model.")}
        if not vision:
            # Saved by releases that no longer write the prefix.
            vision = {f"vision_model.{name}": tensor for name, tensor in stored.items() if "text_model." not in name}
        dropped = ("vision_model.head.", "vision_model.embeddings.position_ids")
        return {name: tensor for name, tensor in vision.items() if not name.startswith(dropped)}
    bare = {name.removeprefix(f"{kind}."): tensor for name, tensor in stored.items()}
    return {name: tensor for name, tensor in bare.items() if not name.startswith("classifier.")}


def infer_settings(folder: Path) -> Mapping[str, Any]:
    """The architecture of a tower folder without a `config.json`, read off names and shapes.

    The input side and the number of heads are not in the shapes: they come from `open_clip_config.json` if
    there is one, else from the patch grid and from the usual width of a head.
    """
    stored = open_folder(folder, "a vision tower")
    trunk = timm_trunk(stored)
    if trunk is None:
        raise UserError(
            f"{folder} has no config.json with a model_type and its weights are no open_clip / timm "
            f"vision trunk; "
            "add the tower's config.json"
        )
    stated = _open_clip_vision(folder)
    return _infer_convnext(trunk, stated) if "stem.0.weight" in trunk else _infer_siglip(trunk, stated, folder)


def _open_clip_vision(folder: Path) -> Mapping[str, Any]:
    """What an open_clip or timm configuration says of the vision part, under whichever of their keys."""
    stated: dict[str, Any] = {}
    for name in ("config.json", "open_clip_config.json"):
        path = folder / name
        if not path.is_file():
            continue
        content = json.loads(path.read_text(encoding="utf-8"))
        stated |= {"timm_model_name": content.get("architecture", "")} | content.get("model_args", {})
        size = content.get("pretrained_cfg", content).get("input_size")
        stated |= {"image_size": size[-1]} if size else {}
        stated |= {key: content[key] for key in ("multi_stage", "image_size") if key in content}
        stated |= content.get("model_cfg", content).get("vision_cfg", {})
    return stated


def _image_size(stated: Mapping[str, Any]) -> int | None:
    size = stated.get("image_size") or stated.get("img_size")
    return int(size[0] if isinstance(size, list) else size) if size else None


def _infer_convnext(trunk: Stored, stated: Mapping[str, Any]) -> Mapping[str, Any]:
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
    size = _image_size(stated)
    given = {"image_size": size} if size else {}
    return settings | given | ({"multi_stage": False} if stated.get("multi_stage") is False else {})


def _infer_siglip(trunk: Stored, stated: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    width, _, _, patch = trunk["patch_embed.proj.weight"].shape
    layers = 1 + max(int(name.split(".")[1]) for name in trunk if name.startswith("blocks."))
    if "cls_token" in trunk or "pos_embed" not in trunk:
        raise UserError(f"{folder}: its timm trunk is not a SigLIP one (class token or no position table)")
    positions = trunk["pos_embed"].shape[1]
    return {
        "model_type": "siglip_vision_model",
        "hidden_size": width,
        "intermediate_size": trunk["blocks.0.mlp.fc1.weight"].shape[0],
        "num_hidden_layers": layers,
        "num_attention_heads": _heads(width, stated, folder),
        "image_size": _image_size(stated) or math.isqrt(positions) * patch,
        "patch_size": patch,
    }


def _heads(width: int, stated: Mapping[str, Any], folder: Path) -> int:
    for key in ("heads", "num_heads", "num_attention_heads"):
        if stated.get(key):
            return int(stated[key])
    # 72 is the head of SigLIP's shape-optimised models, 64 that of all other ViTs.
    for head in (72, 64) if "so400m" in str(stated.get("timm_model_name", "")) or width == 1152 else (64,):
        if width % head == 0:
            return width // head
    raise UserError(
        f"{folder}: the number of attention heads is in no shape; add a config.json with model_type "
        "siglip_vision_model and num_attention_heads"
    )
