"""A Cambrian-1 checkpoint on disk: where it is, what is in it, and whether it fits the network.

Finds the folder of a path or Hub id without opening a connection, says what a folder is when it is not a Cambrian
checkpoint, and compares the tensors' names and shapes with the configuration before any tensor is read.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cambrian_eval.errors import UserError

from ..checkpoint_files import check_folder, read_json
from ..tensor_files import WEIGHT_FILES, Stored, StoredTensor, open_folder
from ..weights_check import ALLOW, Allowed
from . import prompts
from .config import CambrianConfig, refuse_foreign
from .folders import cached_snapshot

_IGNORED = ("rotary_emb.inv_freq",)
_VOCABULARY = ("model.embed_tokens.weight", "lm_head.weight")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's folder and the content of its config.json, which is read once."""

    name: str
    """What the user called it: a path or a Hub id."""
    folder: Path
    raw: Mapping[str, Any]
    """The content of config.json."""

    @classmethod
    def open(cls, name: str | Path | Checkpoint) -> Checkpoint:
        """The checkpoint of a local path, else of the Hub cache; one that is open already is returned as it is."""
        if isinstance(name, Checkpoint):
            return name
        folder = _folder(name)
        check_folder(folder)
        return cls(str(name), folder, read_json(folder / "config.json"))

    def config(self) -> CambrianConfig:
        """A new configuration, by the class of the base model."""
        refuse_foreign(self.raw, str(self.folder))
        config: CambrianConfig = CambrianConfig.from_dict(copy.deepcopy(dict(self.raw)), name_or_path=self.name)
        return config

    def template(self, config: CambrianConfig, vocabulary: Collection[str]) -> prompts.Template:
        """The conversation template that the checkpoint was trained with."""
        return prompts.choose_template(
            [self.name, str(self.folder.resolve())],
            str(self.raw.get("_name_or_path") or ""),
            config.language_type == "phi3",
            vocabulary,
            config.image_position,
        )


def _folder(name: str | Path) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        _require_checkpoint(path)
        return path
    if path.exists():
        raise UserError(f"{path} is a file; give the folder of the checkpoint, the one with config.json")
    cached = cached_snapshot(str(name), with_weights=False)
    if cached is None:
        raise UserError(
            f"{name} is neither a folder nor a model in the Hub cache; download it with "
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


def open_weights(folder: Path, *, allow_pickle: bool = True) -> Stored:
    """All tensors of the checkpoint by name, none read yet."""
    stored = open_folder(folder, "a Cambrian-1 checkpoint", allow_pickle=allow_pickle)
    if any(".lora_A." in name or ".lora_B." in name for name in stored):
        raise UserError(f"{folder} has LoRA weights, not a whole checkpoint; merge them into the base model first")
    return {name: tensor for name, tensor in stored.items() if not name.endswith(_IGNORED)}


def trim_vocabulary(stored: Stored, size: int) -> Stored:
    """Keep the first `size` rows of embedding and head, as the authors' loader does with the tokenizer's length."""
    trimmed = dict(stored)
    for name in _VOCABULARY:
        if name in stored and stored[name].shape[0] > size:
            trimmed[name] = stored[name].rows(0, size)
    return trimmed


def check_shapes(stored: Stored, expected: Mapping[str, torch.Size], folder: Path, allowed: Allowed) -> None:
    """Raise an error that names the first tensor that does not fit, with the shape that the configuration needs.

    Tensors that are `allowed` may be missing or unexpected.
    """
    for name, shape in expected.items():
        if name in stored and tuple(shape) != stored[name].shape:
            raise UserError(
                f"{stored[name].origin}: tensor {name} has shape {list(stored[name].shape)}, "
                f"expected {list(shape)} by config.json and its towers"
            )
    missing = [name for name in expected if name not in stored and name not in allowed]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(
            f"{folder}: tensor {missing[0]} of shape {list(expected[missing[0]])} is missing{more}; "
            f"the checkpoint is incomplete or config.json describes another one; {ALLOW}"
        )
    unexpected = [name for name in stored if name not in expected and name not in allowed]
    if unexpected:
        more = f" and {len(unexpected) - 1} more" if len(unexpected) > 1 else ""
        first = unexpected[0]
        raise UserError(
            f"{stored[first].origin}: tensor {first} of shape {list(stored[first].shape)} is unexpected{more}; "
            f"config.json describes a network without it; {ALLOW}"
        )


def initial_tensor(name: str, shape: Sequence[int], dtype: torch.dtype) -> StoredTensor:
    """In place of a tensor that may be missing: a fresh network's values, the same at every start."""

    def read(wanted: torch.dtype) -> torch.Tensor:
        if len(shape) < 2:
            return torch.full(tuple(shape), 1.0 if name.endswith("weight") else 0.0, dtype=wanted)
        random = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        return (torch.randn(tuple(shape), generator=random) * 0.02).to(wanted)

    return StoredTensor(tuple(shape), dtype, read, Path())


def chosen_dtype(dtype: Any, stated: Any, stored: Stored) -> torch.dtype:
    """The dtype to load in: the requested one, else the one in config.json, else the one on disk."""
    if dtype in (None, "auto"):
        dtype = stated
    if dtype is None:
        return next((tensor.dtype for tensor in stored.values() if tensor.is_floating_point()), torch.float32)
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise UserError(f"dtype {dtype!r} is not a floating point type; use float32, bfloat16, float16 or auto")
    return found
