"""The four vision towers, each one of transformers' own classes behind one small interface.

A `Tower` turns a batch of pixels into row-major tokens [P, tokens, width], resampled to the count the
checkpoint asks for. Owns the details in which the released towers differ from transformers' defaults. Towers
are frozen feature extractors: they stay in evaluation mode whatever `train()` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    ConvNextConfig,
    ConvNextModel,
    Dinov2Config,
    Dinov2Model,
    SiglipVisionConfig,
    SiglipVisionModel,
)
from transformers.core_model_loading import revert_weight_conversion
from transformers.utils import logging as transformers_logging

from cambrian_eval.errors import UserError

from .sva import resample_grid, resample_map
from .tensor_files import Stored, StoredTensor
from .tower_specs import TowerSpec
from .tower_weights import read_tower

CONVNEXT_EPS = 1e-5
"""Of every norm in the released ConvNeXt; transformers' class has 1e-6 written into it."""

_POSITIONS = "embeddings.position_embeddings"


class Tower(nn.Module):
    """A frozen vision network and how its features are read."""

    def __init__(self, network: nn.Module, spec: TowerSpec, side: int) -> None:
        super().__init__()
        self.network = network
        self.spec = spec
        self.side = side

    def train(self, mode: bool = True) -> Tower:
        """Stays in evaluation mode, as frozen towers do; `mode` is ignored."""
        super().train(False)
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels [P, 3, s, s] -> tokens [P, side * side, width], row-major."""
        weight = next(self.network.parameters())
        pixels = pixels.to(weight.device, weight.dtype)
        if self.spec.kind.name == "convnext":
            return self._stages(pixels)
        tokens: Tensor = self.network(pixel_values=pixels).last_hidden_state
        if self.spec.kind.name != "siglip":
            tokens = tokens[:, 1:]
        return tokens if tokens.shape[1] == self.side**2 else resample_grid(tokens, self.side)

    def _stages(self, pixels: Tensor) -> Tensor:
        output = self.network(pixel_values=pixels, output_hidden_states=self.spec.multi_stage)
        count = len(self.spec.settings["depths"])
        maps = output.hidden_states[-count:] if self.spec.multi_stage else [output.last_hidden_state]
        joined = torch.cat([resample_map(stage, self.side) for stage in maps], dim=1)
        return joined.flatten(2).transpose(1, 2)


def load_tower(spec: TowerSpec, side: int, select_layer: int, dtype: torch.dtype, device: Any, **kwargs: Any) -> Tower:
    """Read a tower's weights straight into `dtype` on `device`. `side` is the side of its token grid."""
    if spec.folder is None:
        raise UserError(f"the weights of the vision tower {spec.entry} were not found")
    builder, config = network_config(spec, select_layer)
    if kwargs.get("attn_implementation") and spec.kind.name == "convnext":
        kwargs = {key: value for key, value in kwargs.items() if key != "attn_implementation"}
    stored = {
        name: tensor.cast(dtype) for name, tensor in _fit(read_tower(spec.folder, spec.kind.name), spec, config).items()
    }
    with _quiet():
        network, info = builder.from_pretrained(
            None,
            config=config,
            state_dict=stored,
            dtype=dtype,
            device_map={"": device},
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **kwargs,
        )
    _check(info, network, spec, stored)
    _adjust(network, spec)
    network.requires_grad_(False)
    return Tower(network, spec, side).eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' own table of keys that do not fit: `_check` says the same in one line."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)


def build_network(spec: TowerSpec, select_layer: int) -> nn.Module:
    """A tower's network with random weights, for counting parameters and for making small checkpoints."""
    builder, config = network_config(spec, select_layer)
    network: nn.Module = builder(config)
    _adjust(network, spec)
    return network


def network_config(spec: TowerSpec, select_layer: int) -> tuple[Any, Any]:
    """Transformers' class and configuration for a tower, set as the released checkpoints need them."""
    settings = {key: value for key, value in spec.settings.items() if key not in _NOT_ARCHITECTURE}
    settings["image_size"] = spec.side
    kind = spec.kind.name
    if kind == "siglip":
        # The released model runs in timm, which uses the exact GELU whatever the published config says.
        return SiglipVisionModel, SiglipVisionConfig(**settings | {"hidden_act": "gelu", "vision_use_head": False})
    if kind == "clip":
        depth = int(settings["num_hidden_layers"])
        # The state after block n is the last state of a network of n blocks: the rest is never built.
        settings["num_hidden_layers"] = select_layer if select_layer >= 0 else depth + 1 + select_layer
        if not 0 <= settings["num_hidden_layers"] <= depth:
            raise UserError(f"config.json: mm_vision_select_layer {select_layer} is beyond the {depth} blocks of CLIP")
        return CLIPVisionModel, CLIPVisionConfig(**settings)
    if kind == "dinov2":
        return Dinov2Model, Dinov2Config(**settings)
    return ConvNextModel, ConvNextConfig(**settings)


_NOT_ARCHITECTURE = frozenset(
    (
        *("model_type", "architectures", "transformers_version", "dtype", "torch_dtype", "vision_config"),
        *("text_config", "multi_stage", "_name_or_path", "id2label", "label2id"),
        *("out_features", "out_indices", "stage_names"),
    )
)


def _adjust(network: nn.Module, spec: TowerSpec) -> None:
    if spec.kind.name == "convnext":
        for module in network.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = CONVNEXT_EPS


def resample_positions(table: Tensor, side: int) -> Tensor:
    """A DINOv2 position table [1, 1 + s*s, D] for a `side` x `side` grid, by the rule of transformers 4.37.

    That release enlarges the wanted side by 0.1 and samples with the resulting factor rather than with the
    exact one, which moves the sampling points by up to 0.13 of a cell. The published models were used that
    way.
    """
    count = table.shape[1] - 1
    source = int(count**0.5)
    if source == side:
        return table
    grid = table[:, 1:].float().reshape(1, source, source, -1).permute(0, 3, 1, 2)
    factor = (side + 0.1) / source
    grid = F.interpolate(grid, scale_factor=(factor, factor), mode="bicubic", align_corners=False)
    patches = grid.permute(0, 2, 3, 1).reshape(1, side * side, -1).to(table.dtype)
    return torch.cat([table[:, :1], patches], dim=1)


def _fit(stored: Stored, spec: TowerSpec, config: Any) -> Stored:
    """Drop what the built network lacks on purpose; bring DINOv2's position table to the input's grid."""
    if spec.kind.name == "clip":
        return {name: tensor for name, tensor in stored.items() if _block(name) < config.num_hidden_layers}
    if spec.kind.name == "dinov2" and _POSITIONS in stored:
        table, side = stored[_POSITIONS], config.image_size // config.patch_size
        shape = (1, 1 + side * side, *table.shape[2:])
        fitted = StoredTensor(
            shape, table.dtype, lambda dtype: resample_positions(table[...], side).to(dtype), table.origin
        )
        return stored | {_POSITIONS: fitted}
    if spec.kind.name == "convnext" and "layernorm.weight" not in stored:
        width = (spec.settings["hidden_sizes"][-1],)
        origin = next(iter(stored.values())).origin
        # The final norm is not part of any feature; open_clip files may leave it out.
        one = StoredTensor(width, torch.float32, lambda dtype: torch.ones(width, dtype=dtype), origin)
        zero = StoredTensor(width, torch.float32, lambda dtype: torch.zeros(width, dtype=dtype), origin)
        return stored | {"layernorm.weight": one, "layernorm.bias": zero}
    return stored


def _block(name: str) -> int:
    """Which encoder block a tensor belongs to; -1 for those before and after the blocks."""
    mark = "encoder.layers."
    return int(name.split(mark, 1)[1].split(".", 1)[0]) if mark in name else -1


def _check(info: dict[str, Any], network: nn.Module, spec: TowerSpec, stored: Stored) -> None:
    """Name the first tensor that is missing, surplus or of another shape, as files call it."""
    surplus = [name for name in info.get("unexpected_keys") or [] if "position_ids" not in name]
    if not (surplus or info.get("mismatched_keys") or info.get("missing_keys")):
        return
    expected = _names_in_files(network, spec)
    origin = next(iter(stored.values())).origin if stored else spec.folder
    head = f"{origin} (vision tower {spec.entry})"
    for name in sorted(expected.keys() & stored.keys()):
        if expected[name] != stored[name].shape:
            raise UserError(
                f"{head}: tensor {name} has shape {_shape(stored[name].shape)}, expected {_shape(expected[name])}"
            )
    missing = sorted(expected.keys() - stored.keys())
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(f"{head}: tensor {missing[0]} of shape {_shape(expected[missing[0]])} is missing{more}")
    unknown = sorted(stored.keys() - expected.keys()) or sorted(surplus)
    raise UserError(f"{head}: tensor {unknown[0]} is not expected; does its config.json match its weights?")


def _names_in_files(network: nn.Module, spec: TowerSpec) -> dict[str, tuple[int, ...]]:
    """What a network's tensors are called, and shaped, in files; in memory transformers renames and splits some."""
    prefix = "vision_model." if spec.kind.name in ("clip", "siglip") else ""
    tensors: dict[str, Tensor] = revert_weight_conversion(network, network.state_dict())
    return {prefix + name.removeprefix(prefix): tuple(tensor.shape) for name, tensor in tensors.items()}


def _shape(shape: Sequence[int]) -> str:
    return str([int(size) for size in shape])
