"""Intervals, regions, components, partial correlations and trees: second implementations and planted structure."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg
from sklearn.metrics import adjusted_rand_score

from cambrian_eval.reports import clustering, pca, positions
from cambrian_eval.reports.correlation import correlate, pair_matrix, percentiles, shipped_matrix
from cambrian_eval.reports.dendrogram import tree
from cambrian_eval.reports.partial import partial_of_others, without_ability, without_size
from cambrian_eval.reports.resampling import resample
from cambrian_eval.reports.sampling import Sampling, sampling
from cambrian_eval.reports.scores import ScoreTable, build, from_published, read_csv
from cambrian_eval.reports.sources import Sources

NAMES = ("mme", "mmbench", "seed", "gqa", "scienceqa", "mathvista", "ai2d", "chartqa", "ocrbench", "textvqa")


def table_of(columns: np.ndarray) -> ScoreTable:
    """A table on the scale of per cent, whatever the columns are."""
    values = 50 + 5 * np.asarray(columns)
    names = NAMES[: values.shape[1]]
    rows = (dict(zip(names, map(float, row), strict=True)) for row in values)
    return build({f"m{i}": row for i, row in enumerate(rows)}, "planted")


# -- the plane


def test_a_plane_that_is_turned_and_mirrored_is_aligned_exactly() -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(size=(9, 2))
    target -= target.mean(axis=0)
    turn = np.array([[np.cos(1.1), -np.sin(1.1)], [np.sin(1.1), np.cos(1.1)]])
    for moved in (target @ turn, (target * [-1, 1]) @ turn):
        assert np.allclose(positions.align(moved, target), target)
    noisy = target @ turn + rng.normal(scale=0.3, size=target.shape)
    assert np.allclose(positions.align(noisy, target), noisy @ linalg.orthogonal_procrustes(noisy, target)[0])


@given(st.integers(0, 1000))
def test_an_ellipse_contains_95_percent_of_its_cloud(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cloud = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 2)) + rng.normal(scale=0.2, size=2)
    e = positions.ellipse(cloud)
    angle = np.radians(e.angle)
    along = cloud @ [np.cos(angle), np.sin(angle)]
    across = cloud @ [-np.sin(angle), np.cos(angle)]
    inside = (along / (e.width / 2)) ** 2 + (across / (e.height / 2)) ** 2 <= 1 + 1e-9
    assert inside.sum() == 191  # 190 of 200 are 95 %; the next one sets the radius
    assert e.width >= e.height


def test_a_round_cloud_has_the_radius_of_the_normal_distribution() -> None:
    cloud = np.random.default_rng(1).normal(size=(200_000, 2))
    e = positions.ellipse(cloud)
    radius = np.sqrt(-2 * np.log(0.05))  # 95 % of a two-dimensional standard normal distribution
    assert e.width / 2 == pytest.approx(radius, rel=0.01) and e.height / 2 == pytest.approx(radius, rel=0.01)


def test_a_sparse_table_has_no_regions_rather_than_wrong_ones() -> None:
    rng = np.random.default_rng(11)
    cells: dict[str, dict[str, float]] = {}
    for a, b in itertools.combinations(NAMES[:9], 2):  # every pair has five models of its own
        for i in range(5):
            cells[f"{a} {b} {i}"] = {a: float(rng.uniform(20, 80)), b: float(rng.uniform(20, 80))}
    table = build(cells, "sparse")
    found = resample(table, "pearson", "one", False)
    assert found.positions("paper") is None
    assert positions.parallel(found.correlations, found.table, found.matrices) is None


def test_more_models_make_smaller_regions() -> None:
    rng = np.random.default_rng(2)
    causes, loads = rng.normal(size=(400, 2)), rng.normal(size=(2, 8))
    columns = causes @ loads + rng.normal(scale=0.5, size=(400, 8))
    few, many = (resample(table_of(columns[:n]), "pearson", "one", False).positions("paper") for n in (25, 400))
    assert few is not None and many is not None
    ratio = np.mean([e.width for e in few.ellipses]) / np.mean([e.width for e in many.ellipses])
    assert 2.5 < ratio < 6.5  # the square root of 16, roughly


@pytest.mark.parametrize("factors", [0, 1, 3])
def test_parallel_analysis_finds_the_planted_number_of_components(factors: int) -> None:
    rng = np.random.default_rng(3)
    columns = rng.normal(size=(80, 9))
    for f in range(factors):
        members = range(9) if factors == 1 else range(3 * f, 3 * f + 3)
        columns[:, list(members)] += 2 * rng.normal(size=(80, 1))
    base = resample(table_of(columns), "pearson", "one", False)
    found = positions.parallel(base.correlations, base.table, base.matrices, permutations=100)
    assert found is not None and found.count == factors
    assert found.eigenvalues.sum() == pytest.approx(9)  # the trace of a correlation matrix
    assert found.eigenvalues[0] == pytest.approx(np.linalg.norm(base.correlations.matrix, 2))


# -- partial correlation


def residuals(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """What a straight line on x leaves of y."""
    design = np.column_stack([np.ones_like(x), x])
    return y - design @ np.linalg.lstsq(design, y, rcond=None)[0]


@given(st.integers(0, 1000))
def test_partial_correlation_is_that_of_residuals(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(20, 5)) @ np.random.default_rng(seed + 1).normal(size=(5, 5))
    z = (values - values.mean(axis=0)) / values.std(axis=0)
    found = partial_of_others(np.corrcoef(values, rowvar=False))
    for i, j in itertools.combinations(range(5), 2):
        ability = z.sum(axis=1) - z[:, i] - z[:, j]
        expected = np.corrcoef(residuals(z[:, i], ability), residuals(z[:, j], ability))[0, 1]
        assert found[i, j] == pytest.approx(expected, abs=1e-8) == found[j, i]


def test_a_stack_of_matrices_gives_each_its_own_partial_correlations() -> None:
    rng = np.random.default_rng(4)
    stack = np.stack([np.corrcoef(rng.normal(size=(12, 4)), rowvar=False) for _ in range(3)])
    assert np.allclose(partial_of_others(stack), [partial_of_others(m) for m in stack])


def test_only_the_pair_with_a_cause_of_its_own_remains_correlated() -> None:
    rng = np.random.default_rng(5)
    ability = rng.normal(size=(200, 1))
    columns = 2 * ability + rng.normal(scale=0.6, size=(200, 8))
    columns[:, :2] += 0.8 * rng.normal(size=(200, 1))
    base = resample(table_of(columns), "pearson", "one", False)
    found = without_ability(base.correlations, base.matrices)
    assert found.pairs[0] == (0, 1) and found.matrix[0, 1] > 0.5 and found.clear(0, 1)
    others = [found.matrix[p] for p in found.pairs[1:]]
    # Six other scores measure ability with an error, which leaves a little: 0.14 in expectation.
    assert max(np.abs(others)) < 0.45 and np.mean(others) < 0.25
    assert min(base.correlations.matrix[p] for p in found.pairs) > 0.5  # before, every pair is correlated


def test_printed_matrix_has_partial_correlations_without_intervals() -> None:
    found = without_ability(shipped_matrix(), None)
    assert found.low is None and found.models is None and not found.clear(0, 1)
    assert np.abs(found.matrix).max() <= 1


def test_size_of_models_is_taken_out_as_residuals(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    sizes = rng.choice([1, 3, 7, 13, 34], 30)
    values = 40 + 8 * np.log(sizes)[:, None] + rng.normal(scale=3, size=(30, 3))
    lines = ["model,params,mmbench,seed,gqa"]
    for i, (size, row) in enumerate(zip(sizes, values, strict=True)):
        lines.append(",".join([f"m{i}", str(size), *(f"{x:.6f}" for x in row)]))
    path = tmp_path / "scores.csv"
    path.write_text("\n".join(lines))
    found = without_size(read_csv(path), "pearson", 100, 0)
    assert found is not None and found.models == (30, 30)
    left = [residuals(column, np.log(sizes)) for column in values.T]
    assert found.matrix[0, 1] == pytest.approx(np.corrcoef(left[0], left[1])[0, 1], abs=1e-6)
    assert found.plain.matrix[0, 1] > 0.8 and not found.clear(0, 1)
    assert without_size(from_published("table14"), "pearson", 10, 0) is None  # no size is known there


# -- clusters


def test_permutation_p_is_the_share_of_all_orders() -> None:
    found, truth = [0, 0, 1, 1, 2], ["a", "a", "b", "c", "b"]
    observed = adjusted_rand_score(truth, found)
    orders = list(itertools.permutations(truth))
    exact = sum(adjusted_rand_score(o, found) >= observed - 1e-12 for o in orders) / len(orders)
    assert clustering.permutation_p(found, truth) == pytest.approx(exact, abs=3 * np.sqrt(exact * (1 - exact) / 9999))
    assert clustering.permutation_p([0] * 4 + [1] * 4, ["a"] * 4 + ["b"] * 4, 999) < 0.05


def naive_groups(distance: np.ndarray) -> set[frozenset[int]]:
    """Average linkage by its definition: the two groups with the least mean distance join."""
    groups = [frozenset({i}) for i in range(len(distance))]
    found = set()
    while len(groups) > 1:
        a, b = min(
            itertools.combinations(groups, 2), key=lambda p: np.mean([distance[i, j] for i in p[0] for j in p[1]])
        )
        groups = [g for g in groups if g not in (a, b)] + [a | b]
        found.add(a | b)
    return found


def test_support_of_a_node_is_the_share_of_resampled_trees_that_have_it() -> None:
    rng = np.random.default_rng(7)
    columns = rng.normal(size=(12, 6)) + np.repeat(rng.normal(size=(12, 2)), 3, axis=1)
    base = resample(table_of(columns), "pearson", "one", False)
    matrices = base.matrices[:60]
    found = tree(base.correlations, matrices, 2)
    drawn = [naive_groups(1 - m) for m in matrices]
    names = base.correlations.benchmarks
    for node in found.nodes:
        members = frozenset(names.index(b) for b in node.members)
        assert node.support == pytest.approx(np.mean([members in groups for groups in drawn]))
    assert found.nodes[-1].support == 1.0 and set(found.nodes[-1].members) == set(names)


def test_two_planted_blocks_are_always_together() -> None:
    rng = np.random.default_rng(8)
    columns = np.repeat(rng.normal(size=(60, 2)), 4, axis=1) + rng.normal(scale=0.3, size=(60, 8))
    base = resample(table_of(columns), "pearson", "one", False)
    found = tree(base.correlations, base.matrices, 2)
    block = [NAMES[:8].index(b) // 4 for b in found.order]
    same = np.equal.outer(block, block)
    assert found.together[same].min() > 0.95 and found.together[~same].max() < 0.05


# -- variation of scores over their samples


def test_intervals_widen_with_the_variation_of_scores(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    ability = rng.normal(size=25)
    lines = ["model,benchmark,score,low,high"]
    for i, b in itertools.product(range(25), ("gqa", "seed", "mmbench")):
        score = 50 + 8 * ability[i] + rng.normal()
        lines.append(f"m{i},{b},{score:.3f},{score - 6:.3f},{score + 6:.3f}")
    path = tmp_path / "long.csv"
    path.write_text("\n".join(lines))
    sources = Sources(scores=(path,))
    varying = sampling(sources, 500)
    assert (varying.n_normal, varying.n_resampled) == (75, 0) and varying.note
    assert np.std([c.std() for c in varying.changes.values()]) < 0.3
    assert np.mean([c.std() for c in varying.changes.values()]) == pytest.approx(6 / 1.96, rel=0.02)
    plain = resample(sources.table, "pearson", "one", False).correlations
    wide = resample(sources.table, "pearson", "one", False, varying=varying).correlations
    assert plain.low is not None and plain.high is not None and wide.low is not None and wide.high is not None
    assert np.array_equal(plain.matrix, wide.matrix)
    assert (wide.high - wide.low)[0, 1] > 2 * (plain.high - plain.low)[0, 1]
    assert any("intervals" in note for note in wide.notes)


def test_samples_of_runs_are_resampled_together(runs: tuple[Path, Path]) -> None:
    sources = Sources(runs=runs)
    varying = sampling(sources, 400)
    assert varying.n_normal == 0 and varying.n_resampled == 2 * len(sources.table.benchmarks)
    for named in sources.opened:
        for r in named.results:
            if (r.condition, r.scorer) != ("on", "fuzzy") or r.interval is None:
                continue
            half = (r.interval[1] - r.interval[0]) / 2
            assert 1.96 * varying.changes[named.name, r.benchmark].std() == pytest.approx(half, rel=0.35)
    # The same run twice has the same samples: both scores change alike in every resample.
    again = sampling(Sources(runs=runs), 400)
    assert all(np.array_equal(c, again.changes[key]) for key, c in varying.changes.items())


def test_cvbench_varies_as_the_mean_of_its_halves() -> None:
    table = build({f"m{i}": {"cvbench": 50.0 + i, "gqa": 40.0 + i} for i in range(5)}, "x")
    halves = {("m0", "cvbench_2d"): np.array([2.0, -2.0]), ("m0", "cvbench_3d"): np.array([4.0, 0.0])}
    changes = Sampling(halves, 2).of(table, 2)
    assert changes is not None
    column = table.benchmarks.index("cvbench")
    assert changes[:, 0, column].tolist() == [3.0, -1.0] and changes[:, 1:].sum() == 0


def test_intervals_of_correlations_are_percentiles_over_drawn_models() -> None:
    table = table_of(np.random.default_rng(10).normal(size=(15, 3)))
    found = correlate(table, resamples=50, seed=4)
    rows = np.random.default_rng(4).integers(0, 15, (50, 15))
    drawn = np.array([np.corrcoef(table.values[r], rowvar=False) for r in rows])
    assert found.low is not None and np.allclose(found.low, np.quantile(drawn, 0.025, axis=0))
    low, high = percentiles(np.arange(101.0))
    assert (low, high) == (2.5, 97.5)


def test_pca_regions_use_the_components_of_each_resample() -> None:
    base = resample(from_published("table14"), "pearson", "one", False)
    found = base.positions("paper")
    assert found is not None
    first = pca.principal(base.matrices[0])[0][:, [1, 0]]
    target = found.components.xy
    turned = first @ linalg.orthogonal_procrustes(first, target)[0]
    assert np.abs(pair_matrix(base.table.values)[0] - base.correlations.matrix).max() < 1e-12
    reach = np.array([max(e.width, e.height) / 2 for e in found.ellipses])
    assert (np.linalg.norm(turned - target, axis=1) < 3 * reach).all()
