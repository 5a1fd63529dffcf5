"""The common form of all sources: images, objects and class names as columns.

Every reader in `sources` returns a `Catalog`, and tasks read nothing else. Boxes are xyxy in pixels, clipped to the
image; objects are ordered by image. `save` and `load` store a catalog in one `.npz` file for the cache.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from enum import IntFlag
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = 5  # increase it when the columns or the readers change: older cache files are then ignored

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
    """The mask image contains regions of this class that belong to no listed object, or the reverse."""


class ImageFlag(IntFlag):
    """What is known about one image."""

    ROTATED = 1
    """According to the annotations, the up direction is uncertain or rotated: no above/below questions."""
    MISSING = 2
    UNREADABLE = 4
    SIZE_MISMATCH = 8
    NO_MASK = 16
    DUPLICATE_ID = 32
    EXCLUDED = 64
    GIVEN_TWICE = 128
    """An earlier file lists the same image; its objects are there."""


UNUSABLE = (
    ImageFlag.MISSING
    | ImageFlag.UNREADABLE
    | ImageFlag.SIZE_MISMATCH
    | ImageFlag.NO_MASK
    | ImageFlag.DUPLICATE_ID
    | ImageFlag.EXCLUDED
    | ImageFlag.GIVEN_TWICE
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
    HIDDEN = 65536
    """Other cuboids hide too much of it, by estimate."""


@dataclass(frozen=True)
class ClassName:
    """A class: the name in questions, its synonyms (including the name) and its hypernyms."""

    name: str
    synonyms: tuple[str, ...]
    hypernyms: tuple[str, ...] = ()
    annotated: str = ""
    """The word that annotators wrote most often, if it is another one."""


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
    """Annotations that were skipped, by reason."""
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
    """The annotator's own word if it differs, otherwise empty; zero questions about it are not permitted."""
    object_unfit: Ints
    object_truncation: Floats
    """-1: unknown."""
    object_visibility: Floats
    object_hidden: Floats
    """Share of the cuboid that other cuboids of the image hide, estimated where the visibility is unknown; -1: not
    estimated."""
    object_height: Floats
    """Projected height of the cuboid over the height of the image."""
    corners: Floats
    """[objects, 8, 3] for Omni3D, in the camera frame in meters, in the order of `geometry.SIGNS`.

    For other sources it is [0, 8, 3], and the four columns before it are empty too.
    """
    synthetic: bool = False
    """The annotations say that a program drew the images."""

    def __len__(self) -> int:
        return len(self.image_id)

    @property
    def name(self) -> str:
        """The name of the source in rows and cells: the component for Omni3D, otherwise the source itself."""
        return self.component if self.source == "Omni3D" else self.source

    @property
    def usable_image(self) -> Bools:
        """Per image, whether questions may be asked on it."""
        return np.asarray((self.image_flags & int(UNUSABLE)) == 0)

    def class_names(self, objects: list[int]) -> list[str]:
        """The class of each of these objects."""
        return [self.classes[k].name for k in self.object_class[objects].tolist()]

    @cached_property
    def derived(self) -> dict[Any, Any]:
        """What tasks have computed from the columns, by a key of their own."""
        return {}

    def with_annotated_names(self) -> Catalog:
        """The same catalog with the annotators' most frequent words as class names."""

        def renamed(item: ClassName) -> ClassName:
            word = item.annotated or item.name
            return replace(item, name=word, synonyms=tuple(dict.fromkeys((word, *item.synonyms))))

        return replace(self, classes=tuple(renamed(c) for c in self.classes))

    def with_flags(self, flags: Ints) -> Catalog:
        """The same catalog with other flags on its images."""
        return replace(self, image_flags=flags)


_HEAD = ("source", "component", "split", "title", "file", "sha256", "skipped", "synthetic")
_ARRAYS = [f.name for f in fields(Catalog) if f.name.startswith(("image_", "object_")) or f.name == "corners"]


SYNTHETIC = "synthetic"
"""The mark of images that a program drew: true in the `info` of their annotation file (ADE20K: in each `annotation`),
a flag of every row about them."""


def says_synthetic(info: Any) -> bool:
    """Whether this part of an annotation file has the mark."""
    return isinstance(info, dict) and info.get(SYNTHETIC) is True


MAX_SIDE = 1_000_000
"""Pixels of a side beyond which a stated size is wrong."""


def plausible(width: float, height: float) -> bool:
    """Whether a stated image size can be one."""
    return 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE


def from_rows(
    *,
    images: list[dict[str, Any]] | dict[str, Any],
    objects: list[dict[str, Any]] | dict[str, Any],
    **head: Any,
) -> Catalog:
    """A catalog from rows or columns; the objects are sorted by image."""
    columns = objects if isinstance(objects, dict) else _columns(objects)
    order = stable_order(columns["image"])
    columns = {name: np.take(column, order, axis=0) for name, column in columns.items()}
    own = images if isinstance(images, dict) else {k: [i[k] for i in images] for k in (images[0] if images else ())}
    n = len(own.get("id", ()))
    return Catalog(
        image_id=text(own.get("id", [])),
        image_file=text(own.get("file", [])),
        image_name=text(own.get("name", [])),
        image_scene=text(own["scene"]) if "scene" in own else np.zeros(n, "<U1"),
        image_frame=np.array(own["frame"], np.int64) if "frame" in own else np.full(n, -1, np.int64),
        image_width=np.array(own.get("width", []), np.int64),
        image_height=np.array(own.get("height", []), np.int64),
        image_flags=np.array(own.get("flags", []), np.int64),
        object_image=columns["image"],
        object_class=columns["class"],
        object_box=columns["box"],
        object_area=columns["area"],
        object_id=text(columns["id"]),
        object_flags=columns["flags"],
        object_alias=columns["alias"] if "alias" in columns else np.zeros(len(order), "<U1"),
        object_unfit=columns["unfit"] if "unfit" in columns else np.zeros(len(order), np.int64),
        object_truncation=columns["truncation"] if "truncation" in columns else np.zeros(0),
        object_visibility=columns["visibility"] if "visibility" in columns else np.zeros(0),
        object_hidden=np.full(len(order), -1.0) if "corners" in columns else np.zeros(0),
        object_height=columns["height"] if "height" in columns else np.zeros(0),
        corners=columns["corners"] if "corners" in columns else np.zeros((0, 8, 3)),
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
    }


def text(values: list[Any] | NDArray[Any]) -> NDArray[np.str_]:
    """A column of strings."""
    if not len(values):
        return np.zeros(0, "<U1")
    column = np.array(values)
    if column.dtype.kind == "i":
        return _decimals(column)
    return column if column.dtype.kind == "U" else np.array(list(map(str, values)), np.str_)


def _decimals(column: NDArray[Any]) -> NDArray[np.str_]:
    """Whole numbers as text, several times faster than `astype`, which makes a Python string of each."""
    low, high = int(column.min()), int(column.max())
    width = max(len(str(low)), len(str(high)))
    if low < 0:
        return column.astype(f"U{width}")
    column = column.astype(np.uint32 if high < 2**32 else np.uint64)  # dividing small ones takes half the time
    letters = np.zeros((len(column), width), np.uint32)
    for length in range(len(str(low)), width + 1):
        rows: Any = slice(None)
        if len(str(low)) < width:  # left-aligned: numbers of one length at a time
            least = 10 ** (length - 1) if length > 1 else 0
            rows = np.flatnonzero((column >= least) & (column < 10**length))
        rest = column[rows]
        for place in reversed(range(length)):
            tens = rest // 10
            letters[rows, place] = rest - 10 * tens + ord("0")
            rest = tens
    return letters.view(f"U{width}")[:, 0]


def whole_numbers(values: list[Any]) -> Ints | None:
    """A column of whole numbers; None if some value is missing, too large, or something else."""
    try:  # `struct`, here and below, takes half the time of numpy
        return np.frombuffer(struct.pack(f"{len(values)}q", *values), np.int64)
    except struct.error:
        return None


def numbers(values: list[float | None]) -> Floats:
    """A column of numbers; NaN where one is missing."""
    try:
        return np.frombuffer(struct.pack(f"{len(values)}d", *values), np.float64)
    except struct.error:
        return np.array(values, np.float64)


def truths(values: list[Any]) -> Bools:
    """A column of truth values."""
    return np.frombuffer(struct.pack(f"{len(values)}?", *values), bool)


def id_column(values: list[Any], places: Iterable[int]) -> Ints | NDArray[np.str_]:
    """A column of ids, which `from_rows` makes text; a missing one is the place of its object in the file."""
    whole = whole_numbers(values)
    if whole is not None:
        return whole
    return text([place if v is None else v for v, place in zip(values, places, strict=True)])


def stable_order(keys: Ints) -> Ints:
    """The rows in the order of their keys, none of them negative; equal ones keep their order."""
    n = len(keys)
    # sorting plain numbers takes a fraction of the time of `argsort`
    return np.asarray(np.sort(keys * n + np.arange(n)) % max(n, 1))


class Lookup:
    """The row of each id; -1 where it is unknown."""

    def __init__(self, row_of: dict[int | str, int]) -> None:
        self.row_of = row_of
        known = np.array(list(row_of))
        self.table = np.zeros(0, np.int64)
        """The row of every whole number up to the largest id, then -1; empty where the ids do not permit it."""
        if known.dtype.kind == "i" and known.min() >= 0 and known.max() < 10 * len(known) + 1_000_000:
            self.table = np.full(int(known.max()) + 2, -1, np.int64)
            self.table[known] = list(row_of.values())

    def rows_of(self, ids: list[Any]) -> Ints:
        """The rows of these ids."""
        wanted = whole_numbers(ids) if len(self.table) else None
        if wanted is None:  # large numbers, texts, or ids that are missing
            return np.array([self.row_of.get(i, -1) for i in ids], np.int64)
        # without a sign, negative ids are large too; the last entry of the table is -1
        return self.table[np.minimum(wanted.view(np.uint64), len(self.table) - 1).view(np.int64)]


def join_columns(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Columns that were read in pieces, as one; at least one piece is needed."""
    return {name: _concatenated([part[name] for part in parts]) for name in parts[0]}


def _concatenated(columns: list[NDArray[Any]]) -> NDArray[Any]:
    if len({column.dtype.kind for column in columns}) > 1:  # ids of which some are not numbers
        columns = [text(column) for column in columns]
    return np.concatenate(columns)


def save(catalog: Catalog, path: Path) -> None:
    """Write the catalog for `load`, without pickle."""
    head = {
        "format": FORMAT,
        **{k: getattr(catalog, k) for k in _HEAD},
        "classes": [[c.name, list(c.synonyms), list(c.hypernyms), c.annotated] for c in catalog.classes],
    }
    arrays: dict[str, Any] = {name: _pack(getattr(catalog, name)) for name in _ARRAYS}
    with path.open("wb") as handle:
        np.savez(handle, head=np.frombuffer(json.dumps(head).encode(), np.uint8), **arrays)


def load(path: Path, file: str) -> Catalog:
    """The catalog stored at `path`; `file` is the present path of its annotation file."""
    with np.load(path, allow_pickle=False) as stored:
        head = json.loads(stored["head"].tobytes())
        arrays: dict[str, Any] = {name: _unpack(stored[name]) for name in _ARRAYS}
    head.pop("format")
    classes = tuple(ClassName(n, tuple(s), tuple(h), a) for n, s, h, a in head.pop("classes"))
    return Catalog(classes=classes, **{**head, "file": file}, **arrays)


def _pack(array: NDArray[Any]) -> NDArray[Any]:
    # a unicode column takes 4 bytes per character; nearly all of these are ASCII
    if array.dtype.kind != "U":
        return array
    try:
        return array.astype("S")
    except UnicodeEncodeError:
        return array


def _unpack(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype("U") if array.dtype.kind == "S" else array
