"""What leaves the program: cells of CSV files, names, control characters, and streams that end early."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest

from cambrian_eval.safe_text import csv_cell, csv_text, name_in_csv, name_line, printable
from tests.command import COMMAND, call, refused


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", "＝1", "=\u202e1"]
)
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert csv_cell(text) == "'" + text


@pytest.mark.parametrize("text", ["-5", "+0.5", "-1,547.1", "-1e-3", "-12%", "-", "a=b", "model-7b", "", "'=1"])
def test_numbers_and_plain_texts_stay(text: str) -> None:
    assert csv_cell(text) == text


def test_rows_survive_a_reader_of_csv() -> None:
    text = csv_text(("model", "score"), [("=x\r\ny", 1.5), ("b,c", None), ("d", float("nan"))])
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["model", "score"],
        ["'=x\ny", "1.5"],
        ["b,c", ""],
        ["d", ""],
    ]
    assert name_in_csv("'=x") == "=x" and name_in_csv("'tis") == "'tis"


def test_control_characters_are_written_out() -> None:
    assert printable("a\x1b[2Jb\x07\x9b\r\u202ec\udc80\n\td") == "a\\x1b[2Jb\\x07\\x9b\\x0d\\u202ec\\udc80\n\td"
    assert json.loads('"' + printable("\x9b\udc80", "json") + '"') == "\x9b\udc80"


def test_names_are_one_short_line() -> None:
    assert name_line("a\r\n\\input{x}\x1b") == "a \\input{x}?"
    assert len(name_line("x" * 5000)) == 200
    assert name_line("Cambrian-8B (mine), v1.0 é") == "Cambrian-8B (mine), v1.0 é"


ROW = {"question": "What?", "answer": "4", "prediction": "=HYPERLINK(1)\x1b[31m"}


def test_verdicts_in_csv_and_on_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(ROW | {"prediction": "4"}) + "\n" + json.dumps(ROW) + "\n")
    out = tmp_path / "v.csv"
    assert call("grade", file, "--benchmark", "chartqa", "--out", out).returncode == 0
    assert [r["prediction"] for r in csv.DictReader(out.open(newline=""))][1].startswith("'=HYPERLINK")
    shown = call("grade", file, "--benchmark", "chartqa").stdout
    assert "\x1b" not in shown
    assert json.loads(shown.splitlines()[1])["prediction"] == ROW["prediction"]


def test_an_empty_gold_answer_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [ROW, ROW | {"answer": None}]
    file.write_text("".join(json.dumps(r) + "\n" for r in rows))
    line = refused("grade", file, "--benchmark", "chartqa")
    assert "line 2" in line and "'answer'" in line and "1 of 2" in line


def shell(command: str, cwd: Path) -> list[str]:
    program = " ".join([*COMMAND])
    done = subprocess.run(
        ["bash", "-c", command.replace("EVAL", program)], capture_output=True, text=True, cwd=cwd, timeout=60
    )
    assert "Traceback" not in done.stderr + done.stdout
    return done.stdout.split()


RUN = "EVAL run --model chance --benchmark mmvp --data mini:8 --vision on --scorer fuzzy --out r"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("EVAL list | true; echo ${PIPESTATUS[0]}", "0"),
        (f"{RUN} 2>/dev/null | true; echo ${{PIPESTATUS[0]}}", "0"),
        ("EVAL list > /dev/full; echo $?", "2"),
        ("EVAL list 2>&- >/dev/null; echo $?", "0"),
        ("EVAL list >&-; echo $?", "0"),
        (f"{RUN} >/dev/null 2>/dev/full; echo $?", "0"),
        ("PYTHONWARNINGS=error EVAL list >/dev/null; echo $?", "0"),
        ("EVAL show nothing 2>/dev/full; echo $?", "2"),
    ],
)
def test_streams_that_end_early_keep_the_exit_code(command: str, code: str, tmp_path: Path) -> None:
    assert shell(command, tmp_path)[-1] == code


@pytest.mark.slow
def test_a_closed_stream_gives_its_number_to_no_file(tmp_path: Path) -> None:
    shell(f"{RUN} >&- 2>&-; echo done", tmp_path)
    for line in (tmp_path / "r" / "responses" / "mmvp.on.jsonl").read_bytes().splitlines():
        json.loads(line)
    assert (tmp_path / "r" / "results.json").is_file()


def test_a_warning_is_one_line_without_a_place_in_the_code(tmp_path: Path) -> None:
    words = ("--model", "demo", "--benchmark", "mmvp", "--data", "mini:4", "--quiet", "--out", tmp_path / "run")
    done = call("run", *words, "--system-prompt", "Be brief.")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "image begins at" in line]
    assert line.startswith("warning: the image begins at position")
