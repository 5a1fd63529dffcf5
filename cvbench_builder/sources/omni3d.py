"""Omni3D JSON of all six components: cuboids in the camera frame.

Handles the sentinels of the format (-1 or 0, invalid cuboids, missing boxes), applies the ignore rules of the reference
loader, and checks that corners agree with center, size and rotation. Corners are decoded only for objects that pass
the checks of the other fields.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from cvbench_builder import catalog as catalogs
from cvbench_builder.catalog import Bools, Catalog, CuboidFlag, Floats, ImageFlag, Ints, ObjectFlag
from cvbench_builder.errors import BuilderError
from cvbench_builder.geometry import SIGNS, cuboids, reconstruct_corners
from cvbench_builder.occlusion import hidden_shares
from cvbench_builder.records import (
    Field,
    collector_off,
    decode_numbers,
    decode_raw,
    first_keys,
    is_absent,
    read_lists,
    record,
)
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
UNRELIABLE = CuboidFlag.NOT_FINITE | CuboidFlag.BAD_DIMENSIONS | CuboidFlag.CORNERS_DISAGREE
"""If one of these is set, the corners mean nothing."""

_CACHED = 1_000
"""Cuboids compared at a time, few enough for the processor's cache."""


def read(path: Path, sha256: str, name: str = "") -> Catalog:
    """The file as a catalog, of the component `name` if given.

    Objects whose image or category is unknown are counted as skipped.
    """
    parsed = read_lists(path, LISTS, streamed="annotations")
    _refuse_other_files(path, parsed)
    component, split = _component(path, parsed, name)
    with collector_off():
        images, row_of = _images(path, parsed["images"], component)
        classes, class_of = merge_categories(parsed["categories"])
        image_rows, class_rows = catalogs.Lookup(row_of), catalogs.Lookup(class_of)
        by_name = {c.name: i for i, c in enumerate(classes)}
        sizes = np.array([images["width"], images["height"]], np.float64).T
        skipped: Counter[str] = Counter()
        parts: list[dict[str, Any]] = []
        seen = 0
        for piece in parsed["annotations"].pieces():
            image = image_rows.rows_of([a.image_id for a in piece])
            kind = class_rows.rows_of([a.category_id for a in piece])
            for i in np.flatnonzero(kind < 0).tolist():
                if piece[i].category_id is None:
                    kind[i] = by_name.get(piece[i].category_name, -1)
            skipped["unknown_image"] += int(np.count_nonzero(image < 0))
            skipped["unknown_category"] += int(np.count_nonzero((kind < 0) & (image >= 0)))
            keep = np.flatnonzero((image >= 0) & (kind >= 0))
            image, kind = image[keep], kind[keep]
            columns = _objects([piece[i] for i in keep.tolist()], (seen + keep).tolist(), sizes[image])
            parts.append({**columns, "image": image, "class": kind})
            seen += len(piece)
        catalog = catalogs.from_rows(
            images=images,
            objects=catalogs.join_columns(parts),
            source="Omni3D",
            component=component,
            split=split,
            title=component,
            file=str(path),
            sha256=sha256,
            classes=classes,
            skipped={k: v for k, v in skipped.items() if v},
            synthetic=catalogs.says_synthetic(parsed["info"]),
        )
        return estimate_hidden(catalog)


def estimate_hidden(catalog: Catalog) -> Catalog:
    """The catalog with `object_hidden` for the cuboids of unknown visibility."""
    read = (catalog.object_unfit & int(UNREAD | UNRELIABLE)) == 0
    unknown = read & (catalog.object_visibility < 0)
    shares = hidden_shares(catalog.object_image, catalog.corners, read, unknown)
    return replace(catalog, object_hidden=shares)


def _refuse_other_files(path: Path, parsed: dict[str, Any]) -> None:
    if any(parsed[n] is None for n in LISTS):
        absent = next(n for n in LISTS if parsed[n] is None)
        raise BuilderError(f"{path}: no `{absent}`; --omni3d needs files like nuScenes_test.json of Omni3D")
    if any(decode_raw(a.bbox3D_cam) is None for a in parsed["annotations"].first):
        keys = first_keys(path, "annotations")
        if "caption" in keys or "segmentation" in keys or "bbox" in keys:
            raise BuilderError(f"{path}: a COCO file; pass it with --coco (--omni3d needs files of Omni3D)")
        if "bbox3D_cam" not in keys:
            raise BuilderError(f"{path}: annotations have no `bbox3D_cam`; --omni3d needs files of Omni3D")


def component_name(text: str) -> str:
    """The component that a text names: one of the six of Omni3D, otherwise the text itself without odd characters."""
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    for component in COMPONENTS:
        if component.lower() in plain:
            return component
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")


def _component(path: Path, parsed: dict[str, Any], given: str) -> tuple[str, str]:
    """Component and split, from the file's name, its `info` and the folder of its images."""
    info = parsed["info"] if isinstance(parsed["info"], dict) else {}
    split_word = re.search(r"(train|val|test)", path.stem.lower())
    split = split_word.group(1) if split_word else re.sub(r"\W", "", str(info.get("split", "unknown")).lower())
    if given:
        return component_name(given), split
    stated = [str(info.get("source") or ""), re.sub(r"(?i)\W(train|val|test)$", "", str(info.get("name") or ""))]
    folder = parsed["images"][0].file_path.split("/")[0] if parsed["images"] else ""
    found = [component_name(clue) for clue in (path.stem, *stated, folder)]
    for name in (*(n for n in found if n in COMPONENTS), *found[1:3]):
        if name:
            return name, split
    raise BuilderError(
        f"{path}: neither its name nor `info` says which dataset this is; give it one with --omni3d-name NAME "
        f"({', '.join(COMPONENTS)} or your own)"
    )


def _images(path: Path, images: list[Any], component: str) -> tuple[dict[str, Any], dict[int | str, int]]:
    """The columns of the images, and the row of each image id."""
    for image in images:
        if image.id is None:
            raise BuilderError(f"{path}: an image has no `id`; is this the right file for this flag?")
        if not image.file_path or not catalogs.plausible(image.width, image.height):
            raise BuilderError(f"{path}: image {image.id}: `file_path`, `width` and `height` are needed")
    ids, files = [i.id for i in images], [i.file_path for i in images]
    scenes = [scene_of(component, name) for name in files]
    if component not in COMPONENTS and len({scene for scene, _ in scenes}) < 2:
        scenes = [(name, -1) for name in files]  # one folder for all images says nothing about scenes
    turned = np.array([bool(i.src_90_rotate or i.src_flagged) for i in images], bool)
    flags = np.where(turned, int(ImageFlag.ROTATED), 0)
    row_of: dict[int | str, int] = {}
    for row, name in enumerate(ids):
        first = row_of.setdefault(name, row)
        if first != row:
            flags[[first, row]] |= int(ImageFlag.DUPLICATE_ID)
    columns = {
        "id": ids,
        "file": files,
        "name": files,
        "width": np.array([i.width for i in images], np.float64).astype(int),
        "height": np.array([i.height for i in images], np.float64).astype(int),
        "scene": [scene for scene, _ in scenes],
        "frame": [frame for _, frame in scenes],
        "flags": flags,
    }
    return columns, row_of


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
    if component not in COMPONENTS:
        digits = re.search(r"(\d+)\D*$", name)
        return file_path.rpartition("/")[0], int(digits.group(1)) if digits else -1
    return file_path, -1


def _objects(annotations: list[Any], numbers: list[int], size: Floats) -> dict[str, Any]:
    """The columns of some annotations; `numbers` are their places in the file."""
    n = len(annotations)
    unfit = _cheap_rules(annotations)
    box, height, flags = np.zeros((n, 4)), np.zeros(n), np.zeros(n, np.int64)
    corners = np.zeros((n, 8, 3))
    rows = np.flatnonzero(unfit == 0)
    if len(rows):
        chosen = [annotations[i] for i in rows.tolist()]
        box[rows], height[rows], flags[rows], has_box = _boxes(chosen, size[rows])
        corners[rows], unfit[rows] = _cuboids(chosen)
        unfit[rows[~has_box]] |= int(CuboidFlag.NO_2D_BOX)
    return {
        "box": box,
        "area": (box[:, 2:] - box[:, :2]).prod(axis=1),
        "id": catalogs.id_column([a.id for a in annotations], numbers),
        "flags": flags,
        "alias": np.zeros(n, "<U1"),
        "unfit": unfit,
        "truncation": _known([a.truncation for a in annotations]),
        "visibility": _known([a.visibility for a in annotations]),
        "height": height / size[:, 1],
        "corners": corners,
    }


def _cheap_rules(annotations: list[Any]) -> Ints:
    """Rules that need single numbers only. -1 means unknown and passes; 0 points means that none are visible."""
    unfit = np.zeros(len(annotations), np.int64)
    unfit[~catalogs.truths([a.valid3D for a in annotations])] |= int(CuboidFlag.INVALID_3D)
    unfit[catalogs.truths([a.behind_camera for a in annotations])] |= int(CuboidFlag.BEHIND_CAMERA)
    unfit[_known([a.lidar_pts for a in annotations]) == 0] |= int(CuboidFlag.NO_LIDAR_POINTS)
    unfit[_known([a.segmentation_pts for a in annotations]) == 0] |= int(CuboidFlag.NO_SEGMENTATION_POINTS)
    unfit[_known([a.depth_error for a in annotations]) > 0.5] |= int(CuboidFlag.DEPTH_ERROR)
    return unfit


def _known(values: list[float | None]) -> Floats:
    """A column of numbers; -1 where one is missing."""
    column = catalogs.numbers(values)
    return np.where(np.isnan(column), -1.0, column)


def _boxes(annotations: list[Any], size: Floats) -> tuple[Floats, Floats, Ints, Bools]:
    """The drawn box (tight, otherwise truncated, otherwise projected and clipped) and the projected height."""
    n = len(annotations)
    chosen = np.full((n, 4), np.nan)
    height = np.full(n, np.nan)
    for name in ("bbox2D_proj", "bbox2D_trunc", "bbox2D_tight"):
        boxes = decode_numbers(list(map(attrgetter(name), annotations)), (4,))
        present = np.isfinite(boxes).all(axis=1) & (boxes != -1).any(axis=1)
        np.copyto(chosen, boxes, where=present[:, None])
        if name == "bbox2D_proj":
            np.copyto(height, boxes[:, 3] - boxes[:, 1], where=present)
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


def _cuboids(annotations: list[Any]) -> tuple[Floats, Ints]:
    """Corners in the documented order, and their errors."""
    corners = decode_numbers(list(map(attrgetter("bbox3D_cam"), annotations)), (8, 3))
    frame = {"center_cam": (3,), "dimensions": (3,), "R_cam": (3, 3)}
    stated = {name: list(map(attrgetter(name), annotations)) for name in frame}
    center, dimensions, rotation = (decode_numbers(stated[name], shape) for name, shape in frame.items())
    finite: Bools = np.asarray(np.isfinite(corners).all(axis=(1, 2)))
    unread = np.isnan(np.concatenate([center, dimensions, rotation.reshape(-1, 9)], axis=1)).any(axis=1)
    absent = [i for i in np.flatnonzero(unread).tolist() if any(is_absent(v[i]) for v in stated.values())]
    if absent:  # there is nothing to compare with: use the corners
        own = cuboids(np.where(finite[:, None, None], corners, SIGNS)[absent])
        center[absent], dimensions[absent] = own.center, 2 * own.half[:, [2, 1, 0]]
        rotation[absent] = own.axes.transpose(0, 2, 1)
    finite &= np.isfinite(dimensions).all(axis=1) & np.isfinite(center).all(axis=1)
    finite &= np.isfinite(rotation).all(axis=(1, 2))
    unfit = np.zeros(len(annotations), np.int64)
    unfit[~finite] |= int(CuboidFlag.NOT_FINITE)
    if not finite.all():
        for values in (corners, center, dimensions, rotation):
            values[~finite] = 1.0
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
