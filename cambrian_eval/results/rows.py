"""Which rows a score of a run is on: drawn by a program, a subset, or all; and how tables, notes and JSON say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cambrian_eval.registry import benchmark_names, load_benchmark
from cambrian_eval.results import subsets
from cambrian_eval.running.shapes import is_synthetic
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Result


@dataclass(frozen=True, slots=True)
class Rows:
    """What a reader must know about the rows of one benchmark."""

    synthetic: bool
    """Whether a program drew them."""
    subset: str | None
    """Such as `subset: 48 of 2,374 rows`, where they are not all that the benchmark has."""

    def label(self, benchmark: str) -> str:
        """The name of the benchmark in a table: `mmvp (synthetic)`, `mmvp (subset)`."""
        marks = [word for word, holds in (("synthetic", self.synthetic), ("subset", self.subset)) if holds]
        return f"{benchmark} ({', '.join(marks)})" if marks else benchmark


def rows_of(benchmark: str, *runs: Run) -> Rows:
    """The marks of a score that was made from all of these runs."""
    entries = [about for run in runs if (about := run.info["benchmarks"].get(benchmark)) is not None]
    if any(map(is_synthetic, entries)):
        return Rows(True, None)
    parts = [about for about in entries if about.get("subset") is not None or not about["complete"]]
    if not parts:
        return Rows(False, None)
    smallest = min(parts, key=lambda about: about["samples"])
    n, chosen = smallest["samples"], smallest.get("subset")
    return Rows(False, part_of(benchmark, n) if chosen is None else subsets.words(chosen["name"], n, chosen["of"]))


def of_result(result: Result) -> Rows:
    """The marks of a result; synthetic rows are a subset only where one was chosen."""
    part = result.subset
    if part is None and result.partial and not result.synthetic:
        part = part_of(result.benchmark, result.n)
    return Rows(result.synthetic, part)


def part_of(benchmark: str, n: int) -> str:
    """How results on a part of the rows are marked."""
    if whole := size_of(benchmark):
        return f"subset: {n:,} of {whole:,} rows"
    return f"subset: {n:,} rows{' of your own' if whole == 0 else ''}"


def size_of(benchmark: str) -> int | None:
    """How many samples the published dataset gives; 0 where there is none, None where the number is not known."""
    return load_benchmark(benchmark).source.n_samples if benchmark in benchmark_names() else None


def notes_of(found: Mapping[str, Rows]) -> list[str]:
    """The marks of several benchmarks in sentences."""
    drawn = [name for name, rows in found.items() if rows.synthetic]
    notes = [f"synthetic data, no score of the published benchmark: {', '.join(drawn)}"] * bool(drawn)
    return notes + [f"{name}: {rows.subset}" for name, rows in found.items() if rows.subset]
