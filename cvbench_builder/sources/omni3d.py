"""Omni3D JSON of all six components: cuboids in the camera frame.

Handles the sentinels of the format (-1 or 0, invalid cuboids, missing boxes), applies the ignore rules of the reference
loader, and checks that corners agree with center, size and rotation. Corners are decoded only for objects that pass
the checks of the other fields.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from cvbench_builder import catalog as catalogs
from cvbench_builder.catalog import Bools, Catalog, CuboidFlag, Floats, ImageFlag, Ints, ObjectFlag
from cvbench_builder.errors import BuilderError
from cvbench_builder.geometry import SIGNS, cuboids, reconstruct_corners
from cvbench_builder.records import Field, collector_off, decode_raw, decode_raw_many, first_keys, read_lists, record
from cvbench_builder.sources.coco import CATEGORY, merge_categories

COMPONENTS = ("KITTI", "nuScenes", "Objectron", "Hypersim", "SUNRGBD", "ARKitScenes")
OUTDOOR = frozenset({"KITTI", "nuScenes"})

IMAGE = record(
    "OmniImage",
    Field("id", int | str),
    Field("file_path", str, ""),
    Field("width", float, 0),
    Field("height", float, 0),
    Field("src_90_rotate", int | bool | None, 0),
    Field("src_flagged", int | bool | None, False),
)
ANNOTATION = record(
    "OmniAnnotation",
    Field("id", int | str | None),
    Field("image_id", int | str | None),
    Field("category_id", int | str | None),
    Field("category_name", str, ""),
    Field("valid3D", int | bool, False),
    Field("behind_camera", int | bool, False),
    Field("visibility", float | None, -1.0),
    Field("truncation", float | None, -1.0),
    Field("lidar_pts", float | None, -1.0),
    Field("segmentation_pts", float | None, -1.0),
    Field("depth_error", float | None, -1.0),
    Field("bbox2D_tight", "raw"),
    Field("bbox2D_trunc", "raw"),
    Field("bbox2D_proj", "raw"),
    Field("bbox3D_cam", "raw"),
    Field("center_cam", "raw"),
    Field("dimensions", "raw"),
    Field("R_cam", "raw"),
)
LISTS = {"images": IMAGE, "annotations": ANNOTATION, "categories": CATEGORY}
UNREAD = (
    CuboidFlag.INVALID_3D
    | CuboidFlag.BEHIND_CAMERA
    | CuboidFlag.NO_LIDAR_POINTS
    | CuboidFlag.NO_SEGMENTATION_POINTS
    | CuboidFlag.DEPTH_ERROR
)
"""If one of these is set, the boxes and corners of an object are not decoded."""

_CHUNK = 20_000
_CACHED = 1_000
"""Cuboids compared at a time, few enough for the processor's cache."""


def read(path: Path, sha256: str) -> Catalog:
    """The file as a catalog; objects whose image or category is unknown are counted as skipped."""
    parsed = read_lists(path, LISTS)
    _refuse_other_files(path, parsed)
    component, split = _component(path, parsed)
    images, row_of = _images(path, parsed["images"], component)
    classes, class_of = merge_categories(parsed["categories"])
    by_name = {c.name: i for i, c in enumerate(classes)}
    annotations = parsed["annotations"]
    image = np.array([row_of.get(a.image_id, -1) for a in annotations], np.int64)
    kind = np.array(
        [
            class_of.get(a.category_id, by_name.get(a.category_name, -1) if a.category_id is None else -1)
            for a in annotations
        ],
        np.int64,
    )
    skipped = {
        "unknown_image": int(np.count_nonzero(image < 0)),
        "unknown_category": int(np.count_nonzero((kind < 0) & (image >= 0))),
    }
    keep = np.flatnonzero((image >= 0) & (kind >= 0))
    image, kind = image[keep], kind[keep]
    annotations = [annotations[i] for i in keep.tolist()]
    size = np.array([[i["width"], i["height"]] for i in images], np.float64).reshape(-1, 2)[image]
    with collector_off():
        columns = _objects(annotations, size)
    columns["image"], columns["class"] = image, kind
    return catalogs.from_rows(
        images=images,
        objects=columns,
        source="Omni3D",
        component=component,
        split=split,
        title=component,
        file=str(path),
        sha256=sha256,
        classes=classes,
        skipped={k: v for k, v in skipped.items() if v},
    )


def _refuse_other_files(path: Path, parsed: dict[str, Any]) -> None:
    if any(parsed[n] is None for n in LISTS):
        absent = next(n for n in LISTS if parsed[n] is None)
        raise BuilderError(f"{path}: no `{absent}`; --omni3d needs files like nuScenes_test.json of Omni3D")
    first = parsed["annotations"][:1]
    if any(decode_raw(a.bbox3D_cam) is None for a in first):
        keys = first_keys(path, "annotations")
        if "caption" in keys or "segmentation" in keys or "bbox" in keys:
            raise BuilderError(f"{path}: a COCO file; pass it with --coco (--omni3d needs files of Omni3D)")
        if "bbox3D_cam" not in keys:
            raise BuilderError(f"{path}: annotations have no `bbox3D_cam`; --omni3d needs files of Omni3D")


def _component(path: Path, parsed: dict[str, Any]) -> tuple[str, str]:
    info = parsed["info"] if isinstance(parsed["info"], dict) else {}
    file_paths = parsed["images"][0].file_path if parsed["images"] else ""
    split_word = re.search(r"(train|val|test)", path.stem.lower())
    split = split_word.group(1) if split_word else str(info.get("split", "unknown")).lower()
    clues = (path.stem, str(info.get("source", "")), str(info.get("name", "")), file_paths.split("/")[0])
    for clue in clues:
        plain = re.sub(r"[^a-z0-9]", "", clue.lower())
        for component in COMPONENTS:
            if component.lower() in plain:
                return component, split
    raise BuilderError(
        f"{path}: cannot tell which Omni3D component this is; name it like nuScenes_test.json ({', '.join(COMPONENTS)})"
    )


def _images(path: Path, images: list[Any], component: str) -> tuple[list[dict[str, Any]], dict[int | str, int]]:
    row_of: dict[int | str, int] = {}
    rows: list[dict[str, Any]] = []
    for image in images:
        if not image.file_path or not catalogs.plausible(image.width, image.height):
            raise BuilderError(f"{path}: image {image.id}: `file_path`, `width` and `height` are needed")
        scene, frame = scene_of(component, image.file_path)
        flags = ImageFlag.ROTATED if image.src_90_rotate or image.src_flagged else ImageFlag(0)
        if image.id in row_of:
            flags |= ImageFlag.DUPLICATE_ID
            rows[row_of[image.id]]["flags"] |= ImageFlag.DUPLICATE_ID
        row_of.setdefault(image.id, len(rows))
        rows.append(
            {
                "id": image.id,
                "file": image.file_path,
                "name": image.file_path,
                "width": int(image.width),
                "height": int(image.height),
                "scene": scene,
                "frame": frame,
                "flags": flags,
            }
        )
    return rows, row_of


def scene_of(component: str, file_path: str) -> tuple[str, int]:
    """The recording of an image and its position in it (-1: unknown)."""
    name = file_path.rsplit("/", 1)[-1]
    if component == "nuScenes":
        found = re.match(r"(.+?)__CAM\w*?__(\d+)", name)
        # two key frames per second, with timestamps in microseconds
        return (found.group(1), int(found.group(2)) // 500_000) if found else (file_path, -1)
    if component == "Hypersim":
        scene = re.search(r"(ai_\d+_\d+)", file_path)
        frame = re.search(r"frame\.(\d+)", name)
        camera = re.search(r"(cam_\d+)", file_path)
        number = int(frame.group(1)) if frame else -1
        # frames of two cameras of one scene are never neighbors
        offset = 100_000 * int(camera.group(1)[4:]) if camera and number >= 0 else 0
        return (scene.group(1) if scene else file_path, number + offset if number >= 0 else -1)
    if component in ("ARKitScenes", "Objectron"):
        parts = re.findall(r"\d{6,}|batch-\d+_\d+", file_path)
        last = re.search(r"(\d+)\.\w+$", name)
        return (parts[0] if parts else file_path, int(last.group(1)) if last and parts else -1)
    return file_path, -1


def _objects(annotations: list[Any], size: Floats) -> dict[str, Any]:
    n = len(annotations)
    unfit = _cheap_rules(annotations)
    box, height, flags = np.zeros((n, 4)), np.zeros(n), np.zeros(n, np.int64)
    corners = np.zeros((n, 8, 3))
    rest = np.flatnonzero(unfit == 0)
    for start in range(0, len(rest), _CHUNK):
        rows = rest[start : start + _CHUNK]
        chosen = [annotations[i] for i in rows.tolist()]
        box[rows], height[rows], flags[rows], has_box = _boxes(chosen, size[rows])
        corners[rows], unfit[rows] = _cuboids(chosen)
        unfit[rows[~has_box]] |= int(CuboidFlag.NO_2D_BOX)
    return {
        "box": box,
        "area": (box[:, 2:] - box[:, :2]).prod(axis=1),
        "id": catalogs.text([i if a.id is None else a.id for i, a in enumerate(annotations)]),
        "flags": flags,
        "alias": np.zeros(n, "<U1"),
        "unfit": unfit,
        "truncation": _numbers(annotations, "truncation"),
        "visibility": _numbers(annotations, "visibility"),
        "height": height / size[:, 1],
        "corners": corners,
    }


def _cheap_rules(annotations: list[Any]) -> Ints:
    """Rules that need single numbers only. -1 means unknown and passes; 0 points means that none are visible."""
    unfit = np.zeros(len(annotations), np.int64)
    unfit[[not a.valid3D for a in annotations]] |= int(CuboidFlag.INVALID_3D)
    unfit[[bool(a.behind_camera) for a in annotations]] |= int(CuboidFlag.BEHIND_CAMERA)
    unfit[_numbers(annotations, "lidar_pts") == 0] |= int(CuboidFlag.NO_LIDAR_POINTS)
    unfit[_numbers(annotations, "segmentation_pts") == 0] |= int(CuboidFlag.NO_SEGMENTATION_POINTS)
    unfit[_numbers(annotations, "depth_error") > 0.5] |= int(CuboidFlag.DEPTH_ERROR)
    return unfit


def _numbers(annotations: list[Any], name: str) -> Floats:
    return np.array([-1.0 if getattr(a, name) is None else getattr(a, name) for a in annotations], np.float64)


def _boxes(annotations: list[Any], size: Floats) -> tuple[Floats, Floats, Ints, Bools]:
    """The drawn box (tight, otherwise truncated, otherwise projected and clipped) and the projected height."""
    n = len(annotations)
    chosen = np.full((n, 4), np.nan)
    height = np.full(n, np.nan)
    for name in ("bbox2D_proj", "bbox2D_trunc", "bbox2D_tight"):
        boxes = _four_numbers(decode_raw_many([getattr(a, name) for a in annotations]))
        present = np.isfinite(boxes).all(axis=1) & ~(boxes == -1).all(axis=1)
        chosen[present] = boxes[present]
        if name == "bbox2D_proj":
            height[present] = (boxes[:, 3] - boxes[:, 1])[present]
    has_box = np.isfinite(chosen).all(axis=1)
    limit = np.concatenate([size, size], axis=1)
    box = np.clip(np.where(has_box[:, None], chosen, 0.0), 0.0, limit)
    sides = box[:, 2:] - box[:, :2]
    has_box &= (sides > 0).all(axis=1)
    box[~has_box] = 0.0
    own = box[:, 3] - box[:, 1]
    flags = np.zeros(n, np.int64)
    outside = np.maximum(-chosen[:, :2], chosen[:, 2:] - size).max(axis=1, initial=-np.inf) >= 1.0
    flags[outside & has_box] |= int(ObjectFlag.OUT_OF_BOUNDS)
    return box, np.where(np.isfinite(height), height, own), flags, has_box


def _four_numbers(values: list[Any]) -> Floats:
    try:
        return np.array(values, np.float64).reshape(len(values), 4)
    except (ValueError, TypeError):
        return _shaped(values, (4,))  # one of them is a single -1, null or not four numbers


def _shaped(values: list[Any], shape: tuple[int, ...]) -> Floats:
    """Stack values of one shape; a value of another shape (a single -1, null) becomes NaN."""
    try:
        return np.array(values, np.float64).reshape(len(values), *shape)
    except (ValueError, TypeError):
        out = np.full((len(values), *shape), np.nan)
        for i, value in enumerate(values):
            try:
                out[i] = np.array(value, np.float64).reshape(shape)
            except (ValueError, TypeError):
                continue
        return out


def _cuboids(annotations: list[Any]) -> tuple[Floats, Ints]:
    """Corners in the documented order, and their errors."""
    corners = _shaped(decode_raw_many([a.bbox3D_cam for a in annotations]), (8, 3))
    stated = [decode_raw_many([getattr(a, n) for a in annotations]) for n in ("center_cam", "dimensions", "R_cam")]
    center, dimensions, rotation = (_shaped(v, s) for v, s in zip(stated, ((3,), (3,), (3, 3)), strict=True))
    absent: Bools = np.array([None in triple for triple in zip(*stated, strict=True)], bool)
    finite: Bools = np.asarray(np.isfinite(corners).all(axis=(1, 2)))
    if absent.any():  # there is nothing to compare with: use the corners
        frame = cuboids(np.where(finite[:, None, None], corners, SIGNS)[absent])
        center[absent], dimensions[absent] = frame.center, 2 * frame.half[:, [2, 1, 0]]
        rotation[absent] = frame.axes.transpose(0, 2, 1)
    finite &= np.isfinite(dimensions).all(axis=1) & np.isfinite(center).all(axis=1)
    finite &= np.isfinite(rotation).all(axis=(1, 2))
    unfit = np.zeros(len(annotations), np.int64)
    unfit[~finite] |= int(CuboidFlag.NOT_FINITE)
    corners, center, dimensions, rotation = (
        np.where(finite.reshape(-1, *[1] * (v.ndim - 1)), v, 1.0) for v in (corners, center, dimensions, rotation)
    )
    unfit[(dimensions <= 0).any(axis=1)] |= int(CuboidFlag.BAD_DIMENSIONS)
    expected = reconstruct_corners(center, dimensions, rotation)
    partner, worst = _match(expected, corners)
    tolerance = np.maximum(0.02, 0.02 * np.linalg.norm(dimensions, axis=1))
    one_to_one = np.bitwise_or.reduce(1 << partner, axis=1) == 255
    unfit[finite & ((worst > tolerance) | ~one_to_one)] |= int(CuboidFlag.CORNERS_DISAGREE)
    return np.take_along_axis(corners, partner[:, :, None], axis=1), unfit


def _match(expected: Floats, corners: Floats) -> tuple[Ints, Floats]:
    """Per expected corner the nearest given one (in any order), and the largest distance of a cuboid."""
    partner, worst = np.zeros((len(corners), 8), np.int64), np.zeros(len(corners))
    for start in range(0, len(corners), _CACHED):
        rows = slice(start, start + _CACHED)
        # cuboids along the last axis: long runs of one operation, not many short reductions
        (ex, ey, ez), (x, y, z) = (np.ascontiguousarray(v[rows].transpose(2, 1, 0)) for v in (expected, corners))
        best = np.full(ex.shape, np.inf)
        chosen = np.zeros(ex.shape, np.int64)
        for k in range(8):
            apart = np.sqrt((ex - x[k]) ** 2 + (ey - y[k]) ** 2 + (ez - z[k]) ** 2)
            nearer = apart < best
            best[nearer], chosen[nearer] = apart[nearer], k
        partner[rows], worst[rows] = chosen.T, best.max(axis=0)
    return partner, worst
