"""`verify` recomputes what a run or a report states; `seal` makes a changed byte visible."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.command import call, refused


@pytest.fixture
def run(tmp_path: Path) -> Path:
    out = tmp_path / "run"
    done = call("run", "--model", "chance", "--benchmark", "mmvp,mme", "--data", "mini:8", "--out", out, "--quiet")
    assert done.returncode == 0, done.stderr
    return out


def test_an_untouched_run_is_equal_in_everything(run: Path) -> None:
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    done = call("verify", run)
    assert done.returncode == 0, done.stdout
    assert "32 verdicts" in done.stdout and "2 data fingerprints" in done.stdout and "equal" in done.stdout
    assert before == {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("results.json", '"scale": 100.0', '"scale": 99.0', "scale is 99.0 in results.json, recomputed 100.0"),
        ("verdicts/mmvp.on.fuzzy.jsonl", '"outcome":"read"', '"outcome":"unparsed"', "recomputed 'read'"),
        ("responses/mmvp.on.jsonl", '"text":"', '"text":"x', "line 1: the checksum does not fit"),
        ("samples/mmvp.jsonl", '"question":"', '"question":"x', "is another one in the rows"),
        ("results.json", '"partial": true', '"partial": false', "averages"),
    ],
)
def test_a_changed_value_is_named(run: Path, name: str, old: str, new: str, said: str) -> None:
    path = run / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    done = call("verify", run)
    assert done.returncode == 1 and said in done.stdout, done.stdout


def test_rows_that_are_not_at_hand_are_said_to_be_missing(docvqa_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    call("run", "--model", "chance", "--benchmark", "docvqa", "--data-root", docvqa_root, "--out", out, "--quiet")
    moved = docvqa_root.rename(tmp_path / "moved")
    done = call("verify", out)
    assert (
        done.returncode == 0 and "not recomputed: docvqa: rows and samples: the rows are not available" in done.stdout
    )
    assert "1 data fingerprints" in call("verify", out, "--data-root", moved).stdout


def test_a_sealed_run(run: Path, tmp_path: Path) -> None:
    made = call("seal", run).stdout
    root = made.rpartition("root hash: ")[2].strip()
    manifest = json.loads((run / "seal.json").read_text())
    assert manifest["root"] == root and manifest["versions"]["cambrian-eval"] and manifest["hardware"]["cores"]
    assert manifest["files"]["run.json"] == hashlib.sha256((run / "run.json").read_bytes()).hexdigest()
    assert f"root hash: {root}" in call("verify", run).stdout
    assert root in call("report", run, "--out", tmp_path / "report", "--format", "svg").stdout
    (run / "results.json").write_bytes((run / "results.json").read_bytes() + b" ")
    (run / "more.txt").write_text("x")
    done = call("verify", run)
    assert done.returncode == 1
    assert "differs: seal: results.json has changed" in done.stdout and "more.txt was added" in done.stdout
    manifest["versions"]["cambrian-eval"] = "9"
    (run / "seal.json").write_text(json.dumps(manifest))
    assert "seal.json has changed" in call("verify", run).stdout


def test_every_cell_of_a_report(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    assert call("report", run, "--out", folder, "--format", "svg").returncode == 0
    done = call("verify", folder)
    assert done.returncode == 0 and "cells of tables and figures" in done.stdout, done.stdout
    path = folder / "exports/results.csv"
    lines = path.read_text().splitlines()
    cells = lines[1].split(",")
    column = lines[0].split(",").index("score")
    cells[column] = "77.7"
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    done = call("verify", folder)
    assert done.returncode == 1 and "exports/results.csv line 2, score: '77.7'" in done.stdout
    for name in ("tables/scores.md", "tables/scores.tex", "tables/scores.html"):
        table = folder / name
        text = table.read_text()
        table.write_text(text.replace(".0", ".9"))
        assert table.read_text() != text
    done = call("verify", folder)
    for name in ("md", "tex", "html"):
        assert f"differs: tables/scores.{name} line " in done.stdout
    run.rename(tmp_path / "elsewhere")
    assert "is not here" in refused("verify", folder)
