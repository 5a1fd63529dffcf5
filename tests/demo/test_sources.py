"""The annotations of the drawn sources agree with their images, measured from the files by independent code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_masks

from cambrian_eval.demo.miniature.canvas import COLORS
from cambrian_eval.demo.sources import draw
from cambrian_eval.errors import UserError

pytestmark = pytest.mark.slow

COMPONENTS = ("Hypersim", "SUNRGBD", "nuScenes")


def pixels(path: Path) -> Any:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def coco(root: Path) -> Any:
    return json.loads((root / "coco" / "instances_val2017.json").read_text())


def omni(root: Path, component: str) -> Any:
    return json.loads((root / "omni3d" / f"{component}_test.json").read_text())


def ade(root: Path) -> list[Path]:
    return sorted((root / "ADE20K_2021_17_01" / "images" / "ADE" / "validation").rglob("*.json"))


def test_coco_polygons_boxes_and_areas_agree(drawn: Path) -> None:
    tree = coco(drawn)
    sizes = {i["id"]: (i["height"], i["width"]) for i in tree["images"]}
    assert len({a["id"] for a in tree["annotations"]}) == len(tree["annotations"])
    for annotation in tree["annotations"]:
        codes = coco_masks.frPyObjects(annotation["segmentation"], *sizes[annotation["image_id"]])
        filled = coco_masks.decode(coco_masks.merge(codes)).astype(bool)
        rows, columns = np.nonzero(filled)
        left, top = columns.min(), rows.min()
        assert annotation["bbox"] == [left, top, columns.max() + 1 - left, rows.max() + 1 - top]
        # the format cannot cut holes (between the legs of a table), so the filled area may be larger, never smaller
        assert annotation["area"] <= filled.sum() <= 1.5 * annotation["area"]


def test_coco_boards_are_covered_by_their_annotations_and_by_nothing_else(drawn: Path) -> None:
    tree = coco(drawn)
    furniture = {c["id"] for c in tree["categories"] if c["supercategory"] == "furniture"}
    boards = 0
    for image in tree["images"]:
        found = [a for a in tree["annotations"] if a["image_id"] == image["id"]]
        if any(a["category_id"] in furniture for a in found):
            continue
        boards += 1
        made_image = pixels(drawn / "coco" / "val2017" / image["file_name"])
        covered = (np.abs(made_image - made_image[0, 0]).max(axis=2) > 60).sum()
        assert covered == pytest.approx(sum(a["area"] for a in found), rel=0.1)  # smoothed edges
    assert boards > 10


def test_ade_masks_are_the_objects_of_the_list_in_the_official_code(drawn: Path) -> None:
    files = ade(drawn)
    assert len(files) == 15
    for path in files:
        annotation = json.loads(path.read_text())["annotation"]
        seg = pixels(path.with_name(f"{path.stem}_seg.png"))
        assert annotation["imsize"] == [*seg.shape[:2], 3]
        assert path.parent.as_posix().endswith(annotation["folder"])
        code, instance = seg[..., 0] // 10 * 256 + seg[..., 1], seg[..., 2]
        assert (code > 0).all()
        shown = {(c, i) for c, i in zip(code.ravel().tolist(), instance.ravel().tolist(), strict=True)}
        assert len(shown) == len(annotation["object"])
        assert sorted(c for c, _ in shown) == sorted(o["name_ndx"] for o in annotation["object"])


def test_ade_pieces_have_the_color_in_their_name(drawn: Path) -> None:
    seen = 0
    for path in ade(drawn):
        annotation = json.loads(path.read_text())["annotation"]
        seg = pixels(path.with_name(f"{path.stem}_seg.png"))
        made_image = pixels(path.with_suffix(".jpg"))
        code = seg[..., 0] // 10 * 256 + seg[..., 1]
        for item in annotation["object"]:
            color, _, shape = item["name"].partition(" ")
            if color in COLORS and shape:
                inside = np.median(made_image[code == item["name_ndx"]], axis=0)
                assert min(COLORS, key=lambda c: np.abs(inside - COLORS[c]).sum()) == color
                seen += 1
    assert seen > 20


def test_ade_says_what_is_hidden_and_cut(drawn: Path) -> None:
    hidden = 0
    for path in ade(drawn):
        annotation = json.loads(path.read_text())["annotation"]
        seg = pixels(path.with_name(f"{path.stem}_seg.png"))
        rank_of = {11 + 19 * o["depth_ordering_rank"]: o for o in annotation["object"]}
        for blue, item in rank_of.items():
            visible = seg[..., 2] == blue
            corners = list(zip(item["polygon"]["x"], item["polygon"]["y"], strict=True))
            flat = [float(v) for corner in corners for v in corner]
            height, width = visible.shape
            alone = coco_masks.decode(coco_masks.merge(coco_masks.frPyObjects([flat], height, width))).astype(bool)
            assert not (visible & ~alone).any(), (path.name, item["name"])
            if item["occluded"] == "yes":
                assert visible.sum() < alone.sum()
                hidden += 1
            touches = visible[0].any() or visible[-1].any() or visible[:, 0].any() or visible[:, -1].any()
            assert item["crop"] == "1" or not touches
    assert hidden  # at least the walls behind objects


@pytest.mark.parametrize("component", COMPONENTS)
def test_cuboids_are_where_their_boxes_are(drawn: Path, component: str) -> None:
    tree = omni(drawn, component)
    images = {i["id"]: i for i in tree["images"]}
    assert tree["info"]["name"] == f"{component} Test"
    for annotation in tree["annotations"]:
        image = images[annotation["image_id"]]
        (fx, _, cx), (_, fy, cy), _ = image["K"]
        corners = np.array(annotation["bbox3D_cam"])
        u, v = fx * corners[:, 0] / corners[:, 2] + cx, fy * corners[:, 1] / corners[:, 2] + cy
        projected = [u.min(), v.min(), u.max(), v.max()]
        assert annotation["bbox2D_proj"] == pytest.approx(projected)
        limits = np.array([image["width"], image["height"]] * 2)
        assert annotation["bbox2D_trunc"] == pytest.approx(np.clip(projected, 0, limits))
        share = np.prod(np.subtract(*np.split(np.clip(projected, 0, limits), 2)))
        share /= np.prod(np.subtract(*np.split(np.array(projected), 2)))
        assert annotation["truncation"] == pytest.approx(1 - share)
        assert (drawn / "omni3d" / "datasets" / image["file_path"]).is_file()


@pytest.mark.parametrize("component", COMPONENTS)
def test_corners_follow_from_center_size_and_rotation(drawn: Path, component: str) -> None:
    for annotation in omni(drawn, component)["annotations"]:
        rotation, (w, h, length) = np.array(annotation["R_cam"]), annotation["dimensions"]
        assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-9)
        assert np.linalg.det(rotation) == pytest.approx(1)
        # the documented order: near face clockwise from its top left, then the far face
        signs = [(x, y, z) for z in (-1, 1) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        own = np.array(signs) * np.array([length, h, w]) / 2
        assert np.array(annotation["bbox3D_cam"]) == pytest.approx(own @ rotation.T + annotation["center_cam"])
        assert annotation["valid3D"] is True
        assert annotation["behind_camera"] is False


def test_what_hypersim_sees_lies_in_the_projected_cuboids(drawn: Path) -> None:
    partly = 0
    for annotation in omni(drawn, "Hypersim")["annotations"]:
        tight, clipped = np.array(annotation["bbox2D_tight"]), np.array(annotation["bbox2D_trunc"])
        assert (tight[:2] >= clipped[:2] - 1).all()
        assert (tight[2:] <= clipped[2:] + 1).all()
        if annotation["visibility"] == 1:  # and they fill them, except round and slanted objects
            assert (np.abs(tight - clipped) <= 0.3 * (clipped[2:] - clipped[:2]).max()).all()
        else:
            partly += 1
            assert 0 <= annotation["visibility"] < 1
    assert partly
    unknown = [-1, -1, -1, -1]
    assert {a["visibility"] for a in omni(drawn, "SUNRGBD")["annotations"]} == {-1.0}
    assert all(a["bbox2D_tight"] == unknown for a in omni(drawn, "nuScenes")["annotations"])


def test_numbers_are_unique_over_components(drawn: Path) -> None:
    trees = [omni(drawn, c) for c in COMPONENTS]
    for part in ("images", "annotations"):
        numbers = [item["id"] for tree in trees for item in tree[part]]
        assert len(set(numbers)) == len(numbers)


def test_the_same_seed_gives_the_same_bytes_and_more_images_change_none(drawn: Path, tmp_path: Path) -> None:
    draw(tmp_path / "again", seed=7, images=2)
    files = [p.relative_to(tmp_path / "again") for p in sorted((tmp_path / "again").rglob("*")) if p.is_file()]
    images = [p for p in files if p.suffix in (".jpg", ".png") or p.name.startswith("ADE_")]
    assert len(images) == 2 * (1 + 3 + 3)
    for path in images:
        assert (tmp_path / "again" / path).read_bytes() == (drawn / path).read_bytes()
    draw(tmp_path / "other", seed=8, images=1)
    first = Path("coco/val2017/000000000001.jpg")
    assert (tmp_path / "other" / first).read_bytes() != (drawn / first).read_bytes()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(UserError, match="new or an empty folder"):
        draw(tmp_path, images=1)
    command = [sys.executable, "-m", "cambrian_eval.demo.sources", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.startswith(f"error: {tmp_path}: already exists")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
