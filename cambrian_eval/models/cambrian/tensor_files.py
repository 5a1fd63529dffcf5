"""Tensors on disk, known by name and shape before any of their bytes is read.

Reads safetensors with plain positioned reads rather than a memory map, so that the pages of a float32 shard never
count beside the half-precision weights made from it, and pickled files through torch's restricted loader only.
"""

from __future__ import annotations

import json
import pickle
import struct
import threading
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import RawIOBase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cambrian_eval.errors import UserError

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}


_PIECE = 1 << 23
"""Bytes read at a time where a tensor is converted while reading: all that exists at once in the stored type."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor that is read by `[...]`, as transformers' loader does, and not kept.

    `read` takes the wanted type, so that a conversion needs no copy of the whole tensor in the stored type.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    read: Callable[[torch.dtype], Tensor]
    origin: Path
    read_rows: Callable[[torch.dtype, int, int], Tensor] | None = None

    def __getitem__(self, index: Any) -> Tensor:
        return self.read(self.dtype)[index]

    def get_shape(self) -> list[int]:
        """The shape, under the name that safetensors' slices have."""
        return list(self.shape)

    def get_dtype(self) -> str:
        """The type in the letters of safetensors ("BF16"), under the name its slices have."""
        return next(name for name, dtype in _DTYPES.items() if dtype == self.dtype)

    def is_floating_point(self) -> bool:
        """Whether `cast` applies: integers and booleans keep their type."""
        return self.dtype.is_floating_point

    def numel(self) -> int:
        """Number of elements, known without reading any."""
        return int(torch.Size(self.shape).numel())

    def cast(self, dtype: torch.dtype) -> StoredTensor:
        """The tensor in another type, if it has floating point numbers."""
        return replace(self, dtype=dtype) if self.is_floating_point() else self

    def rows(self, start: int, stop: int) -> StoredTensor:
        """Some rows along the first axis, copied so that the rest is not kept alive."""
        shape = (stop - start, *self.shape[1:])
        if self.read_rows is not None:
            read_rows = self.read_rows
            return StoredTensor(shape, self.dtype, lambda dtype: read_rows(dtype, start, stop), self.origin)
        return StoredTensor(shape, self.dtype, lambda dtype: self.read(dtype)[start:stop].clone(), self.origin)

    def first(self) -> StoredTensor:
        """The tensor without its first axis, which has length one."""
        return StoredTensor(self.shape[1:], self.dtype, lambda dtype: self.read(dtype)[0], self.origin)


Stored = dict[str, StoredTensor]

WEIGHT_FILES = (
    "model.safetensors.index.json",
    "model.safetensors",
    "open_clip_model.safetensors",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
    "open_clip_pytorch_model.bin",
)
"""Names of weight files, the preferred first."""


def open_folder(folder: Path, what: str, *, allow_pickle: bool = True) -> Stored:
    """All tensors of a folder's weight file, sharded or not. `what` names the folder's content in errors."""
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return open_file(folder / name, allow_pickle=allow_pickle)
    others = sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")])
    if len(others) == 1:
        return open_file(others[0], allow_pickle=allow_pickle)
    found = f"several weight files ({', '.join(path.name for path in others)})" if others else "no weight file"
    raise UserError(f"{folder} has {found}; {what} needs one of {', '.join(WEIGHT_FILES)}")


def open_file(path: Path, *, allow_pickle: bool = True) -> Stored:
    """All tensors of one weight file or of the shards that an index names.

    Pickled files (`.bin`) are refused without `allow_pickle`; torch's restricted loader reads them either way.
    """
    if path.name.endswith(".index.json"):
        return _open_index(path, allow_pickle)
    if path.suffix == ".safetensors":
        return _open_safetensors(path)
    if not allow_pickle:
        raise UserError(f"{path} is a pickled file; use its safetensors form, or allow it with --allow-pickle")
    return _open_pickle(path)


def _open_index(path: Path, allow_pickle: bool) -> Stored:
    weight_map: Mapping[str, str] = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
    shards: dict[str, Stored] = {}
    for name in sorted(set(weight_map.values())):
        if not (path.parent / name).is_file():
            raise UserError(f"{path} names the shard {name}, which does not exist; download the checkpoint again")
        shards[name] = open_file(path.parent / name, allow_pickle=allow_pickle)
    lost = [name for name, shard in weight_map.items() if name not in shards[shard]]
    if lost:
        raise UserError(f"{path}: tensor {lost[0]} is not in {weight_map[lost[0]]}; download the checkpoint again")
    return {name: tensor for shard in shards.values() for name, tensor in shard.items()}


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """A safetensors file's header and the offset of its first byte of data."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
    except (struct.error, ValueError, MemoryError, OverflowError):
        raise UserError(f"{path} is not a readable safetensors file; download or copy it again") from None
    header.pop("__metadata__", None)
    return header, 8 + length


def _open_safetensors(path: Path) -> Stored:
    header, base = read_header(path)
    size = path.stat().st_size
    tensors: Stored = {}
    for name, entry in header.items():
        start, stop = entry["data_offsets"]
        if base + stop > size:
            raise UserError(f"{path} ends inside tensor {name}; it is truncated, download or copy it again")
        dtype = _DTYPES.get(entry["dtype"])
        if dtype is None:
            raise UserError(f"{path}: tensor {name} has the unsupported type {entry['dtype']}")
        shape = tuple(entry["shape"])
        tensors[name] = _file_tensor(path, base + start, dtype, shape)
    return tensors


def _file_tensor(path: Path, offset: int, dtype: torch.dtype, shape: tuple[int, ...]) -> StoredTensor:
    width = int(torch.Size(shape[1:]).numel())

    def read(wanted: torch.dtype) -> Tensor:
        return _read(path, offset, dtype, shape, wanted)

    def read_rows(wanted: torch.dtype, start: int, stop: int) -> Tensor:
        at = offset + start * width * dtype.itemsize
        return _read(path, at, dtype, (stop - start, *shape[1:]), wanted)

    return StoredTensor(shape, dtype, read, path, read_rows if shape else None)


def _read(path: Path, offset: int, dtype: torch.dtype, shape: tuple[int, ...], wanted: torch.dtype) -> Tensor:
    result = torch.empty(shape, dtype=wanted)
    flat = result.view(-1)
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        if wanted == dtype:
            _fill(file, flat.view(torch.uint8), path)
            return result
        raw = _scratch()
        step = len(raw) // dtype.itemsize
        for done in range(0, len(flat), step):
            part = flat[done : done + step]
            piece = raw[: len(part) * dtype.itemsize]
            _fill(file, piece, path)
            part.copy_(piece.view(dtype))
    return result


_scratches = threading.local()


def _scratch() -> Tensor:
    """One buffer per reading thread, because a new one for each piece would fragment the heap."""
    if not hasattr(_scratches, "buffer"):
        _scratches.buffer = torch.empty(_PIECE, dtype=torch.uint8)
    buffer: Tensor = _scratches.buffer
    return buffer


def _fill(file: RawIOBase, raw: Tensor, path: Path) -> None:
    """Read until a buffer is full; one system call moves at most about 2 GiB."""
    view: memoryview[int] = raw.numpy().data
    done = 0
    while done < len(view):
        count = file.readinto(view[done:])
        if not count:
            raise UserError(f"{path} ended early while a tensor was read; it changed or is truncated")
        done += count


def _open_pickle(path: Path) -> Stored:
    try:
        # Only the zip format can be mapped; older files are read whole.
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).splitlines()[0][:160]
        raise UserError(f"{path} cannot be read as plain weights ({reason}); use a safetensors file") from None
    if isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    return {
        name: StoredTensor(tuple(tensor.shape), tensor.dtype, _converter(tensor), path)
        for name, tensor in state.items()
        if isinstance(tensor, Tensor)
    }


def _converter(tensor: Tensor) -> Callable[[torch.dtype], Tensor]:
    # A copy even where the type fits, because the file's memory map must not stay open.
    return lambda dtype: tensor.to(dtype, copy=True)
