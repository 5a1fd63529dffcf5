"""The small files of a checkpoint, checked before a library reads them: kinds of files, JSON, and possible values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.json_input import read_object

REMEDY = "download or copy the file again"
MAX_LAYERS = 1000
"""More layers than any model has; building so many modules takes minutes before the first error."""
MAX_SIZE = 1 << 28
"""Larger than any width, vocabulary or position count."""
MAX_PIXEL = 1000
"""Larger than a mean or standard deviation of pixels, on a scale to 1 or to 255."""

_JSON = (
    *("config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.json"),
    *("video_preprocessor_config.json", "model.safetensors.index.json", "pytorch_model.bin.index.json"),
)
_SIZES = frozenset(
    (
        *("hidden_size", "hidden_sizes", "intermediate_size", "vocab_size", "max_position_embeddings", "head_dim"),
        *("embed_dim", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "image_size", "patch_size"),
        *("num_channels", "vision_hidden_size", "image_token_len", "mm_vision_tower_aux_token_len_list"),
        *("query_num_list", "num_query_group", "depths", "size", "crop_size", "height", "width", "shortest_edge"),
        "longest_edge",
    )
)
_LAYERS = frozenset(
    (
        *("num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers", "depth"),
        *("depths", "connector_depth", "num_of_vision_sampler_layers"),
    )
)
_POSITIVE = frozenset(("rms_norm_eps", "layer_norm_eps", "layernorm_epsilon", "norm_eps", "rope_theta"))


def read_json(path: Path) -> dict[str, Any]:
    """The object in an existing JSON file."""
    return read_object(path, REMEDY)


def check_folder(folder: Path) -> None:
    """Refuses a checkpoint or tower folder whose files cannot be read, or state what describes no network.

    A FIFO or a device would block whoever opens it.
    """
    for path in sorted(folder.iterdir()):
        if path.exists() and not path.is_dir() and not path.is_file():
            raise UserError(f"{path} is not a regular file; download or copy the checkpoint again")
    for name in _JSON:
        if (folder / name).exists():
            check_values(read_json(folder / name), folder / name)


def check_values(settings: Mapping[str, Any], path: Path) -> None:
    """Refuses impossible values in a configuration, at any depth; the error names the key."""
    for key, value in _entries(settings):
        if isinstance(value, float) and math.isnan(value):
            raise UserError(f"{path}: {key} is NaN; {REMEDY}")
        if key in _POSITIVE and not _is_number(value, above=0):
            raise UserError(f"{path}: {key} must be a number above 0, not {_shown(value)}; {REMEDY}")
        if key == "image_std" and not (_is_number(value, above=0) and value < MAX_PIXEL):
            raise UserError(f"{path}: image_std must not contain {_shown(value)}: pixels are divided by it; {REMEDY}")
        if key == "image_mean" and not (_is_number(value, above=-MAX_PIXEL) and value < MAX_PIXEL):
            raise UserError(f"{path}: image_mean must contain pixel values, not {_shown(value)}; {REMEDY}")
        if key in _SIZES | _LAYERS:
            least = 0 if key in _LAYERS and key not in _SIZES else 1
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise UserError(f"{path}: {key} must be an integer of at least {least}, not {_shown(value)}; {REMEDY}")
            most = MAX_LAYERS if key in _LAYERS else MAX_SIZE
            if value > most:
                raise UserError(f"{path}: {key} is {_shown(value)}; at most {most:,} is supported; {REMEDY}")


def check_stop_ids(stops: Any, rows: int, path: Path) -> None:
    """Refuses ids that end a response but that the model cannot produce; `rows` is the size of its vocabulary."""
    for stop in stops if isinstance(stops, list | tuple) else [stops]:
        if stop is None:
            continue
        if isinstance(stop, bool) or not isinstance(stop, int) or not 0 <= stop < rows:
            raise UserError(
                f"{path}: eos_token_id {_shown(stop)} is not in the vocabulary of {rows:,} tokens, so no response "
                f"would end; {REMEDY}"
            )


def _entries(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is not None, with the key it, or the list around it, has. Nesting is bounded by the reader."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _entries(inner, str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _entries(inner, key)
    elif value is not None:
        yield key, value


def _is_number(value: Any, above: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > above


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
