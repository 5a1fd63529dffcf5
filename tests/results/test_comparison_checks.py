"""Runs are compared or merged only where their numbers belong together; other differences are said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from cambrian_eval.running.records import Cell, encode
from cambrian_eval.running.store import open_run
from tests.command import call, refused

OFF_ON = ("--data", "mini:8", "--vision", "on", "--scorer", "fuzzy")


def made(folder: Path, *more: str) -> Path:
    done = call("run", "--model", "chance", "--benchmark", "docvqa", *OFF_ON, *more, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return made(tmp_path / "one")


@pytest.fixture
def two(one: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(one, tmp_path / "two"))


def edit_info(folder: Path, change: Callable[[Any], object]) -> None:
    path = folder / "run.json"
    info = json.loads(path.read_text())
    change(info)
    path.write_text(json.dumps(info))


def version(name: str, text: str) -> Callable[[Any], object]:
    def change(info: Any) -> None:
        info["passes"][0]["versions"][name] = text

    return change


def other_image(folder: Path) -> None:
    cell = Cell("docvqa", "on")
    records = open_run(folder).responses(cell)

    first = next(iter(records))
    records[first] = structs.replace(records[first], images=("0" * 64,))
    (folder / "responses" / f"{cell.stem}.jsonl").write_bytes(b"".join(map(encode, records.values())))


def test_equal_runs_are_compared_without_a_word(one: Path, two: Path) -> None:
    done = call("compare", one, two)
    notes = [line for line in done.stdout.splitlines() if line.startswith("note")]
    assert done.returncode == 0 and notes == ["note: synthetic data, no score of the published benchmark: docvqa"]


def test_other_images_under_the_same_questions(one: Path, two: Path) -> None:
    other_image(two)
    assert "other images" in refused("compare", one, two)


def test_versions_and_seeds_are_notes(one: Path, two: Path) -> None:
    edit_info(two, version("torch", "0.1"))
    edit_info(two, version("cambrian-eval", "0.0.1"))
    edit_info(two, lambda info: info["responses_depend_on"].update(seed=7))
    said = call("compare", one, two).stdout
    assert "0.1 in b" in said and "0.0.1 in b" in said and "seed 0 in a, 7 in b" in said


def judged(folder: Path, by: str) -> None:
    shutil.copy(folder / "verdicts/docvqa.on.fuzzy.jsonl", folder / "verdicts/docvqa.on.judge.jsonl")
    path = folder / "results.json"
    results = json.loads(path.read_text())
    results["results"].append(results["results"][0] | {"scorer": "judge", "notes": [f"judged by {by} (api), prompt 1"]})
    path.write_text(json.dumps(results))


def test_different_judges_are_not_compared(one: Path, two: Path) -> None:
    judged(one, "gpt-a")
    judged(two, "gpt-a")
    assert call("compare", one, two, "--scorer", "judge").returncode == 0
    path = two / "results.json"
    path.write_text(path.read_text().replace("gpt-a", "gpt-b"))
    assert "judges differ" in refused("compare", one, two, "--scorer", "judge")


def test_a_result_that_is_not_the_one_of_its_verdicts(one: Path, two: Path) -> None:
    path = two / "results.json"
    results = json.loads(path.read_text())
    results["results"][0]["score"] += 10
    path.write_text(json.dumps(results))
    assert "score the run again" in refused("compare", one, two)


def shards(tmp_path: Path) -> tuple[Path, Path]:
    made(tmp_path / "a", "--shard", "1/2")
    made(tmp_path / "b", "--shard", "2/2")
    return tmp_path / "a", tmp_path / "b"


def test_shards_of_other_versions_are_merged_only_with_a_note(tmp_path: Path) -> None:
    a, b = shards(tmp_path)
    edit_info(b, version("transformers", "0.1"))
    assert "transformers" in refused("merge", a, b, "--out", tmp_path / "m")
    done = call("merge", a, b, "--out", tmp_path / "m", "--allow-versions")
    assert done.returncode == 0 and "merged from runs with different versions" in done.stdout


def test_shards_with_other_seeds_are_not_merged(tmp_path: Path) -> None:
    a, b = shards(tmp_path)
    edit_info(b, lambda info: info["responses_depend_on"].update(seed=7))
    assert "seed" in refused("merge", a, b, "--out", tmp_path / "m")


def test_a_shard_asked_with_an_image_of_another_hash(tmp_path: Path) -> None:
    made(tmp_path / "a", "--benchmark", "ai2d")
    other = Cell("ai2d", "on")

    records = open_run(tmp_path / "a").responses(other)
    first = next(iter(records))
    records[first] = structs.replace(records[first], images=("0" * 64,))
    (tmp_path / "a" / "responses" / f"{other.stem}.jsonl").write_bytes(b"".join(map(encode, records.values())))
    assert "other images" in refused("merge", tmp_path / "a", "--out", tmp_path / "m")
