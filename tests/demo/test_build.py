"""CV-Bench built from the drawn sources: all four tasks, with answers that the scenes confirm."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cvbench_builder.cli import app

pytestmark = pytest.mark.slow  # it builds CV-Bench


@pytest.fixture(scope="module")
def rows(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    out = tmp_path_factory.mktemp("built") / "cvb"
    arguments = [
        *("build", "--coco", drawn / "coco" / "instances_val2017.json", "--coco-images", drawn / "coco" / "val2017"),
        *("--ade20k", drawn / "ADE20K_2021_17_01"),
        *("--omni3d", *sorted((drawn / "omni3d").glob("*.json")), "--omni3d-images", drawn / "omni3d" / "datasets"),
        *("--preset", "max", "--no-cache", "--workers", "1", "--out", out),
    ]
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]


def answer(row: Any) -> str:
    return str(row["choices"][ord(row["answer"][1]) - ord("A")])


def test_every_source_gives_questions_of_its_tasks(rows: list[Any]) -> None:
    found = Counter((r["task"], r["provenance"]["component"]) for r in rows)
    for task in ("Count", "Relation"):
        for source in ("COCO", "ADE20K"):
            assert found[task, source] >= 5
    for task in ("Depth", "Distance"):
        for component in ("Hypersim", "SUNRGBD", "nuScenes"):
            assert found[task, component] >= 3


def test_counts_are_the_annotations_of_the_class(rows: list[Any], drawn: Path) -> None:
    tree = json.loads((drawn / "coco" / "instances_val2017.json").read_text())
    number = {c["name"]: c["id"] for c in tree["categories"]}
    image = {i["file_name"]: i["id"] for i in tree["images"]}
    checked = [r for r in rows if r["task"] == "Count" and r["source"] == "COCO"]
    for row in checked:
        wanted = image[Path(row["source_filename"]).name], number[row["target_class"]]
        assert int(answer(row)) == sum((a["image_id"], a["category_id"]) == wanted for a in tree["annotations"])
    assert len({answer(r) for r in checked}) >= 4


def test_nearer_is_nearer_in_the_world(rows: list[Any], drawn: Path) -> None:
    center: dict[str, Any] = {}
    for path in (drawn / "omni3d").glob("*_test.json"):
        for annotation in json.loads(path.read_text())["annotations"]:
            center[str(annotation["id"])] = np.array(annotation["center_cam"])
    for row in (r for r in rows if r["task"] in ("Depth", "Distance")):
        ids = {b["role"]: b["object_id"] for b in row["boxes"]}
        start = center[ids["anchor"]] if row["task"] == "Distance" else np.zeros(3)
        away = [float(np.linalg.norm(center[ids[role]] - start)) for role in ("first", "second")]
        assert answer(row) == row["choices"][int(away[1] < away[0])]


def test_relations_are_those_of_the_boxes(rows: list[Any]) -> None:
    words = set()
    for row in (r for r in rows if r["task"] == "Relation"):
        boxes = {b["role"]: b["xyxy"] for b in row["boxes"]}
        a, b = boxes["queried"], boxes["anchor"]
        holds = {"left": a[2] < b[0], "right": a[0] > b[2], "above": a[3] < b[1], "below": a[1] > b[3]}
        assert holds[answer(row)]
        words.add(answer(row))
    assert words == {"left", "right", "above", "below"}
