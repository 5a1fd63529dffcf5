"""The neutral form of a source: images, objects and class names as columns.

Every reader in `sources` returns a `Catalog`; every task reads only this. Boxes are xyxy in
pixels, clipped to the image; objects are ordered by image. Also owns saving a catalog to one
`.npz` file, which is what the cache stores.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from enum import IntFlag
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = 3  # raise when the columns or the readers change: older cache files are then read anew

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class ObjectFlag(IntFlag):
    """What is known about one object."""

    CROWD = 1
    PART = 2
    CROPPED = 4
    OCCLUDED = 8
    OUT_OF_BOUNDS = 16
    DEGENERATE = 32
    INVISIBLE = 64
    MASK_CONFLICT = 128
    """The mask image holds regions of this class that belong to no listed object, or the reverse."""


class ImageFlag(IntFlag):
    """What is known about one image."""

    ROTATED = 1
    """The annotations call the up direction uncertain or turned: no above/below questions."""
    MISSING = 2
    UNREADABLE = 4
    SIZE_MISMATCH = 8
    NO_MASK = 16
    DUPLICATE_ID = 32
    EXCLUDED = 64


UNUSABLE = (
    ImageFlag.MISSING
    | ImageFlag.UNREADABLE
    | ImageFlag.SIZE_MISMATCH
    | ImageFlag.NO_MASK
    | ImageFlag.DUPLICATE_ID
    | ImageFlag.EXCLUDED
)


class CuboidFlag(IntFlag):
    """Why a cuboid cannot be used (Omni3D)."""

    INVALID_3D = 1
    BEHIND_CAMERA = 2
    BAD_DIMENSIONS = 4
    NO_LIDAR_POINTS = 8
    NO_SEGMENTATION_POINTS = 16
    DEPTH_ERROR = 32
    TOO_TALL = 64
    TOO_SHORT = 128
    TRUNCATED = 256
    NOT_VISIBLE = 512
    NOT_FINITE = 1024
    CORNERS_DISAGREE = 2048
    TOO_NEAR = 4096
    NO_2D_BOX = 8192
    SIDE_TOO_SMALL = 16384
    AREA_TOO_SMALL = 32768


@dataclass(frozen=True)
class ClassName:
    """A class: the name asked about, its synonyms (all forms, the name included) and its hypernyms."""

    name: str
    synonyms: tuple[str, ...]
    hypernyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Catalog:
    """One annotation file (or folder) as columns."""

    source: str
    component: str
    split: str
    title: str
    file: str
    sha256: str
    classes: tuple[ClassName, ...]
    skipped: dict[str, int]
    """Annotations that never became objects, by reason."""
    image_id: NDArray[np.str_]
    image_file: NDArray[np.str_]
    image_name: NDArray[np.str_]
    """The published `source_filename`."""
    image_scene: NDArray[np.str_]
    image_frame: Ints
    image_width: Ints
    image_height: Ints
    image_flags: Ints
    object_image: Ints
    object_class: Ints
    object_box: Floats
    object_area: Floats
    object_id: NDArray[np.str_]
    object_flags: Ints
    object_alias: NDArray[np.str_]
    """The annotator's own word where it differs, else empty: it forbids zero questions."""
    object_unfit: Ints
    object_truncation: Floats
    """-1 is unknown."""
    object_visibility: Floats
    object_height: Floats
    """Projected height of the cuboid over the height of the image."""
    corners: Floats
    """[objects, 8, 3] for Omni3D, camera frame in metres, in the order of `geometry.SIGNS`; [0, 8, 3] elsewhere.

    The three columns before it are empty elsewhere too.
    """

    def __len__(self) -> int:
        return len(self.image_id)

    @property
    def name(self) -> str:
        """What rows and cells call the source: the component for Omni3D, else the source itself."""
        return self.component if self.source == "Omni3D" else self.source

    @property
    def usable_image(self) -> Bools:
        """Per image, whether questions may be asked on it."""
        return np.asarray((self.image_flags & int(UNUSABLE)) == 0)

    def with_flags(self, flags: Ints) -> Catalog:
        """The same catalog with other flags on its images."""
        return replace(self, image_flags=flags)


_ARRAYS = [f.name for f in fields(Catalog) if f.name.startswith(("image_", "object_")) or f.name == "corners"]


def from_rows(
    *,
    images: list[dict[str, Any]],
    objects: list[dict[str, Any]] | dict[str, Any],
    **head: Any,
) -> Catalog:
    """A catalog from plain rows (or, for `objects`, ready columns), objects ordered by image."""
    columns = objects if isinstance(objects, dict) else _columns(objects)
    order = np.argsort(columns["image"], kind="stable")
    return Catalog(
        image_id=text([i["id"] for i in images]),
        image_file=text([i["file"] for i in images]),
        image_name=text([i["name"] for i in images]),
        image_scene=text([i.get("scene", "") for i in images]),
        image_frame=np.array([i.get("frame", -1) for i in images], np.int64),
        image_width=np.array([i["width"] for i in images], np.int64),
        image_height=np.array([i["height"] for i in images], np.int64),
        image_flags=np.array([int(i.get("flags", 0)) for i in images], np.int64),
        object_image=columns["image"][order],
        object_class=columns["class"][order],
        object_box=columns["box"][order],
        object_area=columns["area"][order],
        object_id=columns["id"][order],
        object_flags=columns["flags"][order],
        object_alias=columns["alias"][order],
        object_unfit=columns["unfit"][order],
        object_truncation=columns["truncation"][order] if "truncation" in columns else np.zeros(0),
        object_visibility=columns["visibility"][order] if "visibility" in columns else np.zeros(0),
        object_height=columns["height"][order] if "height" in columns else np.zeros(0),
        corners=columns["corners"][order] if "corners" in columns else np.zeros((0, 8, 3)),
        **head,
    )


def _columns(objects: list[dict[str, Any]]) -> dict[str, Any]:
    n = len(objects)
    return {
        "image": np.array([o["image"] for o in objects], np.int64),
        "class": np.array([o["class"] for o in objects], np.int64),
        "box": np.array([o["box"] for o in objects], np.float64).reshape(n, 4),
        "area": np.array([o["area"] for o in objects], np.float64),
        "id": text([o["id"] for o in objects]),
        "flags": np.array([int(o["flags"]) for o in objects], np.int64),
        "alias": text([o.get("alias", "") for o in objects]),
        "unfit": np.zeros(n, np.int64),
    }


def text(values: list[Any]) -> NDArray[np.str_]:
    """A column of strings; without any it is a string column of length 0."""
    return np.array([str(v) for v in values], np.str_) if values else np.zeros(0, "<U1")


def save(catalog: Catalog, path: Path) -> None:
    """Write the catalog for `load`; nothing in the file needs pickle to be read."""
    head = {
        "format": FORMAT,
        **{k: getattr(catalog, k) for k in ("source", "component", "split", "title", "file", "sha256", "skipped")},
        "classes": [[c.name, list(c.synonyms), list(c.hypernyms)] for c in catalog.classes],
    }
    arrays: dict[str, Any] = {name: _pack(getattr(catalog, name)) for name in _ARRAYS}
    with path.open("wb") as handle:
        np.savez(handle, head=np.frombuffer(json.dumps(head).encode(), np.uint8), **arrays)


def load(path: Path, file: str) -> Catalog:
    """The catalog saved at `path`; `file` is where its annotation file lies now."""
    with np.load(path, allow_pickle=False) as stored:
        head = json.loads(stored["head"].tobytes())
        arrays: dict[str, Any] = {name: _unpack(stored[name]) for name in _ARRAYS}
    head.pop("format")
    classes = tuple(ClassName(n, tuple(s), tuple(h)) for n, s, h in head.pop("classes"))
    return Catalog(classes=classes, **{**head, "file": file}, **arrays)


def _pack(array: NDArray[Any]) -> NDArray[Any]:
    # a unicode column takes 4 bytes a character; nearly all of ours are ASCII
    if array.dtype.kind != "U":
        return array
    try:
        return array.astype("S")
    except UnicodeEncodeError:
        return array


def _unpack(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype("U") if array.dtype.kind == "S" else array
