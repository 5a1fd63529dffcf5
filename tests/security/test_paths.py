"""Paths in data rows stay inside the data root, however they are written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval.data.rows import DataSpec, load_samples
from cambrian_eval.errors import UserError
from cambrian_eval.registry import load_benchmark
from tests.conftest import docvqa_row, jsonl, png, write_parquet


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with one image inside, one outside, and a link from one to the other."""
    folder = tmp_path / "data" / "docvqa"
    folder.mkdir(parents=True)
    (folder / "inside.png").write_bytes(png(1))
    (tmp_path / "secret.png").write_bytes(png(2))
    (tmp_path / "data-and-more").mkdir()
    (tmp_path / "data-and-more" / "secret.png").write_bytes(png(2))
    os.symlink(tmp_path / "secret.png", folder / "link.png")
    os.symlink(tmp_path, folder / "up")
    os.symlink("loop.png", folder / "loop.png")
    return tmp_path / "data"


def outside(root: Path) -> list[str]:
    return [
        "../../secret.png",
        "inside/../../../secret.png",
        str(root.parent / "secret.png"),
        "link.png",
        "up/secret.png",
        "../../data-and-more/secret.png",
        "/etc/hostname",
        "/proc/self/environ",
        "loop.png",
        "nul\0byte.png",
    ]


def rows(made_image: Any) -> list[dict[str, Any]]:
    return [{**docvqa_row(i, b""), "image": made_image if i == 1 else "inside.png"} for i in range(3)]


def load(root: Path) -> Any:
    return load_samples(load_benchmark("docvqa"), DataSpec(root=root)).samples


def refuse(root: Path) -> None:
    with pytest.raises(UserError, match=r"image path .*(leaves the data folder|cannot be resolved)"):
        for sample in load(root):
            for made_image in sample.images:
                made_image.data()


@pytest.mark.parametrize("i", range(10))
def test_jsonl(root: Path, i: int) -> None:
    jsonl(root / "docvqa/validation.jsonl", rows(outside(root)[i]))
    refuse(root)


@pytest.mark.parametrize("i", range(10))
def test_parquet(root: Path, i: int) -> None:
    write_parquet(root / "docvqa/validation-0.parquet", rows(outside(root)[i]))
    refuse(root)


@pytest.mark.parametrize("i", [0, 2, 3, 4, 5, 7])
def test_saved_data_sets(root: Path, i: int, tmp_path: Path) -> None:
    import datasets

    made = [{**row, "image": {"bytes": None, "path": row["image"]}} for row in rows(outside(root)[i])]
    made[0]["image"] = made[2]["image"] = {"bytes": png(1), "path": None}
    found = datasets.Dataset.from_list(made)  # as plain structs, otherwise saving would store the files' bytes
    (root / "docvqa").rename(tmp_path / "aside")
    found.save_to_disk(root / "docvqa")
    for link in (tmp_path / "aside").iterdir():
        link.rename(root / "docvqa" / link.name)
    refuse(root)


def test_texts_in_the_image_column_of_a_saved_data_set(root: Path) -> None:
    import datasets

    datasets.Dataset.from_list(rows(str(root.parent / "secret.png"))).save_to_disk(root / "docvqa")
    refuse(root)


def test_paths_inside_are_read(root: Path) -> None:
    """Also where the whole folder is a symbolic link."""
    (root / "docvqa").rename(root.parent / "elsewhere")
    os.symlink(root.parent / "elsewhere", root / "docvqa")
    jsonl(root / "docvqa/validation.jsonl", rows(str(root / "docvqa" / "inside.png")))
    assert [s.images[0].data() for s in load(root)] == [png(1)] * 3


def test_the_original_layout_of_mmvp(tmp_path: Path) -> None:
    folder = tmp_path / "data/mmvp"
    (folder / "MMVP Images").mkdir(parents=True)
    (tmp_path / "secret.jpg").write_bytes(png(2))
    os.symlink(tmp_path / "secret.jpg", folder / "MMVP Images/1.jpg")
    (folder / "Questions.csv").write_text("Index,Question,Options,Correct Answer\n1,Is it?,(a) Yes (b) No,(a)\n")
    with pytest.raises(UserError, match="leaves the data folder"):
        load_samples(load_benchmark("mmvp"), DataSpec(root=tmp_path / "data"))
    (folder / "Questions.csv").write_text(
        "Index,Question,Options,Correct Answer\n../../../secret,Is it?,(a) Yes (b) No,(a)\n"
    )
    with pytest.raises(UserError, match=r"leaves the data folder|does not exist"):
        load_samples(load_benchmark("mmvp"), DataSpec(root=tmp_path / "data"))
