"""Where rows come from: mirrors, configs, TSV tables, subsets, and content that changes."""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cambrian_eval import UserError
from cambrian_eval.benchmark import HubSource, Mirror
from cambrian_eval.benchmarks.vision_centric.blink import BLINK
from cambrian_eval.benchmarks.vision_centric.countbenchqa import CountBenchQA
from cambrian_eval.data.rows import DataSpec, load_samples
from cambrian_eval.data.seen import recorded, seen_file
from cambrian_eval.registry import benchmark_names, load_benchmark
from tests.conftest import png

COMMIT = "0" * 40


@pytest.fixture(autouse=True)
def caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CAMBRIAN_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")


def rows(n: int, first: int = 2) -> list[dict[str, Any]]:
    image = {"bytes": png(1), "path": None}
    return [{"image": image, "question": f"How many of kind {i}?", "number": first + i} for i in range(n)]


def write(folder: Path, made: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(made), folder / "test-00000-of-00001.parquet")
    return folder


def counting(primary: Path, *mirrors: Path, n_rows: int = 3) -> CountBenchQA:
    class Local(CountBenchQA):
        @property
        def source(self) -> HubSource:
            others = tuple(Mirror(str(m), revision=COMMIT) for m in mirrors)
            columns = ("image", "question", "number")
            return HubSource(str(primary), "test", n_rows, columns, revision=COMMIT, mirrors=others)

    return Local()


def test_mirrors_are_tried_in_order_and_the_run_says_which(tmp_path: Path) -> None:
    mirror = write(tmp_path / "second", rows(3))
    benchmark = counting(tmp_path / "none", tmp_path / "neither", mirror)
    loaded = load_samples(benchmark, DataSpec())
    assert len(loaded.samples) == 3 and str(mirror) in loaded.provenance["from"]
    assert any("because" in w and str(tmp_path / "none") in w for w in loaded.warnings)
    assert loaded.samples[0].images[0].load().size == (64, 64)


def test_without_any_address_one_line_names_them(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"could not be downloaded.*also tried: .*neither"):
        load_samples(counting(tmp_path / "none", tmp_path / "neither"), DataSpec())


def test_content_is_recorded_when_first_seen_and_a_change_is_reported(tmp_path: Path) -> None:
    first, other = write(tmp_path / "first", rows(3)), write(tmp_path / "other", rows(3, first=5))
    assert not load_samples(counting(first), DataSpec()).warnings
    ((key, entry),) = recorded().items()
    assert key.startswith("countbenchqa ") and entry["rows"] == 3
    same = load_samples(counting(first), DataSpec())
    assert not same.warnings and same.provenance["content"] == entry["content"]
    pq.write_table(pq.read_table(other), first / "test-00000-of-00001.parquet")
    changed = load_samples(counting(first), DataSpec()).warnings
    assert len(changed) == 1 and "the rows differ from those first seen on" in changed[0]
    assert recorded() == {key: entry}, "what was first seen stays recorded"
    seen_file().write_text("not JSON")
    assert not load_samples(counting(first), DataSpec()).warnings


def test_every_benchmark_names_rows_columns_and_the_moved_address() -> None:
    for name in benchmark_names():
        source = load_benchmark(name).source
        assert source.columns and ((source.n_rows is None) == (name == "3dsrbench"))
        assert source.is_published == (name != "cvbench_extra")
        first, *others = source.addresses()
        assert first.repo == source.repo
        if source.repo.startswith("lmms-lab/"):
            assert others[0].repo == source.repo.replace("lmms-lab/", "lmms-lab-encoder/")


def test_a_tsv_holds_base64_images_and_references_to_them(tmp_path: Path) -> None:
    folder = tmp_path / "3dsrbench"
    folder.mkdir()
    image = base64.b64encode(png(3, (20, 12))).decode()
    head = ["index", "qid", "question", "A", "B", "C", "D", "answer", "category", "image_source", "image"]
    lines = [
        ["0", "AAAAAAAA", 'Which "side",\nleft or right?', "left", "right", "", "", "A", "location_above", "x", image],
        ["1", "AAAAAAAA-1", "Which side?", "right", "left", "", "", "B", "location_above", "x", "0"],
    ]
    with (folder / "3dsrbench_v1_vlmevalkit_circular.tsv").open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([head, *lines])
    loaded = load_samples(load_benchmark("3dsrbench"), DataSpec(root=tmp_path))
    first, second = loaded.samples
    assert first.question == 'Which "side",\nleft or right?' and first.options == {"A": "left", "B": "right"}
    assert first.images[0].load().size == (20, 12) and first.images[0].sha256 == second.images[0].sha256
    assert first.group == second.group == "AAAAAAAA" and loaded.complete and not loaded.warnings


def test_a_broken_tsv_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "3dsrbench"
    folder.mkdir()
    (folder / "t.tsv").write_text("index\tquestion\n1\ta\tb\n")
    with pytest.raises(UserError, match=r"t\.tsv line 2: not as many cells"):
        load_samples(load_benchmark("3dsrbench"), DataSpec(root=tmp_path))


def test_vstar_reads_its_folder_and_refuses_paths_that_leave_it(tmp_path: Path) -> None:
    folder = tmp_path / "vstar"
    (folder / "direct_attributes").mkdir(parents=True)
    (folder / "direct_attributes" / "a.jpg").write_bytes(png(1))
    row = {"image": "direct_attributes/a.jpg", "text": "What?\n(A) x\n(B) y", "category": "direct_attributes"}
    lines = [{**row, "question_id": 0, "label": "A"}, {**row, "question_id": 0, "label": "B", "category": "other"}]
    table = folder / "test_questions.jsonl"
    table.write_text("\n".join(map(json.dumps, lines)))
    loaded = load_samples(load_benchmark("vstar"), DataSpec(root=tmp_path))
    assert [s.id for s in loaded.samples] == ["direct_attributes/0", "other/0"]
    assert loaded.samples[0].images[0].load().size == (64, 64)
    table.write_text(json.dumps({**lines[0], "image": "../../secret.png"}))
    with pytest.raises(UserError, match=r"line 1: the image path .* leaves the folder"):
        load_samples(load_benchmark("vstar"), DataSpec(root=tmp_path))


def test_blink_recognizes_the_old_answers_by_their_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the hash of three made-up letters in the place of the real one: ids decide the order, not rows."""
    import hashlib

    monkeypatch.setattr("cambrian_eval.benchmarks.vision_centric.blink.OLD_GOLDS", hashlib.sha256(b"ACB").hexdigest())
    benchmark = BLINK()

    def golds(*letters: str) -> tuple[str, ...]:
        made = []
        for place, gold in zip((3, 1, 2), letters, strict=True):
            row = {"idx": f"val_Relative_Reflectance_{place}", "sub_task": "Relative_Reflectance", "prompt": "?"}
            made.append(benchmark.to_sample({**row, "choices": ["a", "b", "c"], "answer": f"({gold})"}, 0))
        return benchmark.data_notes(made)

    assert golds("B", "A", "C") and "before September 2025" in golds("B", "A", "C")[0]
    assert not golds("B", "C", "A") and not golds("A", "C", "B")


def test_vqav2_asks_a_fixed_subset_of_whole_images() -> None:
    benchmark = load_benchmark("vqav2")

    def sample(i: int) -> Any:
        row = {"question_id": i, "image_id": i // 5, "question": "What?", "answers": ["a"] * 10}
        return benchmark.to_sample(row, i)

    samples = [sample(i) for i in range(7000)]
    kept = benchmark.subset(samples)
    assert 5000 <= len(kept) < 5005
    images = {s.image_id for s in kept}
    assert len(kept) == 5 * len(images), "all questions of an image, or none"
    assert [s.id for s in benchmark.subset(samples[::-1])] == [s.id for s in kept][::-1], "the order does not matter"
    assert benchmark.subset(samples[:4000]) == samples[:4000]
    assert len(load_benchmark("vqav2", rows="full").subset(samples)) == 7000
