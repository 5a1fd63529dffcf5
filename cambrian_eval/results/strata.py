"""Comparison of one model on two sets of questions, stratum by stratum: is the known set easier than a fresh one?

The two runs share no sample. Within a stratum (such as task and source) the questions are alike, so a difference in
score that the interval separates from 0 speaks for memorization of the known set, or for another difficulty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cambrian_eval.benchmark import Unit
from cambrian_eval.errors import UserError
from cambrian_eval.registry import check_conditions
from cambrian_eval.results import statistics
from cambrian_eval.running.records import Cell
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Sample, Verdict, clusters

OVERALL = "all strata"


@dataclass(frozen=True, slots=True)
class StratumComparison:
    """One stratum of one benchmark in two runs."""

    benchmark: str
    stratum: str
    n_a: int
    n_b: int
    a: float
    """Mean score of the first run in percent."""
    b: float
    chance_a: float
    """Mean score of guessing in percent."""
    chance_b: float
    difference: float
    """b minus a in points."""
    interval: tuple[float, float] | None
    """95 % bootstrap interval of the difference; images are resampled, in each run on its own."""


def compare_strata(
    a: Run, b: Run, condition_a: str, condition_b: str, scorer: str, tags: Sequence[str]
) -> list[StratumComparison]:
    """Every stratum that both runs have, and their mean with the sizes of the first run as weights.

    Benchmarks whose samples do not have the tags are left out, unless none has them.
    """
    check_conditions((condition_a, condition_b))
    common = [n for n in a.benchmarks() if Cell(n, condition_a) in a.cells() and Cell(n, condition_b) in b.cells()]
    if not common:
        raise UserError(
            f"{a.path} ({condition_a}) and {b.path} ({condition_b}) have no benchmark in common: "
            f"{', '.join(a.benchmarks()) or 'none'} and {', '.join(b.benchmarks()) or 'none'}"
        )
    tagged = [n for n in common if not _untagged(a, n, tags)]
    if not tagged:
        tag, has = _untagged(a, common[0], tags) or ("", "")
        raise UserError(f"--strata {tag}: the samples of {common[0]} in {a.path} have no such tag; they have: {has}")
    found: list[StratumComparison] = []
    for name in tagged:
        left, right = (_strata(run, Cell(name, c), scorer, tags) for run, c in ((a, condition_a), (b, condition_b)))
        shared = sorted(left.keys() & right.keys())
        if not shared:
            raise UserError(
                f"{name}: the two runs have no stratum of {', '.join(tags)} in common "
                f"({', '.join(sorted(left)) or 'none'}; {', '.join(sorted(right)) or 'none'})"
            )
        found += [_compare(name, s, {s: left[s]}, {s: right[s]}) for s in shared]
        if len(shared) > 1:
            own = [{s: side[s] for s in shared} for side in (left, right)]
            found.append(_compare(name, OVERALL, *own))
    return found


_Graded = tuple[Sample, Verdict]
_Strata = dict[str, list[_Graded]]


def _untagged(run: Run, benchmark: str, tags: Sequence[str]) -> tuple[str, str] | None:
    """The first of the tags that no sample of a benchmark has, and the tags there are."""
    have = {name: None for sample in run.samples(benchmark) for name in sample.tags}
    missing = next((t for t in tags if t not in have), None)
    return None if missing is None else (missing, ", ".join(have) or "none")


def _strata(run: Run, cell: Cell, scorer: str, tags: Sequence[str]) -> _Strata:
    verdicts = run.verdicts(cell, scorer)
    if not verdicts:
        raise UserError(
            f"{run.path} has no {scorer!r} verdicts for {cell.stem}; create them with: "
            f"cambrian-eval score {run.path} --scorer {scorer}"
        )
    found: _Strata = {}
    for sample in run.samples(cell.benchmark):
        if sample.id not in verdicts:
            continue
        found.setdefault(", ".join(str(sample.tags.get(t, "-")) for t in tags), []).append(
            (sample, verdicts[sample.id])
        )
    return found


def _compare(benchmark: str, name: str, left: _Strata, right: _Strata) -> StratumComparison:
    total = sum(len(rows) for rows in left.values())
    weights = {s: 100.0 * len(rows) / total for s, rows in left.items()}
    tables = [_table(side, weights) for side in (left, right)]
    interval = None
    sizes = [t.sums.shape[0] for t in tables]
    if min(sizes) > 1:
        (drawn_a,), (drawn_b,) = (
            statistics.Draws(n, seed=i).metrics(t) for i, (n, t) in enumerate(zip(sizes, tables, strict=True))
        )
        interval = statistics.percentile_interval(drawn_b - drawn_a)
    chance_a, chance_b = (sum(weights[s] * _chance(rows) for s, rows in side.items()) for side in (left, right))
    n_a, n_b = (sum(len(rows) for rows in side.values()) for side in (left, right))
    a, b = (t.metric for t in tables)
    return StratumComparison(benchmark, name, n_a, n_b, a, b, chance_a, chance_b, b - a, interval)


def _table(strata: _Strata, weights: dict[str, float]) -> statistics.ClusterTable:
    graded = [(s, sample, verdict) for s, rows in strata.items() for sample, verdict in rows]
    units = [Unit(s, verdict.value, (i,)) for i, (s, _, verdict) in enumerate(graded)]
    return statistics.cluster_table(units, weights, clusters([sample for _, sample, _ in graded]))


def _chance(rows: list[_Graded]) -> float:
    return sum(sum(g in s.answers for g in s.guesses) / max(len(s.guesses), 1) for s, _ in rows) / len(rows)
