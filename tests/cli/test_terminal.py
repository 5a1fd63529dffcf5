"""What a terminal shows: progress, tables, and what differs where output is piped."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cambrian_eval.numbers import number
from tests.command import COMMAND, Word, call, refused

CHANCE = ("run", "--model", "chance", "--data", "mini:4", "--benchmark", "mmvp,gqa")


def on_terminal(*words: Word, columns: int = 80, cwd: Path | None = None) -> str:
    """What a command writes on a terminal of that width, with the sequences that move the cursor."""
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "LINES": "24", "TERM": "xterm"}
    process = subprocess.Popen([*COMMAND, *map(str, words)], stdout=slave, stderr=slave, env=environment, cwd=cwd)
    os.close(slave)
    parts: list[bytes] = []

    def read() -> None:
        try:
            while part := os.read(master, 65536):
                parts.append(part)
        except OSError:  # the other end is closed
            return

    reader = threading.Thread(target=read)
    reader.start()
    process.wait(timeout=120)
    reader.join(timeout=10)
    os.close(master)
    return b"".join(parts).decode("utf-8", "replace").replace("\r\n", "\n")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("terminal") / "run"
    return out, on_terminal(*CHANCE, "--vision", "on,off", "--out", out)


def test_finished_cells_stay_as_lines_and_the_bars_do_not(shown: tuple[Path, str]) -> None:
    text = shown[1]
    assert re.search(r"all \(\d of 4 done\)", text)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    written = [line.rpartition("\r")[2].rstrip() for line in plain.splitlines()]
    lines = [re.fullmatch(r"(\w+\.\w+) +[\d.]+  4 of 4 in .*, synthetic", line) for line in written]
    done = [line[1] for line in lines if line]
    assert done == ["mmvp.on", "mmvp.off", "gqa.on", "gqa.off"]
    assert "\x1b[?25h" in text[text.rindex("\x1b[?25l") :]  # the cursor is shown again


def test_category_rows_are_bold_on_a_terminal_only(shown: tuple[Path, str]) -> None:
    out, text = shown
    assert re.search(r"\x1b\[1mOverall \(synthetic\)[^\n]*\x1b\[0m", text)
    assert f"next: cambrian-eval report {out}" in text
    piped = call(*CHANCE, "--vision", "on,off", "--out", out).stdout
    assert "\x1b" not in piped and "\nOverall (synthetic)" in piped


def test_a_table_is_text_on_a_terminal_and_markdown_in_a_pipe(shown: tuple[Path, str]) -> None:
    out, _ = shown
    text = on_terminal("table", out)
    assert "|" not in text and re.search(r"^model +Avg +GQA +Avg +MMVP +Avg$", text, re.M)
    assert re.search(r"^benchmark +data\)$", on_terminal("table", out, columns=40), re.M)
    piped = call("table", out).stdout
    assert piped.startswith("| Model |") and piped == call("table", out, "--format", "Markdown").stdout
    assert "|" not in call("table", out, "--format", "text").stdout


def test_the_same_number_in_run_and_table(shown: tuple[Path, str]) -> None:
    out, _ = shown
    score = next(
        r["score"] for r in json.loads((out / "results.json").read_text())["results"] if r["benchmark"] == "gqa"
    )
    for words in ((*CHANCE, "--out", str(out)), ("table", str(out)), ("score", str(out), "--full")):
        assert number(score) in call(*words).stdout


def test_the_long_form_has_a_row_for_each_condition_and_scorer(shown: tuple[Path, str]) -> None:
    text = call(*CHANCE, "--vision", "on,off", "--out", shown[0], "--full").stdout
    assert len(re.findall(r"^(?:mmvp|gqa) \(synthetic\) +(?:on|off) +(?:fuzzy|official) ", text, re.M)) == 8


def test_settings_that_differ_are_named_in_words(shown: tuple[Path, str], capfd: pytest.CaptureFixture[str]) -> None:
    out, _ = shown
    words = ("run", "--benchmark", "gqa", "--out", out)
    said = refused(*words, "--model", "baseline:most-frequent", "--data", "mini:8")
    assert "(model: chance -> baseline:most-frequent; data: mini:4 -> mini:8)" in said
    assert "data: mini:4 -> mini:8; gqa: 4 samples differ" in refused(*words, "--model", "chance", "--data", "mini:8")
    assert "limit: none -> 2" in refused(*words, "--model", "chance", "--data", "mini:4", "--limit", 2)
    other = [sys.executable, "-m", "cambrian_eval", *map(str, words), "--model", "baseline:most-frequent", "--debug"]
    done = subprocess.run([*other, "--data", "mini:4"], capture_output=True, text=True)
    assert re.search(r"^model fingerprint: chance-\S+ -> \S+$", done.stderr, re.M)
    assert done.returncode == 2 and done.stderr.splitlines()[-1].startswith("error: ")  # as without --debug


def test_progress_bars_of_libraries_are_part_of_the_stage() -> None:
    from cambrian_eval.cli.bars import Captured

    class Bars:
        def __init__(self) -> None:
            self.lines: list[str] = []
            self.details: list[str] = []

        def say(self, text: str) -> None:
            self.lines.append(text)

        def detail(self, text: str) -> None:
            self.details.append(text)

    bars = Bars()
    stream = Captured(sys.stderr, bars)  # type: ignore[arg-type]
    for text in ("a warn", "ing\n", "\rweights: 10%", "\rweights: 20%\x1b[A", "\n", "\n", "the end\n"):
        stream.write(text)
    assert bars.lines == ["a warning", "the end"] and bars.details == ["weights: 10%", "weights: 20%"]


def test_tables_and_notes_stay_inside_the_terminal(shown: tuple[Path, str]) -> None:
    folder = shown[0].parent
    for words in (("list",), ("compare", "run", "run", "--vision-b", "off"), ("gain", "run")):
        lines = on_terminal(*words, columns=76, cwd=folder).splitlines()
        assert len(lines) > 3 and max(map(len, lines)) <= 76, max(lines, key=len)
