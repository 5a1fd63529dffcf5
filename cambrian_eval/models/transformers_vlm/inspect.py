"""What a transformers checkpoint is, from its configuration and file headers, and what is known of its architecture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.models.checkpoint_files import read_json
from cambrian_eval.models.transformers_vlm.architectures import SHARED, sharing_of, table
from cambrian_eval.models.transformers_vlm.checkpoint import find_folder, read_config
from cambrian_eval.models.transformers_vlm.options import TransformersOptions

_TEMPLATES = ("chat_template.jinja", "chat_template.json")


def describe_checkpoint(spec: str) -> dict[str, Any]:
    """Facts that `cambrian-eval inspect` prints; reads no weights and opens no connection."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    options = TransformersOptions(offline=True)
    _require_local(spec)
    folder = find_folder(spec, options)
    config = read_config(folder, read_json(folder / "config.json"), options)
    model_class = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING.get(type(config), None)
    row = table().architectures.get(config.model_type)
    sharing = None if model_class is None else sharing_of(model_class, config)
    parameters, stored = _weights(folder)
    return {
        "name": spec,
        "folder": str(folder),
        "model_type": config.model_type,
        "architecture": None if model_class is None else model_class.__name__,
        "parameters": parameters,
        "stored_dtype": stored,
        "chat_template": _has_template(folder),
        "tested": None if row is None or row.batch is None else table().transformers,
        "batch_equals_single": None if row is None else row.batch,
        "several_images": None if row is None else row.several_images,
        "needs_torchvision": None if row is None else row.torchvision,
        "thinks_by_default": None if row is None else row.thinking,
        "shared_images": "off: not known to be exact for this architecture" if sharing is None else SHARED[sharing],
    }


def _require_local(spec: str) -> None:
    """Refuses a Hub id that was not downloaded."""
    from huggingface_hub import try_to_load_from_cache

    repo, _, revision = spec.partition("@")
    is_hub_id = repo.count("/") == 1 and not spec.startswith((".", "/", "~"))
    if Path(spec).expanduser().is_dir() or not is_hub_id:
        return
    if not isinstance(try_to_load_from_cache(repo, "config.json", revision=revision or None), str):
        raise UserError(
            f"{spec} is neither a folder nor a model in the Hub cache; download it with "
            f"`cambrian-eval fetch --model hf:{spec}`"
        )


def _weights(folder: Path) -> tuple[int, list[str]]:
    """Number of stored values and their types, from the headers of safetensors files."""
    from cambrian_eval.models.tensor_files import read_entries

    entries = [entry for path in sorted(folder.glob("*.safetensors")) for entry in read_entries(path)]
    return sum(math.prod(entry.shape) for entry in entries), sorted({entry.dtype for entry in entries})


def _has_template(folder: Path) -> bool:
    if any((folder / name).is_file() for name in _TEMPLATES):
        return True
    settings = folder / "tokenizer_config.json"
    return settings.is_file() and bool(read_json(settings).get("chat_template"))
