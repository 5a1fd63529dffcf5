"""A transformers checkpoint from a folder or the Hub: its options, files, processor and model.

Also loads processors where torchvision is absent: their video part needs it, but only images are used here.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError, one_line
from cambrian_eval.models.checkpoint_files import check_folder, check_stop_ids, read_json
from cambrian_eval.models.local import device_of, quantization
from cambrian_eval.models.tensor_files import open_file, read_entries
from cambrian_eval.models.transformers_vlm import processor_settings
from cambrian_eval.models.transformers_vlm.architectures import unknown
from cambrian_eval.models.transformers_vlm.chat_template import prints_date, probe, set_template
from cambrian_eval.models.transformers_vlm.options import TransformersOptions
from cambrian_eval.models.weights_check import (
    ALLOW,
    Allowed,
    check_parameters,
    check_types,
    refuse_difference,
    seeded,
)

_NO_WEIGHTS = ("rotary_emb.inv_freq", "position_ids", "num_batches_tracked")
"""Ends of names of tensors that old checkpoints store and that follow from the configuration."""
_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "tokenizer*"]


@dataclass(frozen=True)
class Checkpoint:
    """What is needed to generate."""

    folder: Path
    processor: Any
    model: Any
    device: str
    dtype: str
    bos_in_template: bool
    """Whether prompts already begin with the beginning-of-sequence token."""
    takes_parts: bool
    """Whether the template reads a message as a list of images and text; else it takes plain text."""
    note: str | None
    """What a reader of the results should know about how the checkpoint was loaded."""
    fixed_date: bool
    """Whether the template prints the current date, which is then a fixed one."""


def load(folder: Path, options: TransformersOptions) -> Checkpoint:
    """The checkpoint in a folder, on the device the options name."""
    raw = read_json(folder / "config.json")
    device = device_of(options)
    config = read_config(folder, raw, options)
    processor = load_processor(folder, raw, options)
    if options.processor is not None:
        processor_settings.apply(processor, processor_settings.parse(options.processor), folder)
    set_template(processor, options.template)
    fixed_date = prints_date(processor.chat_template)
    written, takes_parts = probe(processor)
    model = _model(folder, config, is_quantized(raw), options, device)
    tokenizer = processor.tokenizer
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        # Padding is masked, so any token will do where the checkpoint names none.
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    rows = embedding_rows(model)
    if rows is not None:
        stated = folder / "generation_config.json"
        place = stated if stated.is_file() else folder / "config.json"
        check_stop_ids(model.generation_config.eos_token_id, rows, place)
    return Checkpoint(
        folder=folder,
        processor=processor,
        model=model,
        device=str(next(model.parameters()).device),
        dtype=str(model.dtype).removeprefix("torch."),
        bos_in_template=bool(tokenizer.bos_token) and written.startswith(tokenizer.bos_token),
        takes_parts=takes_parts,
        note=_own_code(folder, raw, options),
        fixed_date=fixed_date,
    )


def find_folder(spec: str, options: TransformersOptions) -> Path:
    """The files of `FOLDER`, `HUB_ID` or `HUB_ID@REVISION`, checked; those of the Hub are downloaded where absent."""
    local = Path(spec).expanduser()
    if local.is_dir():
        if not (local / "config.json").is_file():
            raise UserError(f"model folder {spec} has no config.json; name a checkpoint folder")
        check_folder(local)
        return local
    repo, _, revision = spec.partition("@")
    if repo.count("/") > 1 or spec.startswith((".", "/", "~")):
        raise UserError(f"model folder {spec} does not exist")
    from huggingface_hub import snapshot_download

    patterns = [*_FILES, *(["*.bin"] if options.allow_pickle else []), *(["*.py"] if options.trust_remote_code else [])]
    try:
        found = snapshot_download(
            repo, revision=revision or None, allow_patterns=patterns, local_files_only=options.offline
        )
    except Exception as error:
        failure = "is not in the local cache (--offline)" if options.offline else "could not be downloaded from the Hub"
        raise UserError(f"model {spec!r} {failure}: {type(error).__name__}: {one_line(error, 300)}") from error
    check_folder(Path(found))
    return Path(found)


def load_processor(folder: Path, raw: Mapping[str, Any], options: TransformersOptions) -> Any:
    """The checkpoint's processor; where torchvision is absent, without its video part."""
    from transformers import AutoProcessor
    from transformers.utils import is_torchvision_available

    common = {"trust_remote_code": options.trust_remote_code, "local_files_only": True}
    try:
        if not is_torchvision_available() and (known := _processor_class(raw)) is not None:
            made = _for_images(known).from_pretrained(folder, backend="pil", **common)
            made.video_processor = _NoVideo()
            return made
        processor = AutoProcessor.from_pretrained(folder, **common)
    except (ImportError, OSError, ValueError) as error:
        raise UserError(f"the processor of {folder} cannot be loaded: {one_line(error, 300)}") from error
    if getattr(processor, "tokenizer", None) is None or getattr(processor, "image_processor", None) is None:
        raise UserError(f"{folder} is not an image-text-to-text model: its processor takes no images or no text")
    return processor


def _processor_class(raw: Mapping[str, Any]) -> Any:
    """The processor class of a model type whose processor has a video part; None for all others."""
    import transformers
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    name = PROCESSOR_MAPPING_NAMES.get(str(raw.get("model_type")))
    found = None if name is None else getattr(transformers, name, None)
    return found if found is not None and "video_processor" in found.get_attributes() else None


class _NoVideo:
    """Stands for the video part of a processor: every setting of it is None."""

    model_input_names: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> None:
        if name.startswith("_"):
            raise AttributeError(name)


def _for_images(known: Any) -> Any:
    """A processor class without its parts for video and sound."""

    class ForImages(known):  # type: ignore[misc]
        @classmethod
        def get_attributes(cls) -> list[str]:
            return list(known.get_attributes())

        @classmethod
        def _get_arguments_from_pretrained(cls, path: Any, processor_dict: Any = None, **kwargs: Any) -> list[Any]:
            from transformers import AutoImageProcessor, AutoTokenizer

            made: dict[str, Any] = {
                "tokenizer": AutoTokenizer.from_pretrained(path, **{k: v for k, v in kwargs.items() if k != "backend"}),
                "image_processor": AutoImageProcessor.from_pretrained(path, **kwargs),
            }
            return [made.get(name) for name in known.get_attributes()]

        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if argument is None:  # the parts for video and sound
                return None
            return super().check_argument_for_proper_class(argument_name, argument)

    ForImages.__name__ = known.__name__
    return ForImages


def _own_code(folder: Path, raw: Mapping[str, Any], options: TransformersOptions) -> str | None:
    """What to say where a checkpoint has code of its own that is not run."""
    if options.trust_remote_code:
        return None
    files = [raw]
    for name in ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
        if (folder / name).exists():
            files.append(read_json(folder / name))
    if not any(file.get("auto_map") for file in files):
        return None
    return (
        "the checkpoint has code of its own (auto_map) that was not run: transformers' own classes were used; "
        "--trust-remote-code runs the checkpoint's code"
    )


def _check_weights(folder: Path, quantized: bool) -> int | None:
    """Refuses weight files that are damaged or whose types mean nothing; how many numbers they have, if known."""
    if (index := folder / "model.safetensors.index.json").exists():
        stored = open_file(index)
        total = sum(tensor.numel() for tensor in stored.values())
    else:
        files = sorted(folder.glob("*.safetensors"))
        if not files:
            return None
        if quantized:
            for path in files:
                read_entries(path)
            return None
        stored = {name: tensor for path in files for name, tensor in open_file(path).items()}
        total = sum(tensor.numel() for tensor in stored.values())
    if quantized:
        return None
    check_types(stored)
    return total


def read_config(folder: Path, raw: Mapping[str, Any], options: TransformersOptions) -> Any:
    """The configuration of a model that takes images and text."""
    from transformers import CONFIG_MAPPING, AutoConfig, PreTrainedConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    path, model_type = folder / "config.json", raw.get("model_type")
    if isinstance(model_type, str) and model_type not in CONFIG_MAPPING and not options.trust_remote_code:
        raise UserError(f"{path}: {unknown(model_type, raw)}")
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=options.trust_remote_code, local_files_only=True)
    except (OSError, ValueError, ImportError, TypeError) as error:
        raise UserError(
            f"{path} names no model that this version of transformers knows: {one_line(error, 300)}"
        ) from error
    known = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    if not (known or options.trust_remote_code or isinstance(getattr(config, "vision_config", None), PreTrainedConfig)):
        raise UserError(
            f"{path}: model_type {config.model_type!r} is not an image-text-to-text model of transformers; name a "
            "checkpoint that takes images"
        )
    if options.quantize is not None and is_quantized(raw):
        raise UserError(f"{folder} is quantized already; leave out --quantize")
    return config


def is_quantized(raw: Mapping[str, Any]) -> bool:
    """Whether a configuration says that the weights are quantized."""
    parts = [raw, *(value for value in raw.values() if isinstance(value, dict))]
    return any(part.get("quantization_config") or part.get("compression_config") for part in parts)


def _model(folder: Path, config: Any, quantized: bool, options: TransformersOptions, device: str) -> Any:
    """The model on its device, ready for inference: every tensor from the files, none of them damaged."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    known = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    auto = AutoModelForImageTextToText if known else AutoModelForCausalLM
    kwargs: dict[str, Any] = {
        "trust_remote_code": options.trust_remote_code,
        "local_files_only": True,
        "config": config,
        "dtype": options.dtype or ("float32" if device == "cpu" else "bfloat16"),
        "device_map": options.device_map or {"": device},
        "use_safetensors": None if options.allow_pickle else True,
        "ignore_mismatched_sizes": True,
        "output_loading_info": True,
    }
    if options.attention is not None:
        kwargs["attn_implementation"] = options.attention
    if options.quantize is not None:
        compute = torch.float32 if device == "cpu" else torch.bfloat16
        kwargs["quantization_config"] = quantization(options.quantize, compute)
    stored = _check_weights(folder, quantized)
    if stored is not None and known and not options.trust_remote_code:
        _check_size(auto, config, stored, folder)
    allowed = Allowed(options.allow_missing)
    try:
        with seeded(), quiet_transformers():
            model, info = auto.from_pretrained(folder, **kwargs)
    except (OSError, ValueError, ImportError) as error:
        text = one_line(error, 300)
        if not options.allow_pickle and not list(folder.glob("*.safetensors")):
            text = "it has no .safetensors weights; --allow-pickle reads .bin weights"
        raise UserError(f"the model in {folder} cannot be loaded: {text}") from error
    _check_report(folder, info, allowed)
    check_parameters(model.named_parameters(), folder, allowed)
    return model.eval()


def _check_size(auto: Any, config: Any, stored: int, folder: Path) -> None:
    """Refuses a configuration of a much larger network than the one in the files, before memory is taken for it."""
    import torch

    try:
        with torch.device("meta"), quiet_transformers():
            empty = auto.from_config(copy.deepcopy(config))
    except Exception:
        return  # some classes cannot be built without storage; loading itself reports what is wrong
    needed = sum(parameter.numel() for parameter in empty.parameters())
    if needed > 4 * stored + 1_000_000:
        raise UserError(
            f"{folder / 'config.json'} describes a network of {needed:,} parameters, but the weight files have "
            f"{stored:,}; they do not belong together"
        )


def _check_report(folder: Path, info: Mapping[str, Any], allowed: Allowed) -> None:
    """Refuses what transformers would replace by random numbers, or leave out, with a warning."""
    for name, found, expected in sorted(info.get("mismatched_keys") or ()):
        if name not in allowed:
            raise UserError(
                f"{folder}: tensor {name} has shape {list(found)}, but config.json describes {list(expected)}; "
                f"configuration and weights do not belong together; {ALLOW}"
            )
    reason = "its place would be filled with random numbers"
    refuse_difference(folder, "missing", allowed.others(info.get("missing_keys") or ()), reason)
    surplus = [name for name in info.get("unexpected_keys") or () if not name.endswith(_NO_WEIGHTS)]
    reason = "config.json describes a network without it"
    refuse_difference(folder, "unexpected", allowed.others(surplus), reason)


def embedding_rows(model: Any) -> int | None:
    """How many tokens the model has an embedding for; None where code of the checkpoint's own does not tell."""
    try:
        return int(model.get_input_embeddings().weight.shape[0])
    except (AttributeError, NotImplementedError):
        return None


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Without transformers' table of tensors that do not fit; it is reported in one line here."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)
