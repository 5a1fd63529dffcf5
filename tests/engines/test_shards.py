"""Sharded runs and merging: shards are a partition, merging checks everything, the merged run equals one run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cambrian_eval
from cambrian_eval.errors import UserError
from cambrian_eval.results.grading import score_run
from cambrian_eval.running.merging import Merged
from cambrian_eval.running.merging import merge_runs as join
from cambrian_eval.running.records import Cell
from cambrian_eval.running.sharding import Shard
from cambrian_eval.sample import Sample
from tests.conftest import Scripted, answer_number, docvqa_row, png, write_parquet
from tests.engines.models import Raises

pytestmark = pytest.mark.slow

names = st.one_of(st.none(), st.sampled_from("abcdefgh"))


@given(st.lists(st.tuples(names, names), max_size=40), st.integers(1, 6))
def test_shards_are_a_partition_that_keeps_images_and_groups_together(shape: list[Any], n: int) -> None:
    samples = [Sample(str(i), i, "?", image_id=p, group=g) for i, (p, g) in enumerate(shape)]
    parts = [Shard(i + 1, n).of(samples) for i in range(n)]
    where = {s.id: i for i, part in enumerate(parts) for s in part}
    assert sum(map(len, parts)) == len(where) == len(samples)
    for a in samples:
        for b in samples:
            if (a.image_id is not None and a.image_id == b.image_id) or (a.group is not None and a.group == b.group):
                assert where[a.id] == where[b.id]
    assert all([s.index for s in part] == sorted(s.index for s in part) for part in parts)


@given(st.integers(0, 200), st.integers(1, 9))
def test_shards_of_single_samples_differ_by_one_at_most(count: int, n: int) -> None:
    sizes = [len(Shard(i + 1, n).of([Sample(str(k), k, "?") for k in range(count)])) for i in range(n)]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "1/0", "-1/3", "a/b", "1/2/3", "1.0/2"])
def test_invalid_shards_are_an_error(text: str) -> None:
    with pytest.raises(UserError, match="i/n"):
        Shard.parse(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rows = [docvqa_row(i, png(i // 3) if i != 36 else b"", page=i // 3) for i in range(70)]
    write_parquet(tmp_path / "data/docvqa/validation-0.parquet", rows)
    return tmp_path / "data"


def go(root: Path, out: Path, model: Any = None, **more: Any) -> Any:
    return cambrian_eval.run(
        model or Raises(), ["docvqa"], out, data_root=root, **{"vision": ["on", "shuffled"], **more}
    )


def merge_runs(paths: Sequence[Path], out: Path, allow_gaps: bool = False) -> Merged:
    """Merges and scores, as the command does."""
    merged = join(paths, out, allow_gaps)
    score_run(merged.run, merged.run.info["scorers"])
    return merged


def test_shards_merged_equal_one_run(root: Path, tmp_path: Path) -> None:
    whole = go(root, tmp_path / "whole")
    parts = [go(root, tmp_path / f"part{i}", shard=f"{i}/3") for i in (1, 2, 3)]
    assert sum(p.n for p in parts) == whole.n == 140
    assert all(40 <= p.n <= 52 and not p.interrupted for p in parts)
    assert any("partial" in note for note in parts[0].results[0].notes)
    merged = merge_runs([tmp_path / f"part{i}" for i in (3, 1, 2)], tmp_path / "merged")
    assert (merged.n, merged.n_failed, merged.n_missing) == (140, whole.n_failed, 0)
    assert (tmp_path / "merged/results.json").read_bytes() == (tmp_path / "whole/results.json").read_bytes()
    assert merged.run.cells() == whole.run.stored.cells()
    for cell in whole.run.stored.cells():
        assert merged.run.responses(cell) == whole.run.stored.responses(cell)
        assert merged.run.verdicts(cell, "fuzzy") == whole.run.stored.verdicts(cell, "fuzzy")
        stored = (tmp_path / f"merged/responses/{cell.stem}.jsonl").read_text().splitlines()
        assert [json.loads(line)["id"] for line in stored] == [s.id for s in whole.run.stored.samples("docvqa")]
    info = merged.run.info
    assert info["responses_depend_on"] == whole.run.info["responses_depend_on"]
    assert [m["shard"] for m in info["merged_from"]] == ["3/3", "1/3", "2/3"] and len(info["passes"]) == 3
    assert go(root, tmp_path / "merged").n == 140  # a merged run can be resumed; nothing is left to do
    assert (tmp_path / "merged/results.json").read_bytes() == (tmp_path / "whole/results.json").read_bytes()


def test_another_shard_cannot_use_the_same_folder(root: Path, tmp_path: Path) -> None:
    go(root, tmp_path / "run", shard="1/3")
    with pytest.raises(UserError, match="shard: 1/3 -> 2/3"):
        go(root, tmp_path / "run", shard="2/3")


def test_overlaps_gaps_and_different_settings_are_errors(root: Path, tmp_path: Path) -> None:
    for i in (1, 2, 3):
        go(root, tmp_path / f"part{i}", shard=f"{i}/3")
    parts = [tmp_path / f"part{i}" for i in (1, 2, 3)]
    go(root, tmp_path / "half", shard="1/2")
    with pytest.raises(UserError, match=r"part1 and .*half overlap: both have responses to \d+ samples of docvqa.on"):
        merge_runs([*parts, tmp_path / "half"], tmp_path / "out")
    with pytest.raises(UserError, match=r"a response in no run .*shards not named: 2/3"):
        merge_runs([parts[0], parts[2]], tmp_path / "out")
    go(root, tmp_path / "seed", shard="2/3", seed=5)
    with pytest.raises(UserError, match=r"different settings .*seed: 0 and 5"):
        merge_runs([parts[0], tmp_path / "seed", parts[2]], tmp_path / "out")
    go(root, tmp_path / "model", Scripted(answer_number), shard="2/3")
    with pytest.raises(UserError, match=r"plain-1.*scripted-1"):
        merge_runs([parts[0], tmp_path / "model", parts[2]], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="not a run folder"):
        merge_runs([*parts, tmp_path / "data"], tmp_path / "out")
    with pytest.raises(UserError, match="not made by merge"):
        merge_runs(parts[:2], parts[2], allow_gaps=True)


def test_a_gap_can_be_allowed_and_filled_later(root: Path, tmp_path: Path) -> None:
    parts = [tmp_path / f"part{i}" for i in (1, 2)]
    go(root, parts[0], shard="1/2")
    first = merge_runs(parts[:1], tmp_path / "out", allow_gaps=True)
    assert first.n_missing == 140 - first.n and not first.run.results()[0].complete
    go(root, parts[1], shard="2/2")
    whole = go(root, tmp_path / "whole")
    assert merge_runs([*parts, tmp_path / "out"], tmp_path / "out").n == 140  # the target is not one of the sources
    assert (tmp_path / "out/results.json").read_bytes() == (tmp_path / "whole/results.json").read_bytes()
    with pytest.raises(UserError, match="that the named runs do not"):
        merge_runs(parts[:1], tmp_path / "out", allow_gaps=True)
    assert whole.n == 140


def test_runs_of_different_benchmarks_can_be_merged(tmp_path: Path) -> None:
    both = cambrian_eval.run("chance", ["mme", "ai2d"], tmp_path / "both", data="mini:10")
    for name in ("mme", "ai2d"):
        cambrian_eval.run("chance", [name], tmp_path / name, data="mini:10")
    merged = merge_runs([tmp_path / "mme", tmp_path / "ai2d"], tmp_path / "merged")
    assert (tmp_path / "merged/results.json").read_bytes() == (tmp_path / "both/results.json").read_bytes()
    assert {r.benchmark for r in merged.run.results()} == {r.benchmark for r in both.results} == {"mme", "ai2d"}


def test_names_that_leave_the_folder_are_an_error(root: Path, tmp_path: Path) -> None:
    go(root, tmp_path / "run")
    path = tmp_path / "run/run.json"
    info = json.loads(path.read_text())
    info["benchmarks"]["../../elsewhere"] = info["benchmarks"]["docvqa"]
    path.write_text(json.dumps(info))
    with pytest.raises(UserError, match="not installed"):
        merge_runs([tmp_path / "run"], tmp_path / "out")
    info["benchmarks"].pop("../../elsewhere")
    info["conditions"] = ["on", "../x"]
    path.write_text(json.dumps(info))
    with pytest.raises(UserError, match="unknown vision condition"):
        merge_runs([tmp_path / "run"], tmp_path / "out")


def test_a_damaged_response_is_a_gap(root: Path, tmp_path: Path) -> None:
    go(root, tmp_path / "run")
    file = tmp_path / "run/responses/docvqa.on.jsonl"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(UserError, match=r"1 samples of docvqa\.on have a response in no run"):
        merge_runs([tmp_path / "run"], tmp_path / "out")
    assert len(open_cell(tmp_path / "run")) == 69


def open_cell(path: Path) -> dict[str, Any]:
    return dict(cambrian_eval.open_run(path).stored.responses(Cell("docvqa", "on")))
