"""From a checkpoint's folder to a model on its devices, and back.

Loading goes tensor by tensor, straight into the target type and device: the checkpoint's files are compared
with the configuration by their headers first, so a wrong file costs seconds, and no second copy of the
weights ever exists. Towers are read after the language model, from their own folders.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from cambrian_eval.errors import UserError

from .checkpoint import check_shapes, load_config, locate, open_weights, read_config, settle_dtype, trim_vocabulary
from .config import CambrianConfig
from .model import CambrianForConditionalGeneration, model_class
from .tensor_files import Stored
from .tokens import load_tokenizer
from .tower_specs import TowerSpec, require_weights, resolve_towers
from .towers import load_tower

_HUB_ARGUMENTS = (
    *("cache_dir", "force_download", "local_files_only", "token", "revision", "proxies", "subfolder"),
    *("trust_remote_code", "code_revision", "low_cpu_mem_usage", "use_safetensors", "weights_only"),
    *("adapter_kwargs", "_from_auto", "_from_pipeline", "_commit_hash"),
)
"""Arguments that transformers' Auto classes pass on and that mean nothing to a folder already at hand."""


def load(
    cls: type[CambrianForConditionalGeneration],
    name: str | Path,
    *args: Any,
    config: CambrianConfig | None = None,
    dtype: Any = None,
    device_map: Any = None,
    attn_implementation: str | None = None,
    quantize: str | None = None,
    towers_root: str | Path | None = None,
    **kwargs: Any,
) -> CambrianForConditionalGeneration:
    """Load a checkpoint from a local folder or the hub cache.

    `dtype` is float32, bfloat16, float16 or auto (what config.json states); `device_map` as in transformers;
    `attn_implementation` sdpa, flash_attention_2 or eager; `quantize` 4bit or 8bit; `towers_root` a folder
    that holds tower weights.
    """
    for key in _HUB_ARGUMENTS:
        kwargs.pop(key, None)
    dtype = kwargs.pop("torch_dtype", None) if dtype is None else dtype
    generation_config = kwargs.pop("generation_config", None)
    folder = locate(name)
    if config is None:
        config = load_config(folder, name)
    specs = resolve_towers(
        config.mm_vision_tower_aux_list or [], folder, None if towers_root is None else Path(towers_root)
    )
    require_weights(specs, str(name))
    config.mm_vision_tower_aux_width_list = [spec.width for spec in specs]
    config.check_vision()
    stored = _fit_vocabulary(open_weights(folder), config, folder)
    chosen = model_class(config)
    target = settle_dtype(dtype, config.dtype, stored)
    config.dtype = target
    check_shapes(stored, _expected_shapes(chosen, config), folder)
    if quantize is None:
        # The loader would convert whole tensors; converting while reading keeps one small piece in the stored type.
        stored = {key: tensor.cast(target) for key, tensor in stored.items()}
    else:
        kwargs["quantization_config"] = _quantization(quantize, config, target)
    if attn_implementation is not None:
        kwargs["attn_implementation"] = _attention(attn_implementation)
    if device_map is not None:
        kwargs |= _placement(device_map, specs, target)
    model: CambrianForConditionalGeneration = super(CambrianForConditionalGeneration, chosen).from_pretrained(  # type: ignore[misc]
        None, *args, config=config, state_dict=stored, dtype=target, **kwargs
    )
    model.config.name_or_path = str(folder)
    _load_towers(model, specs, target, attn_implementation)
    _set_generation(model, generation_config, folder)
    return model


def _expected_shapes(chosen: type[CambrianForConditionalGeneration], config: CambrianConfig) -> dict[str, torch.Size]:
    with torch.device("meta"):
        empty = chosen(config)
    expected = {name: tensor.shape for name, tensor in empty.state_dict().items()}
    if config.tie_word_embeddings:
        expected.pop("lm_head.weight", None)
    return expected


def _fit_vocabulary(stored: Stored, config: CambrianConfig, folder: Path) -> Stored:
    """Shrink embedding and head to the tokenizer's length, as the authors' loader does (32064 to 32011 in
    Phi-3).
    """
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
        raise UserError(f"--attention {name!r} is not offered; use sdpa, flash_attention_2 or eager")
    if name == "flash_attention_2" and importlib.util.find_spec("flash_attn") is None:
        raise UserError("--attention flash_attention_2 needs flash-attn, which is not installed; use sdpa")
    return name


def _quantization(quantize: str, config: CambrianConfig, target: torch.dtype) -> Any:
    """bitsandbytes settings for the decoder layers; head, connector, samplers and towers stay as they are."""
    from transformers import BitsAndBytesConfig

    if quantize not in ("4bit", "8bit"):
        raise UserError(f"--quantize {quantize!r} is not offered; use 4bit or 8bit")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise UserError(f"--quantize {quantize} needs bitsandbytes, which is not installed; `pip install bitsandbytes`")
    kept = ["lm_head", "model.mm_projector", "model.vision_sampler_layers"]
    kept += [f"model.mm_projector_aux_{tower}" for tower in range(config.tower_count)]
    kept += [f"model.vision_sampler_{group}" for group in range(config.num_query_group)]
    if quantize == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=kept)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_compute_dtype=target,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        llm_int8_skip_modules=kept,
    )


def _placement(device_map: Any, specs: Sequence[TowerSpec], target: torch.dtype) -> dict[str, Any]:
    """A device map for transformers; on several GPUs the first keeps room for the towers."""
    placement: dict[str, Any] = {"device_map": device_map}
    automatic = isinstance(device_map, str) and device_map in (
        "auto",
        "balanced",
        "balanced_low_0",
        "sequential",
    )
    if automatic and torch.cuda.device_count() > 1:
        from accelerate.utils import get_max_memory

        memory = get_max_memory()
        files = [path for spec in specs if spec.folder for path in spec.folder.glob("*") if path.is_file()]
        size = sum(os.path.getsize(path) for path in files if path.suffix in (".safetensors", ".bin"))
        memory[0] = max(0, memory[0] - size * torch.finfo(target).bits // 32)
        placement["max_memory"] = memory
    return placement


def _load_towers(
    model: CambrianForConditionalGeneration,
    specs: Sequence[TowerSpec],
    target: torch.dtype,
    attention: str | None,
) -> None:
    device = model.model.image_newline.device
    extra = {} if attention is None else {"attn_implementation": attention}
    for spec, side in zip(specs, model.config.tower_sides, strict=True):
        tower = load_tower(spec, side, model.config.mm_vision_select_layer, target, device, **extra)
        model.vision_towers.append(tower)


def _set_generation(model: CambrianForConditionalGeneration, given: Any, folder: Path) -> None:
    """Stop ids and sampling come from `generation_config.json`; the single id in config.json is not
    enough.
    """
    if given is not None:
        model.generation_config = given
    elif (folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(str(folder))
    else:
        raw: Mapping[str, Any] = read_config(folder)
        keys = ("bos_token_id", "eos_token_id", "pad_token_id")
        model.generation_config = GenerationConfig(**{key: raw[key] for key in keys if raw.get(key) is not None})


def save(model: CambrianForConditionalGeneration, folder: Path, **kwargs: Any) -> None:
    """Write weights and configuration without the towers; relative tower entries are kept pointing at
    them.
    """
    state = kwargs.pop("state_dict", None) or model.state_dict()
    weights = {name: tensor for name, tensor in state.items() if not name.startswith("vision_towers.")}
    entries = list(model.config.mm_vision_tower_aux_list or [])
    moved = list(entries)
    for index, spec in enumerate(model.tower_specs):
        if spec.is_folder_entry and spec.folder is not None and not Path(spec.entry).is_absolute():
            moved[index] = os.path.relpath(spec.folder, folder.resolve())
    model.config.mm_vision_tower_aux_list = moved
    try:
        super(CambrianForConditionalGeneration, model).save_pretrained(folder, state_dict=weights, **kwargs)
    finally:
        model.config.mm_vision_tower_aux_list = entries
