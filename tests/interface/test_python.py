"""The public Python interface: data frames, reprs, comparisons, tables and figures, from real runs."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

import cambrian_eval as ce


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> ce.Outcome:
    """A run of names in one text."""
    return ce.run("chance", "MMVP, pope", tmp_path_factory.mktemp("python") / "a", data="mini:8", vision="on,off")


@pytest.fixture(scope="module")
def other(outcome: ce.Outcome) -> ce.Outcome:
    return ce.run("baseline:most-frequent", ["mmvp", "pope"], outcome.run.path.with_name("b"), data="mini:8")


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_the_public_names_are_listed() -> None:
    assert {"run", "open_run", "compare", "table", "plot", "score", "analyze"} <= set(dir(ce))
    assert all(hasattr(ce, name) for name in dir(ce))


def test_results_are_those_of_the_file(outcome: ce.Outcome) -> None:
    found = outcome.run.results()
    stored = json.loads((outcome.run.path / "results.json").read_text())["results"]
    assert len(found) == len(stored) == 2 * 2 * 2
    for row, r in zip(found.itertuples(), stored, strict=True):
        assert (row.benchmark, row.condition, row.scorer, row.n) == (r["benchmark"], r["condition"], r["scorer"], 8)
        assert (row.score, [row.low, row.high]) == (r["score"], r["interval"])
    assert found.synthetic.all() and not found.complete.any()
    assert found.set_index("benchmark").category["mmvp"].unique().tolist() == ["Vision-Centric"]


def test_a_row_of_samples_is_a_response_with_its_question_and_verdicts(outcome: ce.Outcome) -> None:
    folder = outcome.run.path
    frame = outcome.run.samples()
    assert len(frame) == 2 * 2 * 8 and frame.synthetic.all()
    one = outcome.run.samples("mmvp", "off").set_index("id")
    responses = {r["id"]: r for r in lines(folder, "responses/mmvp.off.jsonl")}
    questions = {s["id"]: s for s in lines(folder, "samples/mmvp.jsonl")}
    verdicts = {v["id"]: v for v in lines(folder, "verdicts/mmvp.off.official.jsonl")}
    assert list(one.index) == list(questions)
    for identity, row in one.iterrows():
        assert row.response == responses[identity]["text"] and row.prompt == responses[identity]["prompt"]
        assert row.question == questions[identity]["question"] and row.answers == questions[identity]["answers"]
        assert row.official == verdicts[identity]["value"] and row.official_rule == verdicts[identity]["rule"]
    pairs = one.groupby("group").fuzzy.min()  # a pair counts where both are right
    (score,) = [r.score for r in outcome.results if (r.benchmark, r.condition, r.scorer) == ("mmvp", "off", "fuzzy")]
    assert 100 * pairs.mean() == score
    assert "tag_split" in outcome.run.samples("pope").columns


def test_unknown_parts_are_named(outcome: ce.Outcome) -> None:
    with pytest.raises(ce.UserError, match="benchmark of this run 'mmvq'"):
        outcome.run.samples("mmvq")
    with pytest.raises(ce.UserError, match="did you mean"):
        ce.run("chance", "mmvq", outcome.run.path.with_name("never"), data="mini:8")
    with pytest.raises(ce.UserError, match="option of plot ablation 'colour'"):
        ce.plot("ablation", outcome, colour="red")


def test_a_score_that_does_not_belong_to_its_responses_is_not_in_the_frame(tmp_path: Path) -> None:
    made = ce.run("chance", "pope", tmp_path / "run", data="mini:4", scorers="fuzzy").run
    file = tmp_path / "run" / "results.json"
    stored = json.loads(file.read_text())
    stored["results"][0]["score"] = 99.0
    file.write_text(json.dumps(stored))
    (row,) = made.results().itertuples()
    assert row.score != row.score and "cambrian-eval score" in row.notes  # NaN
    assert "99" not in made._repr_html_().split("<small>")[0]
    ce.score(made, "fuzzy")
    assert made.results().score[0] == made.results().score[0] != 99.0


def test_reprs_say_what_it_is_and_that_rows_were_drawn(outcome: ce.Outcome) -> None:
    run = ce.open_run(outcome.run.path)
    assert "chance, mmvp, pope, vision on, off, synthetic data" in repr(run)
    assert "synthetic data" in repr(outcome.results[0]) and "n=8" in repr(outcome.results[0])
    assert repr(ce.load("mmvp")) == "<Benchmark mmvp: MMVP, Vision-Centric, 300 rows>"
    for value in (run, outcome, *outcome.results, ce.load("mmvp")):
        assert value._repr_html_().count("<table>") == 1
    assert all("synthetic data" in v._repr_html_() for v in (run, outcome, *outcome.results))


def test_html_is_escaped() -> None:
    verdict = ce.Verdict(0.0, "<script>alert(1)</script>", "a & b", "unparsed")
    assert "<script>" not in verdict._repr_html_() and "a &amp; b" in verdict._repr_html_()


def test_compare_is_the_command_in_a_frame(outcome: ce.Outcome, other: ce.Outcome) -> None:
    from tests.command import call

    with pytest.warns(UserWarning, match="synthetic data"):
        found = ce.compare(outcome, other.run)
    said = json.loads(call("compare", outcome.run.path, other.run.path, "--json").stdout)
    assert list(found[found.kind == "benchmark"].name) == [c["benchmark"] for c in said["comparisons"]]
    for row, c in zip(found.itertuples(), said["comparisons"], strict=False):
        assert (row.a, row.b, row.p, row.p_holm) == (
            c["paired"]["a"],
            c["paired"]["b"],
            c["paired"]["p_value"],
            c["p_holm"],
        )
    assert (found.difference == found.b - found.a).all() and found.synthetic.all()


def test_table_has_numbers_and_every_format(outcome: ce.Outcome, other: ce.Outcome) -> None:
    made = ce.table(outcome, str(other.run.path))
    (score,) = [r.score for r in outcome.results if (r.benchmark, r.condition, r.scorer) == ("pope", "on", "fuzzy")]
    assert made.frame.loc["chance (synthetic data)", "pope"] == score
    assert "<table" in made._repr_html_() and "\\begin{tabular}" in made.to("latex") and "synthetic data" in repr(made)
    with pytest.raises(ce.UserError, match="table format"):
        made.to("word")


def test_plot_returns_a_figure_that_a_notebook_shows(outcome: ce.Outcome) -> None:
    from matplotlib.figure import Figure

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = ce.plot("ablation", outcome)
    assert isinstance(made, Figure) and made.axes
    assert made._repr_png_()[:8] == b"\x89PNG\r\n\x1a\n"  # type: ignore[attr-defined]
    assert "synthetic data" in str(made.get_label())


def test_analyze_of_the_papers_matrix(tmp_path: Path) -> None:
    found = ce.analyze(published="figure15")
    assert found.findings.startswith("# Analysis of") and repr(found) == found.findings
    assert (found.correlations.to_numpy() == found.correlations.T.to_numpy()).all()
    assert set(found.components.attrs["explained"]) == set(found.components.columns)
    assert set(found.categories.index) == set(found.correlations.index)
    with pytest.raises(ce.UserError, match="correlation"):
        ce.analyze(published="figure15", correlation="kendall")


def test_progress_in_a_notebook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    display = pytest.importorskip("IPython.display")
    from cambrian_eval.running.notebook import NotebookProgress

    class Handle:
        def update(self, content: Any) -> None:
            shown.append(content.data)

    def first(content: Any, display_id: bool) -> Handle:
        assert display_id
        shown.append(content.data)
        return Handle()

    shown: list[str] = []
    monkeypatch.setattr(display, "display", first)
    ce.run("chance", "mmvp", tmp_path / "run", data="mini:4", vision="on,off", progress=NotebookProgress())
    assert any('<progress value="0" max="4">' in text and "all: " in text for text in shown)
    assert "mmvp.on: 4 of 4" in shown[-1] and "mmvp.off: 4 of 4" in shown[-1] and "synthetic" in shown[-1]
    assert "<progress" not in shown[-1]
