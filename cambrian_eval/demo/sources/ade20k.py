"""Writes the format of the full ADE20K release, 2021_17_01: a JSON and a `_seg.png` beside every image.

Class names contain a color (`red circle`); walls, floors and the like are annotated too, as in the release. The mask
image shows what is visible; polygons and `occluded` show what an object would cover without the others. There are no
masks of parts, because no drawn object has annotated parts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cambrian_eval.demo.miniature.canvas import COLORS, SHAPES
from cambrian_eval.demo.sources import backdrops
from cambrian_eval.demo.sources.bodies import FURNITURE, Body
from cambrian_eval.demo.sources.outlines import outlines
from cambrian_eval.demo.sources.render import View

_SYNONYMS = {"sofa": "sofa, couch, lounge", "plant": "plant, flora, plant life", "barrel": "barrel, cask"}
_NAMES = (
    *(f"{color} {shape}" for color in COLORS for shape in SHAPES),
    *(_SYNONYMS.get(name, name) for name in FURNITURE),
    *dict.fromkeys((*backdrops.BOARD, *backdrops.ROOM)),
)
CODES = {name: 37 + 53 * place for place, name in enumerate(_NAMES)}
"""Class codes: as in the release, they are not consecutive and exceed 255."""
_PLACES = {"board": ("work_place", "classroom"), "room": ("home_or_hotel", "living_room")}


def write(root: Path, views: Sequence[View]) -> None:
    """Write images, masks and annotations in the folders of the release."""
    for number, view in enumerate(views, 1):
        group, place = _PLACES[view.scene.kind]
        folder = f"images/ADE/validation/{group}/{place}"
        stem = root / folder / f"ADE_val_{number:08d}"
        stem.parent.mkdir(parents=True, exist_ok=True)
        view.image.save(stem.with_suffix(".jpg"), quality=95)
        seg, objects = _annotate(view)
        seg_image(seg).save(stem.with_name(f"{stem.name}_seg.png"))
        annotation = {
            "filename": f"{stem.name}.jpg",
            "folder": f"ADE20K_2021_17_01/{folder}",
            "imsize": [view.image.height, view.image.width, 3],
            "source": {"folder": "drawn", "filename": f"{stem.name}.jpg", "origin": "drawn"},
            "scene": [group, place],
            "object": objects,
            "synthetic": True,
        }
        stem.with_suffix(".json").write_text(json.dumps({"annotation": annotation}))


def seg_image(seg: NDArray[np.uint8]) -> Any:
    """The mask as a Pillow image."""
    from PIL import Image

    return Image.fromarray(seg)


def _annotate(view: View) -> tuple[NDArray[np.uint8], list[dict[str, Any]]]:
    """The mask (class in red and green, instance in blue) and the objects, the nearest first."""
    seg = np.zeros((*view.owner.shape, 3), np.uint8)
    order = sorted(range(len(view.scene.bodies)), key=lambda b: view.scene.bodies[b].center[2])
    regions = [(_name(view.scene.bodies[b]), view.visible(b), view.alone[b]) for b in order]
    for surface, name in enumerate(view.scene.surfaces):
        whole = view.surface == surface
        regions.append((name, whole & (view.owner < 0), whole))
    objects: list[dict[str, Any]] = []
    for name, visible, alone in regions:
        if not visible.any():
            continue
        code, rank = CODES[name], len(objects) + 1
        # instance codes are spread values, not 1, 2, 3
        seg[visible] = (code // 256 * 10, code % 256, 11 + 19 * rank)
        objects.append(_object(name, rank, visible, alone))
    return seg, objects


def _object(name: str, rank: int, visible: NDArray[np.bool_], alone: NDArray[np.bool_]) -> dict[str, Any]:
    outline = outlines(alone)[0]
    return {
        "id": rank - 1,
        "name": name,
        "name_ndx": CODES[name],
        "hypernym": [],
        "raw_name": name.split(",")[0],
        "attributes": [],
        "depth_ordering_rank": rank,
        "occluded": "yes" if visible.sum() < alone.sum() else "no",
        "crop": "1" if _at_border(alone) else "0",
        "parts": {"hasparts": [], "ispartof": [], "part_level": 0},
        "polygon": {"x": [x for x, _ in outline], "y": [y for _, y in outline]},
    }


def _at_border(mask: NDArray[np.bool_]) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def _name(body: Body) -> str:
    return f"{body.color} {body.name}" if body.color else _SYNONYMS.get(body.name, body.name)
