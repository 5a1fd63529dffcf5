"""The run folder with crashes, damage, a second writer and a full disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cambrian_eval
from cambrian_eval.data.rows import DataSpec, load_samples
from cambrian_eval.demo import miniature
from cambrian_eval.errors import UserError
from cambrian_eval.registry import load_benchmark
from cambrian_eval.running.records import Cell, Record, decode, encode
from cambrian_eval.running.store import Run, create_or_open, open_run
from cambrian_eval.sample import Response, Sample, Verdict
from cambrian_eval.scoring.reply import Reply

CELL = Cell("docvqa", "on")


def record(i: str, text: str = "text") -> Record:
    return Record.of(Response(i, text), key="k" * 32, prompt="what?", images=("p" * 64,))


@given(st.text(), st.text())
def test_any_text_survives_the_file(identity: str, text: str) -> None:
    line = encode(record(identity, text))
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert decode(line[:-1]) == record(identity, text)


def test_a_lone_surrogate_survives_the_file() -> None:
    odd = record("1", "half \ud83d of an emoji")
    assert decode(encode(odd)[:-1]) == odd


@given(st.data())
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    line = bytearray(encode(record("1", "some answer"))[:-1])
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] ^= 1 << data.draw(st.integers(0, 7))
    assert decode(bytes(line)) is None


Step = st.one_of(
    st.tuples(st.just("append"), st.text(min_size=1, max_size=3), st.text(max_size=8)),
    st.tuples(st.just("crash"), st.integers(1, 40), st.none()),
    st.tuples(st.just("reopen"), st.none(), st.none()),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(Step, max_size=25))
def test_any_sequence_of_append_crash_and_reopen(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple]) -> None:  # type: ignore[type-arg]
    """The file holds exactly what was appended and not cut off by a crash."""
    run = Run(tmp_path_factory.mktemp("run"))
    path = run.path / "responses" / f"{CELL.stem}.jsonl"
    lines: list[bytes] = []
    for action, first, second in steps:
        if action == "append":
            writer = run.writer(CELL)
            writer.append(record(first, second))
            writer.close()
            lines.append(encode(record(first, second)))
        elif action == "crash" and lines:  # the last line is cut, as when the machine stops during a write
            cut = min(first, len(lines[-1]))
            with path.open("rb+") as file:
                file.truncate(path.stat().st_size - cut)
            lines.pop()
            with run.writing():
                pass
        else:
            with run.writing():
                pass
        expected = {r.id: r for line in lines if (r := decode(line[:-1]))}
        assert run.responses(CELL) == expected


def test_a_damaged_line_in_the_middle_is_set_aside(tmp_path: Path) -> None:
    run = Run(tmp_path)
    writer = run.writer(CELL)
    for i in range(3):
        writer.append(record(str(i)))
    writer.close()
    path = tmp_path / "responses" / "docvqa.on.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[1] = lines[1].replace(b"what?", b"whut?")
    path.write_bytes(b"\n".join(lines))
    assert set(run.responses(CELL)) == {"0", "2"}
    with run.writing() as notes:
        assert any("1 torn or damaged" in note for note in notes)
    assert b"whut?" in path.with_name("docvqa.on.jsonl.damaged").read_bytes()
    assert b"whut?" not in path.read_bytes()


HOLD = """
import pathlib, sys
from cambrian_eval.running.store import Run

with Run(pathlib.Path(sys.argv[1])).writing():
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_second_writer_is_refused_and_named(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with pytest.raises(UserError, match=f"process {holder.pid} on"), Run(tmp_path).writing():
        pass
    holder.communicate("\n", timeout=30)
    with Run(tmp_path).writing() as notes:
        assert notes == []


def test_a_lock_left_behind_is_taken_over_and_named(tmp_path: Path) -> None:
    code = (
        "import os, pathlib; from cambrian_eval.running.store import Run\n"
        f"w = Run(pathlib.Path({str(tmp_path)!r})).writing(); w.__enter__(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    with Run(tmp_path).writing() as notes:
        assert len(notes) == 1 and "stale lock" in notes[0] and "process" in notes[0]


def test_folders_that_are_no_runs(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no run\.json"):
        open_run(tmp_path)
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match=r"thesis\.tex"):
        create_or_open(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "run.json").write_text('{"schema": 99}')
    with pytest.raises(UserError, match="newer"):
        open_run(other)
    (other / "run.json").write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        open_run(other)
    (other / "run.json").write_text('{"a": 1}')
    with pytest.raises(UserError, match="schema"):
        open_run(other)
    with pytest.raises(UserError, match="is a file"):
        create_or_open(tmp_path / "thesis.tex")


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path)
    writer = run.writer(CELL)
    writer.append(record("0"))
    writer.close()
    path = tmp_path / "responses" / f"{CELL.stem}.jsonl"
    path.rename(tmp_path / "aside")
    path.symlink_to("/dev/full")  # every write to it fails: no space left
    with pytest.raises(UserError, match="disk is full"):
        run.writer(CELL).append(record("1"))
    path.unlink()
    (tmp_path / "aside").rename(path)
    assert set(run.responses(CELL)) == {"0"}


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    run = Run(tmp_path)
    writer = run.writer(CELL)
    writer.append(record("1"))
    assert list(run.responses(CELL)) == ["1"]
    run.responses(CELL).clear()  # a caller's copy
    writer.append(record("2"))
    assert list(run.responses(CELL)) == ["1", "2"]
    writer.close()
    right, wrong = Verdict(1.0, "a", "rule"), Verdict(0.0, "a", "rule")
    run.save_verdicts(CELL, "fuzzy", ["1"], [right])
    assert run.verdicts(CELL, "fuzzy") == {"1": right}
    run.save_verdicts(CELL, "fuzzy", ["1"], [wrong])  # the file has the same size
    assert run.verdicts(CELL, "fuzzy") == {"1": wrong}
    run.save_samples("docvqa", [Sample("1", 0, "what?"), Sample("2", 1, "what?")])
    before = run.inputs(CELL)
    run.save_samples("docvqa", [Sample("1", 0, "who?"), Sample("2", 1, "what?")])
    after = run.inputs(CELL)
    assert before["1"] != after["1"] and before["2"] == after["2"]


def test_samples_that_a_run_has_just_stored_are_those_that_another_program_reads(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for name in miniature.names():
        run.save_samples(name, load_samples(load_benchmark(name), DataSpec(mini=6, offline=True)).samples)
        assert repr(run.samples(name)) == repr(Run(tmp_path).samples(name)), name


def test_a_verdict_with_a_key_twice_is_refused(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save_verdicts(CELL, "fuzzy", ["1"], [Verdict(1.0, "a", "rule")])
    path = tmp_path / "verdicts" / "docvqa.on.fuzzy.jsonl"
    path.write_text(path.read_text().replace('"rule":"rule"', '"value":0.0,"rule":"rule"'))
    with pytest.raises(UserError, match=r"line 1 .*'value' occurs twice"):
        run.verdicts(CELL, "fuzzy")


def test_a_lone_surrogate_in_a_verdict_becomes_its_escape(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save_verdicts(CELL, "fuzzy", ["1"], [Verdict(0.0, "half \ud83d", "rule")])
    assert run.verdicts(CELL, "fuzzy")["1"].extracted == "half \\ud83d"


def test_a_scorer_may_give_values_that_are_subclasses_of_plain_ones(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save_verdicts(CELL, "own", ["1"], [Verdict(np.float64(0.25), Reply("a cat"), "rule")])
    [line] = (tmp_path / "verdicts" / "docvqa.on.own.jsonl").read_text().splitlines()
    assert json.loads(line) == {"id": "1", "value": 0.25, "extracted": "a cat", "rule": "rule", "outcome": "read"}


def test_run_json_that_another_program_changes_is_read_again(tmp_path: Path) -> None:
    done = cambrian_eval.run("chance", "mmvp", tmp_path / "run", data="mini:4")
    run, file = done.run.stored, tmp_path / "run" / "run.json"
    run.info["model"]["name"] = "changed in memory alone"
    assert run.info["model"]["name"] == "chance"
    file.write_text(file.read_text().replace('"name": "chance"', '"name": "other"'))
    assert run.info["model"]["name"] == "other"
    file.write_text(file.read_text().replace('"model": {', '"model": 7, "x": {'))
    with pytest.raises(UserError, match=r"run\.json"):
        run.info  # noqa: B018 - checks the file
