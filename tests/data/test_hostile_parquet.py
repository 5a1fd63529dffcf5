"""Parquet files that are damaged, or small on disk and huge in memory: one line, or one failed sample."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cambrian_eval.data import files
from cambrian_eval.data.rows import DataSpec, load_samples
from cambrian_eval.errors import UserError
from cambrian_eval.registry import load_benchmark
from tests.conftest import png

CHART = load_benchmark("chartqa")


def write(root: Path, columns: dict[str, Any], **options: Any) -> Path:
    path = root / "chartqa" / "rows.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, **options)
    return path


def columns(n: int = 8) -> dict[str, Any]:
    return {
        "question": pa.array([f"What is {i}?" for i in range(n)]),
        "answer": pa.array([str(i) for i in range(n)]),
        "type": pa.array(["human"] * n),
        "image": pa.array([png(i) for i in range(n)]),
    }


def load(root: Path) -> Any:
    return load_samples(CHART, DataSpec(root=root))


def problem(root: Path) -> str:
    with pytest.raises(UserError) as caught:
        load(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_column_that_occurs_twice(tmp_path: Path) -> None:
    path = tmp_path / "chartqa" / "rows.parquet"
    path.parent.mkdir()
    made = columns()
    pq.write_table(pa.Table.from_arrays([*made.values(), made["answer"]], [*made, "answer"]), path)
    assert "'answer' occurs twice" in problem(tmp_path)


@pytest.mark.parametrize("column", ["question", "answer"])
def test_bytes_are_no_text(tmp_path: Path, column: str) -> None:
    made = columns()
    write(tmp_path, made | {column: pa.array([b"What?"] * 8)})
    assert "row 0" in problem(tmp_path) and "text" in problem(tmp_path)


@pytest.mark.parametrize("column", ["answer", "question"])
def test_text_that_is_not_utf8(tmp_path: Path, column: str) -> None:
    bad = pa.Array.from_buffers(pa.string(), 8, pa.array([b"\xff\xfe"] * 8).buffers())
    write(tmp_path, columns() | {column: bad})
    assert "not a readable Parquet file" in problem(tmp_path)


def test_flipped_bytes_are_one_line_or_failed_samples(tmp_path: Path) -> None:
    path = write(tmp_path, columns(), row_group_size=4, write_page_checksum=True)
    good = path.read_bytes()
    for place in range(4, len(good) - 4, max(1, len(good) // 150)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :])
        try:
            samples = load(tmp_path).samples
        except UserError as error:
            assert "\n" not in str(error)
            continue
        for sample in samples:
            for image in sample.images:
                try:
                    image.load()
                except (OSError, ValueError):
                    continue


def test_half_of_the_answers_missing(tmp_path: Path) -> None:
    answers = pa.array([str(i) if i % 2 else None for i in range(8)])
    write(tmp_path, columns() | {"answer": answers})
    line = problem(tmp_path)
    assert "row 0" in line and "'answer'" in line and "4 of 8" in line


def test_a_dictionary_that_unfolds_to_gigabytes_is_not_unfolded(tmp_path: Path) -> None:
    """400 cells share one text of 40 MB: 16 GB, in a file of a few megabytes."""
    big = pa.DictionaryArray.from_arrays(pa.array([0] * 400), pa.array(["x" * (40 << 20)]))
    made = columns(400)
    path = write(tmp_path, made | {"note": big}, compression="zstd", store_schema=False)
    assert path.stat().st_size < 8 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert len(load(tmp_path).samples) == 400  # the column is not used
    write(tmp_path, made | {"question": big}, compression="zstd", store_schema=False)
    assert "bytes, more than the limit" in problem(tmp_path)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 1500, grown


def test_images_that_unfold_are_failed_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST_GROUP", 1 << 20)
    same = pa.DictionaryArray.from_arrays(pa.array([0] * 8), pa.array([b"x" * (200 << 10)]))
    images = pa.StructArray.from_arrays([same.dictionary_decode(), pa.array(["a.png"] * 8)], ["bytes", "path"])
    write(tmp_path, columns() | {"image": images})
    with pytest.raises(ValueError, match="unfolds"):
        load(tmp_path).samples[0].images[0].data()
