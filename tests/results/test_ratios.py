"""Metrics that are quotients of means: F1 against its definition, and paired tests over such metrics."""

from __future__ import annotations

import random

import pytest

from cambrian_eval.benchmark import Graded
from cambrian_eval.registry import load_benchmark
from cambrian_eval.results import statistics
from cambrian_eval.results.grading import summarize
from cambrian_eval.sample import Sample, Verdict, clusters


def answered(seed: int, rate: float) -> list[Graded]:
    """Responses to 300 questions about 60 images in three splits, right with the given rate."""
    rng = random.Random(seed)
    found = []
    for i in range(300):
        gold = ("Yes", "No")[i % 2]
        right = rng.random() < rate
        split = ("random", "popular", "adversarial")[i % 3]
        sample = Sample(str(i), i, "Is there a dog?", (gold,), image_id=str(i // 5), tags={"split": split})
        said = gold if right else ("No" if gold == "Yes" else "Yes")
        found.append(Graded(sample, Verdict(float(right), said, "test")))
    return found


def f1(graded: list[Graded]) -> float:
    """The mean of three F1 by precision and recall."""
    total = 0.0
    for split in ("random", "popular", "adversarial"):
        mine = [g for g in graded if g.sample.tags["split"] == split]
        hits = sum(g.verdict.extracted == "Yes" == g.sample.answers[0] for g in mine)
        precision = hits / sum(g.verdict.extracted == "Yes" for g in mine)
        recall = hits / sum(g.sample.answers[0] == "Yes" for g in mine)
        total += 100 * 2 * precision * recall / (precision + recall) / 3
    return total


def test_f1_and_the_paired_test_of_two_models() -> None:
    benchmark = load_benchmark("pope")
    weak, strong = answered(1, 0.6), answered(2, 0.85)
    units = [benchmark.units(graded, "fuzzy") for graded in (weak, strong)]
    formula = benchmark.metrics(sorted({u.stratum for u in units[0]}))["score"]
    assert statistics.score(units[0], formula) == pytest.approx(f1(weak))
    assert statistics.score(units[1], formula) == pytest.approx(f1(strong))
    cluster_of = clusters([g.sample for g in weak])
    found = statistics.paired(units[0], units[1], formula, cluster_of, 300)
    assert found is not None and found.difference == pytest.approx(f1(strong) - f1(weak))
    assert found.interval is not None and found.interval[0] < found.difference < found.interval[1]
    assert found.test == "permutation" and found.p_value < 0.01
    same = statistics.paired(units[0], units[0], formula, cluster_of, 300)
    assert same is not None and same.p_value == 1.0 and same.difference == 0.0


def test_repeats_of_a_quotient_are_pooled_and_have_no_best() -> None:
    """F1 of the counts of both repeats together, as if each question had been asked twice."""
    benchmark = load_benchmark("pope")
    rows = [answered(seed, 0.7) for seed in (3, 4)]
    samples, verdicts = [g.sample for g in rows[0]], [[g.verdict for g in row] for row in rows]
    found = summarize(benchmark, samples, verdicts[0], "fuzzy", verdicts[1], complete=True)
    assert found.score == pytest.approx(f1(rows[0] + rows[1]))
    assert found.interval is not None and found.interval[0] < found.score < found.interval[1]
    assert found.repeats is not None and found.repeats.best is None
    assert found.repeats.scores == pytest.approx([f1(row) for row in rows])


def test_responses_that_a_judge_leaves_undecided_in_a_repeat_count_in_none() -> None:
    samples = [Sample(str(i), i, "What is it?", ("dog",), image_id=str(i)) for i in range(4)]
    undecided = Verdict(0.0, None, "test", outcome="undecided")
    first = [Verdict(value, None, "test") for value in (0.2, 0.4, 0.6, 1.0)]
    second = [undecided, *(Verdict(value, None, "test") for value in (0.6, 0.6, 0.8))]
    found = summarize(load_benchmark("mmvet"), samples, first, "judge", second, complete=True)
    assert found.score == pytest.approx(100 * (0.5 + 0.6 + 0.9) / 3)
