"""Rows from every kind of folder: the same columns, the same samples, images read only when they are used."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cambrian_eval.data import files
from cambrian_eval.data.rows import DataSpec, load_samples
from cambrian_eval.demo import miniature
from cambrian_eval.errors import UserError
from cambrian_eval.registry import load_benchmark
from tests.conftest import docvqa_row, jsonl, png, write_parquet


def spec(root: Path) -> DataSpec:
    return DataSpec(root=root)


def pixels(sample: Any) -> list[bytes]:
    return [p.load().tobytes() for p in sample.images]


@pytest.mark.parametrize("name", sorted(miniature.NAMES))
@pytest.mark.parametrize("layout", ["parquet", "saved", "jsonl"])
def test_a_folder_gives_the_samples_of_the_rows_in_it(name: str, layout: str, tmp_path: Path) -> None:
    """The miniature rows, written in three layouts, give the same samples again."""
    rows = list(miniature.rows(name, 12))
    expected = load_samples(load_benchmark(name), DataSpec(mini=12)).samples
    write(rows, tmp_path / name, layout)
    found = load_samples(load_benchmark(name), spec(tmp_path)).samples
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.id, ours.question, ours.answers, ours.choices) == (
            theirs.id,
            theirs.question,
            theirs.answers,
            theirs.choices,
        )
        assert pixels(ours) == pixels(theirs)


def write(rows: list[dict[str, Any]], folder: Path, layout: str) -> None:
    if layout == "parquet":
        write_parquet(folder / "rows.parquet", rows, group=5)
    elif layout == "saved":
        import datasets

        features = {k: datasets.Image() for k, v in rows[0].items() if isinstance(v, dict) and "bytes" in v}
        made = datasets.Dataset.from_list(rows)
        for column, feature in features.items():
            made = made.cast_column(column, feature)
        made.save_to_disk(str(folder))
    else:
        folder.mkdir(parents=True)
        jsonl(folder / "rows.jsonl", [plain(row, folder, str(i)) for i, row in enumerate(rows)])


def plain(value: Any, folder: Path, name: str) -> Any:
    """A row with its images written to files and their paths in the columns."""
    if isinstance(value, dict) and set(value) == {"bytes", "path"}:
        (folder / f"{name}.png").write_bytes(value["bytes"])
        return f"{name}.png"
    if isinstance(value, dict):
        return {k: plain(v, folder, f"{name}-{k}") for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v, folder, f"{name}-{i}") for i, v in enumerate(value)]
    return value.item() if hasattr(value, "item") else value


def test_gqa_in_the_layout_of_the_hub(tmp_path: Path) -> None:
    """Questions in one config, images in another, joined on their ids; one image stored for many questions."""
    questions = [
        {"id": str(i), "imageId": f"n{i % 2}", "question": f"q{i}?", "answer": "yes", "types": {"structural": "verify"}}
        for i in range(6)
    ]
    images = [{"id": f"n{i}", "image": {"bytes": png(i), "path": None}} for i in range(2)]
    write_parquet(tmp_path / "gqa/testdev_balanced_instructions/testdev-0.parquet", questions)
    write_parquet(tmp_path / "gqa/testdev_balanced_images/testdev-0.parquet", images)
    samples = load_samples(load_benchmark("gqa"), spec(tmp_path)).samples
    assert [s.image_id for s in samples] == ["n0", "n1"] * 3
    assert [s.images[0].data() for s in samples] == [png(i % 2) for i in range(6)]


def test_the_wanted_split_is_chosen_by_file_name(tmp_path: Path) -> None:
    for split, number in (("test", 1), ("validation", 2)):
        write_parquet(tmp_path / f"docvqa/{split}-00000-of-00001.parquet", [docvqa_row(number, png(number))])
    assert [s.id for s in load_samples(load_benchmark("docvqa"), spec(tmp_path)).samples] == ["2"]
    assert [s.id for s in load_samples(load_benchmark("docvqa", split="test"), spec(tmp_path)).samples] == ["1"]
    (tmp_path / "docvqa/validation-00000-of-00001.parquet").unlink()
    with pytest.raises(UserError, match="found splits: test"):
        load_samples(load_benchmark("docvqa"), spec(tmp_path))


def test_hallusionbench_splits_are_told_apart_by_file_name(tmp_path: Path) -> None:
    """`image` and `non_image` lie in one folder, as on the Hub; both are read only where both are wanted."""
    row = {"category": "VS", "subcategory": "chart", "set_id": "0", "question_id": "0", "question": "Is it?"}
    seen = {"visual_input": "1", "figure_id": "1", "gt_answer": "1", "filename": "a.png"}
    shown = [{**row, **seen, "image": {"bytes": png(1), "path": None}}]
    blind = [{**row, "visual_input": "0", "figure_id": "0", "gt_answer": "0", "filename": None, "image": None}]
    write_parquet(tmp_path / "hallusionbench/data/image-00000-of-00001.parquet", shown)
    write_parquet(tmp_path / "hallusionbench/data/non_image-00000-of-00001.parquet", blind)
    found = [load_samples(load_benchmark("hallusionbench", rows=rows), spec(tmp_path)) for rows in ("image", "all")]
    assert [[len(s.images) for s in loaded.samples] for loaded in found] == [[1], [1, 0]]
    assert found[0].provenance["rows"] == 1
    (tmp_path / "hallusionbench/data/non_image-00000-of-00001.parquet").unlink()
    with pytest.raises(UserError, match="no file of split 'image\\+non_image'; found splits: image"):
        load_samples(load_benchmark("hallusionbench", rows="all"), spec(tmp_path))


def test_vstar_names_images_by_their_place_in_the_repository(tmp_path: Path) -> None:
    folder = tmp_path / "vstar"
    (folder / "direct_attributes").mkdir(parents=True)
    (folder / "direct_attributes/sa_1.jpg").write_bytes(png(1))
    text = "What color is it?\n(A) red\n(B) blue"
    row = {"image": "direct_attributes/sa_1.jpg", "text": text, "category": "direct_attributes", "label": "A"}
    jsonl(folder / "test_questions.jsonl", [{**row, "question_id": "0"}])
    (sample,) = load_samples(load_benchmark("vstar"), spec(tmp_path)).samples
    assert sample.image_id == "direct_attributes/sa_1.jpg" and sample.images[0].data() == png(1)


def test_one_huge_row_group_is_spilled_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGE_GROUP", 1000)
    rows = [docvqa_row(i, png(i % 3), page=i) for i in range(40)]
    write_parquet(tmp_path / "docvqa/rows.parquet", rows, group=1000)
    samples = load_samples(load_benchmark("docvqa"), spec(tmp_path)).samples
    assert [s.images[0].data() for s in samples] == [png(i % 3) for i in range(40)]


def test_images_are_read_when_they_are_used_and_by_row_group(tmp_path: Path) -> None:
    """What is destroyed after loading is missing when it is used; the other row groups stay readable."""
    path = tmp_path / "docvqa/rows.parquet"
    write_parquet(path, [docvqa_row(i, png(i)) for i in range(100)], group=10)
    samples = load_samples(load_benchmark("docvqa"), spec(tmp_path)).samples
    with path.open("r+b") as file:  # the same file, which the reader may hold open
        for start, size in image_pages(path, group=9):
            file.seek(start)
            file.write(bytes(size))
    assert samples[57].images[0].data() == png(57)
    with pytest.raises(OSError):
        samples[95].images[0].data()


def image_pages(path: Path, group: int) -> list[tuple[int, int]]:
    """Offset and size of the image bytes of a row group."""
    import pyarrow.parquet as pq

    meta = pq.ParquetFile(path).metadata.row_group(group)
    chunks = [meta.column(i) for i in range(meta.num_columns)]
    return [
        (min(filter(None, (c.dictionary_page_offset, c.data_page_offset))), c.total_compressed_size)
        for c in chunks
        if c.path_in_schema == "image.bytes"
    ]


def test_an_image_path_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png(0))
    folder = tmp_path / "data" / "ai2d"
    folder.mkdir(parents=True)
    for path in ("../../secret.png", str(tmp_path / "secret.png")):
        jsonl(folder / "rows.jsonl", [{"question": "q", "options": ["a", "b", "c", "d"], "answer": "0", "image": path}])
        with pytest.raises(UserError, match="leaves the data folder"):
            load_samples(load_benchmark("ai2d"), spec(tmp_path / "data"))


def test_a_parquet_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "docvqa").mkdir()
    (tmp_path / "docvqa" / "rows.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(UserError, match=r"rows\.parquet is not a readable Parquet file"):
        load_samples(load_benchmark("docvqa"), spec(tmp_path))


def test_equal_ids_are_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path / "docvqa/rows.parquet", [docvqa_row(1, png(1)), docvqa_row(1, png(1))])
    with pytest.raises(UserError, match="rows 0 and 1 have the same id '1'"):
        load_samples(load_benchmark("docvqa"), spec(tmp_path))


def test_docvqa_test_split_writes_a_submission_and_no_score(tmp_path: Path) -> None:
    import cambrian_eval

    rows = [{**docvqa_row(i, png(i)), "answers": []} for i in range(3)]
    write_parquet(tmp_path / "data/docvqa/test-0.parquet", rows)
    outcome = cambrian_eval.run(
        "chance",
        ["docvqa"],
        tmp_path / "run",
        data_root=tmp_path / "data",
        settings={"docvqa": {"split": "test"}},
    )
    assert outcome.results[0].score is None and outcome.results[0].interval is None
    (written,) = (tmp_path / "run" / "submissions").iterdir()
    assert json.loads(written.read_text()) == [{"questionId": i, "answer": ""} for i in range(3)]


def test_exif_rotation_is_left_as_the_released_scripts_leave_it() -> None:
    from cambrian_eval.image import decode

    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(buffer, "JPEG", exif=exif)
    assert decode(buffer.getvalue()).size == (30, 20)
