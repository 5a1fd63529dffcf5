"""Hand-made sources in the three official layouts, small enough to read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Json = dict[str, Any]


def made_image(path: Path, size: tuple[int, int], seed: int = 0, **save: Any) -> Path:
    """An image with enough texture that no two of them look alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, *size, *path.name.encode()])
    coarse = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.NEAREST).save(path, **save)
    return path


class Coco:
    """A COCO instances file that grows by ``image`` and ``add``."""

    def __init__(self, names: list[str], split: str = "val2017") -> None:
        self.split = split
        # holes in the ids, as in the real file
        self.categories = [{"id": 3 * i + 1, "name": n} for i, n in enumerate(names)]
        self.ids = {c["name"]: c["id"] for c in self.categories}
        self.images: list[Json] = []
        self.annotations: list[Json] = []

    def image(self, width: int = 400, height: int = 300, **more: Any) -> int:
        number = len(self.images) + 1
        self.images.append({"id": number, "file_name": f"{number:012d}.jpg", "width": width, "height": height, **more})
        return number

    def add(self, image: int, name: str, box: tuple[float, float, float, float], **more: Any) -> int:
        """``box`` is xyxy, for readability; the file gets xywh."""
        x1, y1, x2, y2 = box
        number = 100 + len(self.annotations)
        self.annotations.append(
            {
                "id": number,
                "image_id": image,
                "category_id": self.ids.get(name, 999),
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "iscrowd": 0,
                "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]],
                **more,
            }
        )
        return number

    def tree(self) -> Json:
        return {
            "info": {"description": "hand-made"},
            "licenses": [],
            "images": self.images,
            "annotations": self.annotations,
            "categories": self.categories,
        }

    def write(self, root: Path, images: bool = True) -> tuple[Path, Path]:
        root.mkdir(parents=True, exist_ok=True)
        path = root / f"instances_{self.split}.json"
        path.write_text(json.dumps(self.tree()))
        folder = root / self.split
        folder.mkdir(exist_ok=True)
        for image in self.images if images else ():
            made_image(folder / image["file_name"], (image["width"], image["height"]))
        return path, folder


class Ade:
    """An ADE20K 2021_17_01 folder."""

    def __init__(self) -> None:
        self.images: list[Json] = []
        self.codes: dict[str, int] = {}

    def image(self, width: int = 400, height: int = 300, scene: Any = None, **more: Any) -> Json:
        entry = {"width": width, "height": height, "scene": scene or ["home", "room"], "objects": [], **more}
        self.images.append(entry)
        return entry

    def add(
        self,
        image: Json,
        name: str,
        visible: tuple[int, int, int, int] | list[tuple[int, int, int, int]] | None,
        polygon: list[tuple[float, float]] | None = None,
        **more: Any,
    ) -> Json:
        """``visible`` are the rectangles of the mask; the polygon is theirs unless given."""
        code = self.codes.setdefault(name, 40 + 700 * len(self.codes) % 3600 + len(self.codes))
        rectangles = [] if visible is None else [visible] if isinstance(visible, tuple) else visible
        if polygon is None and rectangles:
            x1, y1 = min(r[0] for r in rectangles), min(r[1] for r in rectangles)
            x2, y2 = max(r[2] for r in rectangles), max(r[3] for r in rectangles)
            polygon = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
        item = {
            "id": len(image["objects"]),
            "name": name,
            "raw_name": name.split(",")[0],
            "name_ndx": code,
            "hypernym": [],
            "attributes": [],
            "crop": "0",
            "occluded": "no",
            "parts": {"hasparts": [], "ispartof": [], "part_level": 0},
            "polygon": {"x": [p[0] for p in polygon or []], "y": [p[1] for p in polygon or []]},
            "depth_ordering_rank": 1,
            **more,
        }
        item["_visible"] = rectangles
        image["objects"].append(item)
        return item

    def write(self, root: Path, split: str = "validation") -> Path:
        short = "val" if split == "validation" else "train"
        for number, entry in enumerate(self.images, 1):
            stem = f"ADE_{short}_{number:08d}"
            folder = root / "images" / "ADE" / split / "home" / "room"
            folder.mkdir(parents=True, exist_ok=True)
            w, h = entry["width"], entry["height"]
            made_image(folder / f"{stem}.jpg", (w, h))
            mask = np.zeros((h, w, 3), np.uint8)
            for place, item in enumerate(entry["objects"]):
                for x1, y1, x2, y2 in item["_visible"]:
                    if item["parts"]["part_level"]:
                        continue
                    code = item["name_ndx"]
                    # instance codes are spread values, not 1..n
                    mask[y1:y2, x1:x2] = ((code // 256) * 10, code % 256, 13 + 17 * place)
            Image.fromarray(mask).save(folder / f"{stem}_seg.png")
            objects = [{k: v for k, v in o.items() if k != "_visible"} for o in entry["objects"]]
            annotation = {
                "filename": f"{stem}.jpg",
                "folder": f"ADE20K_2021_17_01/images/ADE/{split}/home/room",
                "imsize": [h, w, 3],
                "source": {"origin": "hand-made"},
                "scene": entry["scene"],
                "object": objects[0] if entry.get("scalar_object") else objects,
            }
            (folder / f"{stem}.json").write_text(json.dumps({"annotation": annotation}))
        return root


def corners(centre: Any, dimensions: Any, rotation: Any) -> list[list[float]]:
    """The documented order: near face clockwise from its top left, then the far face."""
    w, h, length = dimensions
    out = []
    for z in (-w / 2, w / 2):
        for x, y in ((-length / 2, -h / 2), (length / 2, -h / 2), (length / 2, h / 2), (-length / 2, h / 2)):
            local = (x, y, z)
            out.append([centre[i] + sum(rotation[i][k] * local[k] for k in range(3)) for i in range(3)])
    return out


IDENTITY = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


class Omni:
    """One component file of Omni3D."""

    def __init__(
        self, component: str, names: list[str], size: tuple[int, int] = (640, 480), split: str = "test"
    ) -> None:
        self.component, self.split, self.size = component, split, size
        self.categories = [{"id": 7 * i, "name": n} for i, n in enumerate(names)]
        self.ids = {c["name"]: c["id"] for c in self.categories}
        self.images: list[Json] = []
        self.annotations: list[Json] = []
        self.focal = 500.0

    def image(self, file_path: str = "", **more: Any) -> int:
        number = 50_000 + len(self.images)
        w, h = self.size
        self.images.append(
            {
                "id": number,
                "dataset_id": 12,
                "width": w,
                "height": h,
                "file_path": file_path or f"{self.component}/images/{number}.jpg",
                "K": [[self.focal, 0, w / 2], [0, self.focal, h / 2], [0, 0, 1]],
                "src_90_rotate": 0,
                "src_flagged": False,
                **more,
            }
        )
        return number

    def add(
        self, image: int, name: str, centre: Any, dimensions: Any = (0.4, 0.4, 0.4), rotation: Any = None, **more: Any
    ) -> int:
        rotation = IDENTITY if rotation is None else rotation
        points = corners(centre, dimensions, rotation)
        w, h = self.size
        us = [self.focal * x / max(z, 0.05) + w / 2 for x, _, z in points]
        vs = [self.focal * y / max(z, 0.05) + h / 2 for _, y, z in points]
        projected = [min(us), min(vs), max(us), max(vs)]
        clipped = [max(0, projected[0]), max(0, projected[1]), min(w, projected[2]), min(h, projected[3])]
        number = 1000 + len(self.annotations)
        self.annotations.append(
            {
                "id": number,
                "image_id": image,
                "category_id": self.ids.get(name, 9999),
                "category_name": name,
                "valid3D": True,
                "bbox2D_tight": [-1, -1, -1, -1],
                "bbox2D_trunc": clipped,
                "bbox2D_proj": projected,
                "bbox3D_cam": points,
                "center_cam": list(centre),
                "dimensions": list(dimensions),
                "R_cam": [list(r) for r in rotation],
                "behind_camera": False,
                "visibility": 1.0,
                "truncation": 0.0,
                "lidar_pts": -1,
                "segmentation_pts": -1,
                "depth_error": -1,
                **more,
            }
        )
        return number

    def tree(self) -> Json:
        return {
            "info": {"id": 12, "source": self.component, "name": f"{self.component} Test", "split": "Test"},
            "images": self.images,
            "categories": self.categories,
            "annotations": self.annotations,
        }

    def write(self, root: Path, images: bool = True) -> tuple[Path, Path]:
        root.mkdir(parents=True, exist_ok=True)
        path = root / f"{self.component}_{self.split}.json"
        path.write_text(json.dumps(self.tree()))
        folder = root / "datasets"
        folder.mkdir(exist_ok=True)
        for image in self.images if images else ():
            made_image(folder / image["file_path"], (image["width"], image["height"]))
        return path, folder
