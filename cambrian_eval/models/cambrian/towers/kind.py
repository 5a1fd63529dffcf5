"""The interface of a tower architecture, and a tower of a checkpoint as a value.

A `TowerKind` has everything in which one architecture differs from the others: preprocessing, names of repositories
and files, names of tensors, how the network is configured, and how its output becomes tokens. No other code branches
on the architecture.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from cambrian_eval.errors import UserError

from ...tensor_files import Stored
from ..sva import resample_grid

Triple = tuple[float, float, float]
Settings = Mapping[str, Any]
"""The keys of a tower's config.json, with transformers' names."""

CLIP_MEAN: Triple = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Triple = (0.26862954, 0.26130258, 0.27577711)

_NOT_ARCHITECTURE = frozenset(
    (
        *("model_type", "architectures", "transformers_version", "dtype", "torch_dtype", "vision_config"),
        *("text_config", "multi_stage", "_name_or_path", "id2label", "label2id"),
        *("out_features", "out_indices", "stage_names"),
    )
)


@dataclass(frozen=True)
class TowerSpec:
    """One tower of a checkpoint: what it is and where it is."""

    entry: str
    """The entry of `mm_vision_tower_aux_list`."""
    kind: TowerKind
    """The architecture."""
    folder: Path | None
    """The folder with the weights; None where they were not found."""
    hub_ids: tuple[str, ...]
    """Hub repositories that have the weights, the preferred one first."""
    settings: Settings
    """The architecture's settings: the tower's config.json, or the released values."""
    side: int
    """Height and width of the input in pixels."""
    mean: Triple
    """Subtracted from the pixels of each channel."""
    std: Triple
    """What the pixels of each channel are divided by."""
    multi_stage: bool = False
    """Whether the tokens join the features of all stages (ConvNeXt)."""
    is_folder_entry: bool = False
    """Whether the entry is a path."""

    @property
    def width(self) -> int:
        """Channels of the tower's tokens."""
        return self.kind.width(self.settings, self.multi_stage)


class TowerKind:
    """What all towers of one architecture share. Instances have no state; there is one for each architecture."""

    name: ClassVar[str]
    """Also the part of `model_type` by which a config.json is recognized."""
    mean: ClassVar[Triple]
    std: ClassVar[Triple]
    padding: ClassVar[tuple[int, int, int]] = (122, 116, 104)
    """The color that pads an image to a square."""
    side: ClassVar[int]
    """Input side of the released tower, in pixels."""
    entry_mark: ClassVar[str]
    """The lower-case text by which an entry of `mm_vision_tower_aux_list` is recognized."""
    weight_files: ClassVar[tuple[str, ...]]
    """Names of the weight file in the Hub repositories, the preferred one first."""
    released: ClassVar[Mapping[str, Settings]]
    """Settings of the released towers by Hub id, so that sizes are known before any tower is downloaded."""
    trunk_tensor: ClassVar[str | None] = None
    """A tensor by which a trunk in timm's layout is recognized; None where that layout is not supported."""
    file_prefix: ClassVar[str] = ""
    """What tensor names begin with in files, but not in memory."""
    has_class_token: ClassVar[bool] = True
    """Whether the first token is a class token."""
    has_attention: ClassVar[bool] = True
    """Whether the network has attention layers, whose implementation can be chosen."""
    channels_last: ClassVar[bool] = False
    """Whether the network is faster with channels as the last dimension in memory."""

    classes: ClassVar[tuple[Any, Any]]
    """Transformers' network class and configuration class."""

    # -- which tower

    def hub_ids(self, entry: str) -> tuple[str, ...]:
        """Hub repositories that have the weights of a named tower, the preferred one first."""
        return tuple(self.released)

    def input_side(self, settings: Settings) -> int:
        """The input side of a named tower whose entry states none."""
        return int(settings.get("image_size", self.side))

    def width(self, settings: Settings, multi_stage: bool) -> int:
        """Channels of the tokens."""
        return int(settings["hidden_size"])

    def is_multi_stage(self, settings: Settings) -> bool:
        """Whether a tower folder with these settings joins the features of all stages."""
        return False

    # -- its weights

    def from_transformers(self, stored: Stored) -> Stored:
        """The vision tensors of a file in transformers' layout, whole model or vision model alone."""
        bare = {name.removeprefix(f"{self.name}."): tensor for name, tensor in stored.items()}
        return {name: tensor for name, tensor in bare.items() if not name.startswith("classifier.")}

    def from_timm(self, trunk: Stored, folder: Path) -> Stored:
        """The tensors of a trunk in timm's layout, under transformers' names."""
        raise UserError(f"{folder} has open_clip / timm weights; a {self.name} tower needs the transformers layout")

    def infer(self, trunk: Stored, stated: Settings, folder: Path) -> Settings:
        """The settings of a trunk in timm's layout, from its shapes and from what an open_clip config states."""
        raise NotImplementedError

    # -- its network

    def settings_for_network(self, settings: dict[str, Any], select_layer: int) -> dict[str, Any]:
        """The settings that the released checkpoints need; `select_layer` is `mm_vision_select_layer`."""
        return settings

    def network_config(self, spec: TowerSpec, select_layer: int) -> Any:
        """Transformers' configuration for the tower's network."""
        settings = {key: value for key, value in spec.settings.items() if key not in _NOT_ARCHITECTURE}
        settings["image_size"] = spec.side
        return self.classes[1](**self.settings_for_network(settings, select_layer))

    def adjust(self, network: nn.Module) -> None:
        """Change what a configuration cannot express."""

    def fit(self, stored: Stored, spec: TowerSpec, config: Any) -> Stored:
        """The tensors that the network built from `config` needs."""
        return stored

    def tokens(self, network: nn.Module, pixels: Tensor, spec: TowerSpec, side: int) -> Tensor:
        """Pixels [P, 3, s, s] to tokens [P, side * side, width], row-major."""
        tokens: Tensor = network(pixel_values=pixels).last_hidden_state
        tokens = tokens[:, 1:] if self.has_class_token else tokens
        return tokens if tokens.shape[1] == side**2 else resample_grid(tokens, side)


class NestedVisionKind(TowerKind):
    """CLIP and SigLIP: their files have the vision part under `vision_model.`, and a text part."""

    file_prefix = "vision_model."

    def from_transformers(self, stored: Stored) -> Stored:
        """The tensors under `vision_model.`, without the pooling head."""
        vision = {name: tensor for name, tensor in stored.items() if name.startswith(self.file_prefix)}
        if not vision:
            # Saved by releases that no longer write the prefix.
            vision = {self.file_prefix + name: tensor for name, tensor in stored.items() if "text_model." not in name}
        dropped = (f"{self.file_prefix}head.", f"{self.file_prefix}embeddings.position_ids")
        return {name: tensor for name, tensor in vision.items() if not name.startswith(dropped)}


def entry_without_side(entry: str) -> str:
    """An entry without the input side that it may name (`-res378`)."""
    return re.sub(r"-res\d+", "", entry)
