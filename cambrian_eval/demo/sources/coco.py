"""Writes the COCO format: `instances_val2017.json` and a folder of images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cambrian_eval.demo.miniature.canvas import SHAPES
from cambrian_eval.demo.sources.bodies import FURNITURE
from cambrian_eval.demo.sources.outlines import outlines
from cambrian_eval.demo.sources.render import View

CATEGORIES = {name: 2 * place + 1 for place, name in enumerate((*SHAPES, *FURNITURE))}
"""Category ids; as in the real file, they are not consecutive."""


def write(root: Path, views: Sequence[View]) -> None:
    """Write images and annotations in the layout of the release."""
    folder = root / "val2017"
    folder.mkdir(parents=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, view in enumerate(views, 1):
        name = f"{number:012d}.jpg"
        view.image.save(folder / name, quality=95)
        size = {"width": view.image.width, "height": view.image.height}
        images.append({"license": 1, "file_name": name, **size, "id": number})
        for place, body in enumerate(view.scene.bodies):
            found = _annotation(view, place)
            if body.name and found:
                found |= {"image_id": number, "category_id": CATEGORIES[body.name], "id": len(annotations) + 1}
                annotations.append(found)
    tree = {
        "info": {"description": "drawn scenes", "version": "1.0", "synthetic": True},
        "licenses": [{"id": 1, "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}],
        "images": images,
        "annotations": annotations,
        "categories": [
            {"supercategory": "shape" if name in SHAPES else "furniture", "id": number, "name": name}
            for name, number in CATEGORIES.items()
        ],
    }
    (root / "instances_val2017.json").write_text(json.dumps(tree))


def _annotation(view: View, body: int) -> dict[str, Any]:
    """Polygons, mask area and box (x, y, width, height) of the visible pixels; empty if there are none."""
    mask = view.visible(body)
    if not mask.any():
        return {}
    rows, columns = np.nonzero(mask)
    left, top = int(columns.min()), int(rows.min())
    return {
        "segmentation": [[float(v) for corner in outline for v in corner] for outline in outlines(mask)],
        "area": float(mask.sum()),
        "iscrowd": 0,
        "bbox": [float(left), float(top), float(columns.max() + 1 - left), float(rows.max() + 1 - top)],
    }
