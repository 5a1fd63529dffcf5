"""Towers as networks: transformers' own classes, loaded from a folder and read as tokens.

A `Tower` turns a batch of pixels into row-major tokens [P, tokens, width], resampled to the count that the checkpoint
asks for. Towers are frozen feature extractors: they stay in evaluation mode even after `train()`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers.core_model_loading import revert_weight_conversion
from transformers.utils import logging as transformers_logging

from cambrian_eval.errors import UserError

from ...tensor_files import Stored, open_folder
from ...weights_check import ALLOW, Allowed, check_types, seeded
from . import timm
from .kind import TowerKind, TowerSpec
from .specs import TRUNK_TENSORS


class Tower(nn.Module):
    """A frozen vision network and how its features are read."""

    def __init__(self, network: nn.Module, spec: TowerSpec, side: int) -> None:
        super().__init__()
        self.network = network
        self.spec = spec
        self.side = side

    def train(self, mode: bool = True) -> Tower:
        """Stays in evaluation mode; `mode` is ignored."""
        super().train(False)
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels [P, 3, s, s] to tokens [P, side * side, width], row-major."""
        weight = next(self.network.parameters())
        return self.spec.kind.tokens(self.network, pixels.to(weight.device, weight.dtype), self.spec, self.side)


def load_tower(
    spec: TowerSpec,
    side: int,
    select_layer: int,
    dtype: torch.dtype,
    device: Any,
    *,
    attention: str | None = None,
    allow_pickle: bool = True,
    allowed: Allowed | None = None,
) -> Tower:
    """Read a tower's weights straight into `dtype` on `device`. `side` is the side of its token grid."""
    allowed = allowed or Allowed(None)
    if spec.folder is None:
        raise UserError(f"the weights of the vision tower {spec.entry} were not found")
    kind = spec.kind
    config = kind.network_config(spec, select_layer)
    read = kind.fit(read_tower(spec.folder, kind, allow_pickle=allow_pickle), spec, config)
    check_types(read)
    _check_size(spec, select_layer, read)
    stored = {name: tensor.cast(dtype) for name, tensor in read.items()}
    chosen = {"attn_implementation": attention} if attention is not None and kind.has_attention else {}
    with _without_transformers_report(), seeded():
        network, info = kind.classes[0].from_pretrained(
            None,
            config=config,
            state_dict=stored,
            dtype=dtype,
            device_map={"": device},
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **chosen,
        )
    _check(info, network, spec, stored, allowed)
    kind.adjust(network)
    network.requires_grad_(False)
    return Tower(network, spec, side).eval()


def _check_size(spec: TowerSpec, select_layer: int, stored: Stored) -> None:
    """Refuses the configuration of a much larger tower than the one in the files, before memory is taken for it."""
    with torch.device("meta"):
        needed = sum(parameter.numel() for parameter in build_network(spec, select_layer).parameters())
    found = sum(tensor.numel() for tensor in stored.values())
    if needed > 4 * found + 1_000_000:
        raise UserError(
            f"{spec.folder} (vision tower {spec.entry}): config.json describes a network of {needed:,} parameters, but "
            f"the weight file has {found:,}; they do not belong together"
        )


def build_network(spec: TowerSpec, select_layer: int) -> nn.Module:
    """A tower's network with random weights, for counting parameters and for making small checkpoints."""
    network: nn.Module = spec.kind.classes[0](spec.kind.network_config(spec, select_layer))
    spec.kind.adjust(network)
    return network


def read_tower(folder: Path, kind: TowerKind, *, allow_pickle: bool = True) -> Stored:
    """The vision tensors of a tower folder, under the names that transformers' files use.

    The layout (transformers' own, or that of open_clip and timm) is recognized by the tensors' names. Text towers and
    pooling heads are dropped.
    """
    stored = open_folder(folder, f"a {kind.name} tower", allow_pickle=allow_pickle)
    trunk = timm.trunk_of(stored, TRUNK_TENSORS)
    return kind.from_transformers(stored) if trunk is None else kind.from_timm(trunk, folder)


@contextmanager
def _without_transformers_report() -> Iterator[None]:
    """Without transformers' table of keys that do not fit: `_check` reports them in one line."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)


def _check(info: dict[str, Any], network: nn.Module, spec: TowerSpec, stored: Stored, allowed: Allowed) -> None:
    """Name the first tensor that is missing, unexpected or of another shape, as files call it."""
    surplus = [name for name in info.get("unexpected_keys") or [] if "position_ids" not in name]
    if not (surplus or info.get("mismatched_keys") or info.get("missing_keys")):
        return
    expected = _names_in_files(network, spec.kind.file_prefix)
    origin = next(iter(stored.values())).origin if stored else spec.folder
    head = f"{origin} (vision tower {spec.entry})"
    for name in sorted(expected.keys() & stored.keys()):
        if expected[name] != stored[name].shape:
            raise UserError(
                f"{head}: tensor {name} has shape {_shape(stored[name].shape)}, expected {_shape(expected[name])}"
            )
    missing = allowed.others(expected.keys() - stored.keys())
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(
            f"{head}: tensor {missing[0]} of shape {_shape(expected[missing[0]])} is missing{more}; {ALLOW}"
        )
    unknown = allowed.others((stored.keys() - expected.keys()) or surplus)
    if unknown:
        raise UserError(f"{head}: tensor {unknown[0]} is not expected; does its config.json match its weights? {ALLOW}")


def _names_in_files(network: nn.Module, prefix: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network's tensors in files; in memory transformers renames and splits some."""
    tensors: dict[str, Tensor] = revert_weight_conversion(network, network.state_dict())
    return {prefix + name.removeprefix(prefix): tuple(tensor.shape) for name, tensor in tensors.items()}


def _shape(shape: Sequence[int]) -> str:
    return str([int(size) for size in shape])
