"""Figures, conditions and scorers of a third party in plots, tables and reports: a package with entry points."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from cambrian_eval.demo import miniature
from tests.conftest import write_parquet

PACKAGE = """
from dataclasses import dataclass

from PIL import ImageOps

from cambrian_eval import Verdict
from cambrian_eval.condition import Condition
from cambrian_eval.image import LazyImage
from cambrian_eval.reports import style
from cambrian_eval.reports.figure import Figure, option
from cambrian_eval.scorer import Scorer


class Mirrored(Condition):
    name, title, color, hatch = "mirrored", "Left and right exchanged", "#123456", "xx"
    summary = "the images with left and right exchanged"

    def apply(self, sample, context):
        return [LazyImage.from_image(ImageOps.mirror(i.load(context.max_pixels))) for i in sample.images]


class Short(Scorer):
    name, summary = "short", "full marks for a response of one character"

    def score(self, benchmark, sample, reply):
        return Verdict(float(len(reply) == 1), reply[:1], "the length is compared")


@dataclass(frozen=True)
class Options:
    shape: str = option("dots", "dots or bars.", ("dots", "bars"))
    top_only: bool = option(False, "Only the best model.")


class Best(Figure):
    name, summary, options = "best", "The best score of each benchmark.", Options

    def compute(self, sources, options):
        return sources.table, options

    def draw(self, numbers, theme):
        table, options = numbers
        best = [max(row[b] for row in map(table.row, table.models) if b in row) for b in table.benchmarks]
        with style.styled(theme):
            fig, axes = style.figure(theme.page, 2)
            (axes.bar if options.shape == "bars" else axes.scatter)(table.benchmarks, best)
        rows = tuple(zip(table.benchmarks, best))
        return style.Drawing("best", fig, ("benchmark", "best"), rows, "Best scores.", table.source, ("It is best.",))
"""
POINTS = """
[cambrian_eval.conditions]
mirrored = coins:Mirrored
[cambrian_eval.scorers]
short = coins:Short
[cambrian_eval.figures]
best = coins:Best
"""


def command(*words: object, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "cambrian_eval", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, env={**os.environ, **(env or {})})


def printed(*words: object, env: Mapping[str, str] | None = None) -> str:
    done = command(*words, env=env)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The package as pip would have installed it, and the environment in which Python finds it."""
    site = tmp_path_factory.mktemp("site")
    (site / "coins.py").write_text(PACKAGE)
    about = site / "coins-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: coins\nVersion: 1\n")
    (about / "entry_points.txt").write_text(POINTS)
    return {"PYTHONPATH": str(site)}


def test_a_figure_is_listed_with_its_own_options_and_plotted(installed: dict[str, str], tmp_path: Path) -> None:
    assert re.search(r"^  best +The best score of each benchmark\.$", printed("plot", "--help", env=installed), re.M)
    text = printed("plot", "best", "--help", env=installed)
    assert "--shape" in text and "[default: dots]" in text and "--top-only" in text and "--published" in text
    words = ("plot", "best", "--published", "table9", "--benchmarks", "mmvp,gqa", "--out", tmp_path, "--format", "svg")
    text = printed(*words, "--shape", "bars", env=installed)
    assert "Best scores." in text and "It is best." in text
    table = Path(__file__).parents[2] / "cambrian_eval" / "results" / "published_scores.csv"
    nine = [r for r in rows(table) if r["table"] == "Table 9"]
    for row in rows(tmp_path / "best.csv"):
        assert float(row["best"]) == max(float(r["score"]) for r in nine if r["benchmark"] == row["benchmark"])
    sidecar = json.loads((tmp_path / "best.json").read_text())
    assert sidecar["source"] == "the paper's Table 9" and sidecar["command"].endswith("--shape bars")
    refused = command(*words, "--shape", "pie", env=installed)
    assert refused.returncode == 2 and "unknown --shape 'pie'" in refused.stderr
    absent = command("plot", "best")
    assert absent.returncode == 2 and "unknown figure 'best'" in absent.stderr


@pytest.fixture(scope="module")
def run(installed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run under the package's condition and scorer, by a model that is named like one of the paper's."""
    out = tmp_path_factory.mktemp("run") / "run"
    data = tmp_path_factory.mktemp("data")
    for name, split in (("mmvp", "train"), ("docvqa", "validation")):
        write_parquet(data / name / f"{split}.parquet", miniature.rows(name, 8))
    words = ("--model", "chance", "--benchmark", "mmvp,docvqa", "--data-root", data, "--out", out, "--quiet")
    printed("run", *words, "--vision", "on,off,mirrored", "--scorer", "fuzzy,short", env=installed)
    info = json.loads((out / "run.json").read_text())
    info["model"]["name"] = "nyu-visionx/cambrian-8b"
    (out / "run.json").write_text(json.dumps(info))
    return out


def index_of(page: Path) -> dict[str, dict[str, dict[str, str]]]:
    found = re.search(r'<script type="application/json" id="index">(.*?)</script>', page.read_text(), re.S)
    assert found is not None
    return dict(json.loads(found[1]))


@pytest.mark.slow
def test_a_report_shows_a_condition_by_its_title_and_color(
    installed: dict[str, str], run: Path, tmp_path: Path
) -> None:
    printed("report", run, "--out", tmp_path, "--format", "svg", env=installed)
    drawn = {r["benchmark"]: r for r in rows(tmp_path / "figures" / "ablation.csv")}
    assert float(drawn["mmvp"]["mirrored"]) == float(drawn["mmvp"]["on"])  # chance does not look at images
    assert "#123456" in (tmp_path / "figures" / "ablation.svg").read_text()
    shown = index_of(tmp_path / "report.html")["conditions"]
    assert list(shown) == ["on", "off", "mirrored"]
    assert (shown["mirrored"]["title"], shown["mirrored"]["color"]) == ("Left and right exchanged", "#123456")
    assert "<td>Left and right exchanged</td>" in (tmp_path / "report.html").read_text()
    assert "best" in {path.stem for path in (tmp_path / "figures").iterdir()}  # the package's figure, too


@pytest.mark.slow
def test_a_scorer_has_published_numbers_averages_and_a_figure_beside_it(
    installed: dict[str, str], run: Path, tmp_path: Path
) -> None:
    printed("report", run, "--scorer", "short", "--out", tmp_path, "--format", "svg", env=installed)
    found = {r["model"]: r for r in rows(tmp_path / "tables" / "scores.csv")}
    assert float(found["nyu-visionx/cambrian-8b"]["mmvp"]) == 100.0  # guesses are letters
    assert float(found["nyu-visionx/cambrian-8b"]["docvqa"]) == float(found["nyu-visionx/cambrian-8b"]["avg_ocr"]) == 0
    assert float(found["Cambrian-1-8B (as printed)"]["mmvp"]) == 51.3
    assert float(found["Chance"]["mmvp"]) == 25.0
    pairs = rows(tmp_path / "figures" / "agreement-fuzzy.csv")
    assert {r["short"] for r in pairs if r["benchmark"] == "mmvp"} == {"100.0"}
    text = printed("table", run, "--scorer", "short", "--vision", "mirrored", "--format", "csv", env=installed)
    assert next(csv.DictReader(text.splitlines()))["mmvp"] == "100.0"


@pytest.mark.slow
def test_without_the_package_stored_results_are_shown_by_name(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    printed("report", copy, "--out", tmp_path / "report", "--format", "svg")
    index = index_of(tmp_path / "report" / "report.html")
    assert index["conditions"]["mirrored"]["title"] == "mirrored" and index["scorers"] == ["fuzzy", "short"]
    text = printed("table", copy, "--scorer", "short", "--vision", "mirrored", "--format", "csv")
    assert next(csv.DictReader(text.splitlines()))["mmvp"] == "100.0"


def test_the_list_of_figures_and_their_help_import_nothing_heavy() -> None:
    for words in (["plot", "--help"], ["plot", "pca", "--help"]):
        code = (
            f"import sys; sys.argv = ['cambrian-eval', *{words!r}]\n"
            "from cambrian_eval.cli.main import main\n"
            "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
            "print(sorted({'numpy', 'pandas', 'matplotlib', 'scipy', 'sklearn', 'torch'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]"
