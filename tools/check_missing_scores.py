"""Predicted scores against the paper's: cells of its tables are left out and predicted from the rest.

    python tools/check_missing_scores.py            # the table of docs/analysis.md; about a minute

Two patterns: a random tenth of the cells, and half of the scores of every fifth model. Prints how many of the 90 %
intervals contain the score, and the error beside that of the row-plus-column baseline, both as root mean square in
standard deviations of the benchmark. Errors are averaged over all cells left out in all repeats.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from cambrian_eval.reports import missing
from cambrian_eval.reports.scores import from_published

TABLES = ("table9", "table12", "table13", "table14", "table15", "backbones")
Mask = npt.NDArray[np.bool_]


def cells(known: Mask, rng: np.random.Generator) -> Mask:
    """A random tenth of the known cells."""
    return known & (rng.random(known.shape) < 0.1)


def half_models(known: Mask, rng: np.random.Generator) -> Mask:
    """Half of the known scores of every fifth model."""
    out = np.zeros_like(known)
    for i in rng.permutation(len(known))[: max(1, len(known) // 5)]:
        mine = np.flatnonzero(known[i])
        out[i, rng.choice(mine, len(mine) // 2, replace=False)] = True
    return out


def check(
    name: str, pattern: Callable[[Mask, np.random.Generator], Mask], repeats: int
) -> tuple[int, float, float, float, float]:
    """Cells left out, coverage, error, error of the baseline, and the median width of an interval."""
    values = from_published(name).values
    known, spread = ~np.isnan(values), np.nanstd(values, axis=0)
    inside: list[bool] = []
    errors: list[float] = []
    baseline: list[float] = []
    widths: list[float] = []
    for seed in range(repeats):
        out = pattern(known, np.random.default_rng(seed))
        seen = known & ~out
        found = missing.predict(np.where(seen, values, np.nan), seen, seed).missing
        simple = missing.row_plus_column(values, seen)
        inside += (np.abs(found.mean - values) <= found.half)[out].tolist()
        errors += ((found.mean - values) / spread)[out].tolist()
        baseline += ((simple - values) / spread)[out].tolist()
        widths += (2 * found.half / spread)[out].tolist()
    error, simple_error = (float(np.sqrt(np.mean(np.square(e)))) for e in (errors, baseline))
    return len(inside), float(np.mean(inside)), error, simple_error, float(np.median(widths))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20, help="How often cells are left out of each table.")
    repeats = parser.parse_args().repeats
    print("| table | left out | cells | in the 90 % interval | error | row plus column | median width |")
    print("| :-- | :-- | --: | --: | --: | --: | --: |")
    for name in TABLES:
        for title, pattern in (("a tenth of the cells", cells), ("half of a fifth of the models", half_models)):
            n, coverage, error, baseline, width = check(name, pattern, repeats)
            print(f"| `{name}` | {title} | {n:,} | {coverage:.1%} | {error:.2f} | {baseline:.2f} | {width:.2f} |")


if __name__ == "__main__":
    main()
