"""Bad input: exit code 2 and one clear line, nothing half-written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cvbench.conftest import run
from tests.cvbench.sources import Coco, Omni, made_image


def one_line(*arguments: str | Path) -> str:
    out = run(*arguments, code=2)
    errors = [line for line in out.splitlines() if line.startswith("error:")]
    assert len(errors) == 1 and "Traceback" not in out
    return errors[0]


def small_coco(root: Path, split: str = "val2017") -> tuple[Path, Path]:
    coco = Coco(["dog", "cat"], split)
    image = coco.image()
    coco.add(image, "dog", (20, 20, 120, 120))
    coco.add(image, "cat", (250, 20, 350, 120))
    return coco.write(root)


def test_wrong_files_for_a_flag(tmp_path: Path) -> None:
    base = {"images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}], "info": {}}
    captions = tmp_path / "captions_val2017.json"
    captions.write_text(json.dumps({**base, "annotations": [{"id": 1, "image_id": 1, "caption": "a dog"}]}))
    assert "captions" in one_line("candidates", "--coco", captions, "--out", tmp_path / "c", "--no-cache")
    keypoints = tmp_path / "person_keypoints_val2017.json"
    category = {"id": 1, "name": "person", "keypoints": ["nose"]}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2]}
    keypoints.write_text(json.dumps({**base, "annotations": [annotation], "categories": [category]}))
    assert "keypoints" in one_line("candidates", "--coco", keypoints, "--out", tmp_path / "c", "--no-cache")
    omni = Omni("SUNRGBD", ["sink"])
    omni.add(omni.image(), "sink", (0, 0, 3))
    path, _ = omni.write(tmp_path, images=False)
    assert "--omni3d" in one_line("candidates", "--coco", path, "--out", tmp_path / "c", "--no-cache")
    coco, _ = small_coco(tmp_path)
    assert "--coco" in one_line("candidates", "--omni3d", coco, "--out", tmp_path / "c", "--no-cache")
    assert not (tmp_path / "c").exists()


def test_scene_parsing_release_is_named(tmp_path: Path) -> None:
    made_image(tmp_path / "annotations" / "validation" / "ADE_val_00000001.png", (20, 20))
    assert "SceneParsing" in one_line("candidates", "--ade20k", tmp_path, "--out", tmp_path / "c", "--no-cache")


def test_train_annotations_with_validation_images(tmp_path: Path) -> None:
    path, _ = small_coco(tmp_path / "train", "train2017")
    made_image(tmp_path / "val2017" / "000000099999.jpg", (40, 30))
    line = one_line(
        "build", "--coco", path, "--coco-images", tmp_path / "val2017", "--out", tmp_path / "o", "--no-cache"
    )
    assert "val split" in line and "000000000001.jpg" in line
    assert list(tmp_path.glob("*o*")) == []


@pytest.mark.parametrize("cut", [0.3, 0.8])
def test_a_truncated_file_names_the_byte(tmp_path: Path, cut: float) -> None:
    path, _ = small_coco(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * cut)])
    line = one_line("candidates", "--coco", path, "--out", tmp_path / "c", "--no-cache")
    assert f"byte {int(len(data) * cut)}" in line and "truncated" in line


def test_garbage_missing_and_empty_files(tmp_path: Path) -> None:
    path = tmp_path / "instances_val2017.json"
    path.write_text('{"images": [}')
    assert "byte 12" in one_line("candidates", "--coco", path, "--out", tmp_path / "c", "--no-cache")
    path.write_text("")
    assert "empty" in one_line("candidates", "--coco", path, "--out", tmp_path / "c", "--no-cache")
    assert "no such file" in one_line("candidates", "--coco", tmp_path / "x", "--out", tmp_path / "c", "--no-cache")
    path.write_text('{"images": [{"id": 1, "file_name": "a.jpg", "width": "wide"}]}')
    assert "$.images[0].width" in one_line("candidates", "--coco", path, "--out", tmp_path / "c", "--no-cache")


def test_settings_out_of_range_and_no_source(tmp_path: Path) -> None:
    path, folder = small_coco(tmp_path)
    flags = ["--coco", path, "--coco-images", folder, "--no-cache", "--out", tmp_path / "o"]
    assert "--preset" in one_line("build", *flags, "--preset", "best")
    assert "--min-gap" in one_line("build", *flags, "--min-gap", "2")
    assert "--anchor-metric" in one_line("build", *flags, "--anchor-metric", "far")
    assert "no source" in one_line("build", "--out", tmp_path / "o")
    assert "--coco-images" in one_line("build", "--coco", path, "--no-cache", "--out", tmp_path / "o")


@pytest.mark.slow
def test_a_failed_build_leaves_nothing_and_keeps_the_old_one(tmp_path: Path) -> None:
    path, folder = small_coco(tmp_path / "src")
    out = tmp_path / "out" / "cvb"
    flags = ["--coco", path, "--coco-images", folder, "--no-cache", "--preset", "max"]
    run("build", *flags, "--out", out)
    before = sorted(p.name for p in out.iterdir())
    image_path = next(folder.glob("*.jpg"))
    image_path.write_bytes(image_path.read_bytes()[:400])  # a header, but no image
    assert "no valid question" in one_line("build", *flags, "--out", out)
    assert sorted(p.name for p in out.iterdir()) == before
    assert [p.name for p in out.parent.iterdir()] == ["cvb"]


@pytest.mark.slow
def test_foreign_and_reviewed_folders_are_kept(tmp_path: Path) -> None:
    path, folder = small_coco(tmp_path / "src")
    flags = ["--coco", path, "--coco-images", folder, "--no-cache", "--preset", "max"]
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("do not lose")
    assert "not empty" in one_line("build", *flags, "--out", foreign)
    out = tmp_path / "cvb"
    run("build", *flags, "--out", out)
    rows = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
    review = tmp_path / "review.jsonl"
    review.write_text(
        json.dumps({"key": rows[0]["key"], "content_hash": rows[0]["content_hash"], "status": "accepted"})
    )
    run("finalize", out, "--review", review)
    assert "reviewed" in one_line("build", *flags, "--out", out)
    run("build", *flags, "--out", out, "--overwrite")


def test_exclusion_list(tmp_path: Path) -> None:
    path, folder = small_coco(tmp_path)
    names = tmp_path / "published.txt"
    names.write_text("/coco/val2017/000000000001.jpg\n")
    out = tmp_path / "c.jsonl"
    run("candidates", "--coco", path, "--exclude", names, "--out", out, "--no-cache")
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines and all(line["reasons"] == ["image_excluded"] for line in lines)
    del folder


def test_stands_alone_and_starts_light() -> None:
    code = (
        "import sys, cvbench_builder, cvbench_builder.cli\n"
        "heavy = {'numpy','torch','pyarrow','datasets','matplotlib','sklearn','pandas','msgspec','cambrian_eval'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
