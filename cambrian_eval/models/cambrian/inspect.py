"""What a checkpoint is, from its configuration and file headers: the facts that `cambrian-eval inspect` prints.

Reads no weights and opens no connection, so it works for a checkpoint of any size and lists what is still to be
downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cambrian_eval.errors import UserError

from ..checkpoint_files import read_json
from ..tensor_files import Stored, open_folder
from .checkpoint import Checkpoint
from .config import CambrianConfig
from .folders import cached_snapshot
from .geometry import valid_region
from .model import model_class
from .tokens import load_tokenizer
from .towers.kind import TowerSpec
from .towers.network import build_network
from .towers.specs import resolve_towers

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Repository:
    """A Hub repository that a model needs: the files to download, and of the weight files the first that exists."""

    hub_id: str
    patterns: tuple[str, ...]
    weights: tuple[str, ...]
    present: bool


def describe_checkpoint(
    name: str | Path,
    image_sizes: Sequence[tuple[int, int]] = ((640, 480),),
    towers_root: str | Path | None = None,
) -> dict[str, Any]:
    """Sizes, towers, samplers, template, memory, what is missing, and visual tokens of images of (width, height)."""
    checkpoint = Checkpoint.open(name)
    folder, config = checkpoint.folder, checkpoint.config()
    root = None if towers_root is None else Path(towers_root)
    specs = resolve_towers(config.mm_vision_tower_aux_list or [], folder, root)
    config.mm_vision_tower_aux_width_list = [spec.width for spec in specs]
    config.check_vision()
    template, note = _template(checkpoint, config)
    missing = _missing_files(folder)
    counts = count_parameters(config)
    towers = [
        _tower(spec, side * side, config.mm_vision_select_layer)
        for spec, side in zip(specs, config.tower_sides, strict=True)
    ]
    counts["towers"] = sum(tower["parameters"] for tower in towers)
    images = [_image(size, config.grid_side) for size in image_sizes]
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
        "image": images[0],
        "images": images,
        "memory_bytes": {dtype: sum(counts.values()) * width for dtype, width in _BYTES.items()},
        "missing": missing + [_absent(spec) for spec in specs if spec.folder is None],
        "fetch_command": f"cambrian-eval fetch --model {name}",
    }


def needed_repositories(name: str, towers_root: str | Path | None = None) -> tuple[Repository, ...]:
    """The Hub repositories of a model: its own, and, once its config.json is in the cache, those of its towers.

    For `fetch`: call it, download what is not present, and call it again until everything is.
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
    entries = read_json(folder / "config.json").get("mm_vision_tower_aux_list") or []
    specs = resolve_towers(entries, folder, None if towers_root is None else Path(towers_root))
    settings = ("config.json", "preprocessor_config.json", "open_clip_config.json")
    return found + tuple(
        Repository(spec.hub_ids[0], settings, spec.kind.weight_files, spec.folder is not None)
        for spec in specs
        if spec.hub_ids
    )


def _image(size: tuple[int, int], side: int) -> dict[str, Any]:
    region = valid_region(size, side)
    return {"size": list(size), "grid": [region.height, region.width], "visual_tokens": region.tokens}


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


def count_parameters(config: CambrianConfig) -> dict[str, int]:
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


def _template(checkpoint: Checkpoint, config: CambrianConfig) -> tuple[str, str | None]:
    note = None
    try:
        vocabulary: Mapping[str, int] = load_tokenizer(checkpoint.folder).get_vocab()
    except UserError as error:
        vocabulary, note = {}, str(error)
    return checkpoint.template(config, vocabulary).name, note


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
