"""Run folders made or changed by others: read, or refused with one line that names the file and the field."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cambrian_eval
from cambrian_eval import UserError
from cambrian_eval.results.grading import score_run
from cambrian_eval.running.records import Cell
from cambrian_eval.running.store import Run, open_run

CELL = Cell("mmvp", "on")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    cambrian_eval.run("chance", ["mmvp"], out, data="mini:4")
    return out


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    value = json.loads(path.read_text())
    path.write_text(json.dumps(change(value) or value))


def without(*keys: str) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        for key in keys[:-1]:
            value = value[key]
        del value[keys[-1]]

    return change


def with_(new: Any, *keys: str) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        for key in keys[:-1]:
            value = value[key]
        value[keys[-1]] = new

    return change


RUN_FILE = [
    (without("schema"), "no schema number"),
    (with_("1", "schema"), "no schema number"),
    (with_(99, "schema"), "newer"),
    (without("model"), "`model`"),
    (with_([], "model"), r"\$\.model"),
    (with_(7, "model", "name"), r"\$\.model\.name"),
    (without("model", "fingerprint"), "`fingerprint`"),
    (with_("all", "benchmarks"), r"\$\.benchmarks"),
    (with_({"mmvp": {}}, "benchmarks"), r"\$\.benchmarks\[\.\.\.\]"),
    (with_("8", "benchmarks", "mmvp", "samples"), r"samples"),
    (with_(None, "benchmarks", "mmvp", "data"), r"data"),
    (with_("on", "conditions"), r"\$\.conditions"),
    (with_([1], "scorers"), r"\$\.scorers\[0\]"),
    (without("responses_depend_on"), "responses_depend_on"),
    (with_([{}], "passes"), "passes"),
    (lambda value: [value], "not a JSON object"),
]


@pytest.mark.parametrize(("change", "reason"), RUN_FILE)
def test_run_json(change: Callable[[Any], Any], reason: str, run: Path) -> None:
    edit(run / "run.json", change)
    with pytest.raises(UserError, match=reason) as refusal:
        open_run(run)
    assert str(run / "run.json") in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, '{"schema": 1, "schema": 1}', "\ufeff", "null"])
def test_run_json_that_is_not_json(content: str, run: Path) -> None:
    (run / "run.json").write_text(content)
    with pytest.raises(UserError, match=r"run\.json"):
        open_run(run)


LINES: list[tuple[str, Callable[[Run], Any], str, Callable[[Any], Any], str]] = [
    ("samples/mmvp.jsonl", lambda r: r.samples("mmvp"), "without an id", without("id"), "`id`"),
    ("samples/mmvp.jsonl", lambda r: r.samples("mmvp"), "a number as question", with_(3, "question"), r"\$\.question"),
    ("samples/mmvp.jsonl", lambda r: r.samples("mmvp"), "text as answers", with_("A", "answers"), r"\$\.answers"),
    (
        "verdicts/mmvp.on.fuzzy.jsonl",
        lambda r: r.verdicts(CELL, "fuzzy"),
        "text as value",
        with_("1", "value"),
        "value",
    ),
    ("verdicts/mmvp.on.fuzzy.jsonl", lambda r: r.verdicts(CELL, "fuzzy"), "no rule", without("rule"), "rule"),
    ("verdicts/mmvp.on.fuzzy.jsonl", lambda r: r.verdicts(CELL, "fuzzy"), "an outcome", with_("odd", "outcome"), "odd"),
    ("verdicts/mmvp.on.fuzzy.jsonl", lambda r: r.verdicts(CELL, "fuzzy"), "no id", without("id"), "id"),
]


@pytest.mark.parametrize(
    ("file", "read", "what", "change", "reason"), LINES, ids=[f"{f} {w}" for f, _, w, _, _ in LINES]
)
def test_lines(
    file: str, read: Callable[[Run], Any], what: str, change: Callable[[Any], Any], reason: str, run: Path
) -> None:
    path = run / file
    first, second, *rest = path.read_text().splitlines()
    value = json.loads(second)
    change(value)
    path.write_text("\n".join([first, json.dumps(value), *rest]) + "\n")
    with pytest.raises(UserError, match=reason) as refusal:
        read(open_run(run))
    assert f"{path} line 2" in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without("results"), "`results`"),
        (with_({}, "results"), "results"),
        (with_([{}], "results"), "results"),
        (with_([3], "results"), "results"),
    ],
)
def test_results_json(change: Callable[[Any], Any], reason: str, run: Path) -> None:
    edit(run / "results.json", change)
    with pytest.raises(UserError, match=reason):
        open_run(run).results()


def test_a_response_line_with_a_right_checksum_and_a_wrong_content_is_damaged(run: Path) -> None:
    import zlib

    path = run / "responses/mmvp.on.jsonl"
    body = b'{"id":"1","key":3}'
    path.write_bytes(path.read_bytes() + body[:-1] + b',"sum":"%08x"}\n' % zlib.crc32(body))
    stored = open_run(run)
    assert len(stored.responses(CELL)) == 4
    with stored.writing() as notes:
        assert any("1 torn or damaged" in note for note in notes)


def test_a_removed_lock_file_lets_no_second_writer_in(run: Path) -> None:
    first, second = open_run(run), open_run(run)
    with first.writing():
        assert str(os.getpid()) in (second.writer_now() or "")
        (run / "lock").unlink()
        assert second.writer_now() is not None
        with pytest.raises(UserError, match="is being written"), second.writing():
            pass
    assert second.writer_now() is None
    score_run(second, ["fuzzy"])
