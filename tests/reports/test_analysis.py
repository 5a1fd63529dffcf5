"""Correlation, components, clusters and categories against hand arithmetic, numpy and the published figures."""

from __future__ import annotations

import csv
import itertools
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from sklearn.metrics import adjusted_rand_score, silhouette_score

from cambrian_eval.errors import UserError
from cambrian_eval.reports import analysis, assignment, clustering, findings, pca
from cambrian_eval.reports.catalogue import entry
from cambrian_eval.reports.correlation import correlate, imputed, pair_matrix, restrict, shipped_matrix, usable
from cambrian_eval.reports.scores import build, from_published, one_cvbench


def drawn_positions() -> dict[str, tuple[float, float]]:
    path = files("cambrian_eval.reports") / "figure3_positions.csv"
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    return {r["benchmark"]: (float(r["x"]), float(r["y"])) for r in rows}


# -- the published figures


def test_shipped_matrix_explains_the_published_variance() -> None:
    found = pca.of_matrix(shipped_matrix())
    assert found.explained[:2].round(3).tolist() == [0.472, 0.321]


def test_twelve_of_fifteen_points_lie_where_the_paper_drew_them() -> None:
    found = pca.of_matrix(shipped_matrix())
    drawn = drawn_positions()
    near = [
        b
        for b, xy in zip(found.benchmarks, found.xy, strict=True)
        if max(abs(xy[0] - drawn[b][0]), abs(xy[1] - drawn[b][1])) < 0.01
    ]
    assert set(found.benchmarks) - set(near) == {"ai2d", "mmvp", "scienceqa"}


def test_mmmu_is_the_least_correlated() -> None:
    means = shipped_matrix().mean_with_others()
    assert min(means, key=lambda b: means[b]) == "mmmu"
    assert round(means["mmmu"], 2) == 0.62


def test_shipped_matrix_groups_as_the_reference_run() -> None:
    found = shipped_matrix()
    names = [b for b in found.benchmarks if b != "mmmu"]
    truth = [entry(b).category for b in names]
    made = {c.method: c for c in clustering.cluster(restrict(found, names), None, truth)}
    assert {m: round(c.matched, 2) for m, c in made.items() if m != "ward"} == {
        "k-means": 0.71,
        "average": 0.71,
        "spectral": 0.86,
    }
    for c in made.values():
        group = dict(zip(names, c.labels, strict=True))
        assert group["chartqa"] == group["textvqa"] == group["docvqa"]
    general = dict(zip(names, made["spectral"].labels, strict=True))
    assert len({general[b] for b in ("mme", "mmbench", "seed", "gqa")}) == 1


@pytest.mark.slow
def test_table14_groups_as_the_reference_run() -> None:
    table = one_cvbench(from_published("table14"))
    names = [b for b in table.benchmarks if b != "mmmu"]
    table = table.select(names)
    truth = [entry(b).category for b in names]
    by_matrix = clustering.cluster(correlate(table, resamples=2), table, truth, "paper", resamples=10)
    assert {c.method: round(c.matched, 2) for c in by_matrix} == {
        "k-means": 0.57,
        "average": 0.71,
        "ward": 0.79,
        "spectral": 0.86,
    }
    by_scores = clustering.cluster(correlate(table, resamples=2), table, truth, "scores", resamples=10)
    assert round(by_scores[0].matched, 2) == 0.79


# -- correlation


def test_correlation_of_table14_is_numpys() -> None:
    table = one_cvbench(from_published("table14"))
    expected = np.corrcoef(table.values, rowvar=False)
    assert np.abs(correlate(table, resamples=2).matrix - expected).max() < 1e-12
    ranks = scipy_stats.spearmanr(table.values).statistic
    assert np.abs(correlate(table, "spearman", resamples=2).matrix - ranks).max() < 1e-12


def test_missing_cells_leave_the_pairs_that_are_complete() -> None:
    values = np.random.default_rng(0).normal(size=(9, 3))
    values[0, 0] = values[1, 2] = np.nan
    matrix, n = pair_matrix(values)
    for i, j in itertools.combinations(range(3), 2):
        both = [r for r in values[:, [i, j]].tolist() if not any(np.isnan(r))]
        assert n[i, j] == len(both)
        assert matrix[i, j] == pytest.approx(np.corrcoef(np.array(both), rowvar=False)[0, 1])


@given(st.lists(st.lists(st.floats(0, 100), min_size=3, max_size=3), min_size=5, max_size=12))
def test_correlations_are_bounded_symmetric_and_blind_to_scale(rows: list[list[float]]) -> None:
    values = np.array(rows)
    matrix, _ = pair_matrix(values)
    assert np.array_equal(matrix, matrix.T, equal_nan=True)
    assert np.nanmax(np.abs(matrix)) <= 1.0
    assert np.diag(matrix).tolist() == [1.0, 1.0, 1.0]
    if np.ptp(values, axis=0).min() > 1e-3:
        scaled, _ = pair_matrix(values * [20.0, 1.0, 3.0] + [0.0, 7.0, -5.0])
        assert np.abs(matrix - scaled).max() < 1e-6


def test_intervals_hold_the_value_and_are_seeded() -> None:
    table = one_cvbench(from_published("table14"))
    a, b = correlate(table, resamples=200, seed=3), correlate(table, resamples=200, seed=3)
    assert a.low is not None and a.high is not None and b.low is not None
    assert np.array_equal(a.low, b.low)
    inside = (a.low <= a.matrix + 1e-9) & (a.matrix <= a.high + 1e-9)
    assert inside.mean() > 0.95


def small(models: int) -> dict[str, dict[str, float]]:
    rng = np.random.default_rng(1)
    names = ("gqa", "seed", "chartqa", "docvqa", "ai2d", "mmvp")
    return {f"m{i}": {b: float(x) for b, x in zip(names, rng.uniform(20, 80, 6), strict=True)} for i in range(models)}


def test_under_five_models_is_refused_and_under_ten_is_a_warning() -> None:
    with pytest.raises(UserError, match="at least 5"):
        usable(build(small(4), "x"))
    assert any(note.startswith("warning: only 9 models") for note in usable(build(small(9), "x")).notes)
    assert not any("warning" in note for note in usable(build(small(10), "x")).notes)


def test_constant_and_thin_columns_are_left_out_with_a_note() -> None:
    cells = small(6)
    for i, row in enumerate(cells.values()):
        row["mme"] = 1000.0
        if i < 3:
            row["mmmu"] = float(i)
    table = usable(build(cells, "x"))
    assert "mme" not in table.benchmarks and "mmmu" not in table.benchmarks
    assert any("MMMU (3 models)" in note and "MME (the same score" in note for note in table.notes)


def test_imputation_keeps_what_is_known_and_recovers_a_low_rank_cell() -> None:
    rng = np.random.default_rng(0)
    full = np.outer(rng.normal(size=12), [1, 2, 3, 4.0]) + np.outer(rng.normal(size=12), [1, -1, 1, -1.0]) + 50
    holed = full.copy()
    holed[2, 1] = holed[7, 3] = np.nan
    filled = imputed(holed)
    known = ~np.isnan(holed)
    assert np.allclose(filled[known], full[known])
    assert np.abs(filled - full).max() < 1.0


# -- components


def by_eigenvectors(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A second PCA: eigenvectors of the covariance instead of the singular value decomposition."""
    centered = rows - rows.mean(axis=0)
    values, vectors = np.linalg.eigh(centered.T @ centered)
    order = np.argsort(-values)
    return centered @ vectors[:, order], values[order] / values.sum()


@pytest.mark.parametrize("method", ["paper", "scores"])
def test_pca_of_table14_agrees_with_a_second_implementation(method: str) -> None:
    table = one_cvbench(from_published("table14"))
    if method == "paper":
        found = pca.of_matrix(correlate(table, resamples=2))
        positions, explained = by_eigenvectors(np.corrcoef(table.values, rowvar=False))
    else:
        found = pca.of_scores(table)
        z = (table.values - table.values.mean(axis=0)) / table.values.std(axis=0)
        positions, explained = by_eigenvectors(z.T)
    assert np.abs(found.explained[:4] - explained[:4]).max() < 1e-9
    for k in range(3):
        sign = np.sign(found.positions[:, k] @ positions[:, k])
        assert np.abs(found.positions[:, k] - sign * positions[:, k]).max() < 1e-6


def test_scores_method_needs_every_cell() -> None:
    with pytest.raises(UserError, match="--impute"):
        pca.of_scores(usable(from_published("table9")))


# -- clusters


def test_metrics_on_an_example_small_enough_to_count() -> None:
    found, truth = [0, 0, 0, 1, 1, 2], ["a", "a", "b", "b", "b", "b"]
    assert clustering.purity(found, truth) == pytest.approx(5 / 6)  # 2 of group 0, 2 of group 1, 1 of group 2
    assert clustering.matched(found, truth) == pytest.approx(4 / 6)  # 0 is a, 1 is b; the last has no name left
    assert clustering.adjusted_rand(found, truth) == pytest.approx(adjusted_rand_score(truth, found))
    # By pairs: 4 together in groups; 7 by truth; both: aa and bb of group 1.
    expected = 4 * 7 / 15
    assert clustering.adjusted_rand(found, truth) == pytest.approx((2 - expected) / ((4 + 7) / 2 - expected))


def test_silhouette_of_two_tight_pairs_by_hand() -> None:
    matrix = np.array([[1, 0.9, 0.1, 0.1], [0.9, 1, 0.1, 0.1], [0.1, 0.1, 1, 0.8], [0.1, 0.1, 0.8, 1]])
    by_hand = ((0.9 - 0.1) / 0.9 * 2 + (0.9 - 0.2) / 0.9 * 2) / 4
    assert clustering.silhouette(matrix, [0, 0, 1, 1]) == pytest.approx(by_hand)
    assert clustering.silhouette(matrix, [0, 0, 1, 1]) == pytest.approx(
        silhouette_score(1 - matrix, [0, 0, 1, 1], metric="precomputed")
    )


@pytest.mark.slow
def test_four_clear_blocks_are_found_by_every_method_and_stay_together() -> None:
    rng = np.random.default_rng(5)
    causes = rng.normal(size=(40, 4))
    names = [b for c in ("General", "Knowledge", "OCR & Chart", "Vision-Centric") for b in _of(c)]
    columns = np.repeat(causes, 3, axis=1) + rng.normal(scale=0.1, size=(40, 12))
    table = build({f"m{i}": dict(zip(names, map(float, row), strict=True)) for i, row in enumerate(columns)}, "blocks")
    truth = [entry(b).category for b in table.benchmarks]
    for c in clustering.cluster(correlate(table, resamples=2), table, truth, resamples=20):
        if c.method == "k-means":
            continue  # two components cannot hold four independent causes
        assert c.purity == c.matched == c.rand == 1.0, c.method
        assert c.stability == pytest.approx(1.0) and c.together is not None
        same = np.equal.outer(truth, truth)
        assert c.together[same].min() > 0.9 and c.together[~same].max() < 0.1
    found = assignment.assign(correlate(table, resamples=2), table, "by-data", resamples=50)
    assert all(a.agrees and a.confidence > 0.95 for a in found) and not assignment.disagreements(found)


def _of(category: str) -> list[str]:
    return [b for b in from_published("table9").benchmarks if entry(b).category == category][:3]


# -- categories


def test_a_benchmark_goes_where_it_correlates_best() -> None:
    found = {a.benchmark: a for a in assignment.assign(shipped_matrix(), None)}
    # SQA-I with ChartQA .89, OCRBench .94, TextVQA .95, DocVQA .93 in the printed matrix.
    assert found["scienceqa"].data == "OCR & Chart" and found["scienceqa"].paper == "Knowledge"
    assert found["scienceqa"].mean_r == pytest.approx((0.89 + 0.94 + 0.95 + 0.93) / 4)
    assert "SQA-I" in " ".join(assignment.disagreements(list(found.values())))


def test_a_leaderboard_without_a_benchmark_of_the_paper_is_analyzed() -> None:
    """Two planted clusters of two benchmarks each; no category is known, so none is suggested."""
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 12))
    columns = {"red": one, "redder": one + rng.normal(0, 0.1, 12), "blue": two, "bluer": two + rng.normal(0, 0.1, 12)}
    cells = {f"m{i}": {name: float(50 + 5 * values[i]) for name, values in columns.items()} for i in range(12)}
    found = analysis.analyze(build(cells, "a leaderboard"), analysis.Options(resamples=10))
    text = "\n".join(findings.summary(found))
    assert found.assignments == () and "No benchmark is in a category of the paper." in text
    assert "{blue, bluer}" in text and "{red, redder}" in text


def test_mmmu_by_type_and_by_data() -> None:
    by_type = {a.benchmark: a for a in assignment.assign(shipped_matrix(), None, "by-type")}
    by_data = {a.benchmark: a for a in assignment.assign(shipped_matrix(), None, "by-data")}
    assert (by_type["mmmu"].assigned, by_type["mmmu"].by) == ("Knowledge", "question type")
    assert (by_data["mmmu"].assigned, by_data["mmmu"].by) == ("General", "data")
    # By type it votes on nothing: AI2D's Knowledge mean then is over SQA-I and MathVista alone.
    assert by_data["ai2d"].margin == by_type["ai2d"].margin  # the winner and the next are other categories
    assert by_type["ai2d"].data == by_data["ai2d"].data


def test_the_summary_says_what_was_done() -> None:
    found = analysis.analyze(from_published("table9"), analysis.Options(resamples=10))
    text = "\n".join(findings.summary(found))
    assert "42 cells are missing" in text and "MMMU is left out" in text and "over 15 models" in text


@given(st.integers(0, 10_000))
def test_pairwise_correlations_match_pair_by_pair_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(50, 10, size=(10, 4))
    values[rng.random(values.shape) < 0.2] = np.nan
    matrix, _ = pair_matrix(values)
    for i, j in itertools.combinations(range(4), 2):
        both = values[~np.isnan(values[:, [i, j]]).any(axis=1)][:, [i, j]]
        if len(both) < 3:
            assert np.isnan(matrix[i, j])
        else:
            assert matrix[i, j] == pytest.approx(np.corrcoef(both, rowvar=False)[0, 1], abs=1e-9)
