"""Coverage of the 95 % intervals of correlations, on drawn tables whose correlations are known.

    python tools/check_correlation_intervals.py     # the table of docs/analysis.md; about half a minute

Each table has six benchmarks that correlate equally over normal models, which gives fifteen pairs. Partial correlation
given general ability is compared with its value for infinitely many models.
"""

from __future__ import annotations

import argparse

import numpy as np

from cambrian_eval.reports.partial import partial_of_others, without_ability
from cambrian_eval.reports.resampling import resample
from cambrian_eval.reports.scores import build

BENCHMARKS = ("mmbench", "seed", "gqa", "ai2d", "chartqa", "mmvp")


def coverage(models: int, r: float, tables: int) -> tuple[float, float]:
    """Share of pairs whose interval contains the true correlation, and the true partial correlation."""
    k = len(BENCHMARKS)
    truth = np.full((k, k), r) + (1 - r) * np.eye(k)
    partial = partial_of_others(truth)
    pairs = np.triu_indices(k, 1)
    plain_inside: list[bool] = []
    partial_inside: list[bool] = []
    for seed in range(tables):
        values = 50 + 5 * np.random.default_rng(seed).multivariate_normal(np.zeros(k), truth, models)
        rows = (dict(zip(BENCHMARKS, map(float, row), strict=True)) for row in values)
        base = resample(build({f"m{i}": row for i, row in enumerate(rows)}, "drawn"), "pearson", "one", False, seed)
        found = without_ability(base.correlations, base.matrices)
        order = [BENCHMARKS.index(b) for b in base.correlations.benchmarks]
        assert found.low is not None and found.high is not None
        assert base.correlations.low is not None and base.correlations.high is not None
        for inside, low, high, true in (
            (plain_inside, base.correlations.low, base.correlations.high, truth),
            (partial_inside, found.low, found.high, partial),
        ):
            value = true[np.ix_(order, order)]
            inside += ((low <= value) & (value <= high))[pairs].tolist()
    return float(np.mean(plain_inside)), float(np.mean(partial_inside))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=60, help="Tables drawn for each line.")
    tables = parser.parse_args().tables
    print("| models | true r | r in its interval | partial in its interval |")
    print("| --: | --: | --: | --: |")
    for models in (8, 18, 83):
        for r in (0.5, 0.9):
            plain, partial = coverage(models, r, tables)
            print(f"| {models} | {r} | {plain:.1%} | {partial:.1%} |")


if __name__ == "__main__":
    main()
