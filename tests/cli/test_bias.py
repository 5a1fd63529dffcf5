"""`cambrian-eval bias` as a user types it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval.results import subsets
from tests.command import call, refused


def bias(out: Path, *words: str | Path) -> Any:
    done = call("bias", *words, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_text_and_files(tmp_path: Path) -> None:
    """MMVP's pairs have one text and opposite answers, so every predictor is exactly at chance."""
    done = call("bias", "mmvp,llava_wild", "--data", "mini:24", "--out", tmp_path / "s", "--margin", 40)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "mmvp: 24 rows, 12 images or groups" in lines
    assert any(" ".join(line.split()) == "first words 50.0 50.0 +0.0 +0.0 .. +0.0 25.0" for line in lines)
    assert "result: no bias found (most frequent letter +0.0, p = 1.0000)" in lines
    assert "debiased: 24 of 24 rows; best predictor +0.0 before, +0.0 after" in lines
    assert "note: synthetic data, no statement about the published benchmark: mmvp" in lines
    assert f"subset: {tmp_path}/s/debiased.json; score it with --subset {tmp_path}/s/debiased.json" in lines
    assert "left out: llava_wild is graded by a judge" in done.stderr
    assert max(map(len, lines[: lines.index(f"samples: {tmp_path}/s/solvability.csv")])) <= 80
    with (tmp_path / "s/solvability.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24 and {row["first words"] for row in rows} == {row["chance"] for row in rows} == {"0.5000"}
    found = subsets.read(str(tmp_path / "s/debiased.json"))
    assert found.name == "debiased" and found.ids["mmvp"] == tuple(row["id"] for row in rows)
    assert found.recipe["benchmarks"]["mmvp"]["data"]["synthetic"] is True


def test_a_run_has_its_own_rows(tmp_path: Path) -> None:
    run = tmp_path / "run"
    made = call("run", "--model", "chance", "--benchmark", "gqa,textvqa", "--data", "mini:40", "--out", run)
    assert made.returncode == 0, made.stderr
    of_run = bias(tmp_path / "a", run, "--margin", "60")
    of_data = bias(tmp_path / "b", "gqa,textvqa", "--data", "mini:40", "--margin", "60")
    assert of_run["benchmarks"] == of_data["benchmarks"]
    assert [b["free"] for b in of_run["benchmarks"]] == [40, 40] and len(of_run["benchmarks"][0]["items"]) == 40
    left, right = (subsets.read(str(tmp_path / name / "debiased.json")) for name in "ab")
    assert left.ids == right.ids and left.recipe["benchmarks"]["gqa"]["data"]["run"] == str(run)
    said = refused("bias", run, "--data", "mini:40", "--out", tmp_path / "c")
    assert "is a run, which has its own rows; leave --data, --data-root and --set out" in said


def test_no_subset_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "debiased.json").write_text("{}")
    done = call("bias", "gqa", "--data", "mini:40", "--out", tmp_path)
    assert done.returncode == 0 and "debiased: no subset found" in done.stdout
    assert not (tmp_path / "debiased.json").exists() and "subset:" not in done.stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["mmvvp", "--data", "mini"], "unknown benchmark"),
        (["runs/none", "--data", "mini"], "runs/none is neither a run folder (it has no run.json) nor a benchmark"),
        (["llava_wild", "--data", "mini"], "llava_wild is graded by a judge"),
        (["mmvp", "--data", "mini:4"], "too few for 5 folds; at least 10 are needed"),
        (["mmvp", "--data", "mini:40", "--by", "shape"], "--by shape: the samples of mmvp have no such tag"),
        (["mmvp", "--data", "mini", "--set", "gqa.x=1"], "--set names benchmark 'gqa'"),
        (["mmvp", "--data", "mini", "--folds", "1"], "--folds"),
    ],
)
def test_wrong_input_is_one_line(tmp_path: Path, words: list[str], text: str) -> None:
    assert text in refused("bias", *words, "--out", tmp_path)
