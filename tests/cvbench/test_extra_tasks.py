"""The tasks beyond CV-Bench against brute force, points as markers, rotations and mirrored pairs."""

from __future__ import annotations

import itertools
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from cvbench_builder import dataset
from cvbench_builder.draw import DrawnBox, point_radius, render
from cvbench_builder.inputs import Inputs
from cvbench_builder.presets import make
from cvbench_builder.variants import rotations
from tests.cvbench import oracle
from tests.cvbench.conftest import Sources, run
from tests.cvbench.sources import Coco
from tests.cvbench.test_oracle import PLURALS, listed, random_coco, random_omni, valid

Json = dict[str, Any]


def answer_of(row: Json) -> int:
    return ord(row["answer"][1]) - 65


def pairs(tree: Json) -> list[tuple[str, Json, Json]]:
    """Two usable objects of different classes whose boxes can be told apart, in every image."""
    files = {i["id"]: i["file_path"] for i in tree["images"]}
    return [
        (files[image], a, b)
        for image, objects in oracle.usable_cuboids(tree).items()
        for a, b in itertools.combinations(objects, 2)
        if a["name"] != b["name"] and oracle.drawable(a["box"], b["box"])
    ]


@pytest.mark.parametrize(("seed", "component"), [(1, "SUNRGBD"), (2, "nuScenes")])
def test_size_agrees_with_brute_force(tmp_path: Path, seed: int, component: str) -> None:
    omni = random_omni(seed, component)
    path, _ = omni.write(tmp_path, images=False)
    expected = set()
    for file, a, b in pairs(omni.tree()):
        for x, y in ((a, b), (b, a)):
            (w, h, length), (v, g, depth) = x["dimensions"], y["dimensions"]
            if w * h * length >= 2 * v * g * depth and max(w, h, length) >= 1.25 * max(v, g, depth):
                expected.add((file, frozenset((a["id"], b["id"])), x["id"]))
    found = set()
    for row in valid(listed(Inputs(omni3d=(path,)), "Size", make("max", tasks=("size",)))):
        ids = [int(b["object_id"]) for b in row["boxes"]]
        found.add((row["source_filename"], frozenset(ids), ids[answer_of(row)]))
        names = row["choices"]
        assert row["question"].startswith(
            f"Which object is larger in the real world, the {names[0]} (highlighted by a red"
        )
    assert expected and found == expected


@pytest.mark.parametrize(("component", "fixed"), [("SUNRGBD", 0.3), ("nuScenes", 1.0)])
def test_front_agrees_with_brute_force(tmp_path: Path, component: str, fixed: float) -> None:
    expected, found = set(), set()
    for seed in range(6):
        omni = random_omni(seed, component)
        path, _ = omni.write(tmp_path / str(seed), images=False)
        boxes = {(f, frozenset((a["id"], b["id"]))): (a["box"], b["box"]) for f, a, b in pairs(omni.tree())}
        for file, ids, nearer in oracle.depths(omni.tree(), fixed):
            p, q = boxes[(file, ids)]
            w, h = min(p[2], q[2]) - max(p[0], q[0]), min(p[3], q[3]) - max(p[1], q[1])
            smaller = min((p[2] - p[0]) * (p[3] - p[1]), (q[2] - q[0]) * (q[3] - q[1]))
            if max(w, 0) * max(h, 0) >= 0.05 * smaller:
                expected.add((seed, file, ids, nearer))
        for row in valid(listed(Inputs(omni3d=(path,)), "Front", make("max", tasks=("front",)))):
            ids = [int(b["object_id"]) for b in row["boxes"]]
            assert row["choices"] == ["in front of", "behind"]
            found.add((seed, row["source_filename"], frozenset(ids), ids[0] if row["answer"] == "(A)" else ids[1]))
    assert expected and found == expected


@pytest.mark.parametrize("component", ["SUNRGBD", "nuScenes"])
def test_meters_agree_with_brute_force(tmp_path: Path, component: str) -> None:
    omni = random_omni(5, component)
    path, _ = omni.write(tmp_path, images=False)
    expected = {}
    for file, a, b in pairs(omni.tree()):
        meters = oracle.box_to_box(a, b)
        if 0.5 <= meters <= 50:
            expected[(file, frozenset((a["id"], b["id"])))] = meters
    rows = valid(listed(Inputs(omni3d=(path,)), "Meters", make("max", tasks=("meters",))))
    found = {(r["source_filename"], frozenset(int(b["object_id"]) for b in r["boxes"])): r for r in rows}
    assert expected and found.keys() == expected.keys()
    for key, row in found.items():
        assert float(row["answer"]) == pytest.approx(expected[key], abs=0.006)
        assert row["choices"] == [] and row["question"].endswith("Answer with a number in meters.")


def test_more_agrees_with_brute_force(tmp_path: Path) -> None:
    expected, found = set(), set()
    for seed in range(4):
        coco = random_coco(seed)
        path, _ = coco.write(tmp_path / str(seed), images=False)
        counts: dict[str, dict[str, int]] = defaultdict(dict)
        for file, question, number in oracle.coco_counts(coco.tree(), PLURALS):
            counts[file][question.removeprefix("How many ").removesuffix(" are in the image?")] = int(number)
        expected |= {
            (seed, file, frozenset((a, b)), a if own[a] > own[b] else b)
            for file, own in counts.items()
            for a, b in itertools.combinations(own, 2)
            if max(own[a], own[b]) >= 1.5 * min(own[a], own[b]) and own[a] != own[b]
        }
        for row in valid(listed(Inputs(coco=(path,)), "More", make("max", tasks=("more",)))):
            a, b = row["choices"]
            assert row["question"] == f"Are there more {a} or more {b} in the image?"
            file = row["source_filename"].rsplit("/", 1)[-1]
            found.add((seed, file, frozenset((a, b)), row["choices"][answer_of(row)]))
    assert len(expected) > 5 and found == expected


def test_extra_tasks_are_built_only_when_named() -> None:
    assert make("strict").tasks == ("Count", "Relation", "Depth", "Distance")
    assert make("strict", tasks=("size", "depth")).tasks == ("Depth", "Size")


def test_points_lie_in_the_middle_of_the_boxes(tmp_path: Path) -> None:
    import io

    from PIL import Image

    path = tmp_path / "a.png"
    Image.new("RGB", (300, 200), (120, 120, 120)).save(path)
    made = render(path, [DrawnBox((255, 0, 0), (40, 20, 100, 80))], marker="point")
    image = Image.open(io.BytesIO(made.data)).convert("RGB")
    assert image.getpixel((70, 50)) == (255, 0, 0)
    radius = point_radius(300, 200)
    assert image.getpixel((70 + radius - 1, 50)) == (255, 0, 0)
    assert image.getpixel((70 + radius + 4, 50)) == image.getpixel((40, 20)) == (120, 120, 120)


def test_a_rotation_moves_the_answer_with_its_option() -> None:
    row = {"key": "k", "question": "How many?", "choices": ["3", "1", "2"], "answer": "(B)", "prompt": "", "flags": []}
    made = rotations(row)
    assert [r["choices"] for r in made] == [["3", "1", "2"], ["1", "2", "3"], ["2", "3", "1"]]
    assert [r["answer"] for r in made] == ["(B)", "(A)", "(C)"]
    assert [r["key"] for r in made] == ["k/r0", "k/r1", "k/r2"]
    assert made[1]["prompt"].endswith("\n(A) 1\n(B) 2\n(C) 3")


@pytest.mark.slow
def test_circular_and_mirrored_sets_are_groups(built: Path, tmp_path: Path) -> None:
    import io

    import pyarrow.parquet as pq
    from PIL import Image, ImageOps

    rows = dataset.read_rows(built)
    run("export", built, "--format", "circular", "--out", tmp_path / "c")
    circular = pq.read_table(tmp_path / "c" / "cvbench_extra" / "test.parquet").to_pylist()
    assert len(circular) == sum(len(r["choices"]) for r in rows) and {r["type"] for r in circular} == {"extra"}
    right = defaultdict(set)
    for row in circular:
        right[row["key"].partition("/")[0]].add(row["choices"][answer_of(row)])
    assert right == {r["key"]: {r["choices"][answer_of(r)]} for r in rows}

    run("export", built, "--format", "mirrored", "--out", tmp_path / "m")
    mirrored = {r["key"]: r for r in pq.read_table(tmp_path / "m" / "cvbench_extra" / "test.parquet").to_pylist()}
    horizontal = [r for r in rows if "left" in r["choices"]]
    assert mirrored.keys() == {f"{r['key']}/{v}" for r in horizontal for v in "om"}
    for row in horizontal[:4]:
        one, other = mirrored[f"{row['key']}/o"], mirrored[f"{row['key']}/m"]
        assert {one["answer"], other["answer"]} == {"(A)", "(B)"}
        images = [Image.open(io.BytesIO(r["image"]["bytes"])).convert("RGB") for r in (one, other)]
        assert ImageOps.mirror(images[0]).tobytes() == images[1].tobytes()


@pytest.mark.slow
def test_a_build_of_extra_tasks_is_reviewed_and_audited(sources: Sources, tmp_path: Path) -> None:
    out = tmp_path / "cvb"
    tasks = ["--task", "meters", "--task", "more", "--meters-rows", "9", "--more-rows", "6", "--marker", "point"]
    run("build", *sources.flags, *tasks, "--preset", "published", "--out", out)
    rows = dataset.read_rows(out)
    assert {r["type"] for r in rows} == {"extra"} and (out / "cvbench_extra" / "test.parquet").is_file()
    meters = [r for r in rows if r["task"] == "Meters"]
    assert meters and all(
        "red point" in r["question"] and r["filename"].startswith("img/extra/meters/") for r in meters
    )
    assert re.search(r"^usual number +Meters ", run("audit", out, "--no-forest"), re.MULTILINE)
    line = {"key": meters[0]["key"], "content_hash": meters[0]["content_hash"], "reviewer": "ann"}
    review = tmp_path / "r.jsonl"
    review.write_text(json.dumps({**line, "status": "modified", "answer": "far"}))
    assert "the new answer 'far' is not a positive number" in run("finalize", out, "--review", review, code=2)
    review.write_text(json.dumps({**line, "status": "modified", "answer": "3.5"}))
    run("finalize", out, "--review", review)
    assert {r["key"]: r["answer"] for r in dataset.read_rows(out)}[meters[0]["key"]] == "3.50"


def test_a_pair_of_equal_numbers_is_not_asked(tmp_path: Path) -> None:
    coco = Coco(["dog", "person"])
    image = coco.image(200, 160)
    for i in range(2):
        coco.add(image, "dog", (10 + 60 * i, 10, 50 + 60 * i, 60))
        coco.add(image, "person", (10 + 60 * i, 80, 50 + 60 * i, 140))
    path, _ = coco.write(tmp_path, images=False)
    (row,) = listed(Inputs(coco=(path,)), "More", make("max", tasks=("more",)))
    assert row["status"] == "rejected" and row["reasons"] == ["numbers_alike"]
