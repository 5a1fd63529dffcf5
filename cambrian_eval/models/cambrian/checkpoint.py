"""A Cambrian-1 checkpoint on disk: where it is, what is in it, and whether it fits the network.

Finds the folder of a path or hub id without opening a socket, says what a folder is when it is not a Cambrian
checkpoint, and compares the tensors' names and shapes with what the configuration calls for before any is
read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from cambrian_eval.errors import UserError

from .config import CambrianConfig, refuse_foreign
from .folders import cached_snapshot, read_json
from .tensor_files import WEIGHT_FILES, Stored, open_folder

_IGNORED = ("rotary_emb.inv_freq",)
_VOCABULARY = ("model.embed_tokens.weight", "lm_head.weight")


def locate(name: str | Path) -> Path:
    """The folder of a checkpoint: a local path, else the hub cache's copy."""
    path = Path(name).expanduser()
    if path.is_dir():
        _require_checkpoint(path)
        return path
    if path.exists():
        raise UserError(f"{path} is a file; give the folder of the checkpoint that holds config.json")
    cached = cached_snapshot(str(name), with_weights=False)
    if cached is None:
        raise UserError(
            f"{name} is neither a folder nor a model in the hub cache; fetch it with "
            f"`cambrian-eval fetch --model {name}`"
        )
    return cached


def _require_checkpoint(folder: Path) -> None:
    """Refuses a LoRA adapter alone and a folder without config.json."""
    whole = any((folder / name).is_file() for name in WEIGHT_FILES)
    if (folder / "adapter_config.json").is_file() and not whole:
        raise UserError(
            f"{folder} is a LoRA adapter (adapter_config.json), not a checkpoint; merge it into its base model first"
        )
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} has no config.json; give the folder of a Cambrian-1 checkpoint")


def read_config(folder: Path) -> dict[str, Any]:
    """The raw `config.json`."""
    return read_json(folder / "config.json")


def load_config(folder: Path, name: str | Path) -> CambrianConfig:
    """The configuration, by the class of its base model; `name` is what the user called the checkpoint."""
    raw = read_config(folder)
    refuse_foreign(raw, str(folder))
    config: CambrianConfig = CambrianConfig.from_dict(raw, name_or_path=str(name))
    return config


def open_weights(folder: Path) -> Stored:
    """All tensors of the checkpoint by name, none read yet."""
    stored = open_folder(folder, "a Cambrian-1 checkpoint")
    if any(".lora_A." in name or ".lora_B." in name for name in stored):
        raise UserError(f"{folder} holds LoRA weights, not a whole checkpoint; merge them into the base model first")
    return {name: tensor for name, tensor in stored.items() if not name.endswith(_IGNORED)}


def trim_vocabulary(stored: Stored, size: int) -> Stored:
    """Keep the first `size` rows of embedding and head, as the authors' loader does for the tokenizer's
    length.
    """
    trimmed = dict(stored)
    for name in _VOCABULARY:
        if name in stored and stored[name].shape[0] > size:
            trimmed[name] = stored[name].rows(0, size)
    return trimmed


def check_shapes(stored: Stored, expected: Mapping[str, torch.Size], folder: Path) -> None:
    """Name every kind of disagreement by its first tensor, with the shape the configuration calls for."""
    for name, shape in expected.items():
        if name in stored and tuple(shape) != stored[name].shape:
            raise UserError(
                f"{stored[name].origin}: tensor {name} has shape {list(stored[name].shape)}, "
                f"expected {list(shape)} by config.json and its towers"
            )
    missing = [name for name in expected if name not in stored]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(
            f"{folder}: tensor {missing[0]} of shape {list(expected[missing[0]])} is missing{more}; "
            "the checkpoint is incomplete or config.json describes another one"
        )
    unexpected = [name for name in stored if name not in expected]
    if unexpected:
        more = f" and {len(unexpected) - 1} more" if len(unexpected) > 1 else ""
        first = unexpected[0]
        raise UserError(
            f"{stored[first].origin}: tensor {first} of shape {list(stored[first].shape)} is "
            f"unexpected{more}; "
            "config.json describes a network without it"
        )


def settle_dtype(dtype: Any, stated: Any, stored: Stored) -> torch.dtype:
    """The dtype to load in: the one asked for, else the one config.json states, else the one on disk."""
    if dtype in (None, "auto"):
        dtype = stated
    if dtype is None:
        return next((tensor.dtype for tensor in stored.values() if tensor.is_floating_point()), torch.float32)
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise UserError(f"--dtype {dtype!r} is no floating point type; use float32, bfloat16, float16 or auto")
    return found
