"""Several files of one source and split: the union is built, and an image given twice is used once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cvbench_builder import dataset
from cvbench_builder.cache import Cache
from cvbench_builder.errors import BuilderError
from cvbench_builder.inputs import Inputs, load
from tests.cvbench.conftest import run
from tests.cvbench.sources import Ade, Coco, Json, Omni, made_image
from tests.cvbench.test_oracle import listed, valid

BOXES = {"dog": (20, 20, 120, 120), "cat": (250, 20, 350, 120), "cup": (140, 160, 240, 280)}


def coco_of(images: list[int], names: tuple[str, ...] = ("dog", "cat"), start: int = 0) -> Coco:
    """The images with these ids; object ids are the same wherever the same object is written."""
    coco = Coco(list(BOXES))
    for number in images:
        coco.images.append({"id": number, "file_name": f"{number:012d}.jpg", "width": 400, "height": 300})
        for name in names:
            place = coco.add(number, name, BOXES[name])
            coco.annotations[place - 100]["id"] = 10 * number + list(BOXES).index(name)
    return coco


def counts(inputs: Inputs) -> set[tuple[str, str, str]]:
    rows = valid(listed(inputs, "Count"))
    return {(r["source_filename"].rsplit("/", 1)[-1], r["question"].split()[2], r["answer_text"]) for r in rows}


def test_two_files_of_one_split_give_what_one_file_gives(tmp_path: Path) -> None:
    whole, _ = coco_of([1, 2, 3, 4, 5]).write(tmp_path / "whole", images=False)
    a, _ = coco_of([1, 2, 3]).write(tmp_path / "a", images=False)
    b, _ = coco_of([3, 4, 5]).write(tmp_path / "b", images=False)
    nonzero = {c for c in counts(Inputs(coco=(whole,))) if c[2] != "0"}
    assert len(nonzero) == 10
    notes: list[str] = []
    sources = load(Inputs(coco=(b, a)), notes.append, need_images=False)
    assert [n for n in notes if "1 images are in both" in n]
    assert sum(int(s.catalog.usable_image.sum()) for s in sources) == 5
    for files in ((a, b), (b, a)):
        assert {c for c in counts(Inputs(coco=files)) if c[2] != "0"} == nonzero


def test_an_image_whose_objects_are_in_two_files_has_them_all(tmp_path: Path) -> None:
    a, _ = coco_of([1], ("dog",)).write(tmp_path / "a", images=False)
    b, _ = coco_of([1], ("dog", "cup")).write(tmp_path / "b", images=False)
    for files in ((a, b), (b, a)):
        found = counts(Inputs(coco=files))
        assert {c for c in found if c[2] != "0"} == {
            ("000000000001.jpg", "dogs", "1"),
            ("000000000001.jpg", "cups", "1"),
        }
        assert not {c for c in found if c[2] == "0"} & {("000000000001.jpg", "cups", "0")}


def test_other_images_with_the_same_ids_and_names_are_built_too(tmp_path: Path) -> None:
    """Two sets that both count from 1: the images differ, so all of them are used, each from its own folder."""
    pairs = []
    for name, shown in (("a", ("dog", "cat")), ("b", ("dog", "cup"))):
        path, folder = coco_of([1, 2], shown).write(tmp_path / name)
        for image in folder.iterdir():
            made_image(image, (400, 300), seed=ord(name))
        pairs.append((path, folder))
    out = tmp_path / "out"
    files, folders = zip(*pairs, strict=True)
    flags = ["--coco", *files, "--coco-images", *folders, "--no-cache", "--preset", "max", "--task", "count"]
    text = run("build", *flags, "--out", out)
    assert "rows that the sources lack" not in text
    rows = dataset.read_rows(out)
    assert len([r for r in rows if r["choices"][ord(r["answer"][1]) - 65] == "1"]) == 8
    assert len({r["provenance"]["sha256"] for r in rows}) == 4 and len({r["key"] for r in rows}) == len(rows)


def test_two_omni3d_files_of_one_component_and_two_ade20k_folders(tmp_path: Path) -> None:
    def rooms(images: range) -> Omni:
        omni = Omni("SUNRGBD", ["sink", "bottle"])
        for number in images:
            image = omni.image(f"SUNRGBD/{number}.jpg", id=number)
            omni.images[-1]["id"] = number
            for name, centre in (("sink", (-0.8, 0.0, 2.5)), ("bottle", (1.0, 0.0, 5.0))):
                place = omni.add(image, name, centre)
                omni.annotations[place - 1000] |= {"image_id": number, "id": 10 * number + len(name)}
        return omni

    files = [rooms(part).write(tmp_path / f"omni{part[0]}", images=False)[0] for part in (range(3), range(2, 5))]
    rows = valid(listed(Inputs(omni3d=tuple(files)), "Depth"))
    assert sorted(r["source_filename"] for r in rows) == [f"SUNRGBD/{i}.jpg" for i in range(5)]

    roots = []
    for folder, first in (("x", 1), ("y", 2)):
        ade = Ade()
        ade.add(ade.image(), "bed", (20, 20, 100, 100))
        root = ade.write(tmp_path / folder)
        for path in sorted(root.rglob("ADE_*")):
            target = path.with_name(path.name.replace("00000001", f"{first:08d}"))
            path.rename(target)
        roots.append(root)
    found = valid(listed(Inputs(ade20k=tuple(roots)), "Count"))
    assert {r["question"] for r in found} == {"How many beds are in the image?"} and len(found) == 2


def test_one_cache_serves_two_roots_of_the_same_files(tmp_path: Path) -> None:
    ade = Ade()
    ade.add(ade.image(), "bed", (20, 20, 100, 100))
    root = ade.write(tmp_path / "deep" / "ADE20K_2021_17_01")
    cache = Cache(tmp_path / "cache")
    for place in (root, root.parent, root / "images", root):
        (source,) = load(Inputs(ade20k=(place,), cache=cache), lambda _: None, need_images=True)
        assert [p.name for p in source.images.values()] == ["ADE_val_00000001.jpg"]
    moved = tmp_path / "elsewhere"
    shutil.copytree(root, moved)
    (source,) = load(Inputs(ade20k=(moved,), cache=cache), lambda _: None, need_images=True)
    assert all(p.is_relative_to(moved) for p in source.images.values())


def rooms_of_another_set(tmp_path: Path, info: Json) -> Path:
    omni = Omni("SUNRGBD", ["sink", "bottle"])
    for number in range(4):
        image = omni.image(f"lab/flat{number % 2}/{number:03d}.png")
        omni.add(image, "sink", (-0.8, 0.0, 2.5))
        omni.add(image, "bottle", (1.0, 0.0, 5.0))
    path = tmp_path / "annotations_test.json"
    path.write_text(json.dumps({**omni.tree(), "info": info}))
    return path


def test_a_data_set_of_ones_own_in_the_form_of_omni3d(tmp_path: Path) -> None:
    path = rooms_of_another_set(tmp_path, {"name": "My Rooms Test", "split": "Test"})
    (source,) = load(Inputs(omni3d=(path,)), lambda _: None, need_images=False)
    assert (source.catalog.component, source.catalog.split) == ("My-Rooms", "test")
    assert source.catalog.image_scene.tolist() == ["lab/flat0", "lab/flat1", "lab/flat0", "lab/flat1"]
    assert source.catalog.image_frame.tolist() == [0, 1, 2, 3]
    named = Inputs(omni3d=(path,), omni3d_name=("flats 7",))
    assert load(named, lambda _: None, need_images=False)[0].catalog.component == "flats-7"
    assert len(valid(listed(named, "Depth"))) == 4
    nameless = rooms_of_another_set(tmp_path, {})
    with pytest.raises(BuilderError, match="--omni3d-name"):
        load(Inputs(omni3d=(nameless,)), lambda _: None, need_images=False)


def test_a_wrong_image_folder_is_answered_with_the_right_one(tmp_path: Path) -> None:
    path, folder = coco_of([1, 2]).write(tmp_path / "coco")
    for wrong in (folder.parent, tmp_path / "coco" / "train2017"):
        wrong.mkdir(exist_ok=True)
        with pytest.raises(BuilderError, match=f"did you mean {folder}\\?"):
            load(Inputs(coco=(path,), coco_images=(wrong,)), lambda _: None, need_images=True)
    with pytest.raises(BuilderError, match="no such folder"):
        load(Inputs(coco=(path,), coco_images=(tmp_path / "nowhere",)), lambda _: None, need_images=True)


def test_sources_tells_what_a_folder_contains(tmp_path: Path) -> None:
    coco_of([1, 2]).write(tmp_path / "coco")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "coco" / "instances_val2017.json").rename(tmp_path / "annotations" / "instances_val2017.json")
    omni = Omni("nuScenes", ["car", "truck"])
    omni.add(omni.image(), "car", (0, 0, 9))
    omni.write(tmp_path / "Omni3D", images=False)
    text = run("sources", tmp_path, "--no-cache", code=1)  # the images of nuScenes are missing
    assert "2 images (2 of 2 image files found), 4 objects, 3 classes" in text
    # in each of two images a dog and a cat, one left of the other; nothing shows a cup, so nobody asks for it
    assert "candidates: 4 Count, 4 Relation" in text
    assert "problem:" in text and "nuScenes_test.json" in text
    assert "missing for the published set: ADE20K" in text and "missing for the published set: COCO" not in text
    assert f"--coco {tmp_path / 'annotations' / 'instances_val2017.json'}" in text
    assert "--omni3d" not in text  # a build with a source that has a problem would stop
    flags = [
        "--coco",
        tmp_path / "annotations" / "instances_val2017.json",
        "--coco-images",
        tmp_path / "coco" / "val2017",
    ]
    assert "problem" not in run("sources", *flags, "--no-cache")
