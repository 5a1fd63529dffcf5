"""Agreement of two scorers against tables computed by hand, and error rates from exported marks."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cambrian_eval import UserError, Verdict, run
from cambrian_eval.cli.adjudicate import adjudicate
from cambrian_eval.cli.agreement import agreement
from cambrian_eval.results.adjudication import error_rates, page, read_marks
from cambrian_eval.results.agreement import Confusion, agreement_of, mean_difference
from cambrian_eval.running.records import Cell
from cambrian_eval.running.store import Run
from tests.conftest import Scripted, answer_number

CELL = Cell("docvqa", "on")


@pytest.fixture
def judged(docvqa_root: Path, tmp_path: Path) -> Run:
    """60 answers, two to an image: 30 both right, 10 only fuzzy, 5 only judge, 15 both wrong, as verdicts say."""
    done = run(Scripted(answer_number), ["docvqa"], tmp_path / "run", data_root=docvqa_root)
    order = ["11"] * 30 + ["10"] * 10 + ["01"] * 5 + ["00"] * 15
    random.Random(3).shuffle(order)
    give(done.run.stored, [pair[0] for pair in order], [pair[1] for pair in order])
    return done.run.stored


def give(run: Run, fuzzy: list[str], judge: list[str]) -> None:
    """Stores verdicts: 1 right, 0 wrong, ? undecided."""
    ids = [s.id for s in run.samples("docvqa")]
    for scorer, marks in (("fuzzy", fuzzy), ("judge", judge)):
        verdicts = [
            Verdict(0.0, None, "undecided: no verdict", outcome="undecided")
            if m == "?"
            else Verdict(float(m), f"read {i}", f"rule of {scorer}")
            for i, m in zip(ids, marks, strict=True)
        ]
        run.save_verdicts(CELL, scorer, ids, verdicts)


def test_kappa_of_tables_computed_by_hand() -> None:
    # Cohen's own kind of table: po = 35/50 = 0.7, pe = 0.5 * 0.6 + 0.5 * 0.4 = 0.5, kappa = 0.4
    assert Confusion(20, 5, 10, 15).kappa == pytest.approx(0.4)
    # po = 45/60; pe = (40*35 + 20*25) / 3600 = 1900/3600; kappa = (0.75 - 0.52778) / 0.47222
    assert Confusion(30, 10, 5, 15).kappa == pytest.approx((0.75 - 19 / 36) / (1 - 19 / 36))
    assert Confusion(10, 0, 0, 10).kappa == 1.0
    assert Confusion(0, 10, 10, 0).kappa == -1.0
    assert Confusion(10, 0, 0, 0).kappa is None and Confusion(0, 0, 0, 0).kappa is None
    assert Confusion(10, 10, 0, 0).kappa == pytest.approx(0.0)


@given(st.lists(st.integers(0, 30), min_size=4, max_size=4))
def test_kappa_equals_that_of_sklearn(cells: list[int]) -> None:
    import warnings

    from sklearn.metrics import cohen_kappa_score

    found = Confusion(*cells).kappa
    a = [1] * cells[0] + [1] * cells[1] + [0] * cells[2] + [0] * cells[3]
    b = [1] * cells[0] + [0] * cells[1] + [1] * cells[2] + [0] * cells[3]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = cohen_kappa_score(a, b) if a else math.nan
    if found is None:
        assert math.isnan(theirs)
    else:
        assert found == pytest.approx(theirs, abs=1e-9)


def test_agreement_of_verdicts_known_by_construction(judged: Run) -> None:
    (found,) = agreement_of(judged, "fuzzy", "judge")
    assert found.confusion == Confusion(30, 10, 5, 15)
    assert found.score_a == pytest.approx(100 * 40 / 60) and found.score_b == pytest.approx(100 * 35 / 60)
    assert found.difference == pytest.approx(-100 * 5 / 60)
    assert found.confusion.raw == 0.75 and found.confusion.kappa == pytest.approx(8 / 17)
    assert found.interval is not None and found.interval[0] < found.difference < found.interval[1]
    assert found.kappa_interval is not None
    low, high = found.kappa_interval
    # the large-sample standard error of kappa here is about 0.115; images hold two questions each
    assert low < 8 / 17 < high and 0.25 < high - low < 0.7
    assert len(found.disagreements) == 15 and found.published is None
    first = found.disagreements[0]
    assert first.question.startswith("What is number") and first.response == f"answer {first.id}"
    assert first.answers == (f"answer {first.id}",) and first.a.rule == "rule of fuzzy"


def test_exchanging_the_scorers_mirrors_the_agreement(judged: Run) -> None:
    (one,), (other,) = agreement_of(judged, "fuzzy", "judge"), agreement_of(judged, "judge", "fuzzy")
    assert other.confusion == Confusion(30, 5, 10, 15) and other.difference == pytest.approx(-one.difference)  # type: ignore[operator]
    assert one.interval is not None and other.interval is not None
    assert other.interval == pytest.approx((-one.interval[1], -one.interval[0]))
    assert other.kappa_interval == pytest.approx(one.kappa_interval)


def test_equal_verdicts_agree_fully(judged: Run) -> None:
    marks = ["1", "0"] * 30
    give(judged, marks, marks)
    (found,) = agreement_of(judged, "fuzzy", "judge")
    assert found.confusion.kappa == 1.0 and found.difference == 0.0 and found.interval == (0.0, 0.0)
    assert not found.disagreements


def test_undecided_responses_are_excluded_and_counted(judged: Run) -> None:
    give(judged, ["1"] * 60, ["?"] * 20 + ["1"] * 40)
    (found,) = agreement_of(judged, "fuzzy", "judge")
    assert found.undecided == 20 and found.confusion == Confusion(40, 0, 0, 0) and found.confusion.kappa is None
    assert found.score_b == pytest.approx(100 * 40 / 60), "as in the results: undecided counts as wrong"


def test_partial_credit_counts_as_correct_from_half_on(judged: Run) -> None:
    ids = [s.id for s in judged.samples("docvqa")]
    for scorer, values in (("fuzzy", [0.5] * 30 + [0.49] * 30), ("judge", [1.0] * 30 + [0.0] * 30)):
        judged.save_verdicts(CELL, scorer, ids, [Verdict(v, "x", "r") for v in values])
    (found,) = agreement_of(judged, "fuzzy", "judge")
    assert found.confusion == Confusion(30, 0, 0, 30) and any("partial credit" in n for n in found.notes)


def test_any_two_scorers_and_a_missing_one(judged: Run) -> None:
    assert agreement_of(judged, "fuzzy", "official")[0].n == 60
    with pytest.raises(UserError, match="--scorer nosuch"):
        agreement_of(judged, "fuzzy", "nosuch")
    with pytest.raises(UserError, match="two scorers"):
        agreement_of(judged, "fuzzy", "fuzzy")


def test_the_differences_of_the_paper_are_shown_for_its_models(docvqa_root: Path, tmp_path: Path, judged: Run) -> None:
    from cambrian_eval.results.agreement import published_pair

    # Table 24: ChartQA of the 8B model 73.3 and 71.2; the 13B row is given by its printed differences
    pair = published_pair("nyu-visionx/cambrian-8b", Cell("chartqa", "on"), "fuzzy", "judge")
    assert pair is not None and (pair.a, pair.b) == (73.3, 71.2) and pair.difference == pytest.approx(-2.1)
    turned = published_pair("nyu-visionx/cambrian-8b", Cell("chartqa", "on"), "judge", "fuzzy")
    assert turned is not None and turned.difference == pytest.approx(2.1)
    larger = published_pair("nyu-visionx/cambrian-13b", Cell("mmvp", "on"), "fuzzy", "judge")
    assert larger is not None and larger.difference == pytest.approx(4.7)
    for name, cell, a in (
        ("cambrian-8b", Cell("docvqa", "on"), "fuzzy"),
        ("cambrian-8b", Cell("chartqa", "off"), "fuzzy"),
        ("cambrian-8b", Cell("chartqa", "on"), "official"),
        ("gpt-4o", Cell("chartqa", "on"), "fuzzy"),
    ):
        assert published_pair(name, cell, a, "judge") is None


def app() -> typer.Typer:
    made = typer.Typer()
    made.command("agreement")(agreement)
    made.command("adjudicate")(adjudicate)
    return made


def test_the_command_in_all_formats(judged: Run, tmp_path: Path) -> None:
    def ask(*words: str) -> str:
        done = CliRunner().invoke(app(), ["agreement", str(judged.path), *words])
        assert done.exit_code == 0, done.output
        return done.stdout

    text = ask("--show", "1")
    assert "75.0%" in text and "0.471" in text and "-8.3" in text and "14 more disagreements" in text
    (row,) = csv.DictReader(io.StringIO(ask("--format", "csv")))
    assert (row["both_right"], row["only_a"], row["only_b"], row["both_wrong"]) == ("30", "10", "5", "15")
    assert float(row["kappa"]) == pytest.approx(8 / 17)
    body = json.loads(ask("--format", "json"))
    assert len(body["agreements"][0]["disagreements"]) == 15 and body["mean"]["difference"] == pytest.approx(-25 / 3)
    target = tmp_path / "page.html"
    ask("--format", "html", "--out", str(target))
    assert target.read_text().count("<article") == 15
    bad = CliRunner().invoke(app(), ["agreement", str(judged.path), "--format", "xml"])
    assert isinstance(bad.exception, UserError)


def test_mean_and_mean_absolute_difference(judged: Run) -> None:
    found = agreement_of(judged, "fuzzy", "judge")
    assert mean_difference(found) == (pytest.approx(-25 / 3), pytest.approx(25 / 3))
    assert mean_difference([]) is None


def test_marks_give_error_rates(judged: Run, tmp_path: Path) -> None:
    found = agreement_of(judged, "fuzzy", "judge")
    keys = [d.key for d in found[0].disagreements]
    marks = {k: m for k, m in zip(keys, ["a"] * 6 + ["b"] * 3 + ["unclear"] * 2, strict=False)}
    cell, total = error_rates(found, marks)
    assert (cell.marked, cell.unclear, cell.disagreements, cell.decided) == (11, 2, 15, 60)
    # b is right in 3 of 9 clear marks, so a is wrong in 3
    assert (cell.a_wrong.k, cell.b_wrong.k, cell.a_wrong.n) == (3, 6, 9)
    whole = total.overall(total.a_wrong)
    assert whole is not None and whole[0] == pytest.approx(15 / 60 * 3 / 9)
    with pytest.raises(UserError, match="none of the marks"):
        error_rates(found, {"gqa.on/1": "a"})


def test_the_page_and_its_marks_through_the_command(judged: Run, tmp_path: Path) -> None:
    made = CliRunner().invoke(app(), ["adjudicate", str(judged.path), "--no-open"])
    assert made.exit_code == 0 and "15 disagreements" in made.output
    text = (judged.path / "adjudicate-fuzzy-judge.html").read_text()
    assert text.count('value="unclear"') == 15 and "export marks" in text
    keys = [d.key for r in agreement_of(judged, "fuzzy", "judge") for d in r.disagreements]
    file = tmp_path / "marks.json"
    file.write_text(
        json.dumps({"kind": "cambrian-eval marks", "a": "fuzzy", "b": "judge", "marks": dict.fromkeys(keys, "b")})
    )
    read = CliRunner().invoke(app(), ["adjudicate", str(judged.path), "--marks", str(file), "--json"])
    rates = json.loads(read.stdout)["rates"]
    assert rates[-1]["a_wrong"]["wrong"] == 15 and rates[-1]["b_wrong"]["rate"] == 0.0
    shown = CliRunner().invoke(app(), ["adjudicate", str(judged.path), "--marks", str(file)])
    assert "100.0%" in shown.stdout


def test_a_file_without_valid_marks_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "marks.json"
    for text, words in (
        ("{", "not valid JSON"),
        ("{}", "contains no marks"),
        ('{"kind": "cambrian-eval marks", "a": "x", "b": "judge", "marks": {}}', "--a x"),
        ('{"kind": "cambrian-eval marks", "a": "fuzzy", "b": "judge", "marks": {"k": "maybe"}}', "maybe"),
    ):
        file.write_text(text)
        with pytest.raises(UserError, match=words):
            read_marks(file, "fuzzy", "judge")


def test_a_response_cannot_put_markup_on_the_page(judged: Run) -> None:
    from dataclasses import replace

    (found,) = agreement_of(judged, "fuzzy", "judge")
    evil = replace(found.disagreements[0], response="<script>alert(1)</script>\ud800", id='"><b>')
    text = page([replace(found, disagreements=(evil,))], "fuzzy", "judge", "</script>", "m", marking=True)
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)" in text
    assert text.count("</script>") == 1 and '"><b>' not in text
