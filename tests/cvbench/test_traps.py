"""One test per trap of the three source formats. Each image holds exactly what its trap needs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cvbench_builder.errors import BuilderError
from cvbench_builder.inputs import Inputs, load
from cvbench_builder.presets import make
from tests.cvbench.sources import Ade, Coco, Json, Omni, made_image
from tests.cvbench.test_oracle import listed, random_rotation, valid

BIG = (20.0, 20.0, 120.0, 120.0)
RIGHT = (250.0, 20.0, 350.0, 120.0)


def counts(inputs: Inputs) -> dict[str, str]:
    return {r["question"][9:-18]: r["answer_text"] for r in valid(listed(inputs, "Count"))}


def nonzero(inputs: Inputs) -> dict[str, str]:
    return {k: v for k, v in counts(inputs).items() if v != "0"}


def coco_inputs(coco: Coco, root: Path, images: bool = False) -> Inputs:
    path, folder = coco.write(root, images=images)
    return Inputs(coco=(path,), coco_images=(folder,) if images else ())


def relations(inputs: Inputs, **changes: Any) -> set[tuple[str, str]]:
    rows = valid(listed(inputs, "Relation", make("max", **changes)))
    return {(r["question"].partition("where is the ")[2], r["answer_text"]) for r in rows}


# ---- COCO


def test_a_crowd_region_is_neither_counted_nor_absent(tmp_path: Path) -> None:
    coco = Coco(["dog", "cat", "bus"])
    image = coco.image()
    coco.add(image, "dog", BIG)
    coco.add(image, "cat", RIGHT, iscrowd=1, segmentation={"size": [300, 400], "counts": [1, 2]})
    other = coco.image()
    coco.add(other, "cat", BIG)
    inputs = coco_inputs(coco, tmp_path)
    rows = [r for r in valid(listed(inputs, "Count")) if r["image_id"] == "1"]
    assert {r["question"] for r in rows if "cats" in r["question"]} == set()
    assert "How many dogs are in the image?" in {r["question"] for r in rows}
    assert relations(inputs) == set()  # the only pair has a crowd class


def test_category_ids_with_holes_and_unknown_ids(tmp_path: Path) -> None:
    coco = Coco(["dog", "cat"])
    image = coco.image()
    coco.add(image, "cat", BIG)
    coco.add(image, "gone", BIG)
    coco.add(77, "cat", BIG)
    inputs = coco_inputs(coco, tmp_path)
    assert nonzero(inputs) == {"cats": "1"}
    assert load(inputs, lambda _: None, need_images=False)[0].catalog.skipped == {
        "unknown_image": 1,
        "unknown_category": 1,
    }


def test_boxes_are_xywh_and_clipped_before_the_area_test(tmp_path: Path) -> None:
    coco = Coco(["dog", "cat", "bus"])
    image = coco.image()
    coco.add(image, "dog", (-60.0, 20.0, 7.0, 120.0))  # 67 wide, but only 7 px of it inside
    coco.add(image, "cat", RIGHT)
    inputs = coco_inputs(coco, tmp_path)
    assert nonzero(inputs) == {"cats": "1"}
    assert relations(inputs) == set()


def test_mask_area_not_box_area_decides(tmp_path: Path) -> None:
    coco = Coco(["dog", "cat"])
    image = coco.image()
    coco.add(image, "dog", BIG, area=299.0)  # 0.25 % of 400 x 300 is 300
    coco.add(image, "cat", RIGHT, area=300.0)
    assert nonzero(coco_inputs(coco, tmp_path)) == {"cats": "1"}


def test_a_duplicate_instance_stops_the_count_but_not_the_neighbours(tmp_path: Path) -> None:
    coco = Coco(["dog", "cat"])
    image = coco.image()
    coco.add(image, "dog", BIG)
    coco.add(image, "dog", (21.0, 20.0, 120.0, 121.0))
    coco.add(image, "cat", RIGHT)
    assert nonzero(coco_inputs(coco, tmp_path)) == {"cats": "1"}


def test_degenerate_and_not_finite_boxes(tmp_path: Path) -> None:
    coco = Coco(["dog", "cat", "bus", "person"])
    image = coco.image()
    coco.add(image, "dog", (20.0, 20.0, 20.0, 120.0))
    coco.add(image, "cat", RIGHT)
    coco.add(image, "bus", BIG)
    coco.annotations[-1]["bbox"][2] = math.nan  # json.dump writes NaN, which no strict parser reads
    coco.add(image, "person", BIG)
    coco.annotations[-1]["bbox"][0] = math.inf
    assert nonzero(coco_inputs(coco, tmp_path)) == {"cats": "1"}


def test_exif_turns_the_image_and_the_answer(tmp_path: Path) -> None:
    """Stored 400 x 300 with orientation 6: shown turned clockwise, left becomes above."""
    coco = Coco(["dog", "cat"])
    image = coco.image(400, 300)
    coco.add(image, "dog", BIG)
    coco.add(image, "cat", RIGHT)
    path, folder = coco.write(tmp_path, images=True)
    name = folder / coco.images[0]["file_name"]
    exif = Image.Exif()
    exif[0x0112] = 6
    made_image(name, (400, 300), exif=exif)
    found = relations(Inputs(coco=(path,), coco_images=(folder,)))
    assert {(q.split()[0], a) for q, a in found} == {("dog", "above"), ("cat", "below")}


def test_exif_with_annotations_already_upright_changes_nothing(tmp_path: Path) -> None:
    coco = Coco(["dog", "cat"])
    image = coco.image(300, 400)
    coco.add(image, "dog", (20.0, 20.0, 120.0, 120.0))
    coco.add(image, "cat", (20.0, 250.0, 120.0, 350.0))
    path, folder = coco.write(tmp_path, images=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    made_image(folder / coco.images[0]["file_name"], (400, 300), exif=exif)
    found = relations(Inputs(coco=(path,), coco_images=(folder,)))
    assert {(q.split()[0], a) for q, a in found} == {("dog", "above"), ("cat", "below")}


def test_images_missing_broken_or_of_another_size_are_reasons(tmp_path: Path) -> None:
    coco = Coco(["dog", "cat"])
    for _ in range(40):
        image = coco.image()
        coco.add(image, "dog", BIG)
    path, folder = coco.write(tmp_path, images=True)
    (folder / "000000000001.jpg").unlink()
    (folder / "000000000002.jpg").write_bytes(b"not an image")
    (folder / "000000000003.jpg").write_bytes(b"")
    made_image(folder / "000000000004.jpg", (401, 300))
    said: list[str] = []
    inputs = Inputs(coco=(path,), coco_images=(folder,))
    load(inputs, said.append, need_images=True)
    assert any("1 of 40 images missing: 000000000001.jpg" in line for line in said)
    reasons = {r["image_id"]: r["reasons"] for r in listed(inputs, "Count") if r["status"] == "rejected"}
    assert reasons == {
        "1": ["image_missing"],
        "2": ["image_unreadable"],
        "3": ["image_unreadable"],
        "4": ["image_size_mismatch"],
    }


def test_more_than_one_in_twenty_missing_stops(tmp_path: Path) -> None:
    coco = Coco(["dog"])
    for _ in range(20):
        coco.add(coco.image(), "dog", BIG)
    path, folder = coco.write(tmp_path, images=True)
    (folder / "000000000001.jpg").unlink()
    load(Inputs(coco=(path,), coco_images=(folder,)), lambda _: None, need_images=True)  # 5 % exactly
    (folder / "000000000002.jpg").unlink()
    with pytest.raises(BuilderError, match="2 of 20 images are missing"):
        load(Inputs(coco=(path,), coco_images=(folder,)), lambda _: None, need_images=True)


def test_gap_of_two_percent_is_enough_and_less_is_not(tmp_path: Path) -> None:
    coco = Coco(["dog", "cat"])
    image = coco.image(400, 300)
    coco.add(image, "dog", (20.0, 20.0, 120.0, 120.0))
    coco.add(image, "cat", (128.0, 20.0, 220.0, 120.0))  # 8 px = 2 % of 400
    assert {a for _, a in relations(coco_inputs(coco, tmp_path / "a"))} == {"left", "right"}
    coco.annotations[1]["bbox"][0] = 127.5
    assert relations(coco_inputs(coco, tmp_path / "b")) == set()


def test_the_anchor_must_be_alone_and_the_other_one_gets_a_box(tmp_path: Path) -> None:
    coco = Coco(["dog", "cat"])
    image = coco.image(400, 300)
    coco.add(image, "dog", (20.0, 20.0, 120.0, 120.0))
    coco.add(image, "dog", (20.0, 160.0, 120.0, 260.0))
    coco.add(image, "cat", (250.0, 20.0, 350.0, 120.0))
    inputs = coco_inputs(coco, tmp_path)
    found = relations(inputs)
    red = "dog (annotated by the red box) located with respect to the cat?"
    assert found == {(red, "left"), (red, "below")}
    rows = valid(listed(inputs, "Relation"))
    assert all(r["boxes"][0]["colour"] == "red" and r["boxes"][1]["colour"] == "" for r in rows)
    both = relations(inputs, mark_anchor=True)
    blue = "cat located with respect to the dog (annotated by the blue box)?"
    assert (blue, "right") in both


def test_a_tiny_second_instance_still_spoils_the_anchor(tmp_path: Path) -> None:
    coco = Coco(["dog", "cat"])
    image = coco.image(400, 300)
    coco.add(image, "dog", BIG)
    coco.add(image, "cat", RIGHT)
    coco.add(image, "cat", (380.0, 280.0, 384.0, 284.0))
    assert {q.split()[0] for q, _ in relations(coco_inputs(coco, tmp_path))} == {"cat"}


# ---- ADE20K


def ade_inputs(ade: Ade, root: Path) -> Inputs:
    return Inputs(ade20k=(ade.write(root),))


def test_scalars_where_lists_were_and_codes_that_are_no_numbers_from_one(tmp_path: Path) -> None:
    ade = Ade()
    image = ade.image(scene="kitchen", scalar_object=True)
    ade.add(
        image,
        "cup, drinking cup",
        (50, 50, 90, 90),
        hypernym="cup",
        attributes="white",
        parts={"hasparts": 3, "ispartof": [], "part_level": 0},
        occluded=[],
    )
    assert nonzero(ade_inputs(ade, tmp_path)) == {"cups": "1"}


def test_parts_are_not_objects_and_stop_the_count_of_their_class(tmp_path: Path) -> None:
    ade = Ade()
    image = ade.image()
    part = {"hasparts": [], "ispartof": 0, "part_level": 1}
    ade.add(image, "van", (10, 10, 100, 100))
    ade.add(image, "door", (30, 30, 60, 90), parts=part)
    ade.add(image, "door", (200, 10, 260, 150))
    ade.add(image, "leg", (30, 90, 40, 100), parts=part)
    assert nonzero(ade_inputs(ade, tmp_path)) == {"vans": "1"}


def test_the_visible_mask_decides_not_the_amodal_outline(tmp_path: Path) -> None:
    ade = Ade()
    image = ade.image(400, 300)
    # the outline reaches to x = 300, behind the vase; what is seen ends at 100
    outline = [(20, 20), (300, 20), (300, 200), (20, 200)]
    ade.add(image, "bed", (20, 20, 100, 200), polygon=outline)
    ade.add(image, "vase", (120, 20, 380, 200))
    found = relations(ade_inputs(ade, tmp_path))
    assert {(q.split()[0], a) for q, a in found} == {("bed", "left"), ("vase", "right")}


def test_an_instance_without_visible_pixels_stops_the_count(tmp_path: Path) -> None:
    ade = Ade()
    image = ade.image()
    ade.add(image, "bed", (20, 20, 100, 200))
    ade.add(image, "bed", None, polygon=[(30, 30), (90, 30), (90, 90)])
    ade.add(image, "vase", (200, 20, 260, 100))
    assert nonzero(ade_inputs(ade, tmp_path)) == {"vases": "1"}


def test_a_mask_with_more_instances_than_the_list_stops_the_count(tmp_path: Path) -> None:
    ade = Ade()
    image = ade.image()
    bed = ade.add(image, "bed", (20, 20, 100, 200))
    ade.add(image, "bed", (200, 20, 260, 100))
    ade.add(image, "vase", (300, 20, 360, 100))
    root = ade.write(tmp_path)
    path = next(root.rglob("*.json"))
    tree = json.loads(path.read_text())
    tree["annotation"]["object"] = [o for o in tree["annotation"]["object"] if o["id"] != bed["id"]]
    path.write_text(json.dumps(tree))
    assert nonzero(Inputs(ade20k=(root,))) == {"vases": "1"}


def test_synonyms_hypernyms_and_stuff(tmp_path: Path) -> None:
    ade = Ade()
    image = ade.image(600, 300)
    ade.add(image, "lamp", (20, 20, 80, 100), hypernym=["lamp", "source of illumination", "entity"])
    ade.add(image, "table lamp", (120, 20, 180, 100), hypernym=["table lamp", "lamp", "entity"])
    ade.add(image, "wall", (0, 200, 600, 300), hypernym=["wall", "entity"])
    ade.add(image, "couch, sofa", (220, 20, 280, 100), hypernym=["seat", "entity"])
    ade.add(image, "sofa, settee", (320, 20, 380, 100), hypernym=["seat", "entity"])
    ade.add(image, "bed", (420, 20, 480, 100), hypernym=["bed", "entity"])
    inputs = ade_inputs(ade, tmp_path)
    assert nonzero(inputs) == {"beds": "1"}
    anchors = {q.partition("respect to the ")[2] for q, _ in relations(inputs)}
    assert anchors == {"bed?"}  # every other name could mean two objects
    assert not any("wall" in q for q, _ in relations(inputs))


def test_raw_names_forbid_zero_questions(tmp_path: Path) -> None:
    ade = Ade()
    first = ade.image()
    ade.add(first, "ashcan, dustbin", (20, 20, 80, 100), raw_name="trash can")
    second = ade.image()
    ade.add(second, "trash can", (20, 20, 80, 100))
    rows = valid(listed(ade_inputs(ade, tmp_path), "Count"))
    zeros = [(r["image_id"], r["question"]) for r in rows if r["answer_text"] == "0"]
    assert not any("trash" in q for image, q in zeros if image.endswith("1"))


def test_crop_is_a_string_and_unknown_occlusion_is_not_occluded(tmp_path: Path) -> None:
    ade = Ade()
    image = ade.image()
    ade.add(image, "bed", (20, 20, 100, 100), crop="0", occluded=[])
    ade.add(image, "vase", (150, 20, 220, 100), crop="1")
    ade.add(image, "lamp", (250, 20, 320, 100), occluded="yes")
    rows = [r for r in valid(listed(ade_inputs(ade, tmp_path), "Count")) if r["answer_text"] != "0"]
    flags = {r["question"].split()[2]: r["flags"] for r in rows}
    assert flags == {"beds": [], "vases": ["cropped"], "lamps": ["occluded"]}
    strict = listed(Inputs(ade20k=(tmp_path,)), "Count", make("strict"))
    assert [r["question"].split()[2] for r in valid(strict) if r["answer_text"] != "0"] == ["beds"]


def test_annotations_in_latin_1(tmp_path: Path) -> None:
    ade = Ade()
    image = ade.image()
    ade.add(image, "bed", (20, 20, 100, 100), raw_name="caf\u00e9 bed")
    root = ade.write(tmp_path)
    path = next(root.rglob("*.json"))
    path.write_bytes(path.read_text().replace("\\u00e9", "\u00e9").encode("latin-1"))
    assert nonzero(Inputs(ade20k=(root,))) == {"beds": "1"}


def test_instance_100_ids_from_zero_and_one_name_twice(tmp_path: Path) -> None:
    from pycocotools import mask as masks

    def rle(box: tuple[int, int, int, int]) -> Json:
        canvas = np.zeros((300, 400), np.uint8, order="F")
        canvas[box[1] : box[3], box[0] : box[2]] = 1
        run = masks.encode(canvas)
        return {"size": run["size"], "counts": run["counts"].decode()}

    annotations = [
        {
            "id": 0,
            "image_id": 0,
            "category_id": 0,
            "iscrowd": 0,
            "segmentation": rle((10, 10, 60, 60)),
            "bbox": [10, 10, 50, 50],
            "area": 2500,
        },
        {"id": 1, "image_id": 0, "category_id": 2, "iscrowd": 0, "segmentation": rle((100, 10, 160, 60))},
        {"id": 2, "image_id": 0, "category_id": 1, "iscrowd": 0, "segmentation": rle((200, 10, 260, 60))},
    ]
    listed_file = {
        "images": [{"id": 0, "file_name": "validation/ADE_val_00000007.jpg", "width": 400, "height": 300}],
        "categories": [{"id": 0, "name": "door"}, {"id": 1, "name": "bed"}, {"id": 2, "name": "door"}],
    }
    path = tmp_path / "instance_validation_gts.json"
    path.write_text(json.dumps({"annotations": annotations}))
    with pytest.raises(BuilderError, match="--ade20k-list"):
        load(Inputs(ade20k_instances=(path,)), lambda _: None, need_images=False)
    (tmp_path / "imgCatIds.json").write_text(json.dumps(listed_file))
    inputs = Inputs(ade20k_instances=(path,))
    assert nonzero(inputs) == {"doors": "2", "beds": "1"}
    assert {r["source_filename"] for r in valid(listed(inputs, "Count"))} == {"ADE_val_00000007.jpg"}


# ---- Omni3D


def depth_pairs(omni: Omni, root: Path, **changes: Any) -> set[tuple[str, str]]:
    """(nearer, farther) names."""
    path, _ = omni.write(root, images=False)
    rows = valid(listed(Inputs(omni3d=(path,)), "Depth", make("max", **changes)))
    out = set()
    for row in rows:
        near = row["answer_text"]
        out.add((near, next(c for c in row["choices"] if c != near)))
    return out


NEAR, FAR = (-0.8, 0.0, 2.5), (1.0, 0.0, 5.0)


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({}, True),
        ({"valid3D": False, "bbox3D_cam": [[-1, -1, -1]] * 8, "dimensions": [-1, -1, -1], "center_cam": -1}, False),
        ({"behind_camera": True}, False),
        ({"lidar_pts": 0}, False),
        ({"lidar_pts": -1}, True),
        ({"segmentation_pts": 0}, False),
        ({"visibility": -1, "truncation": -1}, True),
        ({"visibility": 0.33}, False),
        ({"truncation": 0.34}, False),
        ({"depth_error": 0.51}, False),
        ({"depth_error": -1}, True),
        ({"bbox2D_trunc": [-1, -1, -1, -1]}, True),
        ({"bbox2D_trunc": [-1] * 4, "bbox2D_proj": [-1] * 4, "bbox2D_tight": -1}, False),
        ({"dimensions_in_file": [0.4, 0.0, 0.4]}, False),
        ({"dimensions_in_file": [0.4, 0.9, 0.4]}, False),  # the corners say otherwise
        ({"bbox3D_cam": [[math.nan, 0, 1]] * 8}, False),
        ({"bbox3D_cam": [[math.inf, 0, 1]] * 8}, False),
    ],
)
def test_sentinels_of_a_cuboid(tmp_path: Path, change: Json, kept: bool) -> None:
    omni = Omni("SUNRGBD", ["sink", "bottle"])
    image = omni.image()
    omni.add(image, "sink", NEAR)
    omni.add(image, "bottle", FAR, **change)
    last = omni.annotations[-1]
    last["dimensions"] = last.pop("dimensions_in_file", last["dimensions"])
    assert depth_pairs(omni, tmp_path) == ({("sink", "bottle")} if kept else set())


def test_corner_order_does_not_matter(tmp_path: Path) -> None:
    import random

    omni = Omni("SUNRGBD", ["sink", "bottle", "lamp"])
    image = omni.image()
    omni.add(image, "sink", NEAR, (0.2, 0.3, 0.5), random_rotation(random.Random(1)))
    omni.add(image, "bottle", FAR, (0.2, 0.3, 0.5), random_rotation(random.Random(2)))
    straight = depth_pairs(omni, tmp_path / "a")
    for a in omni.annotations:
        a["bbox3D_cam"] = [a["bbox3D_cam"][i] for i in (6, 2, 5, 1, 7, 3, 4, 0)]
    assert depth_pairs(omni, tmp_path / "b") == straight == {("sink", "bottle")}


def test_a_long_object_whose_side_is_nearer_than_its_corners(tmp_path: Path) -> None:
    """Corners say the sink, the surface says the counter: dropped."""
    omni = Omni("SUNRGBD", ["sink", "counter"], size=(2000, 480))
    image = omni.image()
    omni.add(image, "sink", (0.0, -1.0, 2.6), (0.2, 0.2, 0.2))
    omni.add(image, "counter", (0.0, 0.6, 2.6), (0.4, 0.4, 9.0))
    assert depth_pairs(omni, tmp_path) == set()


def test_z_and_range_disagree(tmp_path: Path) -> None:
    """Nearer in range but deeper along the axis than something far to the side."""
    omni = Omni("SUNRGBD", ["sink", "bottle"], size=(3000, 480))
    image = omni.image()
    omni.add(image, "sink", (0.0, 0.0, 4.0), (0.3, 0.3, 0.3))
    omni.add(image, "bottle", (5.0, 0.0, 2.5), (0.3, 0.3, 0.3))
    assert depth_pairs(omni, tmp_path) == set()


def test_offset_outdoors_and_by_flag(tmp_path: Path) -> None:
    gap = 0.7  # enough indoors, not outdoors
    for component, found in (("Hypersim", True), ("nuScenes", False)):
        omni = Omni(component, ["sink", "bottle"])
        image = omni.image()
        omni.add(image, "sink", (-0.8, 0.0, 2.5), (0.2, 0.4, 0.4))
        omni.add(image, "bottle", (0.8, 0.0, 2.5 + 0.2 + 0.4 + gap), (0.2, 0.4, 0.4))
        assert bool(depth_pairs(omni, tmp_path / component)) is found
        assert depth_pairs(omni, tmp_path / component, depth_offset=0.3)


def test_drawn_boxes_that_cannot_be_told_apart(tmp_path: Path) -> None:
    omni = Omni("SUNRGBD", ["sink", "bottle"])
    image = omni.image()
    omni.add(image, "sink", (0.0, 0.0, 2.5))
    omni.add(image, "bottle", (0.0, 0.0, 6.0))  # behind it, in the middle of its box
    assert depth_pairs(omni, tmp_path) == set()


def test_long_anchor_on_which_the_readings_disagree(tmp_path: Path) -> None:
    """A lamp over the middle of a long table is near its surface and far from its corners."""
    omni = Omni("SUNRGBD", ["table", "lamp", "chair"], size=(1700, 600))
    omni.focal = 800.0
    image = omni.image()
    omni.add(image, "table", (0.0, 0.5, 5.0), (0.4, 0.2, 6.0))
    omni.add(image, "lamp", (0.0, -0.4, 5.0), (0.3, 0.5, 0.3))
    omni.add(image, "chair", (3.8, -1.3, 5.0), (0.5, 0.5, 0.5))
    path, _ = omni.write(tmp_path, images=False)
    inputs = Inputs(omni3d=(path,))

    def anchored(metric: str) -> set[str]:
        rows = valid(listed(inputs, "Distance", make("max", anchor_metric=metric)))
        return {r["answer_text"] for r in rows if "closer to the table" in r["question"]}

    assert anchored("centre") == anchored("surface") == {"lamp"}
    assert anchored("corner") == {"chair"}
    assert anchored("all") == set()


def test_scenes_and_frames() -> None:
    from cvbench_builder.sources.omni3d import scene_of

    a = scene_of("Hypersim", "hypersim/ai_001_001/images/scene_cam_00_final_preview/frame.0007.tonemap.jpg")
    b = scene_of("nuScenes", "nuScenes/samples/CAM_FRONT/n015-2018__CAM_FRONT__1532402927612460.jpg")
    assert a == ("ai_001_001", 7)
    assert b == ("n015-2018", 1532402927612460 // 500_000)
