"""Comparison of two runs: paired by sample, p-values corrected over benchmarks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from cambrian_eval.benchmark import Benchmark, Unit
from cambrian_eval.errors import UserError
from cambrian_eval.formula import Formula
from cambrian_eval.processes import in_processes
from cambrian_eval.registry import average_divisor, check_conditions
from cambrian_eval.results import circumstances, repeats, statistics
from cambrian_eval.results.averages import Average, averages, judges, suite_averages
from cambrian_eval.results.basis import checked_verdicts, described, key_of, problems, remedy, versions
from cambrian_eval.results.grading import benchmark_of
from cambrian_eval.results.lengths import Lengths, lengths
from cambrian_eval.results.paired_averages import Part, differences, paired_average
from cambrian_eval.running.manifest import settings_of, versions_used
from cambrian_eval.running.records import Cell
from cambrian_eval.running.stopping import stop_of
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Sample, Verdict, clusters

T = TypeVar("T")


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
    looked: bool = False
    """Whether a run was stopped by what its difference was: interval and p-value do not allow for that."""


@dataclass(frozen=True, slots=True)
class AverageComparison:
    """One average of a comparison."""

    name: str
    """A category, `overall`, or a suite."""
    label: str
    """The name, with what it lacks."""
    members: tuple[str, ...]
    """The benchmarks it is made of."""
    paired: statistics.Paired
    """Both averages, their difference and its test; `n` counts the samples of all members."""


def compare_runs(a: Run, b: Run, condition_a: str, condition_b: str, scorer: str) -> list[Comparison]:
    """A paired comparison of every benchmark that both runs have, except those whose answers are withheld."""
    names = _common(a, b, condition_a, condition_b)
    return _corrected(
        [c for c, _ in _comparable(names, (_compare(a, b, n, condition_a, condition_b, scorer) for n in names))]
    )


def compare_with_averages(
    a: Run, b: Run, condition_a: str, condition_b: str, scorer: str, processes: int = 1
) -> tuple[list[Comparison], list[AverageComparison], list[Lengths]]:
    """Like `compare_runs`, with the lengths of the responses and the averages of at least two compared benchmarks.

    Of equal averages the first is given. Benchmarks are compared in so many processes at the same time.
    """
    names = _common(a, b, condition_a, condition_b)
    with in_processes(processes) as each:
        compared = each(partial(_compare_with_lengths, a, b, condition_a, condition_b, scorer), names)
        found = _comparable(names, compared)
        parts = {c.benchmark: part for c, part, _ in found}
        members = _averages(a, [c for c, *_ in found], parts)
        # Of the benchmarks of one average each has a seed of its own.
        drawn = list(dict.fromkeys((name, seed) for one in members.values() for seed, name in enumerate(one.members)))
        each_drawn = each(differences, [parts[name] for name, _ in drawn], [seed for _, seed in drawn])
        known = dict(zip(drawn, each_drawn, strict=True))
    means = []
    for name, one in members.items():
        paired = paired_average([parts[m] for m in one.members], [known[m, seed] for seed, m in enumerate(one.members)])
        means.append(AverageComparison(name, one.label, one.members, paired))
    return _corrected([c for c, *_ in found]), means, [length for *_, some in found for length in some]


def _common(a: Run, b: Run, condition_a: str, condition_b: str) -> list[str]:
    """The benchmarks that both runs have under their conditions."""
    check_conditions((condition_a, condition_b))
    cells_a, cells_b = a.cells(), b.cells()
    common = [n for n in a.benchmarks() if Cell(n, condition_a) in cells_a and Cell(n, condition_b) in cells_b]
    if not common:
        raise UserError(
            f"{a.path} ({condition_a}) and {b.path} ({condition_b}) have no benchmark in common: "
            f"{', '.join(a.benchmarks()) or 'none'} and {', '.join(b.benchmarks()) or 'none'}"
        )
    return common


def _comparable(names: Sequence[str], compared: Iterable[T | None]) -> list[T]:
    """The comparisons of those benchmarks whose scores can be compared."""
    found = [one for one in compared if one is not None]
    if not found:
        raise UserError(
            f"{', '.join(names)}: the gold answers are withheld, or a judge is needed, so scores cannot be compared"
        )
    return found


def _averages(a: Run, found: Sequence[Comparison], parts: Mapping[str, Part]) -> dict[str, Average]:
    """The averages over at least two of the compared benchmarks, none twice."""
    scores: dict[str, float | None] = {c.benchmark: c.paired.a for c in found}
    about = a.info["benchmarks"]
    partly = [n for n, part in parts.items() if not about[n]["complete"] or part.n < about[n]["samples"]]
    named: dict[str, Average] = {}
    for name, one in {**averages(scores, partly), **suite_averages(scores, partly)}.items():
        if len(one.members) > 1 and all(one.members != other.members for other in named.values()):
            named[name] = one
    return named


def _corrected(found: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons with their p-values corrected together."""
    corrected = statistics.holm([c.paired.p_value for c in found])
    return [replace(c, p_holm=p) for c, p in zip(found, corrected, strict=True)]


def differing(a: Run, b: Run, names: Sequence[str]) -> list[str]:
    """Settings other than model and condition that differ between the two runs, as text."""
    found = []
    for key in ("prompts", "max_new_tokens", "seed", "max_pixels"):
        left, right = (run.info.get("responses_depend_on", {}).get(key) for run in (a, b))
        if left != right:
            found.append(f"{key} {left} in a, {right} in b")
    found += circumstances.differences(a.info, b.info)
    if a.repeats != b.repeats:
        found.append(f"repeats {a.repeats} in a, {b.repeats} in b")
    versions_a, versions_b = versions_used(a.info), versions_used(b.info)
    for package in versions_a.keys() & versions_b.keys():
        if versions_a[package] != versions_b[package]:
            found.append(f"{package} {', '.join(versions_a[package])} in a, {', '.join(versions_b[package])} in b")
    for name in names:
        left, right = (settings_of(name, run.info["benchmarks"][name]) for run in (a, b))
        found += [f"{name}.{k} {left.get(k)} in a, {v} in b" for k, v in right.items() if left.get(k) != v]
    return found


@dataclass(frozen=True, slots=True)
class Shared:
    """What two runs have in common on one benchmark."""

    samples: Sequence[Sample]
    """The samples that both have verdicts on."""
    a: Sequence[Unit]
    """The first run's units over them."""
    b: Sequence[Unit]
    """The second run's; the same members in the same order."""
    formula: Formula
    """The headline metric."""
    n_a: int
    """Samples that the first run has."""
    n_b: int
    """Samples that the second run has."""
    whole: tuple[bool, bool]
    """Whether all units of each run are among them."""


def shared(a: Run, b: Run, name: str, condition_a: str, condition_b: str, scorer: str) -> Shared | None:
    """What two runs have in common; None where the answers are withheld or the scorer cannot score the benchmark."""
    benchmark = benchmark_of(a, name)
    if benchmark.judging is not None and scorer != "judge":
        return None
    verdicts_a = _verdicts(a, Cell(name, condition_a), scorer)
    verdicts_b = _verdicts(b, Cell(name, condition_b), scorer)
    samples = [s for s in a.samples(name) if s.id in verdicts_a and s.id in verdicts_b]
    if a.samples_content(name) != b.samples_content(name):
        theirs = {s.id: s for s in b.samples(name)}
        for sample in samples:
            check_equal(name, sample, theirs[sample.id], b)
    if not samples:
        raise UserError(f"{name}: the two runs have no sample in common")
    if not any(s.answers for s in samples):
        return None
    if condition_a == condition_b:
        _check_images(a, b, Cell(name, condition_a), [s.id for s in samples])
    _check_judges(a, b, name, condition_a, condition_b, scorer)
    _check_rules(a, b, name, condition_a, condition_b, scorer)
    units_a = cell_units(benchmark, samples, a, Cell(name, condition_a), scorer)
    units_b = cell_units(benchmark, samples, b, Cell(name, condition_b), scorer)
    n_units = len(units_a), len(units_b)
    if benchmark.judging is not None:  # responses that the judge left undecided in one run are compared in none
        units_a, units_b = repeats.in_all(units_a, units_b)
    formula = benchmark.metrics(sorted({u.stratum for u in units_a})).get("score", {})
    n_a, n_b = len(verdicts_a), len(verdicts_b)
    whole_a, whole_b = (
        len(units) == before and n == len(samples)
        for units, before, n in zip((units_a, units_b), n_units, (n_a, n_b), strict=True)
    )
    return Shared(samples, units_a, units_b, formula, n_a, n_b, (whole_a, whole_b))


def _compare(
    a: Run, b: Run, name: str, condition_a: str, condition_b: str, scorer: str
) -> tuple[Comparison, Part] | None:
    """The comparison of one benchmark; None where its answers are withheld or the scorer cannot score it."""
    if (both := shared(a, b, name, condition_a, condition_b, scorer)) is None:
        return None
    cluster_of, n = clusters(both.samples), len(both.samples)
    paired = statistics.paired(both.a, both.b, both.formula, cluster_of, n)
    if paired is None:
        raise UserError(f"{name}: the common samples contribute nothing to the headline metric")
    scores = zip((a, b), (condition_a, condition_b), (paired.a, paired.b), both.whole, strict=True)
    for run, condition, score, whole in scores:
        _check_stored(run, Cell(name, condition), scorer, score if whole else None)
    left, right = (statistics.cluster_table(units, both.formula, cluster_of) for units in (both.a, both.b))
    stops = (stop_of(run.info, Cell(name, condition)) for run, condition in ((a, condition_a), (b, condition_b)))
    looked = any(stop is not None and stop.half_width is None for stop in stops)
    part = Part(left, right, average_divisor(name), n)
    return Comparison(name, paired, 1.0, both.n_a - n, both.n_b - n, looked), part


def _compare_with_lengths(
    a: Run, b: Run, condition_a: str, condition_b: str, scorer: str, name: str
) -> tuple[Comparison, Part, list[Lengths]] | None:
    """The comparison of one benchmark, with the lengths of its responses, which the runs still hold."""
    found = _compare(a, b, name, condition_a, condition_b, scorer)
    return found and (*found, lengths(a, b, [Cell(name, condition_a)], [Cell(name, condition_b)]))


def check_equal(name: str, sample: Sample, other: Sample, run: Run) -> None:
    """Two runs are compared on equal questions only; `other` is that of `run`."""
    if (sample.question, sample.answers, sample.choices) != (other.question, other.answers, other.choices):
        raise UserError(
            f"{name}: sample {sample.id} is a different question in {run.path}; the runs used different data"
        )


def _check_images(a: Run, b: Run, cell: Cell, ids: Sequence[str]) -> None:
    """Under a condition that shows the sample's own images, both models must have been shown the same ones.

    A model that takes fewer images was shown the first of them. Images that a condition makes or chooses may differ
    with its seed, which `differing` reports.
    """
    if cell.condition != "on":
        return
    left, right = a.responses(cell), b.responses(cell)
    pairs = [(i, left[i].images, right[i].images) for i in ids if i in left and i in right]
    other = [i for i, x, y in pairs if x != y and any(p != q for p, q in zip(x, y, strict=False))]
    if other:
        raise UserError(
            f"{cell.benchmark}: {len(other)} samples (first: {other[0]!r}) were shown other images in {b.path}; "
            "the runs used different data, so they are not compared"
        )


def _check_judges(a: Run, b: Run, name: str, condition_a: str, condition_b: str, scorer: str) -> None:
    named = [
        judges(r for r in run.results() if (r.benchmark, r.condition, r.scorer) == (name, condition, scorer))
        for run, condition in ((a, condition_a), (b, condition_b))
    ]
    if named[0] and named[1] and named[0] != named[1]:
        raise UserError(
            f"{name}: the judges differ ({', '.join(named[0])} in {a.path}, {', '.join(named[1])} in {b.path}); "
            "judge both runs with one judge"
        )


def _check_rules(a: Run, b: Run, name: str, condition_a: str, condition_b: str, scorer: str) -> None:
    """Both runs must have been scored by the same version of the scorer."""
    stored = [*a.stored_verdicts(Cell(name, condition_a), scorer), *b.stored_verdicts(Cell(name, condition_b), scorer)]
    rules = dict.fromkeys(one.rules for one in stored if one.rules)
    mixed = {n: v for n, v in versions(rules).items() if len(v) > 1}
    if mixed:
        raise UserError(
            f"{name}: the runs were scored by different versions ({described(mixed)}); score both with this one: "
            f"cambrian-eval score RUN --scorer {scorer}"
        )


def _check_stored(run: Run, cell: Cell, scorer: str, score: float | None) -> None:
    """The stored result of a cell must be the one of its verdicts."""
    stored = [r for r in run.results() if key_of(r) == (cell.benchmark, cell.condition, scorer)]
    for key, reason in problems(run, stored).items():
        raise UserError(remedy(run, key, reason))
    for r in stored:
        if r.score is None or score is None:
            continue
        if abs(r.score - score) > 1e-6 * r.scale:
            raise UserError(
                f"{run.path}: results.json has the score {r.score:g} for {cell.stem}.{scorer}, its verdicts give "
                f"{score:g}; score the run again: cambrian-eval score {run.path} --scorer {scorer}"
            )


def cell_units(benchmark: Benchmark, samples: Sequence[Sample], run: Run, cell: Cell, scorer: str) -> list[Unit]:
    """The units of a cell, their values the means over the run's repeats."""
    verdicts = run.all_verdicts(cell, scorer)
    numbers = sorted({number for _, number in verdicts})
    rows = [[verdicts[s.id, number] for s in samples] for number in numbers]
    return repeats.mean(repeats.units_of(benchmark, samples, rows, scorer))


def _verdicts(run: Run, cell: Cell, scorer: str) -> dict[str, Verdict]:
    """The verdicts of the first repeat: which samples have one is the same in all."""
    found = checked_verdicts(run, cell, scorer)
    if not found:
        has = ", ".join(run.scorers(cell)) or "none"
        raise UserError(
            f"{run.path} has no {scorer!r} verdicts for {cell.stem} (it has: {has}); "
            f"create them with: cambrian-eval score {run.path} --scorer {scorer}"
        )
    return found
