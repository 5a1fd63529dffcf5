"""Where a local model runs and how many questions it takes at a time: what both local adapters read from options."""

from __future__ import annotations

from cambrian_eval.errors import UserError
from cambrian_eval.model import ModelOptions


def device_of(options: ModelOptions) -> str:
    """The device named, else the first GPU, else the processor."""
    import torch

    if options.device is not None and options.device_map is not None:
        raise UserError("--device and --device-map contradict each other; give one of them")
    if options.device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(options.device)
    except RuntimeError:
        raise UserError(f"--device {options.device!r} is no device; use cpu, cuda, cuda:1 or mps") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"--device {options.device} is not here: {torch.cuda.device_count()} CUDA device(s) found; use --device cpu"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError("--device mps is not available on this machine; use --device cpu")
    return str(device)


def batch_size_of(options: ModelOptions) -> int | None:
    """The number of questions of a batch; None where the adapter is to find it."""
    if options.batch_size == "auto":
        return None
    if options.batch_size.isdecimal() and int(options.batch_size) > 0:
        return int(options.batch_size)
    raise UserError(f"--batch-size {options.batch_size!r} is neither auto nor a positive number")
