"""A second opinion: brute force in plain Python, straight from the definitions, no numpy.

It reads the same trees the hand-made sources write and returns every question that is valid beyond
doubt, as (image file, question, answer). It shares no code with the package under test.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

Json = dict[str, Any]
Question = tuple[str, str, str]
Box = tuple[float, float, float, float]


def clip(box: Box, w: float, h: float) -> Box:
    return max(box[0], 0), max(box[1], 0), min(box[2], w), min(box[3], h)


def relation_question(a: str, b: str, marked: bool) -> str:
    m = " (annotated by the red box)" if marked else ""
    return (
        f"Considering the relative positions of the {a}{m} and the {b} in the image provided, "
        f"where is the {a}{m} located with respect to the {b}?"
    )


def coco_objects(tree: Json) -> dict[int, list[Json]]:
    names = {c["id"]: c["name"] for c in tree["categories"]}
    images = {i["id"]: i for i in tree["images"]}
    out: dict[int, list[Json]] = {i: [] for i in images}
    for a in tree["annotations"]:
        if a["image_id"] not in images or a["category_id"] not in names:
            continue
        x, y, w, h = a["bbox"]
        size = images[a["image_id"]]["width"], images[a["image_id"]]["height"]
        box = clip((x, y, x + w, y + h), *size)
        bad = not all(math.isfinite(v) for v in a["bbox"]) or w <= 0 or h <= 0
        side = (box[2] - box[0], box[3] - box[1])
        small = bad or min(side) < 8 or min(a["area"], side[0] * side[1]) < 0.0025 * size[0] * size[1]
        out[a["image_id"]].append(
            {"name": names[a["category_id"]], "box": box, "crowd": bool(a["iscrowd"]), "small": small}
        )
    return out


def coco_relations(tree: Json, skip: set[int] = frozenset()) -> set[Question]:  # type: ignore[assignment]
    images = {i["id"]: i for i in tree["images"]}
    found = set()
    for image, objects in coco_objects(tree).items():
        if image in skip:
            continue
        crowded = {o["name"] for o in objects if o["crowd"]}
        for a, b in itertools.permutations(objects, 2):
            if a["name"] == b["name"] or a["small"] or b["small"] or {a["name"], b["name"]} & crowded:
                continue
            if sum(o["name"] == b["name"] for o in objects) != 1:
                continue
            marked = sum(o["name"] == a["name"] for o in objects) != 1
            question = relation_question(a["name"], b["name"], marked)
            for axis, side, words in ((0, "width", ("left", "right")), (1, "height", ("above", "below"))):
                need = 0.02 * images[image][side] - 1e-6
                if b["box"][axis] - a["box"][axis + 2] >= need:
                    found.add((images[image]["file_name"], question, words[0]))
                if a["box"][axis] - b["box"][axis + 2] >= need:
                    found.add((images[image]["file_name"], question, words[1]))
    return found


def iou(a: Box, b: Box) -> float:
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(w, 0) * max(h, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    return common / union if union > 0 else 0.0


def coco_counts(tree: Json, plurals: dict[str, str], skip: set[int] = frozenset()) -> set[Question]:  # type: ignore[assignment]
    """Counts of one or more. ``plurals`` names the countable classes."""
    images = {i["id"]: i for i in tree["images"]}
    found = set()
    for image, objects in coco_objects(tree).items():
        if image in skip:
            continue
        for name in {o["name"] for o in objects} & plurals.keys():
            mine = [o for o in objects if o["name"] == name]
            if any(o["crowd"] or o["small"] for o in mine):
                continue
            if any(iou(a["box"], b["box"]) >= 0.8 for a, b in itertools.combinations(mine, 2)):
                continue
            found.add((images[image]["file_name"], f"How many {plurals[name]} are in the image?", str(len(mine))))
    return found


def norm(v: Any) -> float:
    return math.sqrt(sum(x * x for x in v))


def minus(a: Any, b: Any) -> list[float]:
    return [x - y for x, y in zip(a, b, strict=True)]


def to_box(p: Any, o: Json) -> float:
    """Distance of a point from a solid cuboid given by centre, dimensions and rotation."""
    w, h, length = o["dimensions"]
    r = o["R_cam"]
    d = minus(p, o["center_cam"])
    local = [sum(r[i][k] * d[i] for i in range(3)) for k in range(3)]
    return norm([max(abs(v) - s / 2, 0) for v, s in zip(local, (length, h, w), strict=True)])


def box_to_box(a: Json, b: Json) -> float:
    """Distance of two solid cuboids: least squares over a point of each, whose coordinates have bounds."""
    import numpy as np
    from scipy.optimize import lsq_linear

    def half(o: Json) -> list[float]:
        w, h, length = o["dimensions"]
        return [length / 2, h / 2, w / 2]

    sides = np.array([*half(a), *half(b)])
    axes = np.hstack([np.array(a["R_cam"]), -np.array(b["R_cam"])])
    between = np.array(b["center_cam"]) - np.array(a["center_cam"])
    found = lsq_linear(axes, between, bounds=(-sides, sides), method="bvls", tol=1e-14)
    return float(np.linalg.norm(axes @ found.x - between))


def usable_cuboids(tree: Json) -> dict[int, list[Json]]:
    names = {c["id"]: c["name"] for c in tree["categories"]}
    images = {i["id"]: i for i in tree["images"]}
    out: dict[int, list[Json]] = {i: [] for i in images}
    for a in tree["annotations"]:
        if a["image_id"] not in images or a["category_id"] not in names:
            continue
        w, h = images[a["image_id"]]["width"], images[a["image_id"]]["height"]
        if not a["valid3D"] or a["behind_camera"] or a["lidar_pts"] == 0 or a["segmentation_pts"] == 0:
            continue
        if a["depth_error"] > 0.5 or a["truncation"] > 0.33 or 0 <= a["visibility"] < 0.34:
            continue
        flat = [v for p in a["bbox3D_cam"] for v in p] + list(a["dimensions"])
        if not all(math.isfinite(v) for v in flat) or min(a["dimensions"]) <= 0:
            continue
        if min(p[2] for p in a["bbox3D_cam"]) <= 0.1:
            continue
        box = next(
            (tuple(a[n]) for n in ("bbox2D_tight", "bbox2D_trunc", "bbox2D_proj") if list(a[n]) != [-1, -1, -1, -1]),
            None,
        )
        if box is None:
            continue
        proj = a["bbox2D_proj"] if list(a["bbox2D_proj"]) != [-1, -1, -1, -1] else box
        if not 0.05 * h < proj[3] - proj[1] <= 1.5 * h:
            continue
        box = clip(box, w, h)  # type: ignore[arg-type]
        sides = (box[2] - box[0], box[3] - box[1])
        if min(sides) < 16 or sides[0] * sides[1] < 0.0025 * w * h:
            continue
        if a["visibility"] < 0 and hidden_share(a, tree["annotations"]) > 0.5:
            continue
        out[a["image_id"]].append({**a, "name": names[a["category_id"]], "box": box})
    return out


def hidden_share(a: Json, annotations: list[Json]) -> float:
    """The share of 6 x 6 rays over a cuboid's outline that enter another cuboid of its image first."""
    others = [
        o
        for o in annotations
        if o["image_id"] == a["image_id"]
        and o is not a
        and o["valid3D"]
        and not o["behind_camera"]
        and o["lidar_pts"] != 0
        and o["segmentation_pts"] != 0
        and o["depth_error"] <= 0.5
    ]
    us, vs = [p[0] / p[2] for p in a["bbox3D_cam"]], [p[1] / p[2] for p in a["bbox3D_cam"]]
    hit = covered = 0
    for i in range(6):
        for j in range(6):
            ray = (
                min(us) + (i + 0.5) / 6 * (max(us) - min(us)),
                min(vs) + (j + 0.5) / 6 * (max(vs) - min(vs)),
                1.0,
            )
            own = _entry(ray, a)
            hit += own is not None
            entries = [e for o in others if (e := _entry(ray, o)) is not None]
            covered += own is not None and any(e < own for e in entries)
    return covered / max(hit, 1)


def _entry(ray: tuple[float, float, float], o: Json) -> float | None:
    """The first multiple of the ray from the camera that lies in the cuboid."""
    w, h, length = o["dimensions"]
    first, last = -math.inf, math.inf
    for k, side in enumerate((length, h, w)):
        axis = [o["R_cam"][i][k] for i in range(3)]
        speed = sum(x * y for x, y in zip(ray, axis, strict=True))
        center = sum(x * y for x, y in zip(o["center_cam"], axis, strict=True))
        if abs(speed) < 1e-12:
            if abs(center) > side / 2:
                return None
            continue
        ends = sorted(((center - side / 2) / speed, (center + side / 2) / speed))
        first, last = max(first, ends[0]), min(last, ends[1])
    return first if 0 < first <= last else None


def mask_counts(
    annotation: Json, pixels: list[list[tuple[int, int, int]]], plurals: dict[str, str]
) -> set[tuple[str, str]]:
    """(question, answer) of the classes whose listed whole objects are exactly the regions of an ADE20K mask.

    ``pixels`` are rows of (R, G, B): class (R // 10) * 256 + G, instance B.
    """
    regions: dict[int, dict[int, list[tuple[int, int]]]] = {}
    for y, row in enumerate(pixels):
        for x, (r, g, b) in enumerate(row):
            regions.setdefault(r // 10 * 256 + g, {}).setdefault(b, []).append((x, y))
    size = len(pixels) * len(pixels[0])
    found = set()
    for name in {o["name"].split(",")[0] for o in annotation["object"]} & plurals.keys():
        mine = [o for o in annotation["object"] if o["name"].split(",")[0] == name]
        shapes = list(regions.get(mine[0]["name_ndx"], {}).values())
        if any(o["parts"]["part_level"] for o in mine) or len(shapes) != len(mine):
            continue
        boxes = [
            (min(x for x, _ in s), min(y for _, y in s), max(x for x, _ in s) + 1, max(y for _, y in s) + 1)
            for s in shapes
        ]
        if any(len(s) < 0.0025 * size or min(b[2] - b[0], b[3] - b[1]) < 8 for s, b in zip(shapes, boxes, strict=True)):
            continue
        if any(iou(a, b) >= 0.8 for a, b in itertools.combinations(boxes, 2)):
            continue
        found.add((f"How many {plurals[name]} are in the image?", str(len(mine))))
    return found


def drawable(a: Box, b: Box) -> bool:
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    if max(w, 0) * max(h, 0) > 0.5 * smaller:
        return False
    for p, q in ((a, b), (b, a)):
        cx, cy = (q[0] + q[2]) / 2, (q[1] + q[3]) / 2
        if p[0] <= cx <= p[2] and p[1] <= cy <= p[3]:
            return False
    return True


def depths(tree: Json, fixed: float) -> set[tuple[str, frozenset[int], int]]:
    """(image, the two object ids, the id of the nearer one)."""
    images = {i["id"]: i for i in tree["images"]}
    found = set()
    for image, objects in usable_cuboids(tree).items():
        for a, b in itertools.permutations(objects, 2):
            if a["name"] == b["name"] or not drawable(a["box"], b["box"]):
                continue
            far = max(norm(p) for p in a["bbox3D_cam"])
            near = min(norm(p) for p in b["bbox3D_cam"])
            offset = max(fixed, 0.1 * near)
            if far + offset > near or max(p[2] for p in a["bbox3D_cam"]) > min(p[2] for p in b["bbox3D_cam"]):
                continue
            if to_box((0, 0, 0), a) + offset > to_box((0, 0, 0), b):
                continue
            found.add((images[image]["file_path"], frozenset((a["id"], b["id"])), a["id"]))
    return found


def distances(tree: Json, fixed: float) -> set[tuple[str, int, frozenset[int], int]]:
    """(image, anchor id, the two object ids, the id of the nearer one), all three readings."""
    images = {i["id"]: i for i in tree["images"]}
    found = set()
    for image, objects in usable_cuboids(tree).items():
        for anchor, a, b in itertools.permutations(objects, 3):
            if len({anchor["name"], a["name"], b["name"]}) < 3:
                continue
            if not all(drawable(p["box"], q["box"]) for p, q in itertools.combinations((anchor, a, b), 2)):
                continue
            # one reading at a time: the anchor as its centre, its corners, its surface
            if all(_interval(anchor, a, b, k, fixed) for k in range(3)):
                found.add((images[image]["file_path"], anchor["id"], frozenset((a["id"], b["id"])), a["id"]))
    return found


def _interval(anchor: Json, a: Json, b: Json, reading: int, fixed: float) -> bool:
    def read(v: Any) -> float:
        if reading == 0:
            return norm(minus(v, anchor["center_cam"]))
        if reading == 1:
            return min(norm(minus(v, c)) for c in anchor["bbox3D_cam"])
        return to_box(v, anchor)

    far = max(read(v) for v in a["bbox3D_cam"])
    near = box_to_box(b, anchor) if reading == 2 else min(read(v) for v in b["bbox3D_cam"])
    return far + max(fixed, 0.2 * far) <= near
