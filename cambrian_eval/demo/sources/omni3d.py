"""Writes the Omni3D format: a JSON file for each of three components, cuboids in the camera frame, a tree of images.

Values that a real component does not contain have the sentinel -1 here too: tight boxes outside Hypersim, lidar
points, visibility in SUN RGB-D, the error of the depth sensor.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cambrian_eval.demo.sources.bodies import FURNITURE
from cambrian_eval.demo.sources.camera import Floats
from cambrian_eval.demo.sources.render import View
from cambrian_eval.demo.sources.scenes import frame

CATEGORIES = {name: 3 * place for place, name in enumerate(FURNITURE)}
_UNKNOWN = [-1.0, -1.0, -1.0, -1.0]


@dataclass(frozen=True)
class Component:
    """One component of Omni3D."""

    name: str
    number: int
    path: str
    """Path of an image, relative to the folder of all datasets."""
    outdoors: bool
    tight: bool
    visibility: bool


COMPONENTS = (
    Component(
        name="SUNRGBD",
        number=3,
        path="SUNRGBD/kv1/NYUdata/NYU{n:04d}/image/NYU{n:04d}.jpg",
        outdoors=False,
        tight=False,
        visibility=False,
    ),
    Component(
        name="Hypersim",
        number=6,
        path="hypersim/ai_{n:03d}_001/images/scene_cam_00_final_preview/frame.0000.tonemap.jpg",
        outdoors=False,
        tight=True,
        visibility=True,
    ),
    Component(
        name="nuScenes",
        number=9,
        path="nuScenes/samples/CAM_FRONT/n{n:03d}-drawn__CAM_FRONT__1500000000000000.jpg",
        outdoors=True,
        tight=False,
        visibility=True,
    ),
)


def write(root: Path, component: Component, views: Sequence[View]) -> None:
    """Write the images below `datasets/` and the test annotations of the component."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, view in enumerate(views, 1):
        file = component.path.format(n=number)
        path = root / "datasets" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        view.image.save(path, quality=95)
        # ids are unique over all components
        head = {"id": 100_000 * component.number + number, "dataset_id": component.number}
        images.append(
            {
                **head,
                "width": view.image.width,
                "height": view.image.height,
                "file_path": file,
                "K": view.scene.camera.matrix,
                "src_90_rotate": 0,
                "src_flagged": False,
            }
        )
        for body in range(len(view.scene.bodies)):
            if view.scene.bodies[body].name:
                own = {"id": 10_000_000 * component.number + len(annotations) + 1}
                annotations.append(
                    {
                        **own,
                        **_annotation(view, body, component),
                        "image_id": head["id"],
                        "dataset_id": component.number,
                    }
                )
    tree = {
        "info": {
            "id": component.number,
            "source": component.name,
            "name": f"{component.name} Test",
            "split": "Test",
            "version": "0.1",
            "url": "",
            "synthetic": True,
        },
        "images": images,
        "categories": [{"id": i, "name": name, "supercategory": ""} for name, i in CATEGORIES.items()],
        "annotations": annotations,
    }
    (root / f"{component.name}_test.json").write_text(json.dumps(tree))


def _annotation(view: View, number: int, component: Component) -> dict[str, Any]:
    body, camera = view.scene.bodies[number], view.scene.camera
    projected = frame(camera, body)
    visible, alone = view.visible(number), view.alone[number]
    limits = (camera.width, camera.height) * 2
    clipped = [min(max(edge, 0.0), float(limit)) for edge, limit in zip(projected, limits, strict=True)]
    inside = (clipped[2] - clipped[0]) * (clipped[3] - clipped[1])
    whole = (projected[2] - projected[0]) * (projected[3] - projected[1])
    turned = camera.turn(body.corners())
    return {
        "category_id": CATEGORIES[body.name],
        "category_name": body.name,
        "valid3D": True,
        "bbox2D_tight": _tight(view, number) if component.tight and visible.any() else _UNKNOWN,
        "bbox2D_proj": [float(v) for v in projected],
        "bbox2D_trunc": clipped,
        "bbox3D_cam": turned.tolist(),
        "center_cam": camera.turn(np.array(body.center)).tolist(),
        "dimensions": [body.width, body.height, body.length],
        "R_cam": (camera.rotation @ body.rotation).tolist(),
        "behind_camera": bool((turned[:, 2] <= 0).any()),
        "visibility": float(visible.sum() / max(alone.sum(), 1)) if component.visibility else -1.0,
        "truncation": float(1 - inside / whole),
        "lidar_pts": -1,
        "segmentation_pts": int(visible.sum()),
        "depth_error": -1.0,
    }


def _tight(view: View, number: int) -> list[float]:
    rows, columns = np.nonzero(view.visible(number))
    edges: Floats = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float64)
    return [float(v) for v in edges]
