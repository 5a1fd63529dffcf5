"""A transformers checkpoint from a folder or the Hub: its options, files, processor and model.

Also loads processors where torchvision is absent: their video part needs it, but only images are used here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError, one_line
from cambrian_eval.model import option
from cambrian_eval.models.local import LocalOptions, device_of, quantization

_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "tokenizer*"]


@dataclass(frozen=True)
class TransformersOptions(LocalOptions):
    """Options of `hf`."""

    template: str | None = option(None, help="File with a Jinja chat template instead of the checkpoint's own.")
    trust_remote_code: bool = option(False, help="Let the checkpoint run Python code of its own.")
    offline: bool = option(False, help="Load from the local cache only; the run's own (--offline) unless set.")


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

    @property
    def is_paligemma(self) -> bool:
        """Whether prompts follow PaliGemma's task format, which has no chat template."""
        return "paligemma" in type(self.processor).__name__.lower()


def load(spec: str, options: TransformersOptions) -> Checkpoint:
    """The checkpoint `FOLDER`, `HUB_ID` or `HUB_ID@REVISION`, on the device the options name."""
    folder = _folder(spec, options)
    device = device_of(options)
    processor = _processor(folder, options)
    _set_template(processor, options.template)
    written, takes_parts = _written(processor)
    model = _model(folder, options, device)
    tokenizer = processor.tokenizer
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        # Padding is masked, so any token will do where the checkpoint names none.
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return Checkpoint(
        folder=folder,
        processor=processor,
        model=model,
        device=str(next(model.parameters()).device),
        dtype=str(model.dtype).removeprefix("torch."),
        bos_in_template=bool(tokenizer.bos_token) and written.startswith(tokenizer.bos_token),
        takes_parts=takes_parts,
    )


def _folder(spec: str, options: TransformersOptions) -> Path:
    """The files of a checkpoint on this machine; those of a Hub checkpoint are downloaded or found in the cache."""
    local = Path(spec).expanduser()
    if local.is_dir():
        if not (local / "config.json").is_file():
            raise UserError(f"model folder {spec} has no config.json; name a checkpoint folder")
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
    return Path(found)


def _processor(folder: Path, options: TransformersOptions) -> Any:
    """The checkpoint's processor; where torchvision is absent, without its video part."""
    from transformers import AutoProcessor
    from transformers.utils import is_torchvision_available

    common = {"trust_remote_code": options.trust_remote_code, "local_files_only": True}
    try:
        if not is_torchvision_available() and (known := _processor_class(folder)) is not None:
            made = _for_images(known).from_pretrained(folder, backend="pil", **common)
            made.video_processor = _NoVideo()
            return made
        processor = AutoProcessor.from_pretrained(folder, **common)
    except (ImportError, OSError, ValueError) as error:
        raise UserError(f"the processor of {folder} cannot be loaded: {one_line(error, 300)}") from error
    if getattr(processor, "tokenizer", None) is None or getattr(processor, "image_processor", None) is None:
        raise UserError(f"{folder} is not an image-text-to-text model: its processor takes no images or no text")
    return processor


def _processor_class(folder: Path) -> Any:
    """The processor class of a model type whose processor has a video part; None for all others."""
    import transformers
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    kind = json.loads((folder / "config.json").read_text("utf-8")).get("model_type")
    name = PROCESSOR_MAPPING_NAMES.get(kind)
    found = None if name is None else getattr(transformers, name, None)
    return found if found is not None and "video_processor" in found.get_attributes() else None


class _NoVideo:
    """Stands for the video part of a processor: every setting of it is None."""

    model_input_names: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> None:
        if name.startswith("_"):
            raise AttributeError(name)


def _for_images(known: Any) -> Any:
    """A processor class without its video part."""

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
            if argument_name == "video_processor" and argument is None:
                return None
            return super().check_argument_for_proper_class(argument_name, argument)

    ForImages.__name__ = known.__name__
    return ForImages


def _set_template(processor: Any, template: str | None) -> None:
    """Sets the chat template: the one the user names, else the processor's, else the tokenizer's."""
    if template is not None:
        path = Path(template).expanduser()
        try:
            processor.chat_template = path.read_text("utf-8")
        except OSError as error:
            raise UserError(
                f"--template {template} cannot be read ({error.strerror}); name a file with a Jinja chat template"
            ) from None
    own = processor.chat_template or getattr(processor.tokenizer, "chat_template", None)
    processor.chat_template = own.get("default") if isinstance(own, dict) else own


def _written(processor: Any) -> tuple[str, bool]:
    """A chat of one word in the model's template (empty where there is none), and whether it takes parts."""
    if processor.chat_template is None:
        return "", True
    reason = "it does not show the text it is given"
    for content in ([{"type": "text", "text": "x1y2"}], "x1y2"):
        chat = [{"role": "user", "content": content}]
        try:
            text = str(processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False))
        except Exception as error:
            reason = one_line(error, 200)
            continue
        if "x1y2" in text and "'type'" not in text and '"type"' not in text:
            return text, isinstance(content, list)
    raise UserError(f"the model's chat template cannot be used ({reason}); name another with --template FILE")


def _model(folder: Path, options: TransformersOptions, device: str) -> Any:
    """The model on its device, ready for inference."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    common: dict[str, Any] = {"trust_remote_code": options.trust_remote_code, "local_files_only": True}
    try:
        config = AutoConfig.from_pretrained(folder, **common)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"{folder / 'config.json'} names no model that this version of transformers knows: {one_line(error, 300)}"
        ) from error
    known = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    auto = AutoModelForImageTextToText if known else AutoModelForCausalLM
    kwargs: dict[str, Any] = {
        **common,
        "config": config,
        "dtype": options.dtype or ("float32" if device == "cpu" else "bfloat16"),
        "device_map": options.device_map or {"": device},
        "use_safetensors": None if options.allow_pickle else True,
    }
    if options.attention is not None:
        kwargs["attn_implementation"] = options.attention
    if options.quantize is not None:
        compute = torch.float32 if device == "cpu" else torch.bfloat16
        kwargs["quantization_config"] = quantization(options.quantize, compute)
    try:
        model = auto.from_pretrained(folder, **kwargs)
    except (OSError, ValueError, ImportError) as error:
        text = one_line(error, 300)
        if not options.allow_pickle and not list(folder.glob("*.safetensors")):
            text = "it has no .safetensors weights; --allow-pickle reads .bin weights"
        raise UserError(f"the model in {folder} cannot be loaded: {text}") from error
    return model.eval()
