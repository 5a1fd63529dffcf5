"""ADE20K full, 2021_17_01: one JSON, one mask image and amodal polygons per image.

The mask of visible pixels determines what is in the image; the polygon (which ignores occlusion) only assigns the
regions of the mask to the listed objects. One-element lists of this release are stored as scalars, so every list is
read with `_as_list`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvbench_builder import catalog as catalogs
from cvbench_builder.catalog import Catalog, ClassName, ImageFlag, ObjectFlag
from cvbench_builder.class_names import class_name, clean, singular
from cvbench_builder.errors import BuilderError
from cvbench_builder.files import IMAGE_FORMATS, require_file

_SPLITS = ("validation", "training")


def find_annotations(root: Path, split: str) -> dict[str, list[Path]]:
    """The per-image JSON files by split. `split` auto: validation if there is any, otherwise training."""
    if not root.is_dir():
        raise BuilderError(f"{root}: no such folder; --ade20k needs the ADE20K_2021_17_01 folder")
    by_split: dict[str, list[Path]] = {name: [] for name in _SPLITS}
    for path in sorted(root.rglob("*.json")):
        beside = (path.with_name(f"{path.stem}_seg.png"), path.with_suffix(".jpg"))
        if path.stem.startswith("ADE_") or any(p.is_file() for p in beside):
            place = path.relative_to(root).as_posix()
            training = "training" in place.split("/") or "_train_" in path.name
            by_split["training" if training else "validation"].append(path)
    if not any(by_split.values()):
        if any(root.rglob("ADE_*.png")):
            raise BuilderError(
                f"{root}: label images without per-image JSON (SceneParsing release, no instances); "
                "--ade20k needs ADE20K_2021_17_01, --ade20k-instances the Instance-100 JSON"
            )
        raise BuilderError(f"{root}: no ADE20K images with .json and _seg.png; --ade20k needs ADE20K_2021_17_01")
    if split == "auto":
        split = "validation" if by_split["validation"] else "training"
    return {name: files for name, files in by_split.items() if files and split in (name, "all")}


def fingerprint(root: Path, files: list[Path]) -> str:
    """A hash of names, sizes and times, which changes with any file and with their place below `root`."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode())
        for part in (path, path.with_name(f"{path.stem}_seg.png")):
            state = part.stat() if part.is_file() else None
            digest.update(f"{part.resolve()}|{state and (state.st_size, state.st_mtime_ns)}\n".encode())
    return digest.hexdigest()


def content_sha256(files: list[Path]) -> str:
    """A hash of the annotation files in the order of their names, independent of their location."""
    digest = hashlib.sha256()
    for path in sorted(files, key=lambda p: p.name):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def read(root: Path, split: str, files: list[Path], workers: int) -> Catalog:
    """One split as a catalog; JSON and masks are read in up to `workers` processes."""
    if workers > 1 and len(files) >= 64:
        with ProcessPoolExecutor(workers) as pool:
            read_ones = list(pool.map(read_image, files, chunksize=16))
    else:
        read_ones = [read_image(path) for path in files]
    index: dict[str, int] = {}
    classes: list[ClassName] = []
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    synthetic = False
    words: dict[int, Counter[str]] = defaultdict(Counter)
    for path, (image, found) in zip(files, read_ones, strict=True):
        image["file"] = path.with_suffix(".jpg").relative_to(root).as_posix()
        for item in found:
            name = item.pop("name")
            if name not in index:
                index[name] = len(classes)
                classes.append(class_name(name.split(","), item["hypernym"]))
            item["class"] = index[name]
            words[index[name]][item.pop("word")] += 1
            item["image"] = len(images)
            objects.append(item)
        synthetic |= image.pop("synthetic")
        images.append(image)
    return catalogs.from_rows(
        images=images,
        objects=objects,
        source="ADE20K",
        component="ADE20K",
        split=split,
        title="ADE20K Training Set" if split == "training" else "ADE20K Validation Set",
        file=str(root),
        sha256=content_sha256(files),
        classes=tuple(_with_word(c, words[i]) for i, c in enumerate(classes)),
        skipped={},
        synthetic=synthetic,
    )


def _with_word(item: ClassName, words: Counter[str]) -> ClassName:
    """The class with its annotators' most frequent singular word (any word if all are plural)."""
    by_count = sorted(words, key=lambda w: (-words[w], w))
    word = next((w for w in by_count if singular(w) == w), by_count[0])
    return replace(item, annotated="" if word == item.name else word)


def read_image(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One image and its objects, boxes taken from the visible mask."""
    annotation = _annotation(path)
    try:
        height, width = (int(v) for v in _as_list(annotation["imsize"])[:2])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise BuilderError(f"{path}: `imsize` must be [height, width, 3]") from None
    if not catalogs.plausible(width, height):
        raise BuilderError(f"{path}: `imsize` is {height} x {width} pixels, which no image has")
    name = str(annotation.get("filename") or path.with_suffix(".jpg").name)
    scene = "/".join(str(s) for s in _as_list(annotation.get("scene")))
    image = {"id": path.stem, "name": name, "scene": scene, "width": width, "height": height, "flags": ImageFlag(0)}
    image["synthetic"] = catalogs.says_synthetic(annotation)
    listed = [_object(path, i, raw) for i, raw in enumerate(_as_list(annotation.get("object")))]
    regions = _regions(path.with_name(f"{path.stem}_seg.png"), (height, width))
    if regions is None:
        image["flags"] = ImageFlag.NO_MASK
    elif isinstance(regions, str):
        image["flags"] = ImageFlag.SIZE_MISMATCH
    for_regions = regions if isinstance(regions, dict) else {}
    _assign(listed, for_regions, (height, width))
    return image, [{k: v for k, v in o.items() if k not in ("code", "polygon")} for o in listed]


def _annotation(path: Path) -> dict[str, Any]:
    data = require_file(path).read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # part of the release has this encoding
    try:
        tree = json.loads(text)
    except RecursionError:
        raise BuilderError(f"{path}: lists or objects are nested too deeply; download it again") from None
    except json.JSONDecodeError as error:
        offset = len(text[: error.pos].encode())
        state = "is incomplete and ends" if offset >= len(text.rstrip().encode()) else "is not valid"
        raise BuilderError(f"{path}: the JSON {state} at byte {offset}; download it again") from None
    annotation = tree.get("annotation") if isinstance(tree, dict) else None
    if not isinstance(annotation, dict):
        raise BuilderError(f"{path}: no `annotation`; --ade20k needs ADE20K_2021_17_01")
    return annotation


def _as_list(value: Any) -> list[Any]:
    """A list; one-element lists are stored as scalars in this release, empty ones as []."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _object(path: Path, index: int, raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict) or not str(raw.get("name", "")).strip():
        raise BuilderError(f"{path}: object {index}: `name` is missing")
    parts = raw.get("parts") if isinstance(raw.get("parts"), dict) else {}
    level = _as_list((parts or {}).get("part_level"))
    flags = ObjectFlag(0)
    if level and _whole_number(level[0]) > 0:
        flags |= ObjectFlag.PART
    if [str(v).lower() for v in _as_list(raw.get("crop"))] in (["1"], ["true"]):
        flags |= ObjectFlag.CROPPED
    if [str(v).lower() for v in _as_list(raw.get("occluded"))] == ["yes"]:
        flags |= ObjectFlag.OCCLUDED
    polygon = raw.get("polygon") if isinstance(raw.get("polygon"), dict) else {}
    x, y = (_numbers(_as_list((polygon or {}).get(axis))) for axis in ("x", "y"))
    points = list(zip(x, y, strict=False))
    if len(set(points)) < 3 or _polygon_area(points) <= 0:
        flags |= ObjectFlag.DEGENERATE
    hypernyms = [n for entry in _as_list(raw.get("hypernym")) for n in str(entry).split(",")]
    code = _as_list(raw.get("name_ndx"))
    name = str(raw["name"])
    alias = clean(str(raw.get("raw_name") or ""))
    own = {clean(n) for n in name.split(",")}
    return {
        "id": str(raw.get("id", index)),
        "name": name,
        "hypernym": hypernyms,
        "flags": flags,
        "alias": "" if alias in own else alias,
        "word": alias or clean(name.split(",")[0]),
        "code": _whole_number(code[0]) if code else -1,
        "polygon": points,
        "box": (0.0, 0.0, 0.0, 0.0),
        "area": 0.0,
    }


def _whole_number(value: Any) -> int:
    try:
        return int(float(value))
    except (TypeError, ValueError):
        return -1


def _numbers(values: list[Any]) -> list[float]:
    return [float(v) for v in values if isinstance(v, int | float)]


def _polygon_area(points: list[tuple[float, float]]) -> float:
    following = [*points[1:], *points[:1]]
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(points, following, strict=True))) / 2


Regions = dict[int, list[NDArray[np.int64]]]
"""Class code -> the flat pixel numbers of each instance."""


def _regions(path: Path, size: tuple[int, int]) -> Regions | str | None:
    """The visible regions; None without a readable mask, "size" if the mask has another size."""
    from PIL import Image

    try:
        with Image.open(path, formats=IMAGE_FORMATS) as image:
            pixels = np.asarray(image.convert("RGB")).astype(np.int64)
    except (OSError, SyntaxError, ValueError, KeyError, Image.DecompressionBombError):
        return None
    if pixels.shape[:2] != size:
        return "size"
    code = (pixels[..., 0] // 10) * 256 + pixels[..., 1]
    both = (code * 256 + pixels[..., 2]).ravel()
    present = np.flatnonzero(np.bincount(both))
    present = present[present >= 256]  # class code 0 is unlabeled
    if not len(present):
        return {}
    rank = np.zeros(int(both.max()) + 1, np.int32)
    rank[present] = np.arange(1, len(present) + 1)
    labels = rank[both]
    kept = np.flatnonzero(labels)
    order = kept[np.argsort(labels[kept], kind="stable")]
    cuts = np.cumsum(np.bincount(labels[kept], minlength=len(present) + 1)[1:])[:-1]
    regions: Regions = {}
    for value, flat in zip(present.tolist(), np.split(order, cuts), strict=True):
        regions.setdefault(value // 256, []).append(flat)
    return regions


def _assign(objects: list[dict[str, Any]], regions: Regions, size: tuple[int, int]) -> None:
    """Assign each whole object its visible region, by overlap with its polygon; mark objects without one."""
    by_code: dict[int, list[dict[str, Any]]] = {}
    for item in objects:
        if not item["flags"] & ObjectFlag.PART:
            by_code.setdefault(item["code"], []).append(item)
    for code, members in by_code.items():
        found = regions.get(code, [])
        pairs = _match(members, found, size)
        for o, r in pairs:
            members[o]["box"], members[o]["area"] = _box(found[r], size[1]), float(len(found[r]))
        taken = {o for o, _ in pairs}
        for o, item in enumerate(members):
            if o not in taken:
                item["flags"] |= ObjectFlag.INVISIBLE
            if len(pairs) < len(found):  # the mask contains instances that are not listed
                item["flags"] |= ObjectFlag.MASK_CONFLICT


def _match(members: list[dict[str, Any]], found: list[Any], size: tuple[int, int]) -> list[tuple[int, int]]:
    if len(members) == 1 and len(found) == 1:
        return [(0, 0)]
    scores = []
    for o, item in enumerate(members):
        if len(item["polygon"]) < 3 or not found:
            continue
        filled = _fill(item["polygon"], size)
        total = int(np.count_nonzero(filled))
        for r, flat in enumerate(found):
            common = int(np.count_nonzero(filled[flat]))
            # most of a visible region is inside the outline of its object
            if common * 2 > len(flat):
                scores.append((common / (total + len(flat) - common), o, r))
    pairs: list[tuple[int, int]] = []
    for _, o, r in sorted(scores, key=lambda s: (-s[0], s[1], s[2])):
        if all(o != p and r != q for p, q in pairs):
            pairs.append((o, r))
    left = [o for o in range(len(members)) if all(o != p for p, _ in pairs)]
    regions_left = [r for r in range(len(found)) if all(r != q for _, q in pairs)]
    if len(left) == 1 and len(regions_left) == 1:
        pairs.append((left[0], regions_left[0]))
    return pairs


def _fill(points: list[tuple[float, float]], size: tuple[int, int]) -> NDArray[np.bool_]:
    from PIL import Image, ImageDraw

    canvas = Image.new("1", (size[1], size[0]))
    ImageDraw.Draw(canvas).polygon(points, fill=1, outline=1)
    return np.asarray(canvas, bool).ravel()


def _box(flat: NDArray[np.int64], width: int) -> tuple[float, float, float, float]:
    rows, columns = flat // width, flat % width
    return float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)
