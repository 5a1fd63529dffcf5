"""Builds and annotations made by somebody else: nothing is read or written outside, and changed data is noticed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cvbench_builder import dataset, draw
from cvbench_builder.cli import app
from tests.command import call
from tests.cvbench.conftest import run
from tests.cvbench.test_bad_input import one_line, small_coco

STORED = Path(__file__).parent / "earlier_build"
Row = dict[str, Any]


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STORED, tmp_path / "build"))


def edit(build: Path, change: Callable[[Row], object]) -> Row:
    """Changes the first row, and makes the manifest agree, as an attacker would."""
    path = build / dataset.ROWS
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    change(rows[0])
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    dataset.write_manifest(build)
    return dict(rows[0])


def review(tmp_path: Path, row: Row, **more: str) -> Path:
    path = tmp_path / "review.jsonl"
    decision = {"key": row["key"], "content_hash": row["content_hash"], "status": "accepted", **more}
    path.write_text(json.dumps(decision) + "\n")
    return path


def first_row() -> Row:
    return dict(json.loads((STORED / dataset.ROWS).read_text().splitlines()[0]))


@pytest.mark.parametrize(
    "name", ["../payload.sh", "/tmp/payload.sh", "img/../../payload.sh", "rows.jsonl", "img/a\nb.png", 3, "img\\x"]
)
def test_a_file_name_that_leaves_the_build(build: Path, tmp_path: Path, name: object) -> None:
    (tmp_path / "payload.sh").write_text("echo")
    row = edit(build, lambda r: r.update(filename=name))
    out = tmp_path / "deep" / "out"
    assert "filename" in one_line("export", build, "--format", "jsonl", "--out", out)
    assert "filename" in one_line("finalize", build, "--review", review(tmp_path, row), "--out", out)
    assert not list(tmp_path.rglob("deep/*"))


def test_an_image_that_is_a_link_out_of_the_build(build: Path, tmp_path: Path) -> None:
    row = first_row()
    (tmp_path / "secret").write_bytes((build / row["filename"]).read_bytes())
    (build / row["filename"]).unlink()
    os.symlink(tmp_path / "secret", build / row["filename"])
    assert "link" in one_line("export", build, "--format", "jsonl", "--out", tmp_path / "out")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [("answer", "(B)", "content hash"), ("answer", "(Z)", "answer"), ("question", "Other?", "content hash")],
)
def test_a_gold_answer_changed_after_the_build(build: Path, tmp_path: Path, column: str, value: str, said: str) -> None:
    assert first_row()[column] != value
    row = edit(build, lambda r: r.update({column: value}))
    assert said in one_line("finalize", build, "--review", review(tmp_path, row), "--out", tmp_path / "out")


@pytest.mark.parametrize("column", ["task", "question", "choices", "boxes", "margins", "provenance", "review", "type"])
@pytest.mark.parametrize("value", [None, 3, [], {}, "x", [3], {"a": 1}])
def test_rows_of_any_shape_are_one_line(build: Path, column: str, value: object) -> None:
    edit(build, lambda r: r.update({column: value}))
    for command in ("stats", "review"):
        result = CliRunner().invoke(app, [command, str(build)])
        assert result.exit_code in (0, 2), result.exception
        assert result.exit_code == 0 or result.output.count("error:") == 1


def test_files_that_differ_from_the_manifest(build: Path, tmp_path: Path) -> None:
    given = review(tmp_path, first_row())
    (build / "cvbench_2d" / "test.parquet").write_bytes((build / "cvbench_3d" / "test.parquet").read_bytes())
    assert "manifest" in one_line("finalize", build, "--review", given, "--out", tmp_path / "out")
    dataset.write_manifest(build)
    assert "other rows" in one_line("finalize", build, "--review", given, "--out", tmp_path / "out")
    assert "other rows" in one_line("export", build, "--format", "jsonl", "--out", tmp_path / "out")


@pytest.mark.parametrize("answer", ["²", "9" * 5000, "١"])
def test_a_review_with_an_odd_number(build: Path, tmp_path: Path, answer: str) -> None:
    given = review(tmp_path, first_row(), status="modified", answer=answer)
    assert "new answer" in one_line("finalize", build, "--review", given, "--out", tmp_path / "out")


@pytest.mark.parametrize("place", ["info", "unused"])
def test_deep_json_in_an_unused_key(tmp_path: Path, place: str) -> None:
    path, _ = small_coco(tmp_path)
    text = path.read_text()
    path.write_text(text[:-1] + f', "{place}2": ' + "[" * 100_000 + "]" * 100_000 + "}")
    line = one_line("candidates", "--coco", path, "--out", tmp_path / "c", "--no-cache")
    assert "nested too deeply" in line


@pytest.mark.parametrize("width", [1e30, 1e300, -1, 0])
def test_an_impossible_width(tmp_path: Path, width: float) -> None:
    path, _ = small_coco(tmp_path)
    tree = json.loads(path.read_text())
    tree["images"][0]["width"] = width
    path.write_text(json.dumps(tree))
    assert "width" in one_line("candidates", "--coco", path, "--out", tmp_path / "c", "--no-cache")


def test_a_pipe_instead_of_annotations(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    line = one_line("candidates", "--coco", tmp_path / "pipe.json", "--out", tmp_path / "c", "--no-cache")
    assert "regular file" in line


def test_a_sparse_image_is_not_read(tmp_path: Path) -> None:
    path, images = small_coco(tmp_path)
    name = json.loads(path.read_text())["images"][0]["file_name"]
    with (images / name).open("r+b") as file:
        file.truncate(1 << 40)
    out = run(
        *("candidates", "--coco", path, "--coco-images", images, "--out", tmp_path / "c", "--no-cache"),
    )
    assert "1 x unreadable" in out


def test_links_out_of_the_image_folder(tmp_path: Path) -> None:
    path, images = small_coco(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    images.rename(elsewhere)
    images.mkdir()
    for image in elsewhere.iterdir():
        os.symlink(image, images / image.name)
    words = ("candidates", "--coco", path, "--coco-images", images, "--out", tmp_path / "c", "--no-cache")
    assert "--follow-links" in one_line(*words)
    run(*words, "--follow-links")
    shutil.rmtree(images)
    os.symlink(elsewhere, images)  # the folder that was named may itself be a link
    run(*words)


def test_sixteen_bits_keep_their_tones(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    shown = draw.render(tmp_path / "a.png", [draw.DrawnBox((255, 0, 0), (5, 5, 9, 9))])
    (tmp_path / "b.png").write_bytes(shown.data)
    pixels = np.asarray(Image.open(tmp_path / "b.png"))[..., 2]
    assert pixels[0, 0] == 0 and abs(int(pixels[-1, -1]) - 255) <= 1 and abs(pixels[32:].mean() - 191) < 3


def test_control_characters_of_names_do_not_reach_the_terminal(build: Path) -> None:
    row = edit(build, lambda r: r["provenance"].update(component="\x1b[2Jx"))
    assert row["provenance"]["component"] == "\x1b[2Jx"
    done = call("cvbench", "stats", build)
    assert done.returncode == 0 and "\x1b" not in done.stdout + done.stderr
    edit(build, lambda r: r.update(type="\x1b[2J"))
    done = call("cvbench", "stats", build)
    assert done.returncode == 2 and "\x1b" not in done.stderr
