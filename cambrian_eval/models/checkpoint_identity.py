"""A hash that identifies a checkpoint's files, cheap enough to compute at every start.

Two checkpoints of one architecture differ in the weights alone, so names and sizes are not enough: a block from every
tensor is hashed as well. Small files (configuration, tokenizer, small weights) are hashed completely.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

WHOLE_FILE = 32 << 20
"""Files up to this size are hashed completely."""
BLOCK = 2048
"""Bytes hashed in the middle of every tensor of a larger file."""
BLOCKS_OF_OTHER_FILES = 1024
"""Blocks hashed of a larger file that is not safetensors."""

_READ = ("*.safetensors", "pytorch_model*.bin", "open_clip_*.bin", "*.json", "tokenizer.model")
_WITHOUT_EFFECT = {"README.md", "trainer_state.json", "training_args.json"}


def identity(folder: Path, towers: Iterable[Path | None], settings: Mapping[str, Any]) -> str:
    """A short hash that changes when weights, tokenizer, towers or settings change, but not when files are moved."""
    digest = hashlib.sha256(json.dumps(dict(settings), sort_keys=True).encode())
    for part in (folder, *(tower for tower in towers if tower is not None)):
        digest.update(b"\0folder\0")
        for path in _files(part):
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            for block in _blocks(path):
                digest.update(block)
    return "cambrian-" + digest.hexdigest()[:24]


def _files(folder: Path) -> list[Path]:
    found = {path for pattern in _READ for path in folder.glob(pattern) if path.is_file()}
    return sorted(path for path in found if path.name not in _WITHOUT_EFFECT)


def _blocks(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= WHOLE_FILE:
            yield file.read()
            return
        if path.suffix == ".safetensors":
            length = int.from_bytes(file.read(8), "little")
            header = file.read(length)
            yield header
            middles = [
                8 + length + sum(entry["data_offsets"]) // 2
                for name, entry in sorted(json.loads(header).items())
                if name != "__metadata__"
            ]
        else:
            middles = [size * number // BLOCKS_OF_OTHER_FILES for number in range(BLOCKS_OF_OTHER_FILES)]
        for middle in middles:
            file.seek(middle)
            yield file.read(BLOCK)
