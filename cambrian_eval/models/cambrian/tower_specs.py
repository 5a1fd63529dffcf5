"""Which vision towers a checkpoint asks for, and where their weights are.

Turns the entries of `mm_vision_tower_aux_list` into `TowerSpec`s: kind, input side, colours, and a local
folder found beside the checkpoint, under a towers root, or in the hub cache. Opens no weights and no socket.
A file that says what a tower is (its `config.json`) is read here; building the network is left to `towers`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError

from .folders import cached_snapshot, read_json

Triple = tuple[float, float, float]

CLIP_MEAN: Triple = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Triple = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)
HALF: Triple = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Kind:
    """What all towers of one architecture share: normalisation, padding colour, and the released input side.

    SigLIP normalises with 0.5 but is padded with CLIP's mean colour: the released model was trained that way.
    """

    name: str
    mean: Triple
    std: Triple
    padding: tuple[int, int, int]
    side: int


KINDS = {
    "siglip": Kind("siglip", HALF, HALF, (122, 116, 104), 384),
    "clip": Kind("clip", CLIP_MEAN, CLIP_STD, (122, 116, 104), 336),
    "dinov2": Kind("dinov2", IMAGENET_MEAN, IMAGENET_STD, (123, 116, 103), 518),
    "convnext": Kind("convnext", CLIP_MEAN, CLIP_STD, (122, 116, 104), 1024),
}

_CONVNEXT_XXL = "laion/CLIP-convnext_xxlarge-laion2B-s34B-b82K-augreg-soup"
_CONVNEXT_L = "laion/CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft-soup"
_SIGLIP = ("timm/ViT-SO400M-14-SigLIP-384", "google/siglip-so400m-patch14-384")

_XXL = {
    "model_type": "convnext",
    "hidden_sizes": [384, 768, 1536, 3072],
    "depths": [3, 4, 30, 3],
    "patch_size": 4,
    "hidden_act": "gelu",
}
_L = _XXL | {"hidden_sizes": [192, 384, 768, 1536], "depths": [3, 3, 27, 3]}
_RELEASED: Mapping[str, Mapping[str, Any]] = {
    _SIGLIP[0]: {
        "model_type": "siglip_vision_model",
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "image_size": 384,
        "patch_size": 14,
    },
    "openai/clip-vit-large-patch14-336": {
        "model_type": "clip_vision_model",
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": 336,
        "patch_size": 14,
    },
    "facebook/dinov2-giant": {
        "model_type": "dinov2",
        "hidden_size": 1536,
        "num_hidden_layers": 40,
        "num_attention_heads": 24,
        "mlp_ratio": 4,
        "image_size": 518,
        "patch_size": 14,
        "use_swiglu_ffn": True,
    },
    _CONVNEXT_XXL: _XXL,
    _CONVNEXT_L: _L,
}
"""Architectures of the released towers, so that sizes are known before any tower is downloaded."""


@dataclass(frozen=True)
class TowerSpec:
    """One tower, resolved: what it is and where it is. `folder` is None when its weights were not found.

    `settings` are the raw architecture keys (a tower's `config.json`, or the released values); `multi_stage`
    concerns ConvNeXt only.
    """

    entry: str
    kind: Kind
    folder: Path | None
    hub_ids: tuple[str, ...]
    settings: Mapping[str, Any]
    side: int
    mean: Triple
    std: Triple
    multi_stage: bool = False
    is_folder_entry: bool = False

    @property
    def width(self) -> int:
        """Channels of the tokens this tower gives."""
        if self.kind.name != "convnext":
            return int(self.settings["hidden_size"])
        sizes = [int(size) for size in self.settings["hidden_sizes"]]
        return sum(sizes) if self.multi_stage else sizes[-1]


def resolve_towers(
    entries: Sequence[str], checkpoint: Path | None, towers_root: Path | None = None
) -> tuple[TowerSpec, ...]:
    """Find every entry of the tower list; weights that are nowhere leave `folder` None."""
    return tuple(_resolve(entry, checkpoint, towers_root) for entry in entries)


def require_weights(specs: Sequence[TowerSpec], model: str) -> None:
    """Report all towers without weights at once, with the command that fetches them."""
    missing = [spec for spec in specs if spec.folder is None]
    if missing:
        named = ", ".join(f"{spec.entry} ({spec.hub_ids[0]})" for spec in missing)
        raise UserError(
            f"{model}: the weights of {len(missing)} vision tower(s) are not in the cache: {named}; "
            f"fetch them with "
            f"`cambrian-eval fetch --model {model}` or point --towers-root at a folder that holds them"
        )


def _resolve(entry: str, checkpoint: Path | None, towers_root: Path | None) -> TowerSpec:
    """A folder in or beside the checkpoint is the tower itself; one under the root may stand in for a
    released name.
    """
    home, path = checkpoint or Path(), Path(entry).expanduser()
    beside = (home / path).resolve()
    # A bare name may also be a neighbour of the checkpoint, where towers and checkpoint share one folder.
    for folder in (beside, (home.resolve().parent / path).resolve()):
        if folder.is_dir() and not (checkpoint is None and folder != beside):
            return _from_folder(entry, folder)
    kind = None if entry.startswith((".", "/", "~")) else kind_of_name(entry)
    under_root = _under_root(entry, kind, towers_root)
    if kind is not None:
        return _from_name(entry, kind, under_root)
    if under_root is not None:
        return _from_folder(entry, under_root)
    raise UserError(
        f"mm_vision_tower_aux_list: {entry!r} is neither a folder (looked at {beside} and under "
        f"--towers-root) nor a "
        "known tower (openai/clip..., ...siglip..., clip-convnext..., ...dinov2...)"
    )


def _under_root(entry: str, kind: Kind | None, towers_root: Path | None) -> Path | None:
    if towers_root is None:
        return None
    names = [entry.lstrip("./~"), Path(entry).name]
    for hub_id in hub_ids_of(entry, kind) if kind is not None else ():
        names += [hub_id, hub_id.split("/")[-1], hub_id.replace("/", "--")]
    return next((folder for folder in (towers_root / name for name in names) if folder.is_dir()), None)


def kind_of_name(entry: str) -> Kind | None:
    """The kind an entry's name stands for, by the substrings and in the order of the authors' code."""
    lowered = entry.lower()
    for mark, kind in (("openai/clip", "clip"), ("siglip", "siglip"), ("clip-convnext", "convnext")):
        if mark in lowered:
            return KINDS[kind]
    return KINDS["dinov2"] if "dinov2" in lowered else None


def hub_ids_of(entry: str, kind: Kind) -> tuple[str, ...]:
    """Hub repositories that hold a named tower's weights, the first preferred."""
    if kind.name == "siglip":
        return _SIGLIP
    if kind.name == "convnext":
        return (_CONVNEXT_XXL,) if "xxl" in entry.lower() else (_CONVNEXT_L,)
    return (_without_resolution(entry),)


def _without_resolution(entry: str) -> str:
    return re.sub(r"-res\d+", "", entry)


def _from_name(entry: str, kind: Kind, folder: Path | None) -> TowerSpec:
    hub_ids = hub_ids_of(entry, kind)
    folder = folder or next((found for found in map(cached_snapshot, hub_ids) if found is not None), None)
    released = next((_RELEASED[hub_id] for hub_id in hub_ids if hub_id in _RELEASED), None)
    settings = read_settings(folder, released) if folder is not None else released
    if settings is None:
        raise UserError(
            f"mm_vision_tower_aux_list: the weights of {entry!r} are not in the cache and its "
            f"architecture is not one "
            f"of the released towers; fetch {hub_ids[0]} or point --towers-root at a folder that holds it"
        )
    resolution = re.search(r"-res(\d+)", entry)
    side = int(settings.get("image_size", kind.side))
    if kind.name == "convnext":
        side = kind.side
    return TowerSpec(
        entry=entry,
        kind=kind,
        folder=folder,
        hub_ids=hub_ids,
        settings=settings,
        side=int(resolution.group(1)) if resolution else side,
        mean=kind.mean,
        std=kind.std,
        multi_stage="multi-stage" in entry,
    )


def _from_folder(entry: str, folder: Path) -> TowerSpec:
    settings = read_settings(folder)
    kind = _kind_of_settings(settings, folder)
    stated = folder / "preprocessor_config.json"
    preprocessor = read_json(stated) if stated.is_file() else {}
    side = _preprocessor_side(preprocessor) or int(settings.get("image_size") or kind.side)
    return TowerSpec(
        entry=entry,
        kind=kind,
        folder=folder,
        hub_ids=(),
        settings=settings,
        side=side,
        mean=_triple(preprocessor.get("image_mean"), kind.mean),
        std=_triple(preprocessor.get("image_std"), kind.std),
        multi_stage=kind.name == "convnext" and settings.get("multi_stage", True) is not False,
        is_folder_entry=True,
    )


def read_settings(folder: Path, known: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """A tower folder's architecture: its `config.json` with the class's defaults, else inferred from its
    weights.

    `known` is the architecture of a released tower, taken where the folder itself states none.
    """
    path = folder / "config.json"
    raw = read_json(path) if path.is_file() else {}
    if "model_type" not in raw:
        if known is not None:
            return known
        from .tower_weights import infer_settings

        return infer_settings(folder)
    raw = {**raw, **raw["vision_config"]} if isinstance(raw.get("vision_config"), dict) else raw
    return _with_defaults(raw, folder)


def _with_defaults(raw: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Complete a sparse `config.json` as transformers does: keys left out have the class's default value."""
    from transformers import CLIPVisionConfig, ConvNextConfig, Dinov2Config, SiglipVisionConfig

    classes = {
        "siglip": SiglipVisionConfig,
        "clip": CLIPVisionConfig,
        "dinov2": Dinov2Config,
        "convnext": ConvNextConfig,
    }
    builder = classes[_kind_of_settings(raw, folder).name]
    full = builder(**{key: value for key, value in raw.items() if key != "model_type"}).to_dict()
    return {**full, **raw, "model_type": raw["model_type"]}


def _kind_of_settings(settings: Mapping[str, Any], folder: Path) -> Kind:
    model_type = str(settings.get("model_type", "")).lower()
    for mark in ("siglip", "clip", "dinov2", "convnext"):
        if mark in model_type and "convnextv2" not in model_type:
            return KINDS[mark]
    raise UserError(
        f"{folder / 'config.json'}: model_type {model_type!r} is no vision tower known here "
        "(siglip_vision_model, clip_vision_model, dinov2, convnext)"
    )


def _preprocessor_side(preprocessor: Mapping[str, Any]) -> int | None:
    for key in ("crop_size", "size"):
        value = preprocessor.get(key)
        if isinstance(value, dict):
            value = value.get("height") or value.get("shortest_edge")
        if isinstance(value, int):
            return value
    return None


def _triple(values: Any, default: Triple) -> Triple:
    return default if values is None else (float(values[0]), float(values[1]), float(values[2]))
