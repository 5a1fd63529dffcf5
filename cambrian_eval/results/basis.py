"""Whether stored verdicts and results still belong to their run: made from its responses, by one version of the scorer.

Each line of a verdict file names the version of the scorer and a hash of the sample and response that it judges. A
result has the same for its cell, and hashes of its verdict file and of its own numbers (`Basis`). Files of older
versions have neither; they are read, and tables say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

from cambrian_eval.benchmark import Graded
from cambrian_eval.condition import graded_samples
from cambrian_eval.errors import UserError
from cambrian_eval.numbers import number
from cambrian_eval.plugins import BENCHMARKS, OURS, SCORERS_GROUP, provider
from cambrian_eval.registry import load_benchmark, load_condition
from cambrian_eval.results import statistics
from cambrian_eval.running.records import Cell
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Basis, Result, Verdict

STALE = "stale: "
"""How the note of a result begins that no longer belongs to its run."""

Key = tuple[str, str, str]
"""Benchmark, condition, scorer."""


def key_of(result: Result) -> Key:
    """Identifies a result within its run."""
    return result.benchmark, result.condition, result.scorer


def rules_of(benchmark: str, scorer: str, *more: str) -> str:
    """The version of a scorer on a benchmark: the packages that decide, each with its version."""
    plug_ins = dict.fromkeys((provider(BENCHMARKS, benchmark), provider(SCORERS_GROUP, scorer)))
    return ", ".join([f"{OURS} {our_version()}", *(p for p in plug_ins if p is not None), *more])


@cache
def our_version() -> str:
    """The version of this package with a hash of the source code of its rules."""
    package = Path(__file__).resolve().parents[1]
    files = [p for room in ("scoring", "benchmarks") for p in sorted((package / room).rglob("*.py"))]
    digest = blake2b(digest_size=4)
    own = ("benchmark.py", "formula.py", "judging.py", "scorer.py", "results/grading.py", "results/verdicts.py")
    for file in (*files, *(package / name for name in own)):
        digest.update(file.read_bytes())
    return f"{version(OURS)}+{digest.hexdigest()}"


def versions(rules: Iterable[str]) -> dict[str, list[str]]:
    """Each package named by the rules, with its versions."""
    found: dict[str, list[str]] = {}
    for text in rules:
        for part in text.split(", "):
            name, _, number = part.rpartition(" ")
            if number not in found.setdefault(name, []):
                found[name].append(number)
    return found


def mixed_rules(results: Iterable[Result]) -> str | None:
    """The packages that scored the results in more than one version, in words; None where there is none."""
    found = versions(r.basis.rules for r in results if r.basis is not None)
    return described({name: many for name, many in found.items() if len(many) > 1}) or None


def described(mixed: Mapping[str, Sequence[str]]) -> str:
    """Packages with their versions, in words."""
    return "; ".join(f"{name} {' and '.join(many)}" for name, many in mixed.items())


def with_basis(
    run: Run,
    result: Result,
    ids: Sequence[str],
    verdicts: Sequence[Sequence[Verdict]],
    rules: str,
    inputs: Mapping[str, str],
) -> Result:
    """Stores the verdicts of a result, those of each repeat; the result with what it was made from."""
    cell = Cell(result.benchmark, result.condition)
    run.save_verdicts(cell, result.scorer, ids, *verdicts, rules=rules, inputs=inputs)
    stored = run.verdicts_hash(cell, result.scorer)
    return replace(result, basis=Basis(rules, run.inputs_hash(cell), stored or "", _numbers(result)))


def checked_verdicts(run: Run, cell: Cell, scorer: str) -> dict[str, Verdict]:
    """The verdicts of the first repeat by sample id, if all of them belong to the stored responses and the result."""
    stored = run.stored_verdicts(cell, scorer)
    inputs = run.inputs(cell)
    others = [one.id for one in stored if one.inputs is not None and inputs.get(one.id) != one.inputs]
    ids = {(one.id, one.repeat) for one in stored}
    renew = f"renew them with: cambrian-eval score {run.path} --scorer {scorer}"
    if others:
        raise UserError(
            f"{run.path}: {len(others)} of {len(stored)} {scorer!r} verdicts for {cell.stem} (first: {others[0]!r}) "
            f"were made from other samples or responses; {renew}"
        )
    if len(ids) < len(stored):
        raise UserError(f"{run.path}: a sample has two {scorer!r} verdicts for {cell.stem}; {renew}")
    rules = dict.fromkeys(one.rules for one in stored if one.rules)
    mixed = {n: many for n, many in versions(rules).items() if len(many) > 1}
    if mixed:
        raise UserError(
            f"{run.path}: the {scorer!r} verdicts for {cell.stem} were made by different versions "
            f"({described(mixed)}); {renew}"
        )
    if not stored or any(one.inputs is not None for one in stored):
        mine = [r for r in run.results() if key_of(r) == (cell.benchmark, cell.condition, scorer)]
        for key, reason in problems(run, mine).items():
            raise UserError(remedy(run, key, reason))
    return {one.id: one.verdict for one in stored if not one.repeat}


def problems(run: Run, results: Iterable[Result]) -> dict[Key, str]:
    """Why stored results no longer belong to their run, as far as the run still has what they were made from."""
    cells = set(run.cells())
    found: dict[Key, str] = {}
    for r in results:
        cell = Cell(r.benchmark, r.condition)
        if r.basis is None:
            if cell in cells and (reason := _disagreement(run, cell, r)) is not None:
                found[key_of(r)] = reason
            continue
        stored = run.verdicts_hash(cell, r.scorer)
        if r.basis.numbers != _numbers(r):
            found[key_of(r)] = "its numbers in results.json were changed by another program"
        elif stored is not None and stored != r.basis.verdicts:
            found[key_of(r)] = "its verdict file was changed after it was made"
        elif cell in cells and run.has_samples(cell.benchmark) and run.inputs_hash(cell) != r.basis.inputs:
            found[key_of(r)] = "samples or responses were changed after it was made"
    return found


def unchecked(run: Run, results: Iterable[Result]) -> bool:
    """Whether the run lacks what some results were made from, so that they cannot be checked."""
    cells = set(run.cells())
    return any(
        Cell(r.benchmark, r.condition) not in cells
        or not run.has_samples(r.benchmark)
        or run.verdicts_hash(Cell(r.benchmark, r.condition), r.scorer) is None
        for r in results
        if r.basis is not None or r.score is not None  # else it waits for a judge
    )


def _disagreement(run: Run, cell: Cell, r: Result) -> str | None:
    """How a result of an older version differs from its verdicts; None where it does not, or has none."""
    verdicts = run.verdicts(cell, r.scorer)
    if not verdicts or r.score is None or run.repeats > 1 or not run.has_samples(cell.benchmark):
        return None
    benchmark = load_benchmark(cell.benchmark, **run.info["benchmarks"][cell.benchmark]["settings"])
    samples = graded_samples(load_condition(cell.condition), run.samples(cell.benchmark), benchmark)
    graded = [Graded(s, verdicts[s.id]) for s in samples if s.id in verdicts]
    units = benchmark.units(graded, r.scorer)
    score = statistics.score(units, benchmark.metrics(sorted({u.stratum for u in units})).get("score", {}))
    if score is None or abs(score - r.score) > 1e-6 * r.scale:
        return f"results.json has {r.score:g}, its verdicts give {'no score' if score is None else f'{score:g}'}"
    return None


def remedy(run: Run, key: Key, reason: str) -> str:
    """The message about a result that cannot be used."""
    benchmark, condition, scorer = key
    return (
        f"{run.path}: the {scorer!r} score of {benchmark}.{condition} cannot be used: {reason}; score the run again: "
        f"cambrian-eval score {run.path} --scorer {scorer}"
    )


def marked(run: Run, results: Sequence[Result], fresh: Iterable[Result]) -> list[Result]:
    """The results of a run, those that no longer belong to it with a note that says so."""
    made = {key_of(r) for r in fresh}
    bad = problems(run, [r for r in results if key_of(r) not in made])
    found = []
    for r in results:
        notes = [note for note in r.notes if not note.startswith(STALE)]
        if (reason := bad.get(key_of(r))) is not None:
            notes.append(f"{STALE}{reason}; renew it with: cambrian-eval score RUN --scorer {r.scorer}")
        found.append(replace(r, notes=tuple(notes)))
    return found


def changed_by_rules(old: Mapping[Key, Result], new: Iterable[Result]) -> list[str]:
    """Scores that differ from the stored ones on the same responses because the rules changed, one line each."""
    found = []
    for r in new:
        before = old.get(key_of(r))
        if before is None or before.basis is None or r.basis is None or before.score == r.score:
            continue
        if before.basis.inputs == r.basis.inputs and before.basis.rules != r.basis.rules:
            found.append(
                f"{r.benchmark}.{r.condition}.{r.scorer}: the rules changed: {_score(before)} by {before.basis.rules}, "
                f"{_score(r)} by {r.basis.rules}"
            )
    return found


def _score(result: Result) -> str:
    return number(result.score, missing="no score")


def _numbers(r: Result) -> str:
    values: list[object] = [r.score, r.interval and list(r.interval), r.scale, r.chance, r.complete]
    values += [r.n, r.n_failed, r.n_unparsed, r.n_undecided, r.n_unfinished, sorted(r.breakdown.items())]
    return blake2b(repr(_plain(values)).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


def _plain(value: object) -> object:
    """Numbers as they are after JSON: a whole number and the float equal to it are one."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
