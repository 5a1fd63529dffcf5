"""Whether weights can be those of a working network: their types before they are read, their values afterwards."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from torch import Tensor

from cambrian_eval.errors import UserError

from .tensor_files import Stored, StoredTensor

ALLOW = "--allow-missing PATTERN runs the checkpoint as it is"
SAMPLED_TENSORS = 12
"""How many 16-bit matrices are looked at to tell whether their type is the stated one."""
SAMPLED_VALUES = 4096
_SWAPPED = {torch.bfloat16: torch.float16, torch.float16: torch.bfloat16}


@contextmanager
def seeded() -> Iterator[None]:
    """Makes tensors that a checkpoint lacks the same at every start; random numbers elsewhere are not affected."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


class Allowed:
    """Names of tensors that may be missing, unexpected or zero: patterns such as `model.extra.*`, comma-separated."""

    def __init__(self, patterns: str | None) -> None:
        self.patterns = tuple(part.strip() for part in (patterns or "").split(",") if part.strip())

    def __contains__(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.patterns)

    def others(self, names: Iterable[str]) -> list[str]:
        """The names that no pattern matches, sorted."""
        return sorted(name for name in names if name not in self)


def refuse_difference(place: object, kind: str, names: Collection[str], reason: str) -> None:
    """Raises an error that names the first tensors of a kind (missing, unexpected, ...), if there is one."""
    if not names:
        return
    shown = ", ".join(sorted(names)[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    verb = "is" if len(names) == 1 else "are"
    raise UserError(f"{place}: tensor {shown}{more} {verb} {kind}; {reason}; {ALLOW}")


def check_types(stored: Stored) -> None:
    """Refuses integer and float8 weights, which mean nothing without a scheme, and types that the bytes contradict."""
    for name, tensor in stored.items():
        is_weight = name.endswith("weight") and len(tensor.shape) > 0
        if is_weight and not (tensor.is_floating_point() and tensor.dtype.itemsize > 1):
            raise UserError(
                f"{tensor.origin}: tensor {name} is stored as {str(tensor.dtype).removeprefix('torch.')}, and "
                "config.json names no quantization scheme (quantization_config) that says what the numbers mean; use "
                "a checkpoint in floating point"
            )
    matrices = [
        (name, tensor)
        for name, tensor in stored.items()
        if tensor.dtype in _SWAPPED and len(tensor.shape) == 2 and tensor.numel() >= 256 and tensor.read_rows
    ]
    step = max(1, len(matrices) // SAMPLED_TENSORS)
    looked_at = matrices[::step][:SAMPLED_TENSORS]
    lying = [(name, tensor) for name, tensor in looked_at if _is_other_type(tensor)]
    if lying and 2 * len(lying) > len(looked_at):
        name, tensor = lying[0]
        stated, other = (str(t).removeprefix("torch.") for t in (tensor.dtype, _SWAPPED[tensor.dtype]))
        raise UserError(
            f"{tensor.origin}: the header states {stated} for tensor {name}, but its bytes are {other} numbers; "
            "download or convert the checkpoint again"
        )


def _is_other_type(tensor: StoredTensor) -> bool:
    """Whether 16-bit numbers look like weights in the other 16-bit type only.

    Weights of a matrix spread over orders of magnitude around a value below one. bfloat16 read as float16 has all
    values within a factor of three or so, and float16 read as bfloat16 is smaller than any weight.
    """
    assert tensor.read_rows is not None
    rows = max(1, min(tensor.shape[0], SAMPLED_VALUES // max(1, tensor.shape[1])))
    values = tensor.read_rows(tensor.dtype, 0, rows).flatten()[:SAMPLED_VALUES]
    return not _look_like_weights(values) and _look_like_weights(values.view(_SWAPPED[tensor.dtype]))


def _look_like_weights(values: Tensor) -> bool:
    sizes = values.float().abs()
    sizes = sizes[sizes > 0]
    if len(sizes) < 64 or not bool(torch.isfinite(sizes).all()):
        return False
    low, middle, high = torch.quantile(sizes, torch.tensor([0.05, 0.5, 0.95])).tolist()
    return bool(1e-7 < middle < 8 and high > 4 * low)


def check_parameters(parameters: Iterable[tuple[str, Tensor]], place: Path, allowed: Allowed) -> None:
    """Refuses loaded weights that contain NaN or infinite values, and matrices that contain nothing but zeros.

    One pass over each tensor where it lies; the device is waited for once.
    """
    names, found = [], []
    for name, value in parameters:
        if value.is_meta or value.numel() == 0 or not value.is_floating_point() or value.dtype.itemsize == 1:
            continue
        low, high = torch.aminmax(value.detach())
        names.append((name, value.dim() > 1 and min(value.shape[0], value[0].numel()) > 1))
        found.append((low.float(), high.float()))
    by_device: dict[torch.device, list[int]] = {}
    for index, (low, _) in enumerate(found):
        by_device.setdefault(low.device, []).append(index)
    limits: dict[int, list[float]] = {}
    for indices in by_device.values():
        pairs = torch.stack([torch.stack(found[index]) for index in indices]).tolist()
        limits.update(zip(indices, pairs, strict=True))
    zero = []
    for index, (name, is_matrix) in enumerate(names):
        least, most = limits[index]
        if not (abs(least) < float("inf") and abs(most) < float("inf")):  # false for NaN too
            raise UserError(
                f"{place}: tensor {name} contains NaN or infinite values; download the checkpoint again, or load it "
                "in another dtype"
            )
        if is_matrix and least == most == 0:
            zero.append(name)
    refuse_difference(place, "all zero", allowed.others(zero), "the checkpoint is damaged; download it again")
