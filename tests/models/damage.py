"""Ways to damage a checkpoint's folder."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

Change = Callable[[Path], None]
State = dict[str, torch.Tensor]


def weights(change: Callable[[State], None]) -> Change:
    """Rewrites the tensors."""

    def apply(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        change(state)
        save_file(state, folder / "model.safetensors", {"format": "pt"})

    return apply


def drop(*parts: str) -> Change:
    def change(state: State) -> None:
        names = [name for name in state if any(part in name for part in parts)]
        assert names
        for name in names:
            del state[name]

    return weights(change)


def fill(part: str, value: float) -> Change:
    def change(state: State) -> None:
        for name in [name for name in state if part in name]:
            state[name] = torch.full_like(state[name], value)

    return weights(change)


def one_value(part: str, value: float) -> Change:
    def change(state: State) -> None:
        next(t for name, t in state.items() if part in name).view(-1)[-1] = value

    return weights(change)


def cast(part: str, dtype: torch.dtype) -> Change:
    def change(state: State) -> None:
        for name in [name for name in state if part in name]:
            state[name] = state[name].to(dtype)

    return weights(change)


def extra(state: State) -> None:
    state["model.surplus.weight"] = torch.ones(3, 3)


def values(name: str, **keys: Any) -> Change:
    """Sets keys of a JSON file; `a__b` is b inside a."""

    def apply(folder: Path) -> None:
        path = folder / name
        content = json.loads(path.read_text()) if path.exists() else {}
        for key, value in keys.items():
            *outer, last = key.split("__")
            place = content
            for part in outer:
                place = place[part]
            place[last] = value
        path.write_text(json.dumps(content))

    return apply


def text(name: str, content: str | bytes) -> Change:
    def apply(folder: Path) -> None:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return apply


def fifo(name: str) -> Change:
    def apply(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return apply


def header(change: Callable[[dict[str, Any]], Any]) -> Change:
    """Rewrites the header of the weights and leaves their bytes as they are."""

    def apply(folder: Path) -> None:
        path = folder / "model.safetensors"
        data = path.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        content = json.loads(data[8 : 8 + length])
        changed = change(content)
        written = json.dumps(content if changed is None else changed).encode()
        path.write_bytes(struct.pack("<Q", len(written)) + written + data[8 + length :])

    return apply


def raw_header(content: bytes) -> Change:
    return text("model.safetensors", struct.pack("<Q", len(content)) + content)


def entry(**keys: Any) -> Change:
    """Changes the header's entry of one tensor."""

    def change(content: dict[str, Any]) -> None:
        content[next(name for name in content if "layernorm.weight" in name)] |= keys

    return header(change)


def overlapping(content: dict[str, Any]) -> None:
    entries = [about for name, about in content.items() if name != "__metadata__"]
    first = next(a for a in entries if any(b is not a and b["shape"] == a["shape"] for b in entries))
    next(b for b in entries if b is not first and b["shape"] == first["shape"])["data_offsets"] = first["data_offsets"]


def without_offsets(content: dict[str, Any]) -> None:
    del content[next(name for name in content if name != "__metadata__")]["data_offsets"]


def a_number(content: dict[str, Any]) -> None:
    content[next(name for name in content if name != "__metadata__")] = 7


def index(content: Any) -> Change:
    def apply(folder: Path) -> None:
        (folder / "model.safetensors.index.json").write_text(json.dumps(content))
        (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")

    return apply


def bfloat16_called_float16(folder: Path) -> None:
    cast("", torch.bfloat16)(folder)

    def change(content: dict[str, Any]) -> None:
        for name, about in content.items():
            if name != "__metadata__":
                about["dtype"] = "F16"

    header(change)(folder)


def template(content: str) -> Change:
    return text("chat_template.jinja", content)


def byte_tokenizer(size: int) -> Change:
    def apply(folder: Path) -> None:
        path = folder / "tokenizer.json"
        content = json.loads(path.read_text())
        content["model"]["vocab"] |= {f"word{i}": 10_000 + i for i in range(size)}
        path.write_text(json.dumps(content))

    return apply
