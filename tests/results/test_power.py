"""How many samples a difference needs, against formulas; and averages of several runs against naive ones."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

import cambrian_eval
from cambrian_eval.benchmark import Unit
from cambrian_eval.errors import UserError
from cambrian_eval.registry import load_benchmark
from cambrian_eval.results import statistics
from cambrian_eval.results.comparison import compare_with_averages
from cambrian_eval.results.paired_averages import Part, differences, paired_average
from cambrian_eval.results.power import from_numbers, from_runs
from cambrian_eval.sample import Request
from tests.command import call
from tests.conftest import Scripted, docvqa_row, png, write_parquet

Z = 1.959964 + 0.841621


def test_stated_shares_by_the_formula() -> None:
    """Models that agree on 80 %: a difference of 2 points has the variance 0.2 - 0.02 ** 2 on each sample."""
    found = from_numbers(load_benchmark("scienceqa"), 2.0, None, 0.8, 1.5)
    enough = [n for n in range(5000, 7000) if 0.02 * n - 1 >= Z * math.sqrt(n * (0.2 - 0.0004) * 1.5)]
    assert found.needed == min(enough)
    assert found.has == 2017
    assert found.detects == pytest.approx(100 * (Z * math.sqrt((0.2 - 0.0004) * 1.5 / 2017) + 1 / 2017))
    independent = from_numbers(load_benchmark("scienceqa"), 2.0, 0.6, None, 1.0)
    assert independent.agreement == pytest.approx(0.6**2 + 0.4**2)


@pytest.mark.parametrize(("agreement", "points"), [(0.8, 5.0), (0.6, 10.0), (0.9, 2.0)])
def test_the_exact_test_finds_the_difference_in_four_of_five_draws(agreement: float, points: float) -> None:
    """Verdicts drawn with these shares; p of McNemar's exact test from the binomial distribution."""
    needed = from_numbers(load_benchmark("scienceqa"), points, None, agreement, 1.0).needed
    wins, losses = (1 - agreement + points / 100) / 2, (1 - agreement - points / 100) / 2
    drawn = np.random.default_rng(0).multinomial(needed, [wins, losses, agreement], 20_000)
    least = np.minimum(drawn[:, 0], drawn[:, 1])
    p = np.minimum(1, 2 * binom.cdf(least, drawn[:, 0] + drawn[:, 1], 0.5))
    assert np.mean(p < 0.05) == pytest.approx(0.8, abs=0.015)


def test_stated_shares_do_not_say_enough_about_pairs_and_unequal_tasks() -> None:
    for name in ("mmvp", "mme", "cvbench_2d", "pope"):
        with pytest.raises(UserError, match=f"{name}: its score is not the mean over single samples"):
            from_numbers(load_benchmark(name), 1.0, 0.6, None, 1.0)
    with pytest.raises(UserError, match="cannot differ by 5 points"):
        from_numbers(load_benchmark("scienceqa"), 5.0, None, 0.96, 1.0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs over 600 DocVQA rows; the two questions of a page get the same verdict."""
    folder = tmp_path_factory.mktemp("power")
    image = png(0, (4, 4))
    rows = [docvqa_row(i, image, page=i // 2) for i in range(600)]
    write_parquet(folder / "data" / "docvqa" / "validation-0.parquet", rows)
    made = []
    for name, rate in (("a", 0.6), ("b", 0.7)):

        def answer(request: Request, name: str = name, rate: float = rate) -> str:
            lucky = random.Random(f"{name} {int(request.id) // 2}").random() < rate
            return f"answer {request.id}" if lucky else "nothing of that kind"

        cambrian_eval.run(
            Scripted(answer), ["docvqa"], folder / name, data_root=folder / "data", vision=["off"], scorers=["fuzzy"]
        )
        made.append(folder / name)
    return made


def verdicts(path: Path) -> Any:
    found = [json.loads(line) for line in (path / "verdicts/docvqa.off.fuzzy.jsonl").read_text().splitlines()]
    return np.array([one["value"] for one in sorted(found, key=lambda one: int(one["id"]))])


def test_two_runs_by_the_formula(runs: list[Path]) -> None:
    """300 pages with two equal verdicts each: the variance is that of the pages, and the design effect 2."""
    gaps = (verdicts(runs[1]) - verdicts(runs[0]))[::2]
    opened = [cambrian_eval.open_run(path).stored for path in runs]
    found = from_runs(opened, "docvqa", 1.0, None, "off", "fuzzy")
    error = math.sqrt(gaps.var(ddof=1) / 300)
    plain = 600 * (Z * error / 0.01) ** 2
    assert found.needed == pytest.approx(plain + 2 / 0.01, abs=1)  # n d - 1 = Z sqrt(n v), to first order
    assert found.design_effect == pytest.approx(2 * (300 / 299) / (600 / 599))
    assert found.agreement == pytest.approx((gaps == 0).mean()) and found.n == 600
    (comparison,), *_ = compare_with_averages(*opened, "off", "off", "fuzzy")
    assert comparison.paired.detectable == pytest.approx(100 * Z * error, rel=0.08)  # resampled there


def test_one_run_with_a_stated_agreement(runs: list[Path]) -> None:
    values = verdicts(runs[0])
    rate = values.mean()
    found = from_runs([cambrian_eval.open_run(runs[0]).stored], "docvqa", 1.0, 0.9, "off", "fuzzy")
    page = values[::2].var(ddof=1) / 300  # the variance of the score
    plain = 600 * Z**2 * page * 0.1 / (rate * (1 - rate)) / 0.0001
    assert found.needed == pytest.approx(plain + 2 / 0.01, abs=3)


def test_without_any_number_independent_models_that_are_right_on_half_are_assumed() -> None:
    done = call("power", "gqa", "--difference", "1", "--json")
    (found,) = json.loads(done.stdout)["power"]
    plain = Z**2 * (0.5 - 0.01**2) / 0.01**2  # they differ on half of the samples
    assert found["agreement"] == 0.5 and found["needed"] == pytest.approx(plain + 2 / 0.01, abs=3)


def test_the_command(runs: list[Path]) -> None:
    done = call("power", "docvqa", "--difference", "2", "--run", str(runs[0]), "--run", str(runs[1]), "--vision", "off")
    assert done.returncode == 0 and "two runs, 600 samples" in done.stdout and "5,349" in done.stdout
    for words, text in (
        (["mmvp"], "give --run with a run of it"),
        (["docvqa", "--run", str(runs[0]), "--accuracy", "50"], "a run says its accuracy"),
        (["mmvp", "--run", str(runs[0])], "has no responses to mmvp"),
    ):
        done = call("power", *words)
        assert done.returncode == 2 and text in done.stderr and len(done.stderr.splitlines()) == 1


def test_the_variance_of_a_macro_average_is_that_of_the_bootstrap() -> None:
    rng = np.random.default_rng(0)
    units = [Unit("xyz"[i % 3], float(rng.random() < 0.3 + 0.2 * (i % 3)), (i,)) for i in range(900)]
    table = statistics.cluster_table(units, {"x": 20.0, "y": 30.0, "z": 50.0}, [i // 4 for i in range(900)])
    drawn = statistics.Draws(225, 4000).metrics(table)[0]
    assert statistics.variance(table) == pytest.approx(drawn.var(ddof=1), rel=0.1)


def test_averages_are_resampled_and_exchanged_benchmark_by_benchmark() -> None:
    """Two benchmarks of eight images each: p over all 2 ** 16 exchanges, the difference by hand."""
    a, b = [1, 1, 0, 0, 1, 0, 0, 1], [1, 1, 1, 0, 1, 1, 0, 1]
    parts = []
    for left, right, scale in ((a, b, 100.0), (a, [1] * 8, 2000.0)):
        tables = [
            statistics.cluster_table(
                [Unit("all", float(v), (i,)) for i, v in enumerate(side)], {"all": scale}, range(8)
            )
            for side in (left, right)
        ]
        parts.append(Part(*tables, scale / 100.0, 8))
    found = paired_average(parts, [differences(part, seed) for seed, part in enumerate(parts)])
    gaps = np.array([*np.subtract(b, a), *np.subtract(1, a)]) * 100 / 8 / 2
    signs = 1 - 2 * ((np.arange(2**16)[:, None] >> np.arange(16)) & 1)
    assert found.difference == pytest.approx(gaps.sum()) and found.n == 16
    assert found.p_value == pytest.approx((abs(signs @ gaps) >= gaps.sum() - 1e-9).mean(), abs=0.01)
    assert found.interval is not None and found.interval[0] < found.difference < found.interval[1]


def test_several_runs_against_the_first(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in "abc"]
    for seed, path in enumerate(paths):
        cambrian_eval.run(
            "chance", ["mmvp", "cvbench_2d", "cvbench_3d"], path, data="mini:24", vision=["off"], seed=seed
        )
    done = call("compare", *paths, "--vision", "off", "--json")
    found = json.loads(done.stdout)
    assert found["a"] == paths[0] and [run["b"] for run in found["runs"]] == paths[1:]
    p_values = [c["paired"]["p_value"] for run in found["runs"] for c in run["comparisons"]]
    holm = [c["p_holm"] for run in found["runs"] for c in run["comparisons"]]
    assert len(holm) == 6 and holm == pytest.approx(statistics.holm(p_values))
    (average,) = [c for c in found["runs"][0]["averages"] if c["name"] == "Vision-Centric"]
    scores = [c["paired"]["difference"] for c in found["runs"][0]["comparisons"]]
    assert average["paired"]["difference"] == pytest.approx(sum(scores) / 3)
    assert average["label"] == "Vision-Centric (partial, 3 of 4)"
    text = call("compare", *paths, "--vision", "off").stdout
    assert "reference a = " in text and "Vision-Centric (partial, 3 of 4)" in text and "overall" not in text
    assert call("compare", paths[0]).returncode == 2
