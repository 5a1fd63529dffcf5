"""Scores on rows that a program drew say so wherever they appear, and never stand beside published ones."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from cambrian_eval.running.store import open_run
from tests.command import call


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the miniature suite under the name of one of the paper's models."""
    out = tmp_path_factory.mktemp("synthetic") / "run"
    words = ("--model", "chance", "--benchmark", "mmvp,realworldqa", "--data", "mini:8", "--vision", "on,off")
    assert call("run", *words, "--out", out, "--quiet").returncode == 0
    info = json.loads((out / "run.json").read_text())
    info["model"]["name"] = "nyu-visionx/cambrian-8b"
    (out / "run.json").write_text(json.dumps(info))
    return out


def test_run_json_and_every_result_say_it(run: Path) -> None:
    info = json.loads((run / "run.json").read_text())
    assert all(about["data"]["synthetic"] is True for about in info["benchmarks"].values())
    stored = json.loads((run / "results.json").read_text())["results"]
    assert stored and all(r["synthetic"] is True for r in stored)


def test_results_of_an_earlier_version_are_recognized_by_their_data(run: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    info = json.loads((run / "run.json").read_text())
    for about in info["benchmarks"].values():
        del about["data"]["synthetic"]
    stored = json.loads((run / "results.json").read_text())
    for result in stored["results"]:
        del result["synthetic"]
    (old / "run.json").write_text(json.dumps(info))
    (old / "results.json").write_text(json.dumps(stored))
    assert all(r.synthetic for r in open_run(old).results())


def test_the_table_names_it_in_every_row_and_leaves_the_paper_out(run: Path) -> None:
    done = call("table", run, "--published", "table9", "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert [r["model"] for r in csv.DictReader(done.stdout.splitlines())] == [
        "nyu-visionx/cambrian-8b (synthetic data)"
    ]
    text = call("table", run, "--published", "table9").stdout
    assert "--published table9 is left out" in text and "drawn by a program" in text and "Cambrian-1-8B" not in text


def test_the_end_of_a_run_has_no_published_column(run: Path) -> None:
    words = ("score", run, "--scorer", "fuzzy")
    text = call(*words).stdout
    rows = [line for line in text.splitlines() if re.match(r"(mmvp|realworldqa) ", line)]
    assert len(rows) == 2 and all("(synthetic)" in row for row in rows)
    assert "published" not in text.splitlines()[0] and "Vision-Centric (synthetic)" in text and "subset" not in text
    full = call(*words, "--full").stdout
    rows = [line for line in full.splitlines() if re.match(r"(mmvp|realworldqa) ", line)]
    assert len(rows) == 4 and all("(synthetic)" in row for row in rows)
    assert "published" not in full.splitlines()[0] and "averages on synthetic data" in full and "subset" not in full


def test_report_banner_captions_and_exports(run: Path, tmp_path: Path) -> None:
    done = call("report", run, "--out", tmp_path, "--no-images", "--format", "svg")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report.html").read_text()
    assert 'class="banner"' in page and "as printed" not in page
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert captions and all("synthetic data" in caption for caption in captions)
    assert not (tmp_path / "exports" / "model-index").exists()
    for r in csv.DictReader((tmp_path / "exports" / "results.csv").read_text().splitlines()):
        assert r["synthetic"] == "yes" and r["model"].endswith("(synthetic data)")
    (export,) = (tmp_path / "exports" / "lm-eval").glob("*.json")
    content = json.loads(export.read_text())
    assert content["config"]["synthetic_data"] is True and "synthetic data" in content["model_name"]


def test_an_import_of_synthetic_rows_has_no_published_score(run: Path, tmp_path: Path) -> None:
    ids = [s.id for s in open_run(run).samples("mmvp")]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps({"id": i, "response": "(a)"}) + "\n" for i in ids))
    words = ("import", tmp_path / "r.jsonl", "--benchmark", "mmvp", "--data", "mini:8", "--name", "cambrian-8b")
    done = call(*words, "--out", tmp_path / "out")
    assert done.returncode == 0 and "published" not in done.stdout.splitlines()[0] and "(synthetic)" in done.stdout


def test_a_figure_with_the_papers_means_leaves_them_out(run: Path, tmp_path: Path) -> None:
    assert call("plot", "ablation", run, "--published", "figure3", "--out", tmp_path, "--format", "svg").returncode == 0
    sidecar = json.loads((tmp_path / "ablation.json").read_text())
    assert "synthetic data" in sidecar["caption"]
    drawn = list(csv.DictReader((tmp_path / "ablation.csv").read_text().splitlines()))
    assert drawn and not any(r.get("paper_on") for r in drawn)


@pytest.fixture(scope="module")
def part(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run as one of eight rows of the published data."""
    out = tmp_path_factory.mktemp("subset") / "run"
    shutil.copytree(run, out)
    info = json.loads((out / "run.json").read_text())
    for about in info["benchmarks"].values():
        about["data"].update(synthetic=False, kind="folder")
    (out / "run.json").write_text(json.dumps(info))
    text = (out / "results.json").read_text()
    (out / "results.json").write_text(text.replace('"synthetic": true', '"synthetic": false'))
    return out


COMMANDS = (
    ("power", "realworldqa", "--run", "RUN"),
    ("compare", "RUN", "RUN", "--vision-b", "off"),
    ("gain", "RUN"),
    ("explain", "RUN", "RUN", "--vision-b", "off", "--benchmark", "realworldqa"),
    ("agreement", "RUN", "--b", "official"),
    ("seeing", "RUN", "--benchmark", "realworldqa", "--out", "OUT"),
)
"""Commands that print scores in tables of their own."""


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_every_command_that_prints_a_score_marks_its_rows(
    run: Path, part: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    for folder, label, note in (
        (run, "realworldqa (synthetic)", "synthetic data"),
        (part, "realworldqa (subset)", "subset: 8 of 765 rows"),
    ):
        place = {"RUN": folder, "OUT": tmp_path}
        given = [str(place.get(word, word)) for word in words]
        done = call(*given)
        assert done.returncode == 0, done.stderr
        assert label in done.stdout and note in done.stdout
        found = call(*given, *(("--format", "json") if words[0] == "agreement" else ("--json",)))
        texts = json.dumps(json.loads(found.stdout))
        assert f'"synthetic": {str(folder == run).lower()}' in texts
        assert ('"subset": null' if folder == run else '"subset": "subset: 8 of 765 rows"') in texts


@pytest.mark.parametrize("form", [(), ("--full",)], ids=["short", "full"])
def test_both_tables_of_results_mark_each_row(run: Path, part: Path, form: tuple[str, ...]) -> None:
    for folder, mark, note in ((run, "(synthetic)", ""), (part, "(subset)", "subset: 8 of 765 rows")):
        done = call("score", str(folder), *form)
        assert done.returncode == 0, done.stderr
        rows = [line for line in done.stdout.splitlines() if line.startswith("realworldqa")]
        assert rows and all(line.startswith(f"realworldqa {mark} ") for line in rows) and note in done.stdout


def test_figures_and_tables_of_a_subset_say_so(part: Path, tmp_path: Path) -> None:
    done = call("plot", "dots", part, "--out", tmp_path, "--format", "svg")
    assert "your runs, subset" in done.stdout
    rows = list(csv.DictReader(call("table", part, "--format", "csv").stdout.splitlines()))
    assert [r["group"] for r in rows] == ["Your runs, subset"]
