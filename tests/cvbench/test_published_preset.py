"""The preset `published`, class names, and `diff` with its distributions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cvbench_builder import class_names, dataset
from cvbench_builder.inputs import Inputs, load, named
from cvbench_builder.presets import make
from cvbench_builder.questions import published_boxes
from cvbench_builder.task import Task
from cvbench_builder.tasks import enumerate_candidates, task_named
from tests.cvbench.conftest import run
from tests.cvbench.sources import Ade, Coco, Json, Omni
from tests.cvbench.test_oracle import listed, valid


@pytest.mark.parametrize("name", ["hill grass", "field grass", "snowy mountain", "sky", "trees", "brick wall", "floor"])
def test_stuff_by_its_last_word(name: str) -> None:
    assert class_names.is_stuff(name)


@pytest.mark.parametrize("name", ["wall clock", "street light", "water tower", "mountain bike", "wine glass", "car"])
def test_things_whose_first_word_is_stuff(name: str) -> None:
    assert not class_names.is_stuff(name) and not class_names.is_uncountable(name)


def test_mass_nouns_are_not_counted() -> None:
    assert all(map(class_names.is_uncountable, ("pottery", "stained glass", "metal piping", "toilet paper")))


@pytest.mark.parametrize("name", ["dontcare", "ignore", "void", "unknown", "DontCare"])
@pytest.mark.parametrize("preset", ["max", "published"])
def test_nobody_asks_about_regions_without_a_name(tmp_path: Path, name: str, preset: str) -> None:
    settings = make(preset)
    coco = Coco(["dog", name])
    image = coco.image()
    coco.add(image, "dog", (20, 20, 120, 120))
    coco.add(image, name, (250, 20, 350, 120))
    coco.image()  # shows neither: a zero question could ask for both
    path, _ = coco.write(tmp_path, images=False)
    omni = Omni("SUNRGBD", ["sink", name])
    place = omni.image()
    omni.add(place, "sink", (-0.8, 0.0, 2.5))
    omni.add(place, name, (1.0, 0.0, 5.0))
    cuboids, _ = omni.write(tmp_path, images=False)
    asked = [r for t in ("Count", "Relation") for r in valid(listed(Inputs(coco=(path,)), t, settings))]
    assert asked and all(name.lower() not in r["question"] for r in asked)
    rows = listed(Inputs(omni3d=(cuboids,)), "Depth", settings)
    assert not valid(rows) and ["unnamed"] in [r["reasons"] for r in rows]


def test_a_van_is_a_car_whatever_hypernyms_the_source_has(tmp_path: Path) -> None:
    ade = Ade()
    street = ade.image()
    ade.add(street, "car, auto", (20, 20, 100, 100), hypernym=["motor vehicle, automotive vehicle", "vehicle"])
    ade.add(street, "van", (150, 20, 230, 100), hypernym=["truck, motortruck", "motor vehicle, automotive vehicle"])
    ade.add(street, "bench", (20, 150, 100, 220), hypernym=["seat"])
    root = ade.write(tmp_path)
    rows = valid(listed(Inputs(ade20k=(root,)), "Count"))
    assert {(r["question"], r["answer_text"]) for r in rows} == {("How many benches are in the image?", "1")}


def ade_words(root: Path) -> Path:
    ade = Ade()
    for number in range(4):
        room = ade.image()
        words = ("night table", "night table", "bedside tables", "nightstand")
        ade.add(room, "nightstand", (20, 20, 100, 100), raw_name=words[number])
        ade.add(room, "wall", (150, 20, 230, 100), raw_name="wall")
        ade.add(room, "plant, flora, plant life", (250, 150, 330, 250), raw_name="plants" if number else "shrub")
    return ade.write(root)


def test_published_names_are_the_annotators_most_frequent_singular_words(tmp_path: Path) -> None:
    inputs = Inputs(ade20k=(ade_words(tmp_path),))
    settings = make("published")
    sources = named(load(inputs, lambda _: None, need_images=False), settings)
    assert {c.name for c in sources[0].catalog.classes} == {"night table", "wall", "shrub"}
    first = named(load(inputs, lambda _: None, need_images=False), make("strict"))
    assert {c.name for c in first[0].catalog.classes} == {"nightstand", "wall", "plant"}
    out = tmp_path / "c.jsonl"
    run("candidates", "--ade20k", inputs.ade20k[0], "--preset", "published", "--no-cache", "--out", out)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    asked = {r["question"] for r in rows if r["status"] == "valid" and r["task"] == "Count"}
    assert asked == {f"How many {n}s are in the image?" for n in ("night table", "wall", "shrub")}


def quotas(task: Task, preset: str, **changes: object) -> dict[str, int]:
    return task.quotas(788, ["ADE20K", "COCO"], make(preset, **changes))


def test_published_counts_have_no_zeros_and_may_exceed_ten() -> None:
    count = task_named("Count")
    published = {cell: n for cell, n in quotas(count, "published").items() if n}
    assert sum(published.values()) == 788
    assert not [cell for cell in published if " 0 " in cell] and [cell for cell in published if cell.endswith(">10")]
    assert not [cell for cell in quotas(count, "strict") if cell.endswith(">10")]
    # 62 % of each half of the rows
    assert published["COCO 1"] == round(394 * 0.62) == published["ADE20K 1"]


def test_published_cuboids_may_be_small_and_inside_others(tmp_path: Path) -> None:
    omni = Omni("SUNRGBD", ["sink", "bottle", "shelves", "books"], size=(1600, 900))
    place = omni.image()
    omni.add(place, "sink", (-1.0, 0.0, 2.5))
    omni.add(place, "bottle", (1.4, 0.0, 5.0), (0.2, 0.2, 0.2))  # 21 pixels, 0.03 % of the image
    omni.add(place, "shelves", (0.0, 0.0, 9.0), (0.2, 3.0, 3.0))
    omni.add(place, "books", (0.0, 0.2, 6.0), (0.2, 0.6, 0.6))  # in front of them, in the middle of their box
    path, _ = omni.write(tmp_path, images=False)

    def pairs(preset: str) -> set[frozenset[str]]:
        return {frozenset(r["choices"]) for r in valid(listed(Inputs(omni3d=(path,)), "Depth", make(preset)))}

    small, nested = frozenset({"sink", "bottle"}), frozenset({"shelves", "books"})
    assert pairs("published") >= {small, nested}
    assert not pairs("strict") & {small, nested}


def test_the_anchor_is_last_in_the_bbox_column_of_distance(built: Path) -> None:
    rows = [r for r in dataset.read_rows(built) if r["task"] == "Distance"]
    assert rows
    for row in rows:
        by_role = {b["role"]: b["xyxy"] for b in row["boxes"]}
        assert row["bbox"] == [by_role["first"], by_role["second"], by_role["anchor"]] == published_boxes(row["boxes"])


def made_rows(answers: list[str], options: list[str], name: str, size: float) -> list[Json]:
    return [
        {
            "task": "Depth",
            "question": f"Which object is closer to the camera taking this photo, the {name} "
            f"(highlighted by a red box) or the {options[1]} (highlighted by a blue box)?",
            "choices": [name, options[1]],
            "answer": answer,
            "source": "Omni3D",
            "filename": f"img/3D/depth/omni3d_sunrgbd_{i}.jpg",
            "source_filename": f"{name}{i}.jpg",
            "bbox": [[0, 0, size + i % 7, size], [0, 0, size, size]],
        }
        for i, answer in enumerate(answers)
    ]


def test_diff_tells_which_distributions_differ(tmp_path: Path) -> None:
    both = ["(A)", "(B)"] * 40
    sets = {
        "a": made_rows(both, ["sink", "bed"], "sink", 100.0),
        "same": made_rows(both, ["sink", "bed"], "sink", 100.0),
        "other": made_rows(["(A)"] * 80, ["sink", "bed"], "lamp", 20.0),
    }
    for name, rows in sets.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    a, same, other = (tmp_path / f"{name}.jsonl" for name in sets)
    assert "verdict: alike" in run("diff", a, same, "--fail")
    text = run("diff", a, other, "--fail", code=1)
    verdict = next(line for line in text.splitlines() if "verdict" in line)
    assert verdict.strip() == "verdict: differs in classes, answers, box side, px"
    assert "no row is in both sets" in text
    few = tmp_path / "few.jsonl"
    few.write_text("".join(json.dumps(r) + "\n" for r in sets["other"][:5]))
    assert "verdict: too few rows" in run("diff", a, few, "--fail")
    broken = tmp_path / "broken.jsonl"
    broken.write_text(json.dumps({**sets["a"][0], "answer": "(E)"}) + "\n")
    assert "row 1: `answer` is '(E)'" in run("diff", broken, a, code=2)


@pytest.mark.parametrize("nested", [False, True])
def test_large_files_are_read_in_pieces(tmp_path: Path, nested: bool) -> None:
    """Also where an annotation contains lists of objects, which look like the border between two annotations."""
    coco = Coco(["dog", "cat"])
    for _ in range(30):
        image = coco.image()
        coco.add(image, "dog", (20, 20, 120, 120), attributes=[{"a": 1}, {"b": 2}])
        coco.add(image, "cat", (250, 20, 350, 120), note="}, {")
    path, _ = coco.write(tmp_path, images=False)
    shape = {"segmentation": [[0.5] * 1_200_000], "parts": [{"a": 1}, {"b": 2}] if nested else []}
    padding = {"id": 9, "image_id": -1, "category_id": 1, "bbox": [1, 1, 2, 2], **shape}
    tree = coco.tree()
    given = tree["annotations"]
    tree["annotations"] = [*given[:20], padding, *given[20:40], padding, *given[40:59], padding, given[59]]
    path.write_text(json.dumps(tree))
    (source,) = load(Inputs(coco=(path,)), lambda _: None, need_images=False)
    assert len(source.catalog.object_image) == 60 and source.catalog.skipped == {"unknown_image": 3}
    tables = list(enumerate_candidates(task_named("Relation"), source.catalog, make("max")))
    assert sum(len(t.valid()) for t in tables) == 60
    tree["annotations"][50]["area"] = "large"
    path.write_text(json.dumps(tree))
    with pytest.raises(Exception, match=r"\$\.annotations\[50\]\.area"):
        load(Inputs(coco=(path,)), lambda _: None, need_images=False)
