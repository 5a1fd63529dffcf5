"""Which vision towers a checkpoint asks for, and where their weights are.

Turns the entries of `mm_vision_tower_aux_list` into `TowerSpec`s, with a folder found beside the checkpoint, under
`towers_root`, or in the Hub cache. Opens no connection, and a weight file only where a folder has no config.json.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError

from ...checkpoint_files import check_folder, read_json
from ...tensor_files import open_folder
from ..folders import cached_snapshot
from . import timm
from .clip import Clip
from .convnext import ConvNext
from .dinov2 import Dinov2
from .kind import Settings, TowerKind, TowerSpec, Triple
from .siglip import Siglip

KINDS: tuple[TowerKind, ...] = (Clip(), Siglip(), ConvNext(), Dinov2())
"""In the order in which the authors' code tries them on an entry."""
MAX_SIDE = 8192
"""Pixels; larger inputs would fill the memory before the first error."""
TRUNK_TENSORS = tuple(kind.trunk_tensor for kind in KINDS if kind.trunk_tensor is not None)


def resolve_towers(
    entries: Sequence[str], checkpoint: Path | None, towers_root: Path | None = None, *, allow_pickle: bool = True
) -> tuple[TowerSpec, ...]:
    """Find every entry of the tower list; where weights were not found, `folder` is None."""
    return tuple(_resolve(entry, checkpoint, towers_root, allow_pickle) for entry in entries)


def require_weights(specs: Sequence[TowerSpec], model: str) -> None:
    """Report all towers without weights in one error, with the command that downloads them."""
    missing = [spec for spec in specs if spec.folder is None]
    if missing:
        named = ", ".join(f"{spec.entry} ({spec.hub_ids[0]})" for spec in missing)
        raise UserError(
            f"{model}: the weights of {len(missing)} vision tower(s) are not in the cache: {named}; download them "
            f"with `cambrian-eval fetch --model {model}`, or give --towers-root a folder that has them"
        )


def kind_of_name(entry: str) -> TowerKind | None:
    """The architecture that an entry's name stands for, by the substrings of the authors' code."""
    return next((kind for kind in KINDS if kind.entry_mark in entry.lower()), None)


def read_settings(folder: Path, known: Settings | None = None, *, allow_pickle: bool = True) -> Settings:
    """A tower folder's settings: its config.json with the class's defaults, else inferred from its weights.

    `known` are the settings of a released tower, used where the folder itself states none.
    """
    path = folder / "config.json"
    raw = read_json(path) if path.is_file() else {}
    if "model_type" not in raw:
        return _inferred(folder, allow_pickle) if known is None else known
    raw = {**raw, **raw["vision_config"]} if isinstance(raw.get("vision_config"), dict) else raw
    return _with_defaults(raw, folder)


def _resolve(entry: str, checkpoint: Path | None, towers_root: Path | None, allow_pickle: bool) -> TowerSpec:
    """A folder in or beside the checkpoint is the tower itself; one under the root may replace a released tower."""
    home, path = checkpoint or Path(), Path(entry).expanduser()
    inside = (home / path).resolve()
    # A bare name may also be a neighbor of the checkpoint, where towers and checkpoint share one folder.
    for folder in (inside, (home.resolve().parent / path).resolve()):
        if folder.is_dir() and not (checkpoint is None and folder != inside):
            return _from_folder(entry, folder, allow_pickle)
    kind = None if entry.startswith((".", "/", "~")) else kind_of_name(entry)
    under_root = _under_root(entry, kind, towers_root)
    if kind is not None:
        return _from_name(entry, kind, under_root, allow_pickle)
    if under_root is not None:
        return _from_folder(entry, under_root, allow_pickle)
    names = ", ".join(f"...{kind.entry_mark}..." for kind in KINDS)
    raise UserError(
        f"mm_vision_tower_aux_list: {entry!r} is neither a folder (looked at {inside} and under --towers-root) nor a "
        f"known tower ({names})"
    )


def _under_root(entry: str, kind: TowerKind | None, towers_root: Path | None) -> Path | None:
    if towers_root is None:
        return None
    names = [entry.lstrip("./~"), Path(entry).name]
    for hub_id in kind.hub_ids(entry) if kind is not None else ():
        names += [hub_id, hub_id.split("/")[-1], hub_id.replace("/", "--")]
    return next((folder for folder in (towers_root / name for name in names) if folder.is_dir()), None)


def _from_name(entry: str, kind: TowerKind, folder: Path | None, allow_pickle: bool) -> TowerSpec:
    hub_ids = kind.hub_ids(entry)
    folder = folder or next((found for found in map(cached_snapshot, hub_ids) if found is not None), None)
    released = next((kind.released[hub_id] for hub_id in hub_ids if hub_id in kind.released), None)
    if folder is not None:
        check_folder(folder)
    settings = released if folder is None else read_settings(folder, released, allow_pickle=allow_pickle)
    if settings is None:
        raise UserError(
            f"mm_vision_tower_aux_list: {entry!r} is not one of the released towers and its weights are not in the "
            f"cache; download {hub_ids[0]}, or give --towers-root a folder that has it"
        )
    stated = re.search(r"-res(\d+)", entry)
    return TowerSpec(
        entry=entry,
        kind=kind,
        folder=folder,
        hub_ids=hub_ids,
        settings=settings,
        side=int(stated.group(1)) if stated else kind.input_side(settings),
        mean=kind.mean,
        std=kind.std,
        multi_stage="multi-stage" in entry,
    )


def _from_folder(entry: str, folder: Path, allow_pickle: bool) -> TowerSpec:
    check_folder(folder)
    settings = read_settings(folder, allow_pickle=allow_pickle)
    kind = _kind_of_settings(settings, folder)
    path = folder / "preprocessor_config.json"
    preprocessor = read_json(path) if path.is_file() else {}
    return TowerSpec(
        entry=entry,
        kind=kind,
        folder=folder,
        hub_ids=(),
        settings=settings,
        side=_preprocessor_side(preprocessor, path) or int(settings.get("image_size") or kind.side),
        mean=_triple(preprocessor.get("image_mean"), kind.mean),
        std=_triple(preprocessor.get("image_std"), kind.std),
        multi_stage=kind.is_multi_stage(settings),
        is_folder_entry=True,
    )


def _inferred(folder: Path, allow_pickle: bool) -> Settings:
    """The settings of a folder without config.json, from the names and shapes of its tensors."""
    stored = open_folder(folder, "a vision tower", allow_pickle=allow_pickle)
    trunk = timm.trunk_of(stored, TRUNK_TENSORS)
    kind = None if trunk is None else next((kind for kind in KINDS if kind.trunk_tensor in trunk), None)
    if trunk is None or kind is None:
        raise UserError(
            f"{folder} has no config.json with a model_type, and its weights are not an open_clip / timm vision "
            "trunk; add the tower's config.json"
        )
    return kind.infer(trunk, timm.stated_settings(folder), folder)


def _with_defaults(raw: Mapping[str, Any], folder: Path) -> Settings:
    """Complete a sparse config.json as transformers does: absent keys have the class's default value."""
    builder = _kind_of_settings(raw, folder).classes[1]
    full = builder(**{key: value for key, value in raw.items() if key != "model_type"}).to_dict()
    return {**full, **raw, "model_type": raw["model_type"]}


def _kind_of_settings(settings: Settings, folder: Path) -> TowerKind:
    model_type = str(settings.get("model_type", "")).lower()
    for kind in KINDS:
        if kind.name in model_type and "convnextv2" not in model_type:
            return kind
    raise UserError(
        f"{folder / 'config.json'}: model_type {model_type!r} is not a supported vision tower; use "
        "siglip_vision_model, clip_vision_model, dinov2 or convnext"
    )


def _preprocessor_side(preprocessor: Mapping[str, Any], path: Path) -> int | None:
    for key in ("crop_size", "size"):
        value = preprocessor.get(key)
        if isinstance(value, dict):
            value = value.get("height") or value.get("shortest_edge")
        if isinstance(value, int):
            if value > MAX_SIDE:
                raise UserError(f"{path}: {key} is {value:,}; a tower's input has a side of at most {MAX_SIDE:,}")
            return value
    return None


def _triple(values: Any, default: Triple) -> Triple:
    return default if values is None else (float(values[0]), float(values[1]), float(values[2]))
