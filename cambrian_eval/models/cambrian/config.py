"""The configuration of a Cambrian-1 checkpoint: one flat `config.json`, read as the authors wrote it.

Has the multimodal keys, what is derived from them (grids, sampler layers, windows) and the check that the file is a
Cambrian checkpoint at all. The language model's own keys stay in the same flat file; `language_config` passes them to
transformers' Llama or Phi-3 configuration.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from transformers import LlamaConfig, Phi3Config, PreTrainedConfig

from cambrian_eval.errors import UserError

IMAGE_TOKEN_ID = -200
"""The id of the image in `input_ids`; it has no row in the embedding table."""

SAMPLER_HEADS = 16
"""Heads of every Spatial Vision Aggregator layer, whatever its width."""

_PERCEPTRON = re.compile(r"mlp(\d{1,2})x_gelu")
_VISION_KEYS = ("mm_vision_tower_aux_list", "mm_vision_tower_aux_token_len_list")


class CambrianConfig(PreTrainedConfig):  # type: ignore[misc]
    """Configuration of a Cambrian-1 checkpoint on a Llama base; the other bases derive from it."""

    model_type = "cambrian_llama"
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values"]

    language_type: ClassVar[str] = "llama"

    vocab_size: int = 32000
    hidden_size: int = 4096
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int | None = None
    use_cache: bool = True
    tie_word_embeddings: bool = False
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    pad_token_id: int | None = None
    rope_parameters: dict[str, Any] | None = None

    mm_projector_type: str = "sva"
    mm_vision_tower_aux_list: list[str] | None = None
    mm_vision_tower_aux_token_len_list: list[int] | None = None
    mm_vision_tower_aux_width_list: list[int] | None = None
    """Channels of every tower. Absent from published files: set from the towers when a checkpoint is loaded."""
    image_token_len: int = 576
    vision_hidden_size: int = 1024
    num_query_group: int = 1
    query_num_list: list[int] | None = None
    connector_depth: int = 3
    connector_only: bool = False
    num_of_vision_sampler_layers: int = 0
    start_of_vision_sampler_layers: int = 0
    stride_of_vision_sampler_layers: int = 1
    image_position: int | None = None
    mm_vision_select_layer: int = -2
    mm_vision_select_feature: str = "patch"
    tokenizer_model_max_length: int | None = None
    tokenizer_padding_side: str = "right"

    def __post_init__(self, **kwargs: Any) -> None:
        if self.num_key_value_heads is None:
            self.num_key_value_heads = self.num_attention_heads
        super().__post_init__(**kwargs)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> Any:
        """Read config.json; called on this class, it returns the class of the file's base model."""
        raw, rest = cls.get_config_dict(pretrained_model_name_or_path, **kwargs)
        refuse_foreign(raw, str(pretrained_model_name_or_path))
        return cls.from_dict(raw, **rest)

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Build the class of the file's base model, after checking that it is a Cambrian file."""
        name = str(kwargs.get("name_or_path") or config_dict.get("_name_or_path") or "config.json")
        refuse_foreign(config_dict, name)
        chosen = cls if cls is CambrianPhi3Config else config_class_of(config_dict)
        if chosen is cls:
            # The model type is the class's own, whatever the file states.
            own = {key: value for key, value in config_dict.items() if key != "model_type"}
            return super().from_dict(own, **kwargs)
        return chosen.from_dict(config_dict, **kwargs)

    def language_config(self) -> Any:
        """Transformers' own configuration of the base model, from the flat keys.

        `rope_theta` and `rope_scaling` of files older than `rope_parameters` are translated by that class.
        """
        flat = self.to_dict()
        for key in ("model_type", "architectures", "auto_map", "transformers_version", "quantization_config"):
            flat.pop(key, None)
        vision = set(CambrianConfig.__annotations__) - set(PreTrainedConfig.__annotations__)
        keep = {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"}
        keep |= {"use_cache", "tie_word_embeddings", "bos_token_id", "eos_token_id", "pad_token_id", "rope_parameters"}
        flat = {key: value for key, value in flat.items() if key not in vision - keep}
        builder = Phi3Config if self.language_type == "phi3" else LlamaConfig
        return builder(**flat)

    @property
    def tower_count(self) -> int:
        """Number of vision towers that the file names."""
        return len(self.mm_vision_tower_aux_list or [])

    @property
    def grid_side(self) -> int:
        """Side of the grid of visual tokens given to the language model (24 in the released models)."""
        return _side(self.image_token_len, "image_token_len")

    @property
    def tower_sides(self) -> tuple[int, ...]:
        """Side of every tower's token grid after resampling (24, 24, 24, 96 in the released models).

        Without the aggregator every tower is resampled to the grid of visual tokens.
        """
        if not self.uses_aggregator:
            return (self.grid_side,) * len(self.mm_vision_tower_aux_token_len_list or [])
        lengths = self.mm_vision_tower_aux_token_len_list or []
        return tuple(_side(length, "mm_vision_tower_aux_token_len_list") for length in lengths)

    @property
    def query_sides(self) -> tuple[int, ...]:
        """Side of the query grid of every query group."""
        return tuple(_side(number, "query_num_list") for number in self.query_numbers)

    @property
    def query_numbers(self) -> tuple[int, ...]:
        """Queries of each query group; without `query_num_list` every group has as many as there are visual tokens."""
        return tuple(self.query_num_list or [self.image_token_len] * self.num_query_group)

    @property
    def uses_aggregator(self) -> bool:
        """Whether the SVA connects towers and language model; otherwise their tokens are joined and projected."""
        return self.mm_projector_type == "sva"

    @property
    def projector_depth(self) -> int:
        """Linear layers of `mm_projector`: two after the aggregator, else as its name states; 0 if unknown."""
        if self.uses_aggregator:
            return 2
        if self.mm_projector_type == "linear":
            return 1
        match = _PERCEPTRON.fullmatch(self.mm_projector_type)
        return int(match.group(1)) if match else 0

    @property
    def sampler_layers(self) -> tuple[int, ...]:
        """Indices of the decoder layers after which an in-LLM sampler runs, in order of the samplers."""
        if self.connector_only or not self.uses_aggregator:
            return ()
        start, stride = self.start_of_vision_sampler_layers, self.stride_of_vision_sampler_layers
        return tuple(start + number * stride for number in range(self.num_of_vision_sampler_layers))

    @property
    def token_limit(self) -> int | None:
        """Longest sequence with an image in it, after splicing; the rest is cut off on the right."""
        return self.tokenizer_model_max_length

    def window_sides(self, query_side: int) -> tuple[int, ...]:
        """Cells per side of every tower's window when the queries form a grid of `query_side`."""
        return tuple(side // query_side for side in self.tower_sides)

    def check_vision(self) -> None:
        """Refuse a combination of keys that describes no network; the error names the key."""
        if not self.uses_aggregator and self.projector_depth == 0:
            raise UserError(
                f"config.json: mm_projector_type {self.mm_projector_type!r} must be sva, linear or mlp<N>x_gelu"
            )
        if self.tower_count != len(self.tower_sides):
            raise UserError(
                f"config.json: mm_vision_tower_aux_list names {self.tower_count} towers but "
                f"mm_vision_tower_aux_token_len_list gives {len(self.tower_sides)} lengths; they must agree"
            )
        if self.mm_vision_select_feature != "patch":
            raise UserError(
                f"config.json: mm_vision_select_feature {self.mm_vision_select_feature!r} leaves a class token in the "
                "grid; only 'patch' can be aggregated spatially"
            )
        if self.uses_aggregator:
            self._check_aggregator()

    def _check_aggregator(self) -> None:
        if len(self.query_sides) != self.num_query_group:
            raise UserError(
                f"config.json: num_query_group is {self.num_query_group} but query_num_list has "
                f"{len(self.query_sides)} entries; they must agree"
            )
        if self.vision_hidden_size % SAMPLER_HEADS:
            raise UserError(
                f"config.json: vision_hidden_size {self.vision_hidden_size} is not divisible by {SAMPLER_HEADS} heads"
            )
        for query_side in {*self.query_sides, *([self.grid_side] if self.sampler_layers else [])}:
            uneven = [side for side in self.tower_sides if side % query_side]
            if uneven:
                raise UserError(
                    f"config.json: a tower grid of side {uneven[0]} cannot be cut into {query_side} x {query_side} "
                    "windows; mm_vision_tower_aux_token_len_list must be whole multiples of the query grid"
                )
        beyond = [layer for layer in self.sampler_layers if layer >= self.num_hidden_layers]
        if beyond:
            raise UserError(
                f"config.json: a vision sampler must run after decoder layer {beyond[0]}, but num_hidden_layers is "
                f"{self.num_hidden_layers}; check start_of_ and stride_of_vision_sampler_layers"
            )


class CambrianPhi3Config(CambrianConfig):
    """Configuration of a Cambrian-1 checkpoint on a Phi-3 base."""

    model_type = "cambrian_phi3"
    language_type: ClassVar[str] = "phi3"


class CambrianLlavaLlamaConfig(CambrianConfig):
    """The early files of the 8B and 13B, which have the model type `llava_llama` and Cambrian's keys."""

    model_type = "llava_llama"


def is_phi3(config_dict: dict[str, Any]) -> bool:
    """Whether a raw `config.json` describes a Phi-3 base, by its architecture or its type."""
    names = [*(config_dict.get("architectures") or []), str(config_dict.get("model_type", ""))]
    return any("phi3" in name.lower() for name in names)


def config_class_of(config_dict: dict[str, Any]) -> type[CambrianConfig]:
    """The configuration class for a raw `config.json`."""
    if is_phi3(config_dict):
        return CambrianPhi3Config
    return CambrianLlavaLlamaConfig if config_dict.get("model_type") == "llava_llama" else CambrianConfig


def refuse_foreign(config_dict: Mapping[str, Any], name: str) -> None:
    """Raise an error that says what a file is where it is not a Cambrian-1 configuration."""
    if all(config_dict.get(key) for key in _VISION_KEYS):
        entries = config_dict["mm_vision_tower_aux_list"]
        if not isinstance(entries, list) or not all(isinstance(entry, str) and entry for entry in entries):
            raise UserError(f"{name}: mm_vision_tower_aux_list must be a list of names or folders of vision towers")
        return
    kind = str(config_dict.get("model_type", "unknown"))
    if config_dict.get("peft_type"):
        raise UserError(f"{name} is a LoRA adapter; merge it into its base model first and give the merged folder")
    if config_dict.get("mm_vision_tower") or config_dict.get("vision_config") or "llava" in kind:
        raise UserError(
            f"{name} is a LLaVA-style checkpoint (model_type {kind!r}, one vision tower and no "
            "mm_vision_tower_aux_list), not a Cambrian-1 one; load it with transformers instead"
        )
    missing = next(key for key in _VISION_KEYS if not config_dict.get(key))
    raise UserError(
        f"{name} (model_type {kind!r}) has no {missing}, so it names no vision towers; "
        "a Cambrian-1 checkpoint lists them in config.json"
    )


def _side(number: int, key: str) -> int:
    side = math.isqrt(int(number))
    if side * side != number or side == 0:
        raise UserError(f"config.json: {key} has {number}, which is not the number of cells of a square grid")
    return side
