"""What models on this machine share: their options, the device they run on, and quantized loading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambrian_eval.errors import CambrianEvalError, UserError, describe
from cambrian_eval.model import option


@dataclass(frozen=True)
class LocalOptions:
    """Options of every adapter that loads a checkpoint on this machine."""

    dtype: str | None = option(
        None,
        choices=("float32", "bfloat16", "float16", "auto"),
        help="Number type of the weights; auto is the checkpoint's own. [default: float32 on a CPU, else bfloat16]",
    )
    device: str | None = option(None, help="cpu, cuda, cuda:1 or mps. [default: the first GPU, else the CPU]")
    device_map: str | None = option(None, help="auto spreads the model over several devices.")
    batch_size: int | None = option(None, none="auto", minimum=1, help="Requests per batch; auto finds what fits.")
    attention: str | None = option(None, help="sdpa, flash_attention_2 or eager. [default: the model's own]")
    quantize: str | None = option(None, choices=("4bit", "8bit"), help="Quantize the weights with bitsandbytes.")
    template: str | None = option(None, help="Chat template instead of the checkpoint's own.")
    adapter: str | None = option(None, help="Folder of a LoRA adapter (peft) that is merged into the weights.")
    deterministic: bool = option(False, help="Responses do not depend on which requests share a batch; slower.")
    allow_pickle: bool = option(False, help="Read pickled .bin weights, with torch's restricted loader only.")
    allow_missing: str | None = option(
        None, help="Patterns (a.*,b.*) of tensors that may be missing, unexpected or all zero; else that is an error."
    )
    self_check: bool = option(True, help="Check after loading that logits are finite and depend on the image.")
    vision_cache_gb: float | None = option(
        None, none="auto", minimum=0, help="Memory for encoded images, in units of 10^9 bytes; 0 shares none."
    )
    rehash: bool = option(False, help="Hash weights anew, without the cache of hashes; as --rehash, unless set.")


@contextmanager
def loading(checkpoint: str) -> Iterator[None]:
    """Turns whatever a library raises while it reads a checkpoint into one line.

    The tokenizers library reports some damaged files by a `BaseException`.
    """
    try:
        yield
    except (CambrianEvalError, ImportError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise UserError(
            f"the checkpoint {checkpoint} cannot be loaded: {describe(error)}; its files are damaged, or do not belong "
            "together"
        ) from error


def display_name(checkpoint: str, adapter: str | None = None) -> str:
    """The name of a model in results: a Hub id as given, a folder by its last part, and its adapter behind a plus."""
    folder = Path(checkpoint).expanduser()
    name = folder.resolve().name if folder.is_dir() else checkpoint
    return name if adapter is None else f"{name}+{Path(adapter).expanduser().resolve().name}"


def device_of(options: LocalOptions) -> str:
    """The device the options name, else the first GPU, else the CPU."""
    import torch

    if options.device is not None and options.device_map is not None:
        raise UserError("options device and device_map contradict each other; give one of them")
    if options.device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(options.device)
    except RuntimeError:
        raise UserError(f"option device: {options.device!r} is not a device; use cpu, cuda, cuda:1 or mps") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"option device: {options.device} does not exist, {torch.cuda.device_count()} CUDA device(s) found; use cpu"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError("option device: mps is not available on this machine; use cpu")
    return str(device)


def quantization(kind: str, compute: Any, kept: Sequence[str] | None = None) -> Any:
    """bitsandbytes settings for `4bit` or `8bit`, with products in the dtype `compute`.

    `kept` are modules that are not quantized; None leaves the choice to transformers.
    """
    from importlib.util import find_spec

    from transformers import BitsAndBytesConfig

    if kind not in ("4bit", "8bit"):
        raise UserError(f"option quantize must be 4bit or 8bit, not {kind!r}")
    if find_spec("bitsandbytes") is None:
        raise UserError(f"option quantize={kind} needs bitsandbytes; install it with `pip install bitsandbytes`")
    modules = None if kept is None else list(kept)
    if kind == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=modules)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=compute,
        bnb_4bit_use_double_quant=True,
        llm_int8_skip_modules=modules,
    )
