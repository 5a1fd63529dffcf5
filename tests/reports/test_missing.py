"""Missing scores: baseline, calibration and predictions against formulas, an oracle and the paper's tables."""

from __future__ import annotations

import numpy as np
import pytest

from cambrian_eval.reports import missing
from cambrian_eval.reports.scores import ScoreTable, build, from_published

NAMES = ("mmbench", "seed", "gqa", "scienceqa", "mathvista", "ai2d", "chartqa", "ocrbench", "textvqa", "docvqa")


def planted(models: int, seed: int, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores made of two factors and noise, and the true covariance between benchmarks."""
    rng = np.random.default_rng(seed)
    loadings = np.column_stack([rng.uniform(3, 6, 10), rng.normal(scale=3, size=10)])
    values = 50 + rng.normal(size=(models, 2)) @ loadings.T + rng.normal(scale=noise, size=(models, 10))
    return values, loadings @ loadings.T + noise**2 * np.eye(10)


def table_of(values: np.ndarray) -> ScoreTable:
    cells = {
        f"m{i}": {b: float(x) for b, x in zip(NAMES, row, strict=True) if not np.isnan(x)}
        for i, row in enumerate(values)
    }
    return build(cells, "planted").select(NAMES)


def test_row_plus_column_recovers_an_additive_table() -> None:
    rng = np.random.default_rng(0)
    rows, columns = rng.normal(size=20), rng.normal(size=6)
    values = 10 + rows[:, None] + columns
    seen = rng.random(values.shape) > 0.15
    found = missing.row_plus_column(values, seen)
    assert np.abs(found - values)[~seen].max() < 0.35  # columns are standardized by slightly different spreads
    full = missing.row_plus_column(values, np.ones_like(seen))
    assert np.abs(full - values).max() < 1e-6


def test_quantile_is_the_conformal_order_statistic() -> None:
    assert missing.quantile(np.arange(1.0, 20.0)) == 18.0  # ceil(20 x 0.9) = 18
    assert missing.quantile(np.array([3.0, 1.0, 2.0])) == 3.0  # ceil(4 x 0.9) = 4: the largest there is


def test_predictions_are_nearly_as_good_as_with_the_true_parameters() -> None:
    values, covariance = planted(80, 1)
    out = np.random.default_rng(2).random(values.shape) < 0.1
    seen = ~out
    found = missing.predict(np.where(seen, values, np.nan), seen).missing
    oracle = np.full(values.shape, 50.0)
    for i, j in np.argwhere(out):
        known = np.flatnonzero(seen[i])
        weights = np.linalg.solve(covariance[np.ix_(known, known)], covariance[known, j])
        oracle[i, j] += weights @ (values[i, known] - 50)
    ours, best = (np.sqrt(np.mean((m - values)[out] ** 2)) for m in (found.mean, oracle))
    baseline = np.sqrt(np.mean((missing.row_plus_column(values, seen) - values)[out] ** 2))
    assert best < ours < 1.2 * best < 0.9 * baseline


@pytest.mark.parametrize("seed", [3, 4])
def test_intervals_hold_on_cells_left_out_of_a_planted_table(seed: int) -> None:
    values, _ = planted(60, seed)
    seen = np.random.default_rng(seed).random(values.shape) > 0.25
    found = missing.predict(np.where(seen, values, np.nan), seen).missing
    inside = (np.abs(found.mean - values) <= found.half)[~seen]
    assert 0.83 < inside.mean() < 0.97  # about 150 cells: 0.9 plus or minus 2.8 standard errors


@pytest.mark.slow
@pytest.mark.parametrize("name", ["table12", "table14", "backbones"])
def test_intervals_hold_on_the_papers_tables_and_the_baseline_is_beaten(name: str) -> None:
    values = from_published(name).values
    spread = values.std(axis=0)
    inside, error, baseline = [], [], []
    for seed in range(2 if name == "backbones" else 10):
        out = np.random.default_rng(seed).random(values.shape) < 0.1
        found = missing.predict(np.where(out, np.nan, values), ~out, seed).missing
        inside += (np.abs(found.mean - values) <= found.half)[out].tolist()
        error += (((found.mean - values) / spread)[out] ** 2).tolist()
        baseline += (((missing.row_plus_column(values, ~out) - values) / spread)[out] ** 2).tolist()
    assert 0.85 < np.mean(inside) < 0.95
    assert np.mean(error) < np.mean(baseline)


def test_every_missing_cell_is_predicted_within_the_scale_and_every_known_one_checked() -> None:
    values, _ = planted(30, 5)
    values[0, 0] = values[7, 3] = np.nan
    found = missing.completion(table_of(values))
    assert found is not None
    assert {(p.model, p.benchmark) for p in found.missing} == {("m0", "mmbench"), ("m7", "scienceqa")}
    assert len(found.checked) == 298 and all(p.low <= p.value <= p.high for p in found.missing + found.checked)
    assert found.coverage == pytest.approx(0.9, abs=0.06)
    assert found.ratio[0] < found.error / found.baseline < found.ratio[1] < 1
    assert all(np.isnan(p.known) for p in found.missing)
    low = missing.completion(table_of(np.clip(values - 45, 0, 100)))
    assert low is not None and min(p.low for p in low.checked) >= 0.0


def test_predictions_do_not_depend_on_the_scale_of_a_benchmark() -> None:
    values, _ = planted(25, 6)
    seen = np.random.default_rng(7).random(values.shape) > 0.1
    scale = np.array([20.0] + [1.0] * 9)
    a, b = (missing.predict(np.where(seen, v, np.nan), seen).missing for v in (values, values * scale))
    assert np.allclose(a.mean * scale, b.mean) and np.allclose(a.half * scale, b.half)


def test_a_model_with_one_score_is_not_predicted_and_few_models_are_refused() -> None:
    values, _ = planted(20, 8)
    values[0, 1:] = np.nan
    values[1, 2:] = np.nan
    found = missing.completion(table_of(values))
    assert found is not None
    assert {p.model for p in found.missing} == {"m1"}
    assert "m0" not in {p.model for p in found.checked}
    assert missing.completion(table_of(values[:9])) is None
