"""What a checkpoint is, told from its configuration and file headers: the answer behind `cambrian-eval
inspect`.

Reads no weights and opens no socket, so it works for a checkpoint of any size and says what is still to be
fetched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cambrian_eval.errors import UserError

from . import prompts
from .checkpoint import load_config, locate, read_config
from .config import CambrianConfig
from .folders import cached_snapshot
from .geometry import valid_region
from .model import model_class
from .tensor_files import Stored, open_folder
from .tokens import load_tokenizer
from .tower_specs import TowerSpec, resolve_towers
from .towers import build_network

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Repository:
    """A hub repository that a model needs: the files to fetch, and of its weights the first name it has."""

    hub_id: str
    patterns: tuple[str, ...]
    weights: tuple[str, ...]
    present: bool


def describe_checkpoint(
    name: str | Path, image_size: tuple[int, int] = (640, 480), towers_root: str | Path | None = None
) -> dict[str, Any]:
    """Sizes, towers, samplers, template, visual tokens of an image of (width, height), memory, what is
    missing.
    """
    folder = locate(name)
    raw = read_config(folder)
    config = load_config(folder, name)
    root = None if towers_root is None else Path(towers_root)
    specs = resolve_towers(config.mm_vision_tower_aux_list or [], folder, root)
    config.mm_vision_tower_aux_width_list = [spec.width for spec in specs]
    config.check_vision()
    template, note = _template(name, folder, raw, config)
    missing = _missing_files(folder)
    counts = _parameters(config)
    towers = [
        _tower(spec, side * side, config.mm_vision_select_layer)
        for spec, side in zip(specs, config.tower_sides, strict=True)
    ]
    counts["towers"] = sum(tower["parameters"] for tower in towers)
    region = valid_region(image_size, config.grid_side)
    return {
        "name": str(name),
        "folder": str(folder),
        "model_type": config.model_type,
        "architecture": next(iter(config.architectures or []), model_class(config).__name__),
        "language_model": _language(config),
        "parameters": counts | {"total": sum(counts.values())},
        "stored_dtype": _stored_dtypes(folder) if not missing else None,
        "projector": config.mm_projector_type,
        "connector": _connector(config),
        "sampler_layers": list(config.sampler_layers),
        "image_position": config.image_position,
        "template": template,
        "template_note": note,
        "token_limit": config.token_limit,
        "towers": towers,
        "image": {
            "size": list(image_size),
            "grid": [region.height, region.width],
            "visual_tokens": region.tokens,
        },
        "memory_bytes": {dtype: sum(counts.values()) * width for dtype, width in _BYTES.items()},
        "missing": missing + [_absent(spec) for spec in specs if spec.folder is None],
        "fetch_command": f"cambrian-eval fetch --model {name}",
    }


def needed_repositories(name: str, towers_root: str | Path | None = None) -> tuple[Repository, ...]:
    """The hub repositories of a model: its own, and, once its config.json is here, those of its towers.

    For `fetch`: call it, fetch what is not present, and call it again until nothing is absent.
    """
    if Path(name).expanduser().is_dir():
        folder = Path(name).expanduser()
        found: tuple[Repository, ...] = ()
    else:
        cached = cached_snapshot(name, with_weights=False)
        own = ("*.json", "tokenizer.model")
        whole = cached is not None and not _missing_files(cached)
        found = (Repository(name, own, ("*.safetensors", "pytorch_model*.bin"), whole),)
        if cached is None:
            return found
        folder = cached
    entries = read_config(folder).get("mm_vision_tower_aux_list") or []
    specs = resolve_towers(entries, folder, None if towers_root is None else Path(towers_root))
    settings = ("config.json", "preprocessor_config.json", "open_clip_config.json")
    return found + tuple(
        Repository(spec.hub_ids[0], settings, _TOWER_FILES[spec.kind.name], spec.folder is not None)
        for spec in specs
        if spec.hub_ids
    )


_OPEN_CLIP = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_PLAIN = ("model.safetensors", "pytorch_model.bin")
_TOWER_FILES = {"siglip": _OPEN_CLIP, "convnext": _OPEN_CLIP, "clip": _PLAIN, "dinov2": _PLAIN}


def _language(config: CambrianConfig) -> dict[str, Any]:
    language = config.language_config()
    return {
        "base": config.language_type,
        "hidden_size": config.hidden_size,
        "layers": config.num_hidden_layers,
        "heads": config.num_attention_heads,
        "kv_heads": config.num_key_value_heads,
        "intermediate_size": language.intermediate_size,
        "vocabulary": config.vocab_size,
        "rope_theta": (language.rope_parameters or {}).get("rope_theta"),
    }


def _connector(config: CambrianConfig) -> dict[str, Any]:
    if not config.uses_aggregator:
        return {"image_token_len": config.image_token_len}
    return {
        "image_token_len": config.image_token_len,
        "width": config.vision_hidden_size,
        "depth": config.connector_depth,
        "query_groups": list(config.query_numbers),
        "windows": [list(config.window_sides(side)) for side in config.query_sides],
    }


def _parameters(config: CambrianConfig) -> dict[str, int]:
    """Parameters by part, counted on the network without storage."""
    with torch.device("meta"):
        empty = model_class(config)(config)
    counts = {"language": 0, "connector": 0, "samplers": 0}
    marks = ("mm_projector", "vision_sampler", "vision_query", "image_newline")
    for name, parameter in empty.named_parameters():
        part = "samplers" if name.startswith("model.vision_sampler_layers.") else "language"
        if part == "language" and name.removeprefix("model.").startswith(marks):
            part = "connector"
        counts[part] += parameter.numel()
    return counts


def _tower(spec: TowerSpec, tokens: int, select_layer: int) -> dict[str, Any]:
    with torch.device("meta"):
        network = build_network(spec, select_layer)
    return {
        "entry": spec.entry,
        "kind": spec.kind.name,
        "weights": None if spec.folder is None else str(spec.folder),
        "hub_ids": list(spec.hub_ids),
        "input_side": spec.side,
        "tokens": tokens,
        "width": spec.width,
        "multi_stage": spec.multi_stage,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }


def _template(name: str | Path, folder: Path, raw: Mapping[str, Any], config: CambrianConfig) -> tuple[str, str | None]:
    note = None
    try:
        vocabulary: Mapping[str, int] = load_tokenizer(folder).get_vocab()
    except UserError as error:
        vocabulary, note = {}, str(error)
    own = [str(name), str(folder.resolve())]
    base = str(raw.get("_name_or_path") or "")
    phi3 = config.language_type == "phi3"
    return prompts.choose_template(own, base, phi3, vocabulary, config.image_position).name, note


def _missing_files(folder: Path) -> list[str]:
    try:
        open_folder(folder, "a Cambrian-1 checkpoint")
    except UserError as error:
        return [str(error)]
    return []


def _stored_dtypes(folder: Path) -> list[str]:
    stored: Stored = open_folder(folder, "a Cambrian-1 checkpoint")
    found: Sequence[str] = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in stored.values()})
    return list(found)


def _absent(spec: TowerSpec) -> str:
    return f"vision tower {spec.entry}: {spec.hub_ids[0]} is not in the cache"
