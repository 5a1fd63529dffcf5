"""Loads a checkpoint's folder into a model on its devices, and saves a model.

Loading goes tensor by tensor, straight into the target type and device: the checkpoint's files are compared with the
configuration by their headers first, so a wrong file costs seconds, and no second copy of the weights ever exists.
Towers are read after the language model, from their own folders.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel

from cambrian_eval.errors import UserError

from ..local import quantization
from ..tensor_files import Stored
from ..weights_check import Allowed, check_parameters, check_types
from .checkpoint import Checkpoint, check_shapes, chosen_dtype, initial_tensor, open_weights, trim_vocabulary
from .config import CambrianConfig
from .tokens import load_tokenizer
from .towers.kind import TowerSpec
from .towers.network import load_tower
from .towers.specs import require_weights, resolve_towers

_HUB_ARGUMENTS = (
    *("cache_dir", "force_download", "local_files_only", "token", "revision", "proxies", "subfolder"),
    *("trust_remote_code", "code_revision", "low_cpu_mem_usage", "use_safetensors", "weights_only"),
    *("adapter_kwargs", "_from_auto", "_from_pipeline", "_commit_hash"),
)
"""Arguments that transformers' Auto classes pass on and that do not apply to a local folder."""


class CheckpointModel(PreTrainedModel):  # type: ignore[misc]
    """Loading and saving for the network's class, which derives from this one."""

    @classmethod
    def class_for(cls, config: CambrianConfig) -> type[CheckpointModel]:
        """The class for a configuration's base model."""
        return cls

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path | Checkpoint,
        *args: Any,
        config: CambrianConfig | None = None,
        dtype: Any = None,
        device_map: Any = None,
        attn_implementation: str | None = None,
        quantize: str | None = None,
        towers_root: str | Path | None = None,
        allow_pickle: bool = True,
        allow_missing: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Load a checkpoint from a local folder or the Hub cache.

        `dtype` is float32, bfloat16, float16 or auto (the one that config.json states); `device_map` as in
        transformers; `attn_implementation` sdpa, flash_attention_2 or eager; `quantize` 4bit or 8bit; `towers_root` a
        folder with tower weights; `allow_pickle` whether `.bin` weights may be read; `allow_missing` patterns of
        tensors that may be missing (they are then random, the same each time), unexpected, or zero.
        """
        for key in _HUB_ARGUMENTS:
            kwargs.pop(key, None)
        dtype = kwargs.pop("torch_dtype", None) if dtype is None else dtype
        generation_config = kwargs.pop("generation_config", None)
        checkpoint = Checkpoint.open(pretrained_model_name_or_path)
        if config is None:
            config = checkpoint.config()
        root = None if towers_root is None else Path(towers_root)
        entries = config.mm_vision_tower_aux_list or []
        specs = resolve_towers(entries, checkpoint.folder, root, allow_pickle=allow_pickle)
        require_weights(specs, checkpoint.name)
        config.mm_vision_tower_aux_width_list = [spec.width for spec in specs]
        config.check_vision()
        weights = open_weights(checkpoint.folder, allow_pickle=allow_pickle)
        stored = _fit_vocabulary(weights, config, checkpoint.folder)
        chosen = cls.class_for(config)
        target = chosen_dtype(dtype, config.dtype, stored)
        config.dtype = target
        allowed = Allowed(allow_missing)
        expected = _expected_shapes(chosen, config)
        check_shapes(stored, expected, checkpoint.folder, allowed)
        stored = {key: stored.get(key) or initial_tensor(key, shape, target) for key, shape in expected.items()}
        check_types(stored)
        if quantize is None:
            # The loader would convert whole tensors; while reading, only one small piece exists in the stored type.
            stored = {key: tensor.cast(target) for key, tensor in stored.items()}
        else:
            kwargs["quantization_config"] = quantization(quantize, target, _not_quantized(config))
        if attn_implementation is not None:
            kwargs["attn_implementation"] = _attention(attn_implementation)
        if device_map is not None:
            kwargs |= _placement(device_map, specs, target)
        model: CheckpointModel = super(CheckpointModel, chosen).from_pretrained(
            None, *args, config=config, state_dict=stored, dtype=target, **kwargs
        )
        model.config.name_or_path = str(checkpoint.folder)
        device = model.model.image_newline.device
        for spec, side in zip(specs, config.tower_sides, strict=True):
            model.vision_towers.append(
                load_tower(
                    spec,
                    side,
                    config.mm_vision_select_layer,
                    target,
                    device,
                    attention=attn_implementation,
                    allow_pickle=allow_pickle,
                    allowed=allowed,
                )
            )
        check_parameters(model.named_parameters(), checkpoint.folder, allowed)
        _set_generation(model, generation_config, checkpoint)
        return model

    def save_pretrained(self, save_directory: str | Path, **kwargs: Any) -> None:
        """Write the checkpoint in the official layout: without the towers, which stay where they are.

        Relative tower entries are changed to point at the same folders from the new place.
        """
        folder = Path(save_directory)
        state = kwargs.pop("state_dict", None) or self.state_dict()
        weights = {name: tensor for name, tensor in state.items() if not name.startswith("vision_towers.")}
        entries = list(self.config.mm_vision_tower_aux_list or [])
        moved = list(entries)
        for index, spec in enumerate(tower.spec for tower in self.vision_towers):
            if spec.is_folder_entry and spec.folder is not None and not Path(spec.entry).is_absolute():
                moved[index] = os.path.relpath(spec.folder, folder.resolve())
        self.config.mm_vision_tower_aux_list = moved
        try:
            super().save_pretrained(folder, state_dict=weights, **kwargs)
        finally:
            self.config.mm_vision_tower_aux_list = entries


def _expected_shapes(chosen: type[CheckpointModel], config: CambrianConfig) -> dict[str, torch.Size]:
    with torch.device("meta"):
        empty = chosen(config)
    expected = {name: tensor.shape for name, tensor in empty.state_dict().items()}
    if config.tie_word_embeddings:
        expected.pop("lm_head.weight", None)
    return expected


def _fit_vocabulary(stored: Stored, config: CambrianConfig, folder: Path) -> Stored:
    """Shrink embedding and head to the tokenizer's length, as the authors' loader does (Phi-3: 32064 to 32011)."""
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model")):
        return stored
    length = len(load_tokenizer(folder))
    embedding = stored.get("model.embed_tokens.weight")
    if embedding is None or length >= config.vocab_size or embedding.shape[0] != config.vocab_size:
        return stored
    config.vocab_size = length
    return trim_vocabulary(stored, length)


def _attention(name: str) -> str:
    if name not in ("sdpa", "eager", "flash_attention_2"):
        raise UserError(f"attention {name!r} is not supported; use sdpa, flash_attention_2 or eager")
    if name == "flash_attention_2" and importlib.util.find_spec("flash_attn") is None:
        raise UserError("attention flash_attention_2 needs flash-attn, which is not installed; use sdpa")
    return name


def _not_quantized(config: CambrianConfig) -> list[str]:
    """Head, connector and samplers keep their type; towers are loaded later."""
    kept = ["lm_head", "model.mm_projector", "model.vision_sampler_layers"]
    kept += [f"model.mm_projector_aux_{tower}" for tower in range(config.tower_count)]
    return kept + [f"model.vision_sampler_{group}" for group in range(config.num_query_group)]


def _placement(device_map: Any, specs: Sequence[TowerSpec], target: torch.dtype) -> dict[str, Any]:
    """A device map for transformers; on several GPUs the first one keeps memory free for the towers."""
    placement: dict[str, Any] = {"device_map": device_map}
    automatic = ("auto", "balanced", "balanced_low_0", "sequential")
    if isinstance(device_map, str) and device_map in automatic and torch.cuda.device_count() > 1:
        from accelerate.utils import get_max_memory

        memory = get_max_memory()
        files = [path for spec in specs if spec.folder for path in spec.folder.glob("*") if path.is_file()]
        size = sum(os.path.getsize(path) for path in files if path.suffix in (".safetensors", ".bin"))
        memory[0] = max(0, memory[0] - size * torch.finfo(target).bits // 32)
        placement["max_memory"] = memory
    return placement


def _set_generation(model: CheckpointModel, given: Any, checkpoint: Checkpoint) -> None:
    """Stop ids and sampling come from generation_config.json; the single id in config.json is not enough."""
    if given is not None:
        model.generation_config = given
    elif (checkpoint.folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(str(checkpoint.folder))
    else:
        raw = checkpoint.raw
        keys = ("bos_token_id", "eos_token_id", "pad_token_id")
        model.generation_config = GenerationConfig(**{key: raw[key] for key in keys if raw.get(key) is not None})
