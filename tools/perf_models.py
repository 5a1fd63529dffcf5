"""Cambrian networks with random weights for measuring speed: the full-size 8B, and two in its proportions.

`mid` has about 64 million parameters, distributed over towers, connector and language model as in the 8B, with its
input sizes, grids and windows; `tiny` is for quick tries. Made in memory, on the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from cambrian_eval.models.cambrian import CambrianConfig, CambrianProcessor
from cambrian_eval.models.cambrian.model import model_class
from cambrian_eval.models.cambrian.prompts import template
from cambrian_eval.models.cambrian.towers.kind import TowerSpec
from cambrian_eval.models.cambrian.towers.network import Tower, build_network
from cambrian_eval.models.cambrian.towers.specs import resolve_towers

MID_TOWERS: Mapping[str, Mapping[str, Any]] = {
    "siglip": {"hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 5, "num_attention_heads": 4},
    "clip": {"hidden_size": 160, "intermediate_size": 640, "num_hidden_layers": 6, "num_attention_heads": 4},
    "dinov2": {"hidden_size": 256, "num_hidden_layers": 8, "num_attention_heads": 4},
    "convnext": {"hidden_sizes": [32, 64, 128, 256], "depths": [2, 3, 20, 2]},
}
MID = {
    "hidden_size": 512,
    "intermediate_size": 1792,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "vocab_size": 5600,
    "vision_hidden_size": 128,
    "num_of_vision_sampler_layers": 4,
}
TINY_TOWERS: Mapping[str, Mapping[str, Any]] = {
    "siglip": {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4},
    "clip": {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4},
    "dinov2": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
    "convnext": {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1]},
}
TINY_SIDES = {"siglip": 70, "clip": 56, "dinov2": 70, "convnext": 64}
TINY = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 5600,
    "vision_hidden_size": 32,
    "num_of_vision_sampler_layers": 2,
    "image_token_len": 16,
    "mm_vision_tower_aux_token_len_list": [16, 16, 16, 64],
}
FULL_8B = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "vision_hidden_size": 1024,
    "num_of_vision_sampler_layers": 10,
}
COMMON = {
    "mm_vision_tower_aux_list": [
        "siglip/CLIP-ViT-SO400M-14-384",
        "openai/clip-vit-large-patch14-336",
        "facebook/dinov2-giant-res378",
        "clip-convnext-XXL-multi-stage",
    ],
    "mm_vision_tower_aux_token_len_list": [576, 576, 576, 9216],
    "image_token_len": 576,
    "connector_depth": 3,
    "stride_of_vision_sampler_layers": 3,
    "tokenizer_model_max_length": 2048,
    "tokenizer_padding_side": "right",
    "rope_theta": 500000.0,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 8192,
    "bos_token_id": 0,
    "eos_token_id": 1,
}


SIZES: Mapping[str, Mapping[str, Any]] = {"tiny": TINY, "mid": MID, "8b": FULL_8B}


def build(size: str, dtype: torch.dtype, device: torch.device, attention: str) -> tuple[Any, CambrianProcessor]:
    """A model with random weights made on the device, and a processor with a word-by-word tokenizer."""
    torch.manual_seed(0)
    config = CambrianConfig(**COMMON | SIZES[size])
    config._attn_implementation = attention
    specs = resolve_towers(config.mm_vision_tower_aux_list or [], None)
    specs = tuple(_sized(spec, size) for spec in specs)
    config.mm_vision_tower_aux_width_list = [spec.width for spec in specs]
    tokenizer = word_tokenizer(config.vocab_size)
    processor = CambrianProcessor(tokenizer, specs, config, template("llama_3"))
    config.image_position = processor.token_ids(prompt_of(processor, "", True)).index(-200)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = model_class(config)(config)
            for spec, side in zip(specs, config.tower_sides, strict=True):
                model.vision_towers.append(_tower(spec, side, config.mm_vision_select_layer))
    finally:
        torch.set_default_dtype(before)
    # Without stop ids every response has the length that the workload states.
    model.generation_config.eos_token_id = None
    return model.requires_grad_(False).eval(), processor


def _sized(spec: TowerSpec, size: str) -> TowerSpec:
    if size == "8b":
        return spec
    towers = MID_TOWERS if size == "mid" else TINY_TOWERS
    side = spec.side if size == "mid" else TINY_SIDES[spec.kind.name]
    return replace(spec, side=side, settings={**spec.settings, **towers[spec.kind.name]})


def _tower(spec: TowerSpec, side: int, select_layer: int) -> Tower:
    network = build_network(spec, select_layer)
    for name, parameter in network.named_parameters():
        if name.endswith(("layer_scale_parameter", "lambda1")):
            torch.nn.init.constant_(parameter, 0.1)  # their initial values nearly switch their blocks off
    return Tower(network.requires_grad_(False), spec, side).eval()


def word_tokenizer(size: int) -> Any:
    """One id per word or punctuation mark, about as many as the real tokenizer gives for short English questions."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    known = [*special, "<unk>", *(f"w{number}" for number in range(min(size, 5000) - 6))]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(known)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\w+|[^\w ]"), "removed", invert=True)
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in special])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=special[0], eos_token=special[1])


def prompt_of(processor: CambrianProcessor, text: str, shown: bool) -> str:
    """The text of a question in the checkpoint's template, with the image's placeholder where an image is shown."""
    content = ([{"type": "image"}] if shown else []) + [{"type": "text", "text": text}]
    return str(processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True))
