"""COCO `instances_*.json` and other files of that format.

Polygons are not read: boxes, areas and the crowd flag are sufficient. The Instance-100 release of ADE20K
(`sources.ade20k_instances`) has the same columns.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from cvbench_builder import catalog as catalogs
from cvbench_builder.catalog import Catalog, ClassName, Floats, ImageFlag, Lookup, ObjectFlag
from cvbench_builder.class_names import class_name
from cvbench_builder.errors import BuilderError
from cvbench_builder.records import Field, collector_off, decode_raw, first_keys, read_lists, record

IMAGE = record(
    "CocoImage",
    Field("id", int | str),
    Field("file_name", str, ""),
    Field("width", float, 0),
    Field("height", float, 0),
    Field("K", "raw"),
)
OBJECT_FIELDS = (
    Field("id", int | str | None),
    Field("image_id", int | str | None),
    Field("category_id", int | str | None),
    Field("bbox", list[float | None] | None),
    Field("area", float | None),
    Field("iscrowd", int | bool, 0),
)
"""The fields of an object in every release of COCO's format."""
ANNOTATION = record("CocoAnnotation", *OBJECT_FIELDS)
CATEGORY = record("CocoCategory", Field("id", int | str), Field("name", str, ""), Field("keypoints", "raw"))
LISTS = {"images": IMAGE, "annotations": ANNOTATION, "categories": CATEGORY}
_FOUR = struct.Struct("4d")


def read(path: Path, sha256: str) -> Catalog:
    """The file as a catalog; split and title come from its name."""
    parsed = read_lists(path, LISTS, streamed="annotations")
    refuse_other_files(path, parsed)
    split = split_of(path)
    year = "2017" if "2017" in path.name else ""
    title = {"val": f"COCO {year} Validation Set", "train": f"COCO {year} Training Set"}.get(
        split.removesuffix("2017"), f"COCO {split}"
    )
    return from_parsed(
        parsed,
        source="COCO",
        split=split,
        title=" ".join(title.split()),
        path=path,
        sha256=sha256,
        folder=f"/coco/{split}/",
    )


def split_of(path: Path) -> str:
    """The split in a file name: `instances_val2017.json` is `val2017`."""
    stem = path.stem.removeprefix("instances_")
    return stem if stem else "unknown"


def refuse_other_files(path: Path, parsed: dict[str, Any]) -> None:
    """Raise for files that are often passed by mistake."""
    annotations, categories = parsed["annotations"], parsed["categories"]
    if parsed["images"] is None or annotations is None or categories is None:
        absent = next(n for n in LISTS if parsed[n] is None)
        keys = first_keys(path, "annotations")
        kind = "a captions file" if "caption" in keys else f"a file without `{absent}`"
        raise BuilderError(f"{path}: {kind}; --coco needs an instances_*.json")
    if any(decode_raw(c.keypoints) for c in categories[:1]):
        raise BuilderError(f"{path}: a person keypoints file; --coco needs an instances_*.json")
    if any(decode_raw(i.K) for i in parsed["images"][:1]):
        raise BuilderError(f"{path}: an Omni3D file; pass it with --omni3d")
    if annotations.first and annotations.first[0].bbox is None:
        keys = first_keys(path, "annotations")
        if "caption" in keys:
            raise BuilderError(f"{path}: a captions file; --coco needs an instances_*.json")
        if "segments_info" in keys:
            raise BuilderError(f"{path}: a panoptic file; --coco needs an instances_*.json")
        if "bbox3D_cam" in keys:
            raise BuilderError(f"{path}: an Omni3D file; pass it with --omni3d")
    if not categories:
        raise BuilderError(f"{path}: `categories` is empty; --coco needs an instances_*.json")


def from_parsed(
    parsed: dict[str, Any],
    *,
    source: str,
    split: str,
    title: str,
    path: Path,
    sha256: str,
    folder: str,
) -> Catalog:
    """The catalog of lists in COCO's format; published file names are these in `folder`."""
    with collector_off():
        images, row_of = image_columns(path, parsed["images"], folder)
        classes, class_of = merge_categories(parsed["categories"])
        image_rows, class_rows = Lookup(row_of), Lookup(class_of)
        size = np.array([images["width"], images["height"]], np.float64).T
        skipped: Counter[str] = Counter()
        parts: list[dict[str, Any]] = []
        seen = 0
        for piece in parsed["annotations"].pieces():
            parts.append(_object_columns(piece, seen, image_rows, class_rows, size, skipped))
            seen += len(piece)
        return catalogs.from_rows(
            images=images,
            objects=catalogs.join_columns(parts),
            source=source,
            component=source,
            split=split,
            title=title,
            file=str(path),
            sha256=sha256,
            classes=classes,
            skipped={k: v for k, v in skipped.items() if v},
            synthetic=catalogs.says_synthetic(parsed["info"]),
        )


def image_columns(path: Path, images: list[Any], folder: str) -> tuple[dict[str, Any], dict[int | str, int]]:
    """The columns of the images, and the row of each image id."""
    ids, files = [i.id for i in images], [i.file_name for i in images]
    width, height = [i.width for i in images], [i.height for i in images]
    sides = np.array([width, height], np.float64)
    usable = ((sides > 0) & (sides <= catalogs.MAX_SIDE)).all(axis=0)
    if not usable.all() or "" in files:
        wrong = files.index("") if "" in files else int(usable.argmin())
        raise BuilderError(
            f"{path}: image {ids[wrong]}: `file_name`, `width` and `height` are needed; is this an instances file?"
        )
    # the first of two images with one id has its row; the annotations do not say which of the two they mean
    row_of: dict[int | str, int] = dict(zip(reversed(ids), reversed(range(len(ids))), strict=True))
    flags = np.zeros(len(images), np.int64)
    if len(row_of) < len(ids):
        for row, name in enumerate(ids):
            if row_of[name] != row:
                flags[[row_of[name], row]] = int(ImageFlag.DUPLICATE_ID)
    names = [folder + name.rpartition("/")[2] for name in files]
    columns = {"id": ids, "file": files, "name": names, "flags": flags}
    return {**columns, "width": sides[0].astype(int), "height": sides[1].astype(int)}, row_of


def merge_categories(categories: list[Any]) -> tuple[tuple[ClassName, ...], dict[int | str, int]]:
    """Classes by name instead of id, because a release may list one name twice (door)."""
    classes: list[ClassName] = []
    by_name: dict[str, int] = {}
    class_of: dict[int | str, int] = {}
    for category in categories:
        names = [n for n in category.name.split(",") if n.strip()]
        if not names:
            continue
        item = class_name(names)
        if item.name not in by_name:
            by_name[item.name] = len(classes)
            classes.append(item)
        class_of[category.id] = by_name[item.name]
    return tuple(classes), class_of


def _object_columns(
    annotations: list[Any],
    number: int,
    image_rows: Lookup,
    class_rows: Lookup,
    sizes: Floats,
    skipped: Counter[str],
) -> dict[str, Any]:
    """The columns of some annotations, the first of which has this number; adds to the counts of skipped ones."""
    places: Any = range(number, number + len(annotations))
    image = image_rows.rows_of([a.image_id for a in annotations])
    kind = class_rows.rows_of([a.category_id for a in annotations])
    skipped["unknown_image"] += int(np.count_nonzero(image < 0))
    skipped["unknown_category"] += int(np.count_nonzero((kind < 0) & (image >= 0)))
    keep = (image >= 0) & (kind >= 0)
    if not keep.all():
        annotations, places = (list(compress(v, keep.tolist())) for v in (annotations, places))
        image, kind = image[keep], kind[keep]
    area = catalogs.numbers([a.area for a in annotations])
    crowd = catalogs.truths([a.iscrowd for a in annotations])
    box, area, flags = clip_xywh(_xywh(annotations), area, sizes[image])
    flags[crowd] |= int(ObjectFlag.CROWD)
    return {
        "image": image,
        "class": kind,
        "box": box,
        "area": area,
        "id": catalogs.id_column([a.id for a in annotations], places),
        "flags": flags,
    }


def _xywh(annotations: list[Any]) -> Floats:
    """The given boxes; NaN where one does not have four numbers."""
    try:
        packed = [_FOUR.pack(*a.bbox) for a in annotations]
    except (TypeError, struct.error):
        lists = [a.bbox if a.bbox is not None and len(a.bbox) == 4 else [math.nan] * 4 for a in annotations]
        return np.array(lists, np.float64).reshape(-1, 4)  # None becomes NaN
    return np.frombuffer(b"".join(packed), np.float64).reshape(-1, 4)


def clip_xywh(xywh: Any, area: Any, size: Any) -> tuple[Any, Any, Any]:
    """xyxy boxes clipped to the image, the visible area (from the mask if given), and flags."""
    # one coordinate at a time: numpy is slow where the last axis is as short as two
    finite = np.logical_and.reduce(np.isfinite(xywh.T))
    x, y, w, h = np.where(finite, xywh.T, 0.0)
    width, height = size.T
    box = np.stack([np.clip(v, 0.0, limit) for v, limit in ((x, width), (y, height), (x + w, width), (y + h, height))])
    sides = box[2:] - box[:2]
    inside = sides[0] * sides[1]
    visible = np.where(np.isfinite(area) & (area > 0), np.minimum(area, inside), inside)
    outside = (x <= -1.0) | (y <= -1.0) | (x + w - width >= 1.0) | (y + h - height >= 1.0)
    degenerate = ~finite | (w <= 0) | (h <= 0) | (sides <= 0).any(axis=0)
    flags = np.where(outside, int(ObjectFlag.OUT_OF_BOUNDS), 0) | np.where(degenerate, int(ObjectFlag.DEGENERATE), 0)
    return np.ascontiguousarray(box.T), visible, flags
