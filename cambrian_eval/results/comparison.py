"""Comparison of two runs: paired by sample, p-values corrected over benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cambrian_eval.benchmark import Benchmark, Graded, Unit
from cambrian_eval.errors import UserError
from cambrian_eval.registry import check_conditions
from cambrian_eval.results import statistics
from cambrian_eval.results.grading import benchmark_of
from cambrian_eval.running.store import Cell, Run
from cambrian_eval.sample import Sample, Verdict, clusters


@dataclass(frozen=True, slots=True)
class Comparison:
    """One benchmark of a comparison."""

    benchmark: str
    """The benchmark's name."""
    paired: statistics.Paired
    """Both scores, their difference and its test."""
    p_holm: float
    """The p-value after Holm's correction over the compared benchmarks."""
    only_a: int
    """Samples that only the first run has; they are not compared."""
    only_b: int
    """Samples that only the second run has."""


def compare_runs(a: Run, b: Run, condition_a: str, condition_b: str, scorer: str) -> list[Comparison]:
    """A paired comparison of every benchmark that both runs have, except those whose answers are withheld."""
    check_conditions((condition_a, condition_b))
    common = [n for n in a.benchmarks() if Cell(n, condition_a) in a.cells() and Cell(n, condition_b) in b.cells()]
    if not common:
        raise UserError(
            f"{a.path} ({condition_a}) and {b.path} ({condition_b}) have no benchmark in common: "
            f"{', '.join(a.benchmarks()) or 'none'} and {', '.join(b.benchmarks()) or 'none'}"
        )
    found = [c for name in common if (c := _compare(a, b, name, condition_a, condition_b, scorer)) is not None]
    if not found:
        raise UserError(f"{', '.join(common)}: the gold answers are withheld, so scores cannot be compared")
    corrected = statistics.holm([c.paired.p_value for c in found])
    return [replace(c, p_holm=p) for c, p in zip(found, corrected, strict=True)]


def differing(a: Run, b: Run, names: Sequence[str]) -> list[str]:
    """Settings other than model and condition that differ between the two runs, as text."""
    found = []
    for key in ("prompts", "max_new_tokens"):
        left, right = (run.info.get("responses_depend_on", {}).get(key) for run in (a, b))
        if left != right:
            found.append(f"{key} {left} in a, {right} in b")
    for name in names:
        left, right = (run.info["benchmarks"][name].get("settings", {}) for run in (a, b))
        found += [f"{name}.{k} {left.get(k)} in a, {v} in b" for k, v in right.items() if left.get(k) != v]
    return found


def _compare(a: Run, b: Run, name: str, condition_a: str, condition_b: str, scorer: str) -> Comparison | None:
    """The comparison of one benchmark; None where its gold answers are withheld."""
    verdicts_a = _verdicts(a, Cell(name, condition_a), scorer)
    verdicts_b = _verdicts(b, Cell(name, condition_b), scorer)
    shared = [s for s in a.samples(name) if s.id in verdicts_a and s.id in verdicts_b]
    theirs = {s.id: s for s in b.samples(name)}
    for sample in shared:
        other = theirs[sample.id]
        if (sample.question, sample.answers, sample.choices) != (
            other.question,
            other.answers,
            other.choices,
        ):
            raise UserError(
                f"{name}: sample {sample.id} is a different question in {b.path}; the runs used different data"
            )
    if not shared:
        raise UserError(f"{name}: the two runs have no sample in common")
    if not any(s.answers for s in shared):
        return None
    benchmark = benchmark_of(a, name)
    units_a = _units(benchmark, shared, verdicts_a, scorer)
    units_b = _units(benchmark, shared, verdicts_b, scorer)
    weights = benchmark.metrics(sorted({u.stratum for u in units_a})).get("score", {})
    paired = statistics.paired(units_a, units_b, weights, clusters(shared), len(shared))
    if paired is None:
        raise UserError(f"{name}: the common samples contribute nothing to the headline metric")
    return Comparison(name, paired, 1.0, len(verdicts_a) - len(shared), len(verdicts_b) - len(shared))


def _units(benchmark: Benchmark, samples: Sequence[Sample], verdicts: dict[str, Verdict], scorer: str) -> list[Unit]:
    return benchmark.units([Graded(s, verdicts[s.id]) for s in samples], scorer)


def _verdicts(run: Run, cell: Cell, scorer: str) -> dict[str, Verdict]:
    found = run.verdicts(cell, scorer)
    if not found:
        has = ", ".join(run.scorers(cell)) or "none"
        raise UserError(
            f"{run.path} has no {scorer!r} verdicts for {cell.stem} (it has: {has}); "
            f"create them with: cambrian-eval score {run.path} --scorer {scorer}"
        )
    return found
