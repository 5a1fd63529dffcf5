"""Tensors on disk, known by name and shape before any of their bytes is read.

Reads safetensors with plain positioned reads rather than a memory map, so that the pages of a float32 shard never
count beside the half-precision weights made from it, and pickled files through torch's restricted loader only.
"""

from __future__ import annotations

import math
import os
import pickle
import struct
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import RawIOBase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cambrian_eval.errors import UserError, one_line
from cambrian_eval.json_input import parse_object, read_object

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "U64": torch.uint64,
    "I32": torch.int32,
    "U32": torch.uint32,
    "I16": torch.int16,
    "U16": torch.uint16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "C64": torch.complex64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E8M0": torch.float8_e8m0fnu,
}

_DOWNLOAD = "download or copy it again"
_MAX_HEADER = 100_000_000
"""Bytes of a safetensors header, as the format bounds it."""

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
        if (folder / name).exists():
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
    if not path.is_file():
        raise UserError(f"{path} is not a regular file; {_DOWNLOAD}")
    if path.name.endswith(".index.json"):
        return _open_index(path, allow_pickle)
    if path.suffix == ".safetensors":
        return _open_safetensors(path)
    if not allow_pickle:
        raise UserError(f"{path} is a pickled file; use its safetensors form, or allow it with --allow-pickle")
    return _open_pickle(path)


def _open_index(path: Path, allow_pickle: bool) -> Stored:
    weight_map = read_object(path, _DOWNLOAD).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise UserError(f"{path} has no weight_map from tensors to files; {_DOWNLOAD}")
    wrong = next((name for name, shard in weight_map.items() if not _is_file_name(shard)), None)
    if wrong is not None:
        raise UserError(f"{path}: weight_map gives no file of this folder for tensor {wrong[:200]}; {_DOWNLOAD}")
    shards: dict[str, Stored] = {}
    for name in sorted(set(weight_map.values())):
        if not os.path.exists(path.parent / name):
            raise UserError(f"{path} names the shard {name[:200]}, which does not exist; download the checkpoint again")
        shards[name] = open_file(path.parent / name, allow_pickle=allow_pickle)
    lost = [name for name, shard in weight_map.items() if name not in shards[shard]]
    if lost:
        raise UserError(f"{path}: tensor {lost[0]} is not in {weight_map[lost[0]]}; download the checkpoint again")
    return {name: tensor for shard in shards.values() for name, tensor in shard.items()}


def _is_file_name(name: Any) -> bool:
    return isinstance(name, str) and name not in ("", ".", "..") and "/" not in name and "\0" not in name


@dataclass(frozen=True)
class Entry:
    """A tensor as a safetensors header describes it."""

    name: str
    dtype: str
    """In the letters of safetensors."""
    shape: tuple[int, ...]
    start: int
    """Offset of its first byte in the file."""
    stop: int


def read_entries(path: Path) -> list[Entry]:
    """The tensors of a safetensors file, in the order of their bytes; every offset lies in the file and fits.

    A header that is not one of the format, offsets that overlap or lie outside the file, and sizes that contradict
    shape and type are one line each.
    """
    if not path.is_file():
        raise UserError(f"{path} is not a regular file; {_DOWNLOAD}")
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if length > min(size - 8, _MAX_HEADER):
            raise UserError(f"{path} is not a readable safetensors file: its header is cut or too long; {_DOWNLOAD}")
        header = parse_object(file.read(length), f"the header of {path}", _DOWNLOAD)
    base = 8 + length
    header.pop("__metadata__", None)
    entries = sorted((_entry(path, name, about, base) for name, about in header.items()), key=lambda e: e.start)
    for entry in entries:
        if entry.stop > size:
            raise UserError(f"{path} ends inside tensor {entry.name}; it is truncated, {_DOWNLOAD}")
    end = base
    for before, entry in zip([None, *entries], entries, strict=False):
        if entry.start < end and before is not None and entry.stop > entry.start:
            raise UserError(f"{path}: tensors {before.name} and {entry.name} overlap; {_DOWNLOAD}")
        end = max(end, entry.stop)
    if size > end:
        raise UserError(f"{path} has {size - end:,} bytes after its last tensor; {_DOWNLOAD}")
    return entries


def _entry(path: Path, name: str, about: Any, base: int) -> Entry:
    shown = name[:200]
    if not isinstance(about, dict):
        raise UserError(f"{path}: the header's entry for tensor {shown} is not an object; {_DOWNLOAD}")
    dtype: Any = about.get("dtype")
    shape: Any = about.get("shape")
    offsets: Any = about.get("data_offsets")
    if not isinstance(dtype, str):
        raise UserError(f"{path}: tensor {shown} has no dtype in the header; {_DOWNLOAD}")
    if not _are_sizes(shape):
        raise UserError(f"{path}: the shape of tensor {shown} is not a list of sizes; {_DOWNLOAD}")
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise UserError(f"{path}: data_offsets of tensor {shown} are not a start and an end in bytes; {_DOWNLOAD}")
    known = _DTYPES.get(dtype)
    needed = None if known is None else math.prod(shape) * known.itemsize
    if needed is not None and needed != offsets[1] - offsets[0]:
        raise UserError(
            f"{path}: tensor {shown} of shape {list(shape)} and type {dtype} needs {needed:,} bytes, but the header "
            f"gives it {offsets[1] - offsets[0]:,}; {_DOWNLOAD}"
        )
    return Entry(name, dtype, tuple(shape), base + offsets[0], base + offsets[1])


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 1 << 63 for value in values)


def _open_safetensors(path: Path) -> Stored:
    tensors: Stored = {}
    for entry in read_entries(path):
        dtype = _DTYPES.get(entry.dtype)
        if dtype is None:
            raise UserError(f"{path}: tensor {entry.name} has the unsupported type {entry.dtype}")
        tensors[entry.name] = _file_tensor(path, entry.start, dtype, entry.shape)
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
    except (pickle.UnpicklingError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, EOFError) as error:
        reason = one_line(error, 160)
        raise UserError(f"{path} cannot be read as plain weights ({reason}); use a safetensors file") from None
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict):
        raise UserError(f"{path} has no table of tensors; use a safetensors file")
    return {
        name: StoredTensor(tuple(tensor.shape), tensor.dtype, _converter(tensor), path)
        for name, tensor in state.items()
        if isinstance(tensor, Tensor)
    }


def _converter(tensor: Tensor) -> Callable[[torch.dtype], Tensor]:
    # A copy even where the type fits, because the file's memory map must not stay open.
    return lambda dtype: tensor.to(dtype, copy=True)
