"""Averages by the paper's formulas, whole and partial."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.benchmark import PAPER
from cambrian_eval.registry import load_benchmark
from cambrian_eval.results.averages import averages, cvbench

EIGHT_B = {
    "mme": 1547.1,
    "mmbench": 75.9,
    "seed": 74.7,
    "gqa": 64.6,
    "scienceqa": 80.4,
    "mmmu": 42.7,
    "mathvista": 49.0,
    "ai2d": 73.0,
    "chartqa": 73.3,
    "ocrbench": 62.4,
    "textvqa": 71.7,
    "docvqa": 77.8,
    "mmvp": 51.3,
    "realworldqa": 64.2,
    "cvbench_2d": 72.3,
    "cvbench_3d": 72.0,
}


def test_the_8b_model_by_hand() -> None:
    got = averages(EIGHT_B)
    assert got["General"].value == pytest.approx((1547.1 / 20 + 75.9 + 74.7 + 64.6) / 4)
    assert got["Knowledge"].value == pytest.approx(61.275)
    assert got["OCR & Chart"].value == pytest.approx(71.3)
    assert got["Vision-Centric"].value == pytest.approx(64.95)
    assert got["overall"].value == pytest.approx((73.13875 + 61.275 + 71.3 + 64.95) / 4)
    assert not any(average.partial for average in got.values())
    assert got["overall"].label == "overall"
    assert cvbench(EIGHT_B).value == pytest.approx(72.15)


def test_what_was_not_run_makes_an_average_partial_never_lower() -> None:
    got = averages({"mmvp": 50.0, "realworldqa": 60.0, "docvqa": None})
    assert got["Vision-Centric"].value == 55.0
    assert got["Vision-Centric"].label == "Vision-Centric (partial, 2 of 4)"
    assert got["OCR & Chart"].value is None
    assert got["General"].members == ()
    assert got["overall"].missing[0] == "mme" and len(got["overall"].missing) == 14


def test_results_over_some_rows_make_it_partial() -> None:
    got = averages(EIGHT_B, incomplete={"mme"})
    assert got["General"].partial and got["overall"].partial
    assert got["General"].incomplete == ("mme",)
    assert not got["Knowledge"].partial


def test_other_benchmarks_do_not_enter() -> None:
    assert averages({**EIGHT_B, "mine": 0.0}) == averages(EIGHT_B)


@pytest.mark.parametrize(("category", "name"), [(c, name) for c, names in PAPER.items() for name in names])
def test_a_divided_score_is_out_of_100_in_the_papers_category(category: str, name: str) -> None:
    adapter = load_benchmark(name)
    assert adapter.category == category
    assert adapter.average_divisor == (20.0 if name == "mme" else 1.0)
    assert adapter.scale == 100 * adapter.average_divisor


@given(st.fixed_dictionaries({name: st.floats(0, 100) for names in PAPER.values() for name in names}))
def test_overall_is_the_mean_of_the_categories(scores: dict[str, float]) -> None:
    got = averages(scores)
    categories = [got[name].value or 0.0 for name in PAPER]
    assert got["overall"].value == pytest.approx(sum(categories) / 4)
