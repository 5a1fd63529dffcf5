"""Redundancy of benchmarks: ridge regression, held-out variance and choices against sklearn, scipy and enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn.linear_model import Ridge

from cambrian_eval.reports import redundancy
from cambrian_eval.reports.scores import ScoreTable, build, from_published, one_cvbench

NAMES = ("mmbench", "seed", "gqa", "scienceqa", "mathvista", "ai2d", "chartqa", "ocrbench")


def table_of(columns: np.ndarray) -> ScoreTable:
    values = 50 + 5 * columns
    rows = (dict(zip(NAMES, map(float, row), strict=False)) for row in values)
    return build({f"m{i}": row for i, row in enumerate(rows)}, "planted")


@pytest.mark.parametrize("seed", range(4))
def test_ridge_has_the_penalty_with_the_least_leave_one_out_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(14, 4))
    y = x @ rng.normal(size=4) + rng.normal(size=14)
    x, y = x - x.mean(axis=0), y - y.mean()
    errors = {}
    for penalty in redundancy.PENALTIES:
        wrong = []
        for i in range(14):
            seen = np.arange(14) != i
            # The intercept is fitted again without the model left out.
            model = Ridge(alpha=penalty).fit(x[seen], y[seen])
            wrong.append(float(y[i] - model.predict(x[[i]])[0]) ** 2)
        errors[penalty] = sum(wrong)
    best = min(errors, key=lambda p: errors[p])
    assert np.allclose(redundancy.ridge(x, y), Ridge(alpha=best).fit(x, y).coef_)


def test_a_benchmark_made_of_others_adds_nothing_and_an_unrelated_one_all() -> None:
    rng = np.random.default_rng(1)
    columns = rng.normal(size=(120, 5))
    columns[:, 1] = columns[:, 0] + 0.1 * rng.normal(size=120)
    columns[:, 2] = (columns[:, 0] + columns[:, 3]) / np.sqrt(2) + 0.5 * rng.normal(size=120)
    found = redundancy.redundancy(table_of(columns))
    assert found is not None and found.models == 120
    added = {a.benchmark: a for a in found.added}
    assert added["seed"].share < 0.03 and added["mmbench"].share < 0.03
    assert 0.9 < added["mathvista"].share < 1.15 and found.added[0].benchmark == "mathvista"
    assert 0.1 < added["gqa"].share < 0.3  # noise 0.25 of 1.25
    assert all(a.low <= a.share <= a.high for a in found.added)


def test_predictions_never_see_the_model_they_are_for() -> None:
    rng = np.random.default_rng(2)
    others, target = rng.normal(size=(12, 3)), rng.normal(size=12)
    before, mean = redundancy.held_out(others, target)
    changed = target.copy()
    changed[5] += 100
    after, mean_after = redundancy.held_out(others, changed)
    fold = next(f for f in np.array_split(np.random.default_rng(0).permutation(12), 10) if 5 in f)
    assert np.allclose(before[fold], after[fold]) and np.allclose(mean[fold], mean_after[fold])
    assert not np.allclose(np.delete(before, fold), np.delete(after, fold))


def test_rank_correlations_are_scipys() -> None:
    values = one_cvbench(from_published("table14")).select(NAMES).values
    tried = np.array(list(itertools.combinations(range(8), 3)))
    found = redundancy.rank_correlations(values, tried)
    for chosen, value in zip(tried, found, strict=True):
        expected = scipy_stats.spearmanr(values[:, chosen].mean(axis=1), values.mean(axis=1)).statistic
        assert value == pytest.approx(expected)
    assert redundancy.best(values, tried) == tuple(tried[np.argmax(np.round(found, 12))])


def test_two_benchmarks_that_make_up_the_ranking_are_chosen() -> None:
    rng = np.random.default_rng(3)
    columns = 0.1 * rng.normal(size=(60, 8))
    columns[:, 2] += 2 * rng.normal(size=60)
    columns[:, 5] += 2 * rng.normal(size=60)
    found = redundancy.redundancy(table_of(columns))
    assert found is not None and found.every_choice
    two = found.choices[1]
    assert set(two.benchmarks) == {"gqa", "ai2d"}
    assert two.held_out > 0.95 > two.at_random and two.low <= two.held_out <= two.high
    chosen = found.smallest(0.95)
    assert chosen is not None and chosen.benchmarks == two.benchmarks
    assert [len(c.benchmarks) for c in found.choices] == list(range(1, 8))


def test_an_average_of_noise_is_not_said_to_keep_the_ranking() -> None:
    columns = np.random.default_rng(4).normal(size=(40, 8))
    found = redundancy.redundancy(table_of(columns))
    assert found is not None
    assert found.choices[0].rank_correlation > found.choices[0].held_out  # the choice is fitted to its own models
    assert found.choices[0].held_out == pytest.approx(1 / np.sqrt(8), abs=0.15)  # one of eight equal parts of a sum


def test_mme_counts_as_a_twentieth() -> None:
    rng = np.random.default_rng(5)
    cells = {f"m{i}": {"mme": 20 * x, "seed": y, "gqa": z} for i, (x, y, z) in enumerate(rng.uniform(20, 80, (20, 3)))}
    same = {m: {"mmbench": row["mme"] / 20, "seed": row["seed"], "gqa": row["gqa"]} for m, row in cells.items()}
    a, b = redundancy.redundancy(build(cells, "x")), redundancy.redundancy(build(same, "x"))
    assert a is not None and b is not None
    assert [c.held_out for c in a.choices] == [c.held_out for c in b.choices]


def test_models_without_all_scores_are_left_out_and_few_are_refused() -> None:
    values = np.random.default_rng(6).normal(size=(14, 4))
    table = table_of(values)
    table.values[0, 1] = table.values[1, 2] = np.nan
    found = redundancy.redundancy(table)
    assert found is not None and found.models == 12
    table.values[2, 2] = np.nan
    assert redundancy.redundancy(table) is None
