"""Checks the rules of `run --until`: how often the bounds miss, and how many requests they save.

    python tools/check_until.py                       coverage on drawn verdicts
    python tools/check_until.py RUN [RUN ...]         requests saved on the verdicts of finished runs
    python tools/check_until.py RUN --against RUN     requests saved by --until-different

Coverage: 2,000 benchmarks are drawn for each metric, and each is looked at as often as in a run, until its end. The
bounds miss if they exclude the score of all samples at any of these moments; that must happen in at most 5 %. Beside
it: how often the usual interval (normal, 95 %, corrected for the samples that remain) misses at the same moments.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cambrian_eval.results.enough import conclusion
from cambrian_eval.results.grading import benchmark_of, responses_of, usable_scorers
from cambrian_eval.results.sequences import TARGETS, Population, bounds, log_wealth
from cambrian_eval.results.shares import Shares
from cambrian_eval.results.verdicts import verdicts_of
from cambrian_eval.running.records import Cell
from cambrian_eval.running.stopping import in_blocks
from cambrian_eval.running.store import Run, open_run
from cambrian_eval.sample import Verdict

Array = npt.NDArray[np.float64]
RUNS, ORDERS = 2000, 40
"""Drawn benchmarks of each metric, and in how many random orders their samples come."""
LEVEL = 0.95
FIRST_LOOK = 30
"""Blocks before the usual interval is first looked at; with fewer, it misses more often."""


def drawn(rng: np.random.Generator, kind: str, runs: int) -> tuple[Array, Array]:
    """The values and sizes of the blocks of so many drawn benchmarks; blocks come in random order."""
    if kind == "accuracy":  # 1,500 samples, one to a block
        values = (rng.random((runs, 1500)) < rng.uniform(0.05, 0.95, (runs, 1))).astype(float)
        sizes = np.full(1500, 1.0)
    elif kind == "pairs":  # 150 pairs, right where both are; their members depend on each other
        level = rng.uniform(0.2, 0.9, (runs, 1))
        hard = rng.beta(2 * level, 2 * (1 - level), (runs, 150))
        values = ((rng.random((2, runs, 150)) < hard).all(axis=0)).astype(float)
        sizes = np.full(150, 1.0)
    elif kind == "groups":  # 1,000 groups of 2 to 5 rotations, right where all are, four to a block
        size = np.tile([2, 3, 4, 5], 250)
        level = rng.uniform(0.3, 0.95, (runs, 1))
        hard = rng.beta(4 * level, 4 * (1 - level), (runs, 1000))
        right = (rng.random((runs, 1000)) < hard**size).astype(float)
        values, sizes = right.reshape(runs, 250, 4).sum(axis=2), np.full(250, 4.0)
    elif kind == "images":  # 400 images with 1 to 40 questions each, whose answers depend on the image
        sizes = rng.integers(1, 41, 400).astype(float)
        level = rng.uniform(0.2, 0.9, (runs, 1))
        values = rng.binomial(sizes.astype(int), rng.beta(6 * level, 6 * (1 - level), (runs, 400))).astype(float)
    elif kind == "tasks":  # 14 tasks of 30 to 300 samples that weigh the same; each has its own level
        n = rng.integers(30, 300, 14)
        share = np.repeat(1 / n, n)
        level = np.repeat(rng.uniform(0.1, 0.9, (runs, 14)), n, axis=1)
        values, sizes = (rng.random((runs, len(share))) < level) * share, share
    else:  # the difference of two models on the same 1,500 samples, moved to 0 .. 1
        one = rng.random((runs, 1500)) < rng.uniform(0.3, 0.8, (runs, 1))
        other = np.where(rng.random((runs, 1500)) < 0.8, one, rng.random((runs, 1500)) < 0.5)
        values, sizes = (1.0 + one - other) / 2, np.full(1500, 1.0)
    order = rng.permutation(len(sizes))
    return values[:, order] / sizes.sum(), sizes[order] / sizes.sum()


def missed(population: Population, values: Array, target: Sequence[float]) -> Array:
    """Which runs have bounds that exclude the total at some moment."""
    found = np.zeros(len(values), dtype=bool)
    for mine in (values, population.sizes - values):
        total = mine.sum(axis=1, keepdims=True)
        logs = np.stack([log_wealth(population, mine, total, t) for t in target])
        mixed = np.logaddexp.reduce(logs, axis=0) - math.log(len(target))
        looks = np.array(population.looks) - 1
        found |= (mixed[:, looks] >= math.log(2 / (1 - LEVEL))).any(axis=1)
    return found


def usual_missed(population: Population, values: Array) -> Array:
    """Which runs have a normal interval that excludes the total at some moment."""
    n = np.arange(1, population.n + 1)
    seen, sizes = values.cumsum(axis=1), population.sizes.cumsum()
    ratio = seen / sizes
    spread = (values**2).cumsum(axis=1) - 2 * ratio * (values * population.sizes).cumsum(axis=1)
    spread += ratio**2 * (population.sizes**2).cumsum()
    error = np.sqrt(np.maximum(spread, 0) * n / np.maximum(n - 1, 1) * (1 - n / population.n)) / sizes
    out = np.abs(ratio - values.sum(axis=1, keepdims=True)) > 1.959964 * error + 1e-12
    looks = [n - 1 for n in population.looks if FIRST_LOOK <= n <= population.n - FIRST_LOOK]
    return out[:, looks].any(axis=1)


def coverage(seed: int) -> bool:
    """Prints the coverage of each metric; whether all reach the level."""
    rng = np.random.default_rng(seed)
    print(f"{'metric':<12}{'blocks':>8}{'--until 1.5':>14}{'--until 5':>12}{'difference':>12}{'usual interval':>16}")
    good = True
    for kind in ("accuracy", "pairs", "groups", "images", "tasks", "difference"):
        rows = []
        for _ in range(ORDERS):
            values, sizes = drawn(rng, kind, RUNS // ORDERS)
            population = Population(sizes)
            wanted = ([0.015], [0.05], [t / 2 for t in TARGETS])
            outside = [*(missed(population, values, t) for t in wanted), usual_missed(population, values)]
            rows.append([1 - one.mean() for one in outside])
        *rates, usual = np.mean(rows, axis=0)
        good &= min(rates) >= LEVEL
        print(f"{kind:<12}{population.n:>8}{rates[0]:>14.2%}{rates[1]:>12.2%}{rates[2]:>12.2%}{usual:>16.2%}")
    return good


def first(stops: Callable[[int], bool], looks: Sequence[int], blocks: int) -> int:
    """The first look after which a rule stops; all blocks where it never does."""
    return next((n for n in looks if stops(n)), blocks)


def saved(run: Run, points: Sequence[float], seeds: int) -> None:
    """Prints for each benchmark of a run the share of requests that `--until` would have saved, over random orders."""
    for cell in run.cells():
        benchmark = benchmark_of(run, cell.benchmark)
        scorer = usable_scorers(benchmark, ["fuzzy"])[0]
        samples, (records, *_) = responses_of(run, cell)
        verdicts = verdicts_of(benchmark, samples, records, scorer)
        known: dict[str, list[Verdict]] = {s.id: [v] for s, v in zip(samples, verdicts, strict=True)}
        shown: dict[float, list[float]] = {p: [] for p in points}
        held = 0
        for seed in range(seeds):
            shares = Shares.of(benchmark, in_blocks(benchmark, samples, seed, scorer), scorer)
            values = np.array([shares.value(i, known) for i in range(len(shares.blocks))])
            for p in points:

                def narrow(n: int, p: float = p, shares: Shares = shares, values: Array = values) -> bool:
                    return shares.all_strata_in(n) and bounds(shares.population, values[:n], [p / 100]).half <= p / 100

                n = first(narrow, shares.population.looks, len(values))
                found = bounds(shares.population, values[:n], [p / 100])
                held += found.low - 1e-9 <= values.sum() <= found.high + 1e-9
                shown[p].append(1 - sum(map(len, shares.blocks[:n])) / len(samples))
        cells = "".join(f"{np.mean(shown[p]):>10.0%}" for p in points)
        print(f"{run.path.name + ' ' + Cell(cell.benchmark, cell.condition).stem:<44}{len(samples):>8}{cells}", end="")
        print(f"{held:>8} of {seeds * len(points)}", flush=True)


def saved_by_difference(run: Run, other: Run, margin: float, seeds: int) -> None:
    """Prints for each common benchmark the share of requests that `--until-different` would have saved."""
    for cell in [c for c in run.cells() if c in other.cells()]:
        benchmark = benchmark_of(run, cell.benchmark)
        scorer = usable_scorers(benchmark, ["fuzzy"])[0]
        known: list[dict[str, list[Verdict]]] = []
        for one in (other, run):
            answered, (records, *_) = responses_of(one, cell)
            verdicts = verdicts_of(benchmark, answered, records, scorer)
            known.append({s.id: [v] for s, v in zip(answered, verdicts, strict=True)})
        samples = [s for s in answered if s.id in known[0]]
        shown, says = [], []
        for seed in range(seeds):
            shares = Shares.of(benchmark, in_blocks(benchmark, samples, seed, scorer), scorer)
            theirs, ours = ([shares.value(i, side) for i in range(len(shares.blocks))] for side in known)
            values = (shares.population.sizes + np.subtract(ours, theirs)) / 2
            total, used, said = float(2 * values.sum() - 1), len(values), "nothing"
            for n in shares.population.looks:
                found = bounds(shares.population, values[:n], [t / 2 for t in TARGETS])
                low, high = 200 * found.low - 100, 200 * found.high - 100
                if shares.all_strata_in(n) and (text := conclusion(low, high, margin)) is not None:
                    held = "" if low - 1e-6 <= 100 * total <= high + 1e-6 else " WRONG"
                    used, said = n, text + held
                    break
            shown.append(1 - sum(map(len, shares.blocks[:used])) / len(samples))
            says.append(said)
        print(f"{run.path.name + ' ' + cell.stem:<44}{len(samples):>8}{100 * total:>+8.1f}", end="")
        print(f"{np.mean(shown):>10.0%}  {', '.join(sorted(set(says)))}", flush=True)


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path, nargs="*", help="finished runs; without any, coverage is checked")
    parser.add_argument("--points", type=float, nargs="+", default=[1.0, 1.5, 3.0], help="half-widths of --until")
    parser.add_argument("--seeds", type=int, default=5, help="random orders of each benchmark")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the drawn benchmarks")
    parser.add_argument("--against", type=Path, help="a run that the others are compared with")
    parser.add_argument("--margin", type=float, default=1.0, help="largest difference that does not matter, in points")
    asked = parser.parse_args()
    if not asked.runs:
        raise SystemExit(0 if coverage(asked.seed) else "coverage below 95 %")
    if asked.against is not None:
        head = f"requests saved, margin {asked.margin:g}"
        print(f"{head:<44}{'samples':>8}{'a - b':>8}{'saved':>10}  the difference is")
        for path in asked.runs:
            saved_by_difference(open_run(path), open_run(asked.against), asked.margin, asked.seeds)
        return
    heads = "".join(f"{f'{p:g} points':>10}" for p in asked.points)
    print(f"{'requests saved':<44}{'samples':>8}{heads}   held")
    for path in asked.runs:
        saved(open_run(path), asked.points, asked.seeds)


if __name__ == "__main__":
    main()
