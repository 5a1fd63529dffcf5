"""The migration guide: our commands and options exist, the names are the sixteen, example files can be read."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import cast

import click
import pytest
import typer

from cambrian_eval.benchmark import PAPER
from cambrian_eval.cli.main import app
from cambrian_eval.registry import load_benchmark
from cambrian_eval.results.prediction_files import grade_file

PAGE = (Path(__file__).parents[2] / "docs" / "migrating.md").read_text("utf-8")
SIXTEEN = [name for names in PAPER.values() for name in names]


def _rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its first two lines."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def _verbs() -> dict[str, set[str]]:
    """Every verb with its options, from the command line itself."""
    group = cast(click.Group, typer.main.get_command(app))
    context = click.Context(group)
    verbs = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: {o for p in verb.params for o in p.opts} for name, verb in verbs.items() if verb is not None}


@pytest.mark.parametrize("heading", ["From lmms-eval", "From VLMEvalKit"])
def test_commands_of_ours_exist(heading: str) -> None:
    verbs = _verbs()
    rows = _rows(heading)
    assert len(rows) > 15 and all(len(row) == 2 for row in rows)
    for _, ours in rows:
        for code in re.findall(r"`([^`]+)`", ours):
            words = code.split()
            verb = words[1] if words[0] == "cambrian-eval" else words[0] if words[0] in verbs else "run"
            assert verb in verbs, code
            assert {w for w in words if w.startswith("--")} <= verbs[verb], code


def test_names_of_ours_are_the_sixteen() -> None:
    rows = _rows("Names of the sixteen")
    assert [row[0].split("`")[1] for row in rows] == SIXTEEN
    assert all(len(row) == 4 and row[2] in ("same", "another copy") for row in rows)


def test_datasets_called_another_copy_are_the_ones_that_differ() -> None:
    """lmms-eval's task files name these Hub datasets; if ours is another, row numbers cannot be converted."""
    theirs = {
        **{"mme": "lmms-lab/MME", "mmbench": "lmms-lab/MMBench", "seed": "lmms-lab/SEED-Bench", "gqa": "lmms-lab/GQA"},
        **{"scienceqa": "lmms-lab/ScienceQA", "mmmu": "lmms-lab/MMMU", "mathvista": "AI4Math/MathVista"},
        **{"ai2d": "lmms-lab/ai2d", "chartqa": "lmms-lab/ChartQA", "ocrbench": "echo840/OCRBench"},
        **{"textvqa": "lmms-lab/textvqa", "docvqa": "lmms-lab/DocVQA", "mmvp": "MMVP/MMVP"},
        **{"realworldqa": "lmms-lab/RealWorldQA"},
        **{"cvbench_2d": "nyu-visionx/CV-Bench", "cvbench_3d": "nyu-visionx/CV-Bench"},
    }
    told = {row[0].split("`")[1]: row[2] == "same" for row in _rows("Names of the sixteen")}
    assert told == {name: load_benchmark(name).source.repo == theirs[name] for name in SIXTEEN}


def test_prediction_tables_with_the_named_columns_can_be_graded(tmp_path: Path) -> None:
    chart = {"index": "0", "question": "How many?", "answer": "14", "prediction": "about 14"}
    choice = {"index": "7", "question": "What is it?", "A": "cat", "B": "dog", "C": "", "D": "", "answer": "B"}
    for benchmark, row in (("chartqa", chart), ("mmbench", {**choice, "prediction": "(B) dog"})):
        path = tmp_path / f"{benchmark}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            writer.writeheader()
            writer.writerow(row)
        (line,), _ = grade_file(path, load_benchmark(benchmark), "fuzzy")
        assert line["value"] == 1.0, json.dumps(line)
