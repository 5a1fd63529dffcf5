"""Makes a small Cambrian-1 checkpoint with random weights, in the layout of the published ones.

    python tools/make_tiny_checkpoint.py OUT --kind sva --towers transformers

writes OUT/checkpoint (config.json, sharded safetensors, tokenizer) and its four vision towers as folders
beside it, named in `mm_vision_tower_aux_list`. For tests, for authors of adapters, and wherever an untrained model is
enough: every code path of the real checkpoints runs, in about a second.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cambrian_eval.models.cambrian import prompts
from cambrian_eval.models.cambrian.config import IMAGE_TOKEN_ID, CambrianConfig
from cambrian_eval.models.cambrian.model import model_class
from cambrian_eval.models.cambrian.tokens import load_tokenizer, prompt_ids
from cambrian_eval.models.cambrian.towers.network import build_network
from cambrian_eval.models.cambrian.towers.specs import resolve_towers


@dataclass(frozen=True)
class Kind:
    """One shape of checkpoint: its base, its grids, its connector."""

    base: str = "llama"
    lengths: tuple[int, ...] = (16, 16, 16, 64)
    queries: tuple[int, ...] = (16,)
    projector: str = "sva"
    samplers: int = 2
    stride: int = 2
    extra: Mapping[str, Any] = field(default_factory=dict)


KINDS = {
    "sva": Kind(),
    "sva36": Kind(lengths=(36, 36, 36, 576), queries=(36,)),
    "groups": Kind(queries=(16, 4)),
    "connector_only": Kind(samplers=0),
    "mlp": Kind(lengths=(16, 16, 16, 16), projector="mlp2x_gelu", samplers=0),
    "linear": Kind(lengths=(16, 16, 16, 16), projector="linear", samplers=0),
    "phi3": Kind(base="phi3"),
}

_TOWERS: Mapping[str, Mapping[str, Any]] = {
    "siglip": {
        "model_type": "siglip_vision_model",
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 72,
        "patch_size": 14,
        "hidden_act": "gelu_pytorch_tanh",
    },
    "clip": {
        "model_type": "clip_vision_model",
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "image_size": 56,
        "patch_size": 14,
        "hidden_act": "quick_gelu",
    },
    "dinov2": {
        "model_type": "dinov2",
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "mlp_ratio": 4,
        "image_size": 84,
        "patch_size": 14,
        "use_swiglu_ffn": True,
    },
    "convnext": {
        "model_type": "convnext",
        "hidden_sizes": [8, 16, 24, 32],
        "depths": [1, 1, 2, 1],
        "num_stages": 4,
        "patch_size": 4,
        "image_size": 64,
        "hidden_act": "gelu",
        "drop_path_rate": 0.1,
    },
}
_SIDES = {"siglip": 72, "clip": 56, "dinov2": 70, "convnext": 64}
_ORDER = ("siglip", "clip", "dinov2", "convnext")

_SPECIAL = {
    "llama_3": [
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eot_id|>",
    ],
    "vicuna_v1": ["<s>", "</s>", "<unk>"],
    "chatml_direct": ["<|startoftext|>", "<|im_end|>", "<|im_start|>"],
    "phi3": ["<s>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|endoftext|>"],
}


def make_checkpoint(
    out: Path,
    kind: str = "sva",
    *,
    towers: str = "transformers",
    template: str | None = None,
    seed: int = 0,
    shard_size: str = "100KB",
    overrides: Mapping[str, Any] | None = None,
    hidden_size: int = 64,
) -> Path:
    """Write a checkpoint and its towers under `out`; return the checkpoint's folder.

    `towers` is the layout of the SigLIP and ConvNeXt weights: transformers, or open_clip (which the released
    ones have). `overrides` replaces keys of config.json, before the network is built.
    """
    shape = KINDS[kind]
    template = template or ("phi3" if shape.base == "phi3" else "llama_3")
    generator = torch.Generator().manual_seed(seed)
    folder = out / "checkpoint"
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = write_tokenizer(folder, template)
    raw = _config(shape, image_position(folder, template), vocabulary, hidden_size) | dict(overrides or {})
    write_json(folder / "config.json", raw)
    stops = {"llama_3": [1, 4], "vicuna_v1": 1, "chatml_direct": 1, "phi3": 1}[template]
    write_json(folder / "generation_config.json", {"do_sample": True, "bos_token_id": 0, "eos_token_id": stops})
    for name in _ORDER:
        write_tower(out / name, name, towers, generator)
    write_weights(folder, generator, shard_size)
    return folder


def image_position(folder: Path, template: str) -> int:
    """Where the template puts the image; training writes it into config.json as `image_position`."""
    text = prompts.template(template).render([("user", prompts.IMAGE_MARK)], add_generation_prompt=True)
    return prompt_ids(text, load_tokenizer(folder)).index(IMAGE_TOKEN_ID)


def _config(shape: Kind, position: int, vocabulary: int, hidden_size: int) -> dict[str, Any]:
    phi3 = shape.base == "phi3"
    return {
        "architectures": ["CambrianPhi3ForCausalLM" if phi3 else "CambrianLlamaForCausalLM"],
        "model_type": "cambrian_phi3" if phi3 else "cambrian_llama",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
        "hidden_act": "silu",
        "hidden_size": hidden_size,
        "intermediate_size": 2 * hidden_size,
        "initializer_range": 0.02,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 4 if phi3 else 2,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0,
        "rope_scaling": None,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "transformers_version": "4.37.0",
        "use_cache": True,
        "vocab_size": vocabulary + (5 if phi3 else 0),
        "connector_depth": 2,
        "connector_only": shape.samplers == 0,
        "image_aspect_ratio": "pad",
        "image_position": position,
        "image_token_len": shape.queries[0],
        "mm_patch_merge_type": "flat",
        "mm_projector_type": shape.projector,
        "mm_use_im_patch_token": False,
        "mm_use_im_start_end": False,
        "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": -2,
        "mm_vision_tower_aux_list": [f"../{name}" for name in _ORDER],
        "mm_vision_tower_aux_token_len_list": list(shape.lengths),
        "num_of_vision_sampler_layers": shape.samplers,
        "num_query_group": len(shape.queries),
        "query_num_list": list(shape.queries),
        "start_of_vision_sampler_layers": 0,
        "stride_of_vision_sampler_layers": shape.stride,
        "tokenizer_model_max_length": 2048,
        "tokenizer_padding_side": "right",
        "unfreeze_mm_vision_tower": False,
        "vision_hidden_size": 32,
        "vision_tower_aux_token_len_list": list(shape.lengths),
        **shape.extra,
    }


def write_tokenizer(folder: Path, template: str) -> int:
    """A byte-level tokenizer with the template's special tokens first; returns its length. Adds no BOS."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    special = _SPECIAL[template]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*special, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": special[0],
            "eos_token": special[1],
            "pad_token": special[1],
            "model_max_length": 2048,
            "padding_side": "right",
            "clean_up_tokenization_spaces": False,
        },
    )
    return len(vocabulary)


def write_tower(folder: Path, name: str, layout: str, generator: torch.Generator) -> None:
    """A random tower's folder: config, preprocessor, weights in transformers' or open_clip's names."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", dict(_TOWERS[name]))
    side = _SIDES[name]
    write_json(folder / "preprocessor_config.json", {"crop_size": {"height": side, "width": side}})
    state = {key: tensor.contiguous() for key, tensor in tower_state(folder, name, generator).items()}
    if layout == "open_clip" and name in ("siglip", "convnext"):
        state = {"visual.trunk." + key: tensor for key, tensor in _TO_TIMM[name](state).items()}
        state["logit_scale"] = torch.zeros(())
        torch.save(state, folder / "open_clip_pytorch_model.bin")
    else:
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def tower_state(folder: Path, name: str, generator: torch.Generator) -> dict[str, Tensor]:
    """Random weights of a tower under the names in transformers' files, whatever release is installed."""
    (spec,) = resolve_towers([str(folder.resolve())], None)
    network = build_network(spec, -1)
    randomize(network, generator)
    state = dict(network.state_dict())
    if name in ("siglip", "clip"):
        return {f"vision_model.{key.removeprefix('vision_model.')}": tensor for key, tensor in state.items()}
    if name == "dinov2":
        side = int(_TOWERS[name]["image_size"]) // int(_TOWERS[name]["patch_size"])
        shape = (1, 1 + side * side, int(_TOWERS[name]["hidden_size"]))
        state["embeddings.position_embeddings"] = torch.randn(shape, generator=generator) * 0.2
        return _dinov2_disk_names(state)
    return state


def _dinov2_disk_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undoes the renaming of newer releases: attention parts nested, gate and up projection of the MLP as one."""
    attention = {"q_proj": "attention.query", "k_proj": "attention.key", "v_proj": "attention.value"}
    disk: dict[str, Tensor] = {}
    for key, tensor in state.items():
        key = key.replace("encoder.layers.", "encoder.layer.")
        if match := re.fullmatch(r"(.*\.attention)\.([qkv]_proj)\.(weight|bias)", key):
            disk[f"{match[1]}.{attention[match[2]]}.{match[3]}"] = tensor
        elif match := re.fullmatch(r"(.*\.attention)\.o_proj\.(weight|bias)", key):
            disk[f"{match[1]}.output.dense.{match[2]}"] = tensor
        elif match := re.fullmatch(r"(.*\.mlp)\.gate_proj\.(weight|bias)", key):
            up = state[f"{match[1]}.up_proj.{match[2]}"]
            disk[f"{match[1]}.weights_in.{match[2]}"] = torch.cat([tensor, up])
        elif match := re.fullmatch(r"(.*\.mlp)\.down_proj\.(weight|bias)", key):
            disk[f"{match[1]}.weights_out.{match[2]}"] = tensor
        elif ".mlp.up_proj." not in key:
            disk[key] = tensor
    return disk


def siglip_to_timm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A SigLIP vision model's tensors under timm's names."""
    timm: dict[str, Tensor] = {}
    for key, tensor in state.items():
        name = key.removeprefix("vision_model.")
        name = name.replace("embeddings.patch_embedding", "patch_embed.proj").replace("post_layernorm", "norm")
        name = name.replace("encoder.layers", "blocks").replace("layer_norm", "norm")
        name = name.replace("self_attn.out_proj", "attn.proj")
        if name == "embeddings.position_embedding.weight":
            timm["pos_embed"] = tensor[None]
        elif match := re.fullmatch(r"(blocks\.\d+)\.self_attn\.q_proj\.(weight|bias)", name):
            parts = [state[key.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")]
            timm[f"{match[1]}.attn.qkv.{match[2]}"] = torch.cat(parts)
        elif "self_attn." not in name:
            timm[name] = tensor
    return timm


def convnext_to_timm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A ConvNeXt model's tensors under timm's names."""
    pairs = (
        ("embeddings.patch_embeddings.", "stem.0."),
        ("embeddings.layernorm.", "stem.1."),
        ("encoder.stages.", "stages."),
        (".downsampling_layer.", ".downsample."),
        (".layers.", ".blocks."),
        (".dwconv.", ".conv_dw."),
        (".layernorm.", ".norm."),
        (".pwconv1.", ".mlp.fc1."),
        (".pwconv2.", ".mlp.fc2."),
        (".layer_scale_parameter", ".gamma"),
    )
    timm: dict[str, Tensor] = {}
    for key, tensor in state.items():
        for old, new in pairs:
            key = key.replace(old, new)
        timm["head.norm." + key.split(".")[1] if key.startswith("layernorm.") else key] = tensor
    return timm


_TO_TIMM: Mapping[str, Callable[[Mapping[str, Tensor]], dict[str, Tensor]]] = {
    "siglip": siglip_to_timm,
    "convnext": convnext_to_timm,
}


def write_weights(folder: Path, generator: torch.Generator, shard_size: str) -> None:
    """The language model and connector with random weights, in shards."""
    config = CambrianConfig.from_pretrained(folder)
    config.mm_vision_tower_aux_width_list = [
        spec.width for spec in resolve_towers(config.mm_vision_tower_aux_list or [], folder)
    ]
    written = {name: (folder / name).read_bytes() for name in ("config.json", "generation_config.json")}
    model = model_class(config)(config)
    randomize(model, generator)
    model.save_pretrained(folder, max_shard_size=shard_size)
    # Saving writes these two in the current form; the published files have the older one.
    for name, content in written.items():
        (folder / name).write_bytes(content)


def randomize(module: nn.Module, generator: torch.Generator) -> None:
    """Weights large enough that every part of the network changes the result, biases and norms included."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm = parameter.ndim == 1 and name.endswith("weight")
            is_scale = name.endswith(("lambda1", "layer_scale_parameter", "gamma"))
            if is_norm or is_scale:
                parameter.copy_(1 + 0.1 * noise)
            elif parameter.ndim == 1:
                parameter.copy_(0.1 * noise)
            else:
                fan_in = parameter[0].numel()
                parameter.copy_(noise * max(fan_in, 4) ** -0.5)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Indented by two spaces and with a final newline, as the published files are."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Makes one checkpoint and prints how to inspect it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument("--kind", choices=sorted(KINDS), default="sva")
    parser.add_argument("--towers", choices=("transformers", "open_clip"), default="transformers")
    parser.add_argument("--template", choices=sorted(_SPECIAL))
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    folder = make_checkpoint(chosen.out, chosen.kind, towers=chosen.towers, template=chosen.template, seed=chosen.seed)
    print(f"wrote {folder}; try: cambrian-eval inspect {folder}")


if __name__ == "__main__":
    main()
