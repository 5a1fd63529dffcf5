"""What `analyze` and its figures show: findings with their uncertainty, readable text, errors in one line."""

from __future__ import annotations

import csv
import itertools
import json
import re
from pathlib import Path

import pytest
from matplotlib.text import Text

from cambrian_eval.reports import analysis, findings, style
from cambrian_eval.reports.figures import load_figure
from cambrian_eval.reports.scores import from_published
from cambrian_eval.reports.sources import Sources
from tests.command import call

FEWER = ("mmbench", "seed", "gqa", "scienceqa", "mathvista", "chartqa", "docvqa", "mmvp")


# -- what the command writes


@pytest.mark.slow
def test_analyze_writes_every_finding_and_figure(tmp_path: Path) -> None:
    done = call("analyze", "--published", "table9", "--out", tmp_path, "--format", "svg", "--resamples", 10)
    assert done.returncode == 0, done.stderr
    figures = {"pca", "pca_intervals", "components", "correlation", "partial", "dendrogram", "missing"}
    assert {p.stem for p in tmp_path.glob("*.svg")} == figures  # redundancy needs twelve complete models
    with (tmp_path / "predicted_scores.csv").open() as file:
        predicted = list(csv.DictReader(file))
    assert len(predicted) == 42 and all(float(r["low"]) <= float(r["predicted"]) <= float(r["high"]) for r in predicted)
    known = from_published("table9")
    assert not any(r["benchmark"] in known.row(r["model"]) for r in predicted)
    values = json.loads((tmp_path / "analysis.json").read_text())
    assert "redundancy" not in values and len(values["missing"]["predicted"]) == 42
    for text in ("With size of models", "parallel analysis", "Not computed: at least 12 models", "42 missing scores"):
        assert text in done.stdout


def test_every_number_of_the_summary_has_an_interval_where_models_are_known() -> None:
    found = analysis.analyze(from_published("table14").select(FEWER), analysis.Options(resamples=10))
    text = "\n".join(findings.summary(found))
    for start in ("Least correlated", "Of rows of", "Number of components", "Over 18 models", "Check: of"):
        line = next(line for line in text.splitlines() if line.startswith(start))
        assert re.search(r"\[-?[\d.]+%?, -?[\d.]+%?\]", line), line
    printed = analysis.analyze(None, analysis.Options())
    assert "intervals are absent" in "\n".join(findings.summary(printed)) and printed.redundancy is None


@pytest.mark.slow
@pytest.mark.parametrize("width", ["page", "column"])
@pytest.mark.parametrize("name", ["components", "dendrogram", "missing", "partial", "pca_intervals", "redundancy"])
def test_text_of_the_figures_is_at_least_seven_points_and_never_overlaps(name: str, width: str) -> None:
    figure, theme = load_figure(name), style.theme_named("paper", width)
    drawing = figure.draw(figure.compute(Sources(published="table14"), figure.options()), theme)
    drawing.figure.draw_without_rendering()
    texts = [t for t in drawing.figure.findobj(Text) if t.get_text() and t.get_visible()]
    assert min(t.get_fontsize() for t in texts) >= 7.0
    for axes in drawing.figure.axes:
        boxes = [t.get_window_extent() for t in axes.texts if t.get_text()]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2)), name
    assert not any("-" in t.get_text().replace("$-$", "") for t in texts if re.match(r"-?\d", t.get_text()))
    assert drawing.findings and all(len(row) == len(drawing.columns) for row in drawing.rows)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("redundancy", "--published", "table9"), "at least 12 models"),
        (("missing", "--published", "table3"), "at least 10 models"),
        (("partial", "--published", "table14", "--control", "params"), "column 'params'"),
        (("components", "--published", "figure15"), "matrix without scores"),
    ],
)
def test_figures_without_enough_scores_say_what_is_missing(
    words: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    done = call("plot", *words, "--out", tmp_path)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
