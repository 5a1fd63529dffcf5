"""Score tables: what is read is what the file says, and what cannot be read is said."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cambrian_eval.errors import UserError
from cambrian_eval.reports.catalogue import canonical, in_order
from cambrian_eval.reports.scores import build, combine, from_published, one_cvbench, read_csv


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "scores.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_wide_csv_in_the_papers_own_spelling(tmp_path: Path) -> None:
    head = "Model,MME^P,MMB,SEED^I,SQA^I,CV-Bench 2D,params,group\n"
    text = head + 'a,"1,547.1",75.9,74.7,80.4,72.3,8,x\nb,,60,-,n/a,70,13,y\n'
    table = read_csv(written(tmp_path, text))
    assert table.models == ("a", "b")
    assert table.benchmarks == ("mme", "mmbench", "seed", "scienceqa", "cvbench_2d")
    assert table.row("a") == {"mme": 1547.1, "mmbench": 75.9, "seed": 74.7, "scienceqa": 80.4, "cvbench_2d": 72.3}
    assert table.row("b") == {"mmbench": 60.0, "cvbench_2d": 70.0}
    assert table.attributes == {"a": {"params": 8.0}, "b": {"params": 13.0}}
    assert table.groups == {"a": "x", "b": "y"}


def test_a_leaderboard_has_columns_that_are_no_scores(tmp_path: Path) -> None:
    text = (
        "Rank,Method,Param (B),Language Model,Eval Date,Avg Score,MMBench,HallusionBench Avg.,AI2D\n"
        "1,A,7,Qwen,2024/01/02,70,80,45.1,80\n2,B,,Vicuna,2024/02/02,60,70,-,70\n"
    )
    table = read_csv(written(tmp_path, text))
    assert set(table.benchmarks) == {"mmbench", "ai2d", "HallusionBench Avg."} and table.models == ("A", "B")
    assert table.attributes["A"] == {"params": 7.0} and not table.attributes["B"]
    assert any("columns of text are not scores: Language Model, Eval Date" in note for note in table.notes)


def test_long_csv_takes_vision_on_and_one_scorer(tmp_path: Path) -> None:
    text = (
        "model,benchmark,condition,scorer,score,low,high\n"
        "a,gqa,on,fuzzy,60,55,65\na,gqa,off,fuzzy,30,,\na,gqa,on,official,59,,\na,mme,on,fuzzy,1500,,\n"
    )
    table = read_csv(written(tmp_path, text))
    assert table.row("a") == {"mme": 1500.0, "gqa": 60.0}
    assert table.intervals == {("a", "gqa"): (55.0, 65.0)}
    assert any("official" in note for note in table.notes) and any("condition" in note for note in table.notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model,gqa\n", "no rows"),
        ("model,gqa\na,6x\n", "line 2: column 'gqa' holds '6x'"),
        ("model,gqa\na,inf\n", "not a number"),
        ("model,gqa\na,60\na,61\n", "'a' occurs twice"),
        ("model,gqa,GQA \na,60,61\n", "occurs twice"),
        ("model;gqa\na;60,5\n", "commas between cells, points in numbers"),
        ("model,seed,SEED-I\na,60,61\n", "two columns mean seed"),
        ("model,gqa\na,60,1\n", "line 2: 3 cells under 2 columns"),
        ("model,gqa\n,60\n", "'model' is empty"),
        ("model,group\na,x\n", "no column of scores"),
        ("model,benchmark,score\na,gqa,60\na,gqa,61\n", "two scores for gqa"),
    ],
)
def test_bad_csv_is_one_line_that_names_file_and_place(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UserError) as error:
        read_csv(path)
    assert words in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


def test_published_tables_have_the_printed_shape() -> None:
    nine = from_published("table9")
    assert len(nine.models) == 15 and len(nine.benchmarks) == 16
    assert nine.row("Cambrian-1-8B")["mmvp"] == 51.3
    assert sum(len(nine.row(m)) == 16 for m in nine.models) == 10
    fourteen = from_published("Table 14")
    assert len(fourteen.models) == 18 and not math.isnan(float(fourteen.values.sum()))
    assert fourteen.attributes["OpenAI CLIP ViT-L/14@336"] == {"visual_tokens": 576.0, "resolution": 336.0}
    assert len(from_published("backbones").models) == 83


def test_unknown_table_names_its_neighbors() -> None:
    with pytest.raises(UserError, match="table14"):
        from_published("tabel14")


def test_models_of_several_sources_stay_apart() -> None:
    a = build({"m": {"gqa": 1.0}}, "first")
    b = build({"m": {"gqa": 2.0}}, "second")
    both = combine([a, b])
    assert both.models == ("m", "m (second)")
    assert both.column("gqa").tolist() == [1.0, 2.0]


def test_cvbench_folds_into_the_mean_of_two() -> None:
    table = one_cvbench(build({"m": {"cvbench_2d": 70.0, "cvbench_3d": 60.0, "gqa": 1.0}}, "x"))
    assert table.row("m") == {"gqa": 1.0, "cvbench": 65.0}


def test_names_and_order() -> None:
    assert canonical("MathVista^M") == "mathvista" and canonical("RWQA") == "realworldqa" and canonical("zzz") is None
    assert in_order(["zeta", "docvqa", "mme", "alpha"]) == ["mme", "docvqa", "alpha", "zeta"]
