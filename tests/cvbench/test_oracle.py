"""Random small sources against the brute-force oracle: nothing invalid, nothing wrong, nothing missed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from cvbench_builder.cache import Cache
from cvbench_builder.candidate_lines import lines
from cvbench_builder.inputs import Inputs, load
from cvbench_builder.presets import make
from cvbench_builder.settings import BuildSettings
from cvbench_builder.tasks import enumerate_candidates, task_named
from tests.cvbench import oracle
from tests.cvbench.sources import Ade, Coco, Json, Omni

PLURALS = {
    "person": "people",
    "wine glass": "wine glasses",
    "dog": "dogs",
    "knife": "knives",
    "sheep": "sheep",
    "bus": "buses",
    "scissors": "pairs of scissors",
}


def listed(inputs: Inputs, task: str, settings: BuildSettings | None = None) -> list[Json]:
    settings = settings or make("max")
    out: list[Json] = []
    for source in load(inputs, lambda _: None, need_images=False):
        for table in enumerate_candidates(task_named(task), source.catalog, settings):
            out += lines(task_named(task), source.catalog, table, settings)
    return out


def valid(rows: list[Json]) -> list[Json]:
    return [r for r in rows if r["status"] == "valid"]


def random_coco(seed: int) -> Coco:
    rng = random.Random(seed)
    coco = Coco(list(PLURALS))
    for _ in range(12):
        image = coco.image(rng.choice((200, 400)), rng.choice((160, 300)))
        w, h = coco.images[-1]["width"], coco.images[-1]["height"]
        for _ in range(rng.randint(0, 6)):
            x, y = rng.uniform(-5, w - 5), rng.uniform(-5, h - 5)
            sides = rng.uniform(3, 90), rng.uniform(3, 90)
            crowd = rng.random() < 0.08
            coco.add(image, rng.choice(list(PLURALS)), (x, y, x + sides[0], y + sides[1]), iscrowd=int(crowd))
        if rng.random() < 0.3 and coco.annotations:
            again = dict(coco.annotations[-1], id=9000 + image, bbox=list(coco.annotations[-1]["bbox"]))
            coco.annotations.append(again)
    return coco


@pytest.mark.parametrize("seed", range(6))
def test_coco_agrees_with_brute_force(tmp_path: Path, seed: int) -> None:
    coco = random_coco(seed)
    path, _ = coco.write(tmp_path, images=False)
    inputs = Inputs(coco=(path,), cache=Cache(None))
    counts = {
        (r["source_filename"].rsplit("/", 1)[-1], r["question"], r["answer_text"])
        for r in valid(listed(inputs, "Count"))
        if r["answer_text"] != "0"
    }
    assert counts == oracle.coco_counts(coco.tree(), PLURALS)
    relations = {
        (r["source_filename"].rsplit("/", 1)[-1], r["question"], r["answer_text"])
        for r in valid(listed(inputs, "Relation"))
    }
    assert relations == oracle.coco_relations(coco.tree())


@pytest.mark.parametrize("seed", range(4))
def test_zero_questions_name_absent_classes_only(tmp_path: Path, seed: int) -> None:
    coco = random_coco(seed)
    path, _ = coco.write(tmp_path, images=False)
    names = {PLURALS[c["name"]]: c["name"] for c in coco.categories}
    present = {i["file_name"]: {o["name"] for o in oracle.coco_objects(coco.tree())[i["id"]]} for i in coco.images}
    zeros = [r for r in valid(listed(Inputs(coco=(path,)), "Count")) if r["answer_text"] == "0"]
    assert zeros
    for row in zeros:
        name = names[row["question"].removeprefix("How many ").removesuffix(" are in the image?")]
        assert name not in present[row["source_filename"].rsplit("/", 1)[-1]]
        assert sum(f.startswith("zero_") for f in row["flags"]) == 1


def random_rotation(rng: random.Random) -> list[list[float]]:
    import math

    a, b = rng.uniform(-3, 3), rng.uniform(-0.4, 0.4)
    ca, sa, cb, sb = math.cos(a), math.sin(a), math.cos(b), math.sin(b)
    return [[ca, sa * sb, sa * cb], [0.0, cb, -sb], [-sa, ca * sb, ca * cb]]


def random_omni(seed: int, component: str) -> Omni:
    rng = random.Random(seed)
    outdoors = component == "nuScenes"
    scale = 4.0 if outdoors else 1.0
    omni = Omni(component, ["car", "truck", "cone", "barrier"] if outdoors else ["bed", "lamp", "chair", "books"])
    for _ in range(6):
        image = omni.image()
        for _ in range(rng.randint(2, 6)):
            z = rng.uniform(1.5, 9) * scale
            centre = (rng.uniform(-0.5, 0.5) * z, rng.uniform(-0.3, 0.3) * z, z)
            sides = [rng.uniform(0.2, 1.5) * scale for _ in range(3)]
            traps = rng.choice(
                [
                    *({}, {}, {}, {}, {"visibility": -1, "truncation": -1}, {"lidar_pts": 0}, {"segmentation_pts": 0}),
                    *({"depth_error": 0.7}, {"truncation": 0.5}, {"visibility": 0.2}, {"behind_camera": True}),
                    {"bbox2D_trunc": [-1] * 4},
                ]
            )
            omni.add(image, rng.choice(list(omni.ids)), centre, sides, random_rotation(rng), **traps)
    return omni


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("component", "fixed"), [("SUNRGBD", 0.3), ("nuScenes", 1.0)])
def test_cuboids_agree_with_brute_force(tmp_path: Path, seed: int, component: str, fixed: float) -> None:
    omni = random_omni(seed, component)
    path, _ = omni.write(tmp_path, images=False)
    inputs = Inputs(omni3d=(path,))
    found = set()
    for row in valid(listed(inputs, "Depth")):
        ids = [int(b["object_id"]) for b in row["boxes"]]
        found.add((row["source_filename"], frozenset(ids), ids[ord(row["answer"][1]) - 65]))
    assert found == oracle.depths(omni.tree(), fixed)
    triples = set()
    for row in valid(listed(inputs, "Distance")):
        anchor, *ids = (int(b["object_id"]) for b in row["boxes"])
        triples.add((row["source_filename"], anchor, frozenset(ids), ids[ord(row["answer"][1]) - 65]))
    assert triples == oracle.distances(omni.tree(), fixed)


def test_ade20k_counts_what_the_mask_shows(tmp_path: Path) -> None:
    ade = Ade()
    room = ade.image()
    ade.add(room, "bed", (20, 20, 90, 90))
    ade.add(room, "bed", (120, 20, 190, 90))
    ade.add(room, "painting, image", (220, 30, 260, 70))
    root = ade.write(tmp_path)
    rows = {(r["question"], r["answer_text"]) for r in valid(listed(Inputs(ade20k=(root,)), "Count"))}
    assert rows == {("How many beds are in the image?", "2"), ("How many paintings are in the image?", "1")}


ADE_PLURALS = {"bed": "beds", "vase": "vases", "organ": "organs", "cushion": "cushions", "clock": "clocks"}


@pytest.mark.parametrize("seed", range(4))
def test_ade20k_agrees_with_a_reader_of_its_masks(tmp_path: Path, seed: int) -> None:
    """Objects hide each other, wholly too; parts are listed; the mask alone says what is seen."""
    import json

    from PIL import Image

    rng = random.Random(seed)
    ade = Ade()
    for _ in range(8):
        room = ade.image(160, 120)
        for _ in range(rng.randint(1, 7)):
            w, h = rng.randint(4, 50), rng.randint(4, 50)
            x, y = rng.randint(0, 160 - w), rng.randint(0, 120 - h)
            part = {"hasparts": [], "ispartof": 0, "part_level": int(rng.random() < 0.1)}
            ade.add(room, rng.choice(list(ADE_PLURALS)), (x, y, x + w, y + h), parts=part)
    root = ade.write(tmp_path)
    expected = set()
    for path in root.rglob("*.json"):
        with Image.open(path.with_name(f"{path.stem}_seg.png")) as mask:
            rows = [[mask.getpixel((x, y)) for x in range(mask.width)] for y in range(mask.height)]
        for question, answer in oracle.mask_counts(json.loads(path.read_text())["annotation"], rows, ADE_PLURALS):
            expected.add((f"{path.stem}.jpg", question, answer))
    found = {
        (r["source_filename"], r["question"], r["answer_text"])
        for r in valid(listed(Inputs(ade20k=(root,)), "Count"))
        if r["answer_text"] != "0"
    }
    assert found == expected and len(found) > 8


@pytest.mark.parametrize("seed", range(3))
def test_hidden_cuboids_agree_with_brute_force(tmp_path: Path, seed: int) -> None:
    """A crowded row of cuboids whose visibility nobody noted: those that others cover by more than half are refused."""
    rng = random.Random(seed)
    omni = Omni("Hypersim", ["bed", "lamp", "chair", "books"])
    for _ in range(4):
        image = omni.image()
        for _ in range(9):
            centre = (rng.uniform(-0.8, 0.8), rng.uniform(-0.2, 0.2), rng.uniform(2, 8))
            sides = [rng.uniform(0.3, 1.2) for _ in range(3)]
            omni.add(image, rng.choice(list(omni.ids)), centre, sides, random_rotation(rng), visibility=-1)
    path, _ = omni.write(tmp_path, images=False)
    rows = listed(Inputs(omni3d=(path,)), "Depth", make("max", max_overlap_3d=1.0, nested_boxes=True, min_area_3d=0.0))
    hidden = {int(r["object_ids"][0]) for r in rows if "hidden" in r.get("reasons", [])}
    expected = {a["id"] for a in omni.annotations if oracle.hidden_share(a, omni.annotations) > 0.5}
    assert hidden == expected and 3 < len(hidden) < len(omni.annotations)
