"""Reports of runs made by somebody else: names, folders and files that would do harm."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.command import call, refused

NAMES = [
    "=cmd|' /C calc'!A0",
    "a\r\\write18{touch pwned}\n\\input{/etc/passwd}",
    "\x1b[2J\x07name",
    "lone \udc80 surrogate",
    "x" * 5000,
    "/",
    "../../../up",
]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    words = ("--benchmark", "mmvp,ai2d", "--data", "mini:8", "--vision", "on,off", "--scorer", "fuzzy")
    assert call("run", "--model", "chance", *words, "--out", folder).returncode == 0
    return folder


@pytest.fixture
def run(stored: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored, tmp_path / "run"))


def edit(run: Path, **model: Any) -> None:
    path = run / "run.json"
    info = json.loads(path.read_text())
    info["model"].update(model)
    path.write_text(json.dumps(info))


@pytest.mark.parametrize("name", NAMES)
def test_any_name(run: Path, tmp_path: Path, name: str) -> None:
    edit(run, name=name)
    out = tmp_path / "out"
    done = call("report", run, "--out", out, "--no-images", "--format", "svg")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout and "\r" not in done.stdout
    assert {p.parent for p in tmp_path.rglob("*.json")} <= {run, *(p for p in out.rglob("*") if p.is_dir())}
    tex = (out / "tables" / "scores.tex").read_text()
    assert "\\write18" not in tex and "\\input" not in tex
    assert all(line.count("\\\\") <= 1 for line in tex.splitlines())
    for file in out.rglob("*.csv"):
        for row in csv.reader(file.open(newline="", encoding="utf-8")):
            assert not any(cell.startswith(("=", "@", "\t", "\r")) for cell in row)
    for command in (("compare", run, run, "--vision-b", "off"), ("status", run), ("table", run, "--format", "latex")):
        shown = call(*command)
        assert shown.returncode == 0, shown.stderr
        assert "\x1b" not in shown.stdout and (command[0] != "table" or "\\input" not in shown.stdout)


def test_two_names_with_one_file_name_both_get_a_file(run: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run, tmp_path / "other"))
    edit(run, name="a/b")
    edit(other, name="a:b")
    assert call("report", run, other, "--out", tmp_path / "out", "--no-images", "--format", "svg").returncode == 0
    models = {json.loads(p.read_text())["model_name"] for p in (tmp_path / "out" / "exports" / "lm-eval").iterdir()}
    assert models == {"a/b (synthetic data)", "a:b (synthetic data)"}


def test_a_page_that_it_did_not_write_is_kept(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("my own page")
    assert "not written by this command" in refused("report", run, "--out", out, "--no-images", "--format", "svg")
    assert [p.name for p in out.iterdir()] == ["report.html"]
    (out / "report.html").unlink()
    for _ in range(2):
        assert call("report", run, "--out", out, "--no-images", "--format", "svg").returncode == 0


def data(run: Path, **values: Any) -> None:
    path = run / "run.json"
    info = json.loads(path.read_text())
    info["data"] = values
    path.write_text(json.dumps(info))


def test_a_folder_that_a_run_names_is_not_opened(run: Path, tmp_path: Path) -> None:
    (tmp_path / "trap" / "mmvp").mkdir(parents=True)
    os.mkfifo(tmp_path / "trap" / "mmvp" / "rows.jsonl")
    data(run, kind="folder", root=str(tmp_path / "trap"))
    done = call("report", run, "--out", tmp_path / "out", "--format", "svg")
    assert done.returncode == 0 and "--data-root" in done.stdout


@pytest.mark.parametrize("kind", ["mini:100000000", "mini:²", "mini:x", "nonsense", "", None])
def test_a_kind_of_data_with_any_number(run: Path, tmp_path: Path, kind: str | None) -> None:
    data(run, kind=kind)
    assert call("report", run, "--out", tmp_path / "out", "--format", "svg").returncode == 0


def test_a_full_disk(run: Path) -> None:
    assert "No space left" in refused("table", run, "--format", "csv", "--out", "/dev/full")
