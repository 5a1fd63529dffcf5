"""COCO `instances_*.json` and other files of that format.

Polygons are not read: boxes, areas and the crowd flag are sufficient. The Instance-100 release of ADE20K
(`sources.ade20k_instances`) has the same columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cvbench_builder import catalog as catalogs
from cvbench_builder.catalog import Catalog, ClassName, ImageFlag, ObjectFlag
from cvbench_builder.class_names import class_name
from cvbench_builder.errors import BuilderError
from cvbench_builder.records import Field, decode_raw, first_keys, read_lists, record

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


def read(path: Path, sha256: str) -> Catalog:
    """The file as a catalog; split and title come from its name."""
    parsed = read_lists(path, LISTS)
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
        published=lambda name: f"/coco/{split}/{name.rsplit('/', 1)[-1]}",
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
    if annotations and annotations[0].bbox is None:
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
    published: Callable[[str], str],
) -> Catalog:
    """The catalog of lists in COCO's format; `published` converts a file name to the published one."""
    images = parsed["images"]
    row_of: dict[int | str, int] = {}
    rows: list[dict[str, Any]] = []
    for image in images:
        if not image.file_name or not catalogs.plausible(image.width, image.height):
            raise BuilderError(
                f"{path}: image {image.id}: `file_name`, `width` and `height` are needed; is this an instances file?"
            )
        repeated = image.id in row_of
        row_of.setdefault(image.id, len(rows))
        rows.append(
            {
                "id": image.id,
                "file": image.file_name,
                "name": published(image.file_name),
                "width": int(image.width),
                "height": int(image.height),
                "flags": ImageFlag.DUPLICATE_ID if repeated else 0,
            }
        )
        if repeated:  # the annotations do not say which of the two they mean
            rows[row_of[image.id]]["flags"] = ImageFlag.DUPLICATE_ID
    classes, class_of = merge_categories(parsed["categories"])
    columns, skipped = _object_columns(parsed["annotations"], row_of, class_of, rows)
    return catalogs.from_rows(
        images=rows,
        objects=columns,
        source=source,
        component=source,
        split=split,
        title=title,
        file=str(path),
        sha256=sha256,
        classes=classes,
        skipped=skipped,
    )


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
    annotations: list[Any], row_of: dict[int | str, int], class_of: dict[int | str, int], rows: list[dict[str, Any]]
) -> tuple[dict[str, Any], dict[str, int]]:
    n = len(annotations)
    image = np.array([row_of.get(a.image_id, -1) for a in annotations], np.int64)
    kind = np.array([class_of.get(a.category_id, -1) for a in annotations], np.int64)
    nan = math.nan
    four = (nan, nan, nan, nan)
    xywh = np.array([a.bbox if a.bbox is not None and len(a.bbox) == 4 else four for a in annotations], np.float64)
    area = np.array([nan if a.area is None else a.area for a in annotations], np.float64)
    crowd = np.array([bool(a.iscrowd) for a in annotations], bool)
    ids = catalogs.text([i if a.id is None else a.id for i, a in enumerate(annotations)])
    skipped = {
        "unknown_image": int(np.count_nonzero(image < 0)),
        "unknown_category": int(np.count_nonzero((kind < 0) & (image >= 0))),
    }
    keep = (image >= 0) & (kind >= 0)
    image, kind, xywh, area = image[keep], kind[keep], xywh.reshape(n, 4)[keep], area[keep]
    crowd, ids = crowd[keep], ids[keep]
    size = np.array([[r["width"], r["height"]] for r in rows], np.float64).reshape(-1, 2)[image]
    box, area, flags = clip_xywh(xywh, area, size)
    flags[crowd] |= int(ObjectFlag.CROWD)
    columns = {
        "image": image,
        "class": kind,
        "box": box,
        "area": area,
        "id": ids,
        "flags": flags,
        "alias": np.zeros(len(image), "<U1"),
        "unfit": np.zeros(len(image), np.int64),
    }
    return columns, {k: v for k, v in skipped.items() if v}


def clip_xywh(xywh: Any, area: Any, size: Any) -> tuple[Any, Any, Any]:
    """xyxy boxes clipped to the image, the visible area (from the mask if given), and flags."""
    finite = np.isfinite(xywh).all(axis=1)
    xywh = np.where(finite[:, None], xywh, 0.0)
    raw = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    limit = np.concatenate([size, size], axis=1)
    box = np.clip(raw, 0.0, limit)
    sides = box[:, 2:] - box[:, :2]
    inside = sides.prod(axis=1)
    visible = np.where(np.isfinite(area) & (area > 0), np.minimum(area, inside), inside)
    flags = np.zeros(len(box), np.int64)
    outside = np.maximum(-raw[:, :2], raw[:, 2:] - size).max(axis=1, initial=0.0) >= 1.0
    flags[outside] |= int(ObjectFlag.OUT_OF_BOUNDS)
    flags[~finite | (xywh[:, 2:] <= 0).any(axis=1) | (sides <= 0).any(axis=1)] |= int(ObjectFlag.DEGENERATE)
    return box, visible, flags
