"""Intervals, paired tests and corrections against formulas and naive second implementations."""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.benchmark import Unit
from cambrian_eval.results import statistics
from cambrian_eval.results.exact_test import exchanged
from cambrian_eval.sample import Sample, clusters


def sample(i: int, image: str | None = None, group: str | None = None) -> Sample:
    return Sample(id=str(i), index=i, question="q", image_id=image, group=group)


def plain(values: list[float]) -> list[Unit]:
    return [Unit("all", v, (i,)) for i, v in enumerate(values)]


def test_clusters_connect_images_and_groups_transitively() -> None:
    samples = [
        sample(0, "a", "g"),
        sample(1, "b", "g"),
        sample(2, "b"),
        sample(3, "c"),
        sample(4),
        sample(5, None, "h"),
        sample(6, None, "h"),
        sample(7, "g"),
    ]
    assert clusters(samples) == [0, 0, 0, 1, 2, 3, 3, 4]


def test_score_is_the_weighted_sum_of_stratum_means() -> None:
    units = [Unit("x", 1, (0,)), Unit("x", 0, (1,)), Unit("y", 1, (2,)), Unit("z", 1, (3,))]
    assert statistics.score(units, {"x": 50, "y": 50}) == 75.0
    assert statistics.score(units, {"missing": 1}) is None


def test_the_interval_matches_the_normal_formula_for_independent_samples() -> None:
    rng = random.Random(1)
    values = [float(rng.random() < 0.7) for _ in range(2000)]
    low, high = statistics.interval(statistics.cluster_table(plain(values), {"all": 100}, list(range(2000)))) or (0, 0)
    p = sum(values) / 2000
    half = 1.96 * math.sqrt(p * (1 - p) / 2000) * 100
    assert low == pytest.approx(100 * p - half, abs=0.35)
    assert high == pytest.approx(100 * p + half, abs=0.35)


def test_dependent_questions_widen_the_interval() -> None:
    """Ten copies of each image's verdict have the information of one: the interval must be that of 100 samples."""
    rng = random.Random(2)
    images = [float(rng.random() < 0.5) for _ in range(100)]
    values = [v for v in images for _ in range(10)]
    cluster = [i // 10 for i in range(1000)]
    low, high = statistics.interval(statistics.cluster_table(plain(values), {"all": 100}, cluster)) or (0, 0)
    alone = statistics.interval(statistics.cluster_table(plain(images), {"all": 100}, list(range(100)))) or (0, 0)
    assert (low, high) == pytest.approx(alone, abs=1e-9)
    naive = statistics.interval(statistics.cluster_table(plain(values), {"all": 100}, list(range(1000)))) or (0, 0)
    assert high - low > 2.5 * (naive[1] - naive[0])


def test_the_bootstrap_equals_a_naive_one_over_whole_clusters() -> None:
    """Same draws, metric recomputed from scratch on the resampled list of units, two strata."""
    rng = np.random.default_rng(5)
    units = [Unit("xy"[i % 2], float(rng.integers(0, 2)), (i,)) for i in range(60)]
    cluster = [i // 4 for i in range(60)]
    weights = {"x": 30.0, "y": 70.0}
    found = statistics.interval(statistics.cluster_table(units, weights, cluster), seed=3, resamples=200)
    draws = []
    source = np.random.default_rng(3)
    for _ in range(200):
        chosen = source.integers(0, 15, 15)
        bag = [u for c in chosen for u in units if cluster[u.members[0]] == c]
        draws.append(statistics.score(bag, weights))
    expected = np.quantile(np.array(draws, dtype=float), [0.025, 0.975])
    assert found == pytest.approx(tuple(expected))


def test_one_cluster_has_no_interval() -> None:
    assert statistics.interval(statistics.cluster_table(plain([1, 0, 1]), {"all": 100}, [0, 0, 0])) is None


@given(st.integers(0, 40), st.integers(0, 40))
def test_one_question_an_image_is_mcnemars_test(gained: int, lost: int) -> None:
    n = gained + lost
    pmf = [math.comb(n, k) / 2**n for k in range(n + 1)]
    expected = sum(p for p in pmf if p <= pmf[gained] * (1 + 1e-9))
    assert exchanged([1] * gained + [-1] * lost + [0] * 7) == pytest.approx(min(1.0, expected))


@given(st.lists(st.integers(-6, 6), max_size=11))
def test_the_exact_test_against_all_exchanges(gaps: list[int]) -> None:
    extreme = sum(
        abs(sum(s * g for s, g in zip(signs, gaps, strict=True))) >= abs(sum(gaps))
        for signs in itertools.product((-1, 1), repeat=len(gaps))
    )
    assert exchanged(gaps) == pytest.approx(extreme / 2 ** len(gaps))


@pytest.mark.parametrize("counts", [{1: 350, -1: 280}, {1: 110, -1: 90, 3: 41, -3: 40}, {1: 400}, {2: 3, -5: 201}])
def test_the_exact_test_of_many_images_in_whole_numbers(counts: dict[int, int]) -> None:
    """Of the exchanges, as many as are at least as extreme, counted sum by sum; also where p is tiny."""
    gaps = [gap for gap, times in counts.items() for _ in range(times)]
    ways = {0: 1}
    for gap in gaps:
        more: dict[int, int] = {}
        for total, count in ways.items():
            for step in (gap, -gap):
                more[total + step] = more.get(total + step, 0) + count
        ways = more
    extreme = sum(count for total, count in ways.items() if abs(total) >= abs(sum(gaps)))
    expected = Fraction(extreme, 2 ** len(gaps))
    assert statistics.exchanged(gaps) == pytest.approx(float(expected), rel=1e-12, abs=0)


def test_questions_about_one_image_are_exchanged_together() -> None:
    """Ten questions gained about one image are one gain: there are two exchanges, and both are as extreme."""
    a, b = plain([0] * 10), plain([1] * 10)
    together = statistics.paired(a, b, {"all": 100}, [0] * 10, 10)
    apart = statistics.paired(a, b, {"all": 100}, list(range(10)), 10)
    assert together is not None and together.p_value == 1.0
    assert apart is not None and apart.p_value == pytest.approx(2 / 2**10)


def test_paired_difference_by_hand() -> None:
    a, b = plain([1, 1, 0, 0, 1, 0]), plain([1, 1, 1, 1, 1, 0])
    found = statistics.paired(a, b, {"all": 100}, list(range(6)), 6)
    assert found is not None
    assert (found.a, found.b) == (50.0, pytest.approx(83.3333, abs=1e-3))
    assert found.difference == pytest.approx(33.3333, abs=1e-3)
    assert found.test == "exact" and found.p_value == pytest.approx(0.5)  # two discordant, both gains: 2 * 1/4
    assert found.interval is not None and found.interval[0] <= found.difference <= found.interval[1]


def test_permutation_p_value_against_all_relabelings() -> None:
    """Eight clusters: 256 relabelings can be listed; the sampled p-value must agree."""
    rng = np.random.default_rng(0)
    a = [Unit("all", float(v), (2 * i, 2 * i + 1)) for i, v in enumerate(rng.random(8))]
    b = [Unit("all", min(1.0, u.value + g), u.members) for u, g in zip(a, rng.random(8) * 0.6 - 0.1, strict=True)]
    found = statistics.paired(a, b, {"all": 100}, [i // 2 for i in range(16)], 16)
    assert found is not None and found.test == "permutation"
    gaps = [100 * (y.value - x.value) / 8 for x, y in zip(a, b, strict=True)]
    observed = abs(sum(gaps))
    extreme = sum(
        abs(sum(s * g for s, g in zip(signs, gaps, strict=True))) >= observed - 1e-9
        for signs in itertools.product((-1, 1), repeat=8)
    )
    assert found.p_value == pytest.approx(extreme / 256, abs=0.02)


def test_the_detectable_difference_is_2_8_standard_errors() -> None:
    rng = np.random.default_rng(7)
    a, b = rng.integers(0, 2, 1500), rng.integers(0, 2, 1500)
    found = statistics.paired(
        plain([float(v) for v in a]), plain([float(v) for v in b]), {"all": 100}, list(range(1500)), 1500
    )
    error = 100 * (b - a).std(ddof=1) / math.sqrt(1500)
    assert found is not None and found.detectable == pytest.approx(2.8 * error, rel=0.08)


def test_equal_runs_have_no_detectable_difference() -> None:
    same = plain([1, 0, 1, 0])
    found = statistics.paired(same, same, {"all": 100}, list(range(4)), 4)
    assert found is not None and found.difference == 0 and found.p_value == 1
    assert found.detectable is None


def test_holm_by_hand() -> None:
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([]) == []


@given(st.integers(1, 500), st.data())
def test_wilson_against_the_formula(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    z, p = 1.959963984540054, k / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert statistics.wilson(k, n) == pytest.approx((max(0.0, middle - half), min(1.0, middle + half)), abs=1e-12)


def test_wilson_of_known_cases() -> None:
    # 7 of 10: the textbook interval is 0.3968 .. 0.8922
    assert statistics.wilson(7, 10) == (pytest.approx(0.3968, abs=1e-4), pytest.approx(0.8922, abs=1e-4))
    assert statistics.wilson(0, 10) == (0.0, pytest.approx(0.2775, abs=1e-4))
    assert statistics.wilson(0, 0) is None


def test_rows_of_empty_clusters_change_no_metric() -> None:
    units = [Unit("x", 1, (0,)), Unit("y", 0, (1,)), Unit("x", 0, (3,))]
    cluster = [0, 1, 2, 3]
    kept = statistics.cluster_table(units, {"x": 100}, cluster, keep_empty=True)
    dropped = statistics.cluster_table(units, {"x": 100}, cluster)
    assert (len(kept.sums), len(dropped.sums)) == (4, 2)
    assert kept.metric == dropped.metric == 50.0


@given(st.lists(st.tuples(st.none() | st.sampled_from("abc"), st.none() | st.sampled_from("xyz")), max_size=12))
def test_clusters_against_a_naive_merging(named: list[tuple[str | None, str | None]]) -> None:
    samples = [Sample(str(i), i, "q", image_id=image, group=group) for i, (image, group) in enumerate(named)]
    labels = list(range(len(named)))
    for i, (image, group) in enumerate(named):
        for j, (other_image, other_group) in enumerate(named[:i]):
            if (image is not None and image == other_image) or (group is not None and group == other_group):
                labels = [labels[j] if label == labels[i] else label for label in labels]
    seen = list(dict.fromkeys(labels))
    assert clusters(samples) == [seen.index(label) for label in labels]


def test_random_exchanges_are_those_of_a_plain_loop() -> None:
    """Seeded, and whichever images differ: the sum of the gains with random signs, drawn one number at a time."""
    rng = np.random.default_rng(3)
    a, b = ([Unit("all", float(v), (i,)) for i, v in enumerate(rng.integers(0, 3, 25) / 2)] for _ in range(2))
    left, right = (statistics.cluster_table(units, {"all": 100}, list(range(25))) for units in (a, b))
    bits = np.random.default_rng(8)
    expected = [
        sum((2 * int(bits.integers(0, 2)) - 1) * 4 * (y.value - x.value) for x, y in zip(a, b, strict=True))
        for _ in range(60)
    ]
    assert statistics.exchanges(left, right, 7, 60) == pytest.approx(expected, abs=1e-9)
