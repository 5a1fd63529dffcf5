"""A report from real runs: every number is recomputed from the run's files by a path of its own."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cambrian_eval.cli import analyze, plot, report, table
from cambrian_eval.errors import UserError
from cambrian_eval.reports import ablation
from cambrian_eval.reports.category_means import by_category
from cambrian_eval.reports.runs import open_runs, read_results, score_table
from tests.reports.conftest import BENCHMARKS, ROWS

pytestmark = pytest.mark.slow

app = typer.Typer()
app.command("report")(report.report)
app.command("analyze")(analyze.analyze)
app.command("table")(table.table)
app.add_typer(plot.app, name="plot")

PUBLISHED = {"ai2d": 3088, "docvqa": 5349, "mmvp": 300, "textvqa": 5000}
"""Samples of the published datasets, of which the runs have a part."""


def call(*words: object) -> str:
    done = CliRunner().invoke(app, [str(w) for w in words], prog_name="cambrian-eval")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def lines(path: Path) -> Iterable[dict[str, Any]]:
    return (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def naive(run: Path, benchmark: str, condition: str, scorer: str = "fuzzy") -> float:
    """A benchmark's score from the verdict file alone: means, and for MMVP both of a pair."""
    values = {v["id"]: v["value"] for v in lines(run / "verdicts" / f"{benchmark}.{condition}.{scorer}.jsonl")}
    if benchmark != "mmvp":
        return 100 * sum(values.values()) / len(values)
    pairs: dict[str, list[float]] = {}
    for sample in lines(run / "samples" / "mmvp.jsonl"):
        pairs.setdefault(sample["group"], []).append(values[sample["id"]])
    return 100 * sum(all(p) for p in pairs.values()) / len(pairs)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def runs(runs_on_files: tuple[Path, Path]) -> tuple[Path, Path]:
    return runs_on_files


@pytest.fixture(scope="module")
def made(runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    text = call("report", *runs, "--out", out, "--format", "svg")
    assert "report.html" in text and "Paired tests of on against off" in text
    return out


def test_score_table_is_recomputed(runs: tuple[Path, Path], made: Path) -> None:
    found = {r["model"]: r for r in rows(made / "tables" / "scores.csv")}
    for name, run in zip(("good", "poor"), runs, strict=True):
        for benchmark in BENCHMARKS:
            assert float(found[name][benchmark]) == pytest.approx(naive(run, benchmark, "on"))
        expected = (naive(run, "docvqa", "on") + naive(run, "textvqa", "on")) / 2
        assert float(found[name]["avg_ocr"]) == pytest.approx(expected)
    assert 0 < float(found["Chance"]["mmvp"]) < 50


def test_ablation_figure_has_each_model_by_itself(runs: tuple[Path, Path], made: Path) -> None:
    drawn = rows(made / "figures" / "ablation.csv")
    assert [r["model"] for r in drawn] == ["good"] * 4 + ["poor"] * 4
    for r in drawn:
        run = runs[("good", "poor").index(r["model"])]
        for condition in ("on", "off", "shuffled"):
            value = naive(run, r["benchmark"], condition)
            assert float(r[condition]) == pytest.approx(value)
            assert float(r[f"{condition}_low"]) <= value <= float(r[f"{condition}_high"])
        assert float(r["off_minus_chance"]) == pytest.approx(float(r["off"]) - float(r["chance"]))
        assert float(r["p_value"]) <= float(r["p_holm"])


def test_means_over_models_are_recomputed(runs: tuple[Path, Path], tmp_path: Path) -> None:
    call("plot", "ablation", *runs, "--means", "--out", tmp_path, "--format", "svg")
    drawn = rows(tmp_path / "ablation.csv")
    assert {r["benchmark"] for r in drawn} == set(BENCHMARKS)
    gaps = [float(r["on_minus_off"]) for r in drawn]
    assert gaps == sorted(gaps)
    for r in drawn:
        for condition in ("on", "off", "shuffled"):
            values = [naive(run, r["benchmark"], condition) for run in runs]
            mean = sum(values) / 2
            spread = abs(values[0] - values[1]) / 2**0.5  # standard deviation of two
            assert float(r[condition]) == pytest.approx(mean)
            assert float(r[f"{condition}_low"]) == pytest.approx(mean - spread)
            assert float(r[f"{condition}_high"]) == pytest.approx(mean + spread)


def test_category_figure_is_recomputed(runs: tuple[Path, Path], made: Path) -> None:
    drawn = {(r["model"], r["category"]): r for r in rows(made / "figures" / "categories.csv")}
    assert float(drawn["poor", "Knowledge"]["average"]) == pytest.approx(naive(runs[1], "ai2d", "on"))
    assert drawn["poor", "Knowledge"]["partial"] == "True" and drawn["poor", "Knowledge"]["benchmarks"] == "1"
    table = score_table(open_runs(runs))
    low, high = table.intervals["good", "docvqa"]
    low2, high2 = table.intervals["good", "textvqa"]
    # Each side by itself: the root of the summed squares of the members' distances, over their number.
    row = table.row("good")
    above = ((high - row["docvqa"]) ** 2 + (high2 - row["textvqa"]) ** 2) ** 0.5 / 2
    below = ((row["docvqa"] - low) ** 2 + (row["textvqa"] - low2) ** 2) ** 0.5 / 2
    ocr = {key: float(drawn["good", "OCR & Chart"][key]) for key in ("low", "average", "high")}
    assert ocr["high"] - ocr["average"] == pytest.approx(above)
    assert ocr["average"] - ocr["low"] == pytest.approx(below)
    assert by_category(table)["good", "overall"].members == 4


def test_agreement_is_recomputed(runs: tuple[Path, Path], made: Path) -> None:
    for r in rows(made / "figures" / "agreement-official.csv"):
        run = runs[("good", "poor").index(r["model"])]
        one, two = (
            {v["id"]: v["value"] >= 0.5 for v in lines(run / "verdicts" / f"{r['benchmark']}.on.{s}.jsonl")}
            for s in ("fuzzy", "official")
        )
        same = sum(one[i] == two[i] for i in one) / len(one)
        assert float(r["same_verdict"]) == pytest.approx(same) and int(r["samples"]) == len(one) == ROWS
        yes = [sum(x.values()) / len(one) for x in (one, two)]
        by_chance = yes[0] * yes[1] + (1 - yes[0]) * (1 - yes[1])
        if by_chance < 1:
            assert float(r["kappa"]) == pytest.approx((same - by_chance) / (1 - by_chance))
        assert float(r["official"]) == pytest.approx(naive(run, r["benchmark"], "on", "official"))


def test_single_run_has_intervals_and_paired_tests(runs: tuple[Path, Path]) -> None:
    found = ablation.from_runs(open_runs(runs[:1]), "fuzzy", "a test")
    for row in found.rows:
        on = row.scores["on"]
        assert on.low is not None and on.high is not None and on.low <= on.value <= on.high
        (test,) = row.tests
        assert test.difference == pytest.approx(row.gap) and 0 < test.p_value <= test.p_holm <= 1
    assert "Paired tests" in " ".join(ablation.reading(found))


def test_published_ablation_has_the_papers_order_and_signs() -> None:
    found = ablation.published()
    order = "scienceqa mmmu mathvista ai2d realworldqa textvqa chartqa ocrbench docvqa gqa seed mmvp mme mmbench"
    assert " ".join(r.benchmark for r in found.rows) == order
    assert {r.benchmark for r in found.rows if r.gap < 5} == {"scienceqa", "mmmu", "mathvista", "ai2d"}
    assert {r.benchmark for r in found.rows if (r.above_chance or 0) < 0} == {"mmvp", "mme"}
    blind = {r.benchmark: r.above_chance or 0 for r in found.rows}
    assert 35 < blind["textvqa"] < 42 and 35 < blind["gqa"] < 42
    text = " ".join(ablation.reading(found))
    assert "SQA-I (+0.2), MMMU (+2.2)" in text and "Below chance with vision off: MMVP (-25.0), MME (-16.1)" in text


def test_results_csv_comes_back_as_it_went(runs: tuple[Path, Path], made: Path) -> None:
    exported = made / "exports" / "results.csv"
    assert len(rows(exported)) == 2 * len(BENCHMARKS) * 3 * 2
    again = read_results(exported)
    for scored, run in zip(again, open_runs(runs), strict=True):
        assert scored.name == run.name
        for r in run.results:
            back = scored.result(r.benchmark, r.condition, r.scorer)
            assert back is not None and (back.score, back.interval, back.chance) == (r.score, r.interval, r.chance)
    gaps = [[row.gap for row in ablation.from_runs(x, "fuzzy", "").rows] for x in (again, open_runs(runs))]
    assert gaps[0] == gaps[1]


def test_model_index_is_what_the_hub_reads(runs: tuple[Path, Path], made: Path) -> None:
    import yaml
    from huggingface_hub.repocard_data import model_index_to_eval_results

    block = yaml.safe_load((made / "exports" / "model-index" / "good.yaml").read_text())
    name, results = model_index_to_eval_results(block["model-index"])
    assert name == "good" and len(results) == len(BENCHMARKS)
    for result in results:
        assert result.metric_value == pytest.approx(naive(runs[0], result.metric_type, "on"), abs=1e-4)
        assert "/" in result.dataset_type


def test_lm_eval_results_hold_fractions_and_errors(runs: tuple[Path, Path], made: Path) -> None:
    found = json.loads((made / "exports" / "lm-eval" / "poor.json").read_text())
    assert {"results", "configs", "versions", "n-shot", "higher_is_better", "n-samples", "config"} <= set(found)
    for benchmark in BENCHMARKS:
        cell = found["results"][benchmark]
        assert cell["score,fuzzy"] == pytest.approx(naive(runs[1], benchmark, "on") / 100)
        assert found["results"][f"{benchmark}_vision_off"]["score,fuzzy"] == pytest.approx(
            naive(runs[1], benchmark, "off") / 100
        )
        assert found["n-samples"][benchmark] == {"original": PUBLISHED[benchmark], "effective": ROWS}


def test_sidecar_names_command_and_inputs(runs: tuple[Path, Path], made: Path) -> None:
    sidecar = json.loads((made / "figures" / "ablation.json").read_text())
    assert sidecar["command"].startswith("cambrian-eval report ") and str(runs[0]) in sidecar["command"]
    assert sidecar["command"].endswith("--format svg")
    assert set(sidecar["inputs"]) == {str(run / "results.json") for run in runs}


def test_reports_of_equal_runs_are_equal_bytes(runs: tuple[Path, Path], made: Path, tmp_path: Path) -> None:
    call("report", *runs, "--out", tmp_path, "--format", "svg")
    for path in sorted(made.rglob("*")):
        if path.is_file() and path.suffix in (".svg", ".csv", ".md", ".tex", ".yaml"):
            assert path.read_bytes() == (tmp_path / path.relative_to(made)).read_bytes(), path.name


def test_analyze_from_the_shipped_matrix(tmp_path: Path) -> None:
    text = call("analyze", "--published", "figure15", "--out", tmp_path, "--format", "svg")
    assert "PC1 47.2%, PC2 32.1%" in text and "MMMU (mean r 0.62)" in text
    explained = [float(r["explained"]) for r in rows(tmp_path / "explained_variance.csv")]
    assert [round(v, 3) for v in explained[:2]] == [0.472, 0.321]
    assert {"pca.svg", "pca.csv", "pca.json", "correlation.svg", "assignment.csv", "summary.md"} <= {
        p.name for p in tmp_path.iterdir()
    }


def test_analyze_a_csv_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    names = ("gqa", "seed", "ai2d", "chartqa", "docvqa", "mmvp")
    body = "\n".join(f"m{i}," + ",".join(str((i * 7 + k * 13 + i * i * k) % 50) for k in range(6)) for i in range(7))
    path.write_text("model," + ",".join(names) + "\n" + body + "\n")
    text = call("analyze", "--scores", path, "--out", tmp_path / "a", "--format", "png", "--resamples", 10)
    assert "warning: only 7 models" in text and "over 7 models" in text


def test_too_few_models_is_one_line(tmp_path: Path, runs: tuple[Path, Path]) -> None:
    with pytest.raises(UserError, match="2 models; correlations between benchmarks need at least 5"):
        call("analyze", *runs, "--out", tmp_path)


@pytest.mark.parametrize("words", ["categories", "radar", "dots", "ablation", "agreement", "scaling --x visual-tokens"])
def test_every_figure_is_drawn_from_runs(runs: tuple[Path, Path], tmp_path: Path, words: str) -> None:
    name, *flags = words.split()
    if name == "scaling":  # a run of four benchmarks has no complete category, so the paper's are drawn beside it
        with pytest.raises(UserError, match="all four benchmarks"):
            call("plot", name, *runs, *flags, "--out", tmp_path)
        flags += ["--published", "table9"]
    call("plot", name, *runs, *flags, "--out", tmp_path, "--format", "svg")
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".csv", ".json", ".svg"]


def test_published_rows_stand_beside_ones_own(runs: tuple[Path, Path]) -> None:
    text = call("table", runs[0], "--published", "table9", "--columns", "ai2d,mmvp", "--format", "csv")
    found = {r["model"]: r for r in csv.DictReader(text.splitlines())}
    assert found["good"]["own"] == "yes" and found["Cambrian-1-8B"]["own"] == ""
    assert float(found["Cambrian-1-8B"]["ai2d"]) == 73.0
    assert float(found["good"]["ai2d"]) == pytest.approx(naive(runs[0], "ai2d", "on"))


def test_the_papers_means_stand_beside_ones_own_ablation(runs: tuple[Path, Path], tmp_path: Path) -> None:
    call("plot", "ablation", runs[0], "--published", "figure3", "--out", tmp_path, "--format", "svg")
    drawn = {r["benchmark"]: r for r in rows(tmp_path / "ablation.csv")}
    assert (float(drawn["mmvp"]["paper_on"]), float(drawn["mmvp"]["paper_off"])) == (22.7, 0.0)
    assert float(drawn["mmvp"]["on"]) == pytest.approx(naive(runs[0], "mmvp", "on"))


def test_errors_name_the_remedy(runs: tuple[Path, Path], tmp_path: Path) -> None:
    for words, message in (
        (["table"], "nothing to read"),
        (["table", runs[0], "--scorer", "judge"], "it has scorers fuzzy, official"),
        (["table", runs[0], "--format", "docx"], "unknown table format 'docx'"),
        (["table", runs[0], runs[0]], "named twice"),
        (["table", tmp_path], "not a run folder"),
        (["plot", "pca", runs[0], "--method", "sores"], "did you mean scores"),
        (["plot", "ablation", "--scores", tmp_path / "none.csv"], "none.csv"),
    ):
        with pytest.raises(UserError, match=message):
            call(*words)
