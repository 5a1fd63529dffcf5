"""The demo checkpoint's shape: sizes, the random initial weights, and the final folder in the official layout.

Four towers of all four kinds at 64 pixels; ConvNeXt, which learns most from few images, has the finest detail
and is used at several stages. The network is Cambrian's own; only its sizes are small.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cambrian_eval.models.cambrian import CambrianForConditionalGeneration
from cambrian_eval.models.cambrian.config import CambrianConfig
from cambrian_eval.models.cambrian.model import model_class
from cambrian_eval.models.cambrian.towers.network import build_network
from cambrian_eval.models.cambrian.towers.specs import resolve_towers

from .corpus import SIDE

TOWERS: Mapping[str, Mapping[str, Any]] = {
    "siglip": {
        "model_type": "siglip_vision_model",
        "hidden_size": 64,
        "intermediate_size": 192,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": 8,
        "hidden_act": "gelu",
    },
    "clip": {
        "model_type": "clip_vision_model",
        "hidden_size": 64,
        "intermediate_size": 192,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": 16,
        "hidden_act": "quick_gelu",
    },
    "dinov2": {
        "model_type": "dinov2",
        "hidden_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "mlp_ratio": 3,
        "image_size": SIDE,
        "patch_size": 8,
        "use_swiglu_ffn": False,
    },
    "convnext": {
        "model_type": "convnext",
        "hidden_sizes": [48, 96, 192, 256],
        "depths": [1, 2, 2, 1],
        "num_stages": 4,
        "patch_size": 4,
        "image_size": SIDE,
        "hidden_act": "gelu",
        "drop_path_rate": 0.0,
    },
}
TOKEN_LENGTHS = {"siglip": 64, "clip": 16, "dinov2": 64, "convnext": 64}
"""Tokens of each tower; with 16 queries the windows are 2 x 2, 1 x 1, 2 x 2 and 2 x 2."""
QUERIES = 16
HIDDEN = 128
VISION_HIDDEN = 96


@dataclass(frozen=True)
class Variant:
    """What can differ between checkpoints of a sweep."""

    towers: tuple[str, ...] = tuple(TOWERS)
    samplers: int = 2
    """In-LLM samplers; 0 = only the connector."""


def config_json(vocabulary: int, variant: Variant) -> dict[str, Any]:
    """The flat `config.json` of a Cambrian-1 checkpoint."""
    return {
        "architectures": ["CambrianLlamaForCausalLM"],
        "model_type": "cambrian_llama",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "initializer_range": 0.02,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0,
        "rope_scaling": None,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "transformers_version": "4.37.0",
        "use_cache": True,
        "vocab_size": vocabulary,
        "connector_depth": 1,
        "connector_only": variant.samplers == 0,
        "image_aspect_ratio": "pad",
        "image_position": 1,
        "image_token_len": QUERIES,
        "mm_patch_merge_type": "flat",
        "mm_projector_type": "sva",
        "mm_use_im_patch_token": False,
        "mm_use_im_start_end": False,
        "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": -1,
        "mm_vision_tower_aux_list": [f"towers/{name}" for name in variant.towers],
        "mm_vision_tower_aux_token_len_list": [TOKEN_LENGTHS[name] for name in variant.towers],
        "num_of_vision_sampler_layers": variant.samplers,
        "num_query_group": 1,
        "query_num_list": [QUERIES],
        "start_of_vision_sampler_layers": 0,
        "stride_of_vision_sampler_layers": 1,
        "tokenizer_model_max_length": 2048,
        "tokenizer_padding_side": "right",
        "unfreeze_mm_vision_tower": True,
        "vision_hidden_size": VISION_HIDDEN,
    }


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON file; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_start(folder: Path, vocabulary: int, seed: int, variant: Variant) -> None:
    """A checkpoint with random weights in `folder`, which already has the tokenizer."""
    torch.manual_seed(seed)
    write_json(folder / "config.json", config_json(vocabulary, variant))
    write_json(
        folder / "generation_config.json",
        {"do_sample": False, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
    )
    for name in variant.towers:
        write_json(folder / "towers" / name / "config.json", TOWERS[name])
        write_json(
            folder / "towers" / name / "preprocessor_config.json", {"crop_size": {"height": SIDE, "width": SIDE}}
        )
    config = CambrianConfig.from_pretrained(folder)
    specs = resolve_towers(config.mm_vision_tower_aux_list or [], folder)
    for name, spec in zip(variant.towers, specs, strict=True):
        network = build_network(spec, config.mm_vision_select_layer)
        initialize(network)
        write_tower(folder, name, network, torch.float32)
    config.mm_vision_tower_aux_width_list = [spec.width for spec in specs]
    model = model_class(config)(config)
    initialize(model)
    write_language(folder, model, torch.float32)


def initialize(module: nn.Module) -> None:
    """Random weights whose outputs have about the size of their inputs: transformers' 0.02 is meant for wide layers and
    makes the outputs of narrow ones almost zero. What is added to a residual starts at half that size.
    """
    for name, parameter in module.named_parameters():
        if parameter.ndim < 2:
            if name.endswith(("layer_scale_parameter", "lambda1")):
                nn.init.constant_(parameter, 0.3)
            continue
        fan_in = parameter[0].numel()
        is_table = re.search(r"embed_tokens|lm_head|position_embedding|pos_embed|cls_token|mask_token", name)
        if is_table:
            nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5 if "token" in name or "head" in name else 0.1)
            continue
        gain = next((gain for pattern, gain in _GAINS if re.search(pattern, name)), 1.0)
        nn.init.trunc_normal_(parameter, std=gain / math.sqrt(fan_in))


_GAINS = (
    (r"cross_attn\.o_proj", 3.0),
    (r"proj_context", 0.3),
    (r"o_proj|out_proj|down_proj|linear_2|fc2|pwconv2|attention\.output", 0.5),
)
"""A sampler reads the mean of many cells, which is small: with a gain of 1 every visual token would start as a copy of
the image's context, and positions would be learned last.
"""


def load(folder: Path) -> Any:
    """The checkpoint with every weight trainable, the towers' included."""
    model = CambrianForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    model.requires_grad_(True)
    return model


def write_checkpoint(folder: Path, model: Any, dtype: torch.dtype) -> None:
    """Writes the weights; the json files are in `folder` already."""
    for tower in model.vision_towers:
        write_tower(folder, tower.spec.kind.name, tower.network, dtype)
    write_language(folder, model, dtype)


def write_language(folder: Path, model: nn.Module, dtype: torch.dtype) -> None:
    """Language model and connector under the names of the published files."""
    state = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("vision_towers.")}
    if getattr(model.config, "tie_word_embeddings", False):
        state.pop("lm_head.weight", None)
    _save(folder / "model.safetensors", state, dtype)


def write_tower(folder: Path, name: str, network: nn.Module, dtype: torch.dtype) -> None:
    """A tower under the names in transformers' files, whatever release is installed."""
    state = dict(network.state_dict())
    if name in ("siglip", "clip"):
        state = {f"vision_model.{key.removeprefix('vision_model.')}": tensor for key, tensor in state.items()}
    elif name == "dinov2":
        state = {_dinov2_name(key): tensor for key, tensor in state.items()}
    _save(folder / "towers" / name / "model.safetensors", state, dtype)


def _dinov2_name(key: str) -> str:
    """Undoes the renaming of newer releases: attention parts nested, layers under their old name."""
    key = key.replace("encoder.layers.", "encoder.layer.")
    key = re.sub(r"\.attention\.([qkv])_proj\.", lambda found: f".attention.attention.{_LONG[found[1]]}.", key)
    return key.replace(".attention.o_proj.", ".attention.output.dense.")


_LONG = {"q": "query", "k": "key", "v": "value"}


def _save(path: Path, state: Mapping[str, Tensor], dtype: torch.dtype) -> None:
    stored = {
        name: (tensor.detach().to(dtype) if tensor.is_floating_point() else tensor).clone().contiguous()
        for name, tensor in state.items()
        if not name.endswith("position_ids")
    }
    save_file(stored, path, metadata={"format": "pt"})
