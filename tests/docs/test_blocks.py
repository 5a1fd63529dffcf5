"""Every fenced block and every command in running text: it parses, and where the page marks it, it is executed."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from cambrian_eval.errors import CambrianEvalError

from .command_lines import check
from .pages import ROOT, Block, blocks, inline_code, pages
from .shell import commands

LABELS = ("bash", "python", "json", "yaml", "toml", "text")
EVERY = [block for page in pages() for block in blocks(page)]
COMMAND = re.compile(r"(\w+=\S+ )*(cambrian-eval |python -m cvbench_builder |python tools/|make \w)|.* cambrian-eval ")


def labelled(*labels: str) -> list[Any]:
    return [pytest.param(block, id=block.place) for block in EVERY if block.label in labels]


@pytest.mark.parametrize("page", pages())
def test_every_block_says_what_it_is(page: str) -> None:
    wrong = [f"{b.place}: {b.label or 'no label'}" for b in blocks(page) if b.label not in LABELS]
    assert not wrong, f"labels are {', '.join(LABELS)}"
    idle = [b.place for b in blocks(page) if b.runs and b.label not in ("bash", "python")]
    assert not idle, "only bash and python blocks can be run"


@pytest.mark.parametrize("block", labelled("bash"))
def test_a_bash_block_is_shell_and_its_commands_exist(block: Block) -> None:
    parsed = subprocess.run(["bash", "-n"], input=block.code, text=True, capture_output=True)
    assert parsed.returncode == 0, f"{block.place}: {parsed.stderr}"
    wrong = []
    for number, words in commands(block.code):
        try:
            check(words)
        except (click.ClickException, CambrianEvalError) as error:
            wrong.append(f"{block.page}:{block.line + number}: {_said(error)}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", pages())
def test_a_command_in_running_text_exists(page: str) -> None:
    wrong = []
    for line, code in inline_code(page):
        for _, words in commands(code) if COMMAND.match(code) else ():
            try:
                check(words, whole=False)
            except (click.ClickException, CambrianEvalError) as error:
                wrong.append(f"{page}:{line}: {_said(error)}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("block", labelled("python"))
def test_a_python_block_compiles(block: Block) -> None:
    ast.parse(block.code, block.place)


@pytest.mark.parametrize("block", labelled("json", "yaml", "toml"))
def test_a_block_of_data_can_be_read(block: Block) -> None:
    if block.label == "toml":
        tomllib.loads(block.code)
    elif block.label == "yaml":
        list(yaml.safe_load_all(block.code))
    else:
        json_values(block.code)


def json_values(code: str) -> None:
    """One value, or one on each line."""
    try:
        json.loads(code)
    except ValueError:
        for line in filter(str.strip, code.split("\n")):
            json.loads(line)


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted({block.page for block in EVERY if block.runs}))
def test_the_blocks_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, in one folder; Python blocks share one namespace. No network, no existing caches."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("XDG_CACHE_HOME", "OPENAI_API_KEY", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in (b for b in blocks(page) if b.runs):
        if block.label == "bash":
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", block.code], text=True, capture_output=True)
            assert done.returncode == 0, f"{block.place}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        else:
            # Empty lines before the code make the traceback name the page's own line.
            exec(compile("\n" * (block.line - 1) + block.code, str(ROOT / page), "exec"), names)


def _said(error: Exception) -> str:
    return error.format_message() if isinstance(error, click.ClickException) else str(error)
