"""Files in the layout of open_clip and timm: the trunk, its tensors under new names, and what its configs state."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError

from ...checkpoint_files import read_json
from ...tensor_files import Stored
from .kind import Settings

TRUNK = "visual.trunk."


def trunk_of(stored: Stored, marks: Collection[str]) -> Stored | None:
    """The trunk of an open_clip or timm file without its prefix; None for another layout.

    A file without the prefix is a trunk where it has one of the tensors `marks`.
    """
    trunk = {name.removeprefix(TRUNK): tensor for name, tensor in stored.items() if name.startswith(TRUNK)}
    if trunk:
        return trunk
    return stored if any(mark in stored for mark in marks) else None


def rename(trunk: Stored, rules: Sequence[tuple[str, str]], folder: Path, ignored: tuple[str, ...] = ()) -> Stored:
    """The tensors under the names that the rules give them; one that no rule knows is an error unless ignored."""
    found: Stored = {}
    for name, tensor in trunk.items():
        target = next((re.sub(old, new, name) for old, new in rules if re.fullmatch(old, name)), None)
        if target is not None:
            found[target] = tensor
        elif not name.startswith(ignored):
            raise UserError(f"{folder}: tensor {TRUNK}{name} belongs to no known tower; is it another network?")
    return found


def stated_settings(folder: Path) -> Settings:
    """What an open_clip or timm configuration states of the vision part, whichever of their keys it uses."""
    stated: dict[str, Any] = {}
    for name in ("config.json", "open_clip_config.json"):
        path = folder / name
        if not path.is_file():
            continue
        content = read_json(path)
        stated |= {"timm_model_name": content.get("architecture", "")} | content.get("model_args", {})
        size = content.get("pretrained_cfg", content).get("input_size")
        stated |= {"image_size": size[-1]} if size else {}
        stated |= {key: content[key] for key in ("multi_stage", "image_size") if key in content}
        stated |= content.get("model_cfg", content).get("vision_cfg", {})
    return stated


def image_size(stated: Settings) -> int | None:
    """The input side that a configuration states."""
    size = stated.get("image_size") or stated.get("img_size")
    return int(size[0] if isinstance(size, list) else size) if size else None
