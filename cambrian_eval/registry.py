"""Finds benchmarks and models by name through entry points, without importing them.

Ours and third parties' are found in the same way: groups `cambrian_eval.benchmarks` and `cambrian_eval.models`.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from cambrian_eval.averages import MEMBERS
from cambrian_eval.benchmark import Benchmark
from cambrian_eval.errors import UserError, unknown

BENCHMARKS = "cambrian_eval.benchmarks"
"""The entry points' group of benchmarks."""
MODELS = "cambrian_eval.models"
"""The entry points' group of model adapters."""
CATEGORIES = tuple(MEMBERS)
"""The four categories, in the paper's order."""


@cache
def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def benchmark_names() -> list[str]:
    """Names of all installed benchmarks, in the paper's order, others after."""
    order = [name for names in MEMBERS.values() for name in names]
    found = _points(BENCHMARKS)
    return [n for n in order if n in found] + sorted(set(found) - set(order))


def load_benchmark(name: str, **settings: Any) -> Benchmark:
    """The benchmark of that name with its switches set."""
    points = _points(BENCHMARKS)
    if name not in points:
        raise unknown("benchmark", name, points)
    try:
        declared = points[name].load()
    except ImportError as error:
        raise UserError(f"benchmark {name!r} ({points[name].value}) cannot be imported: {error}") from error
    benchmark = declared(**settings)
    if not isinstance(benchmark, Benchmark):
        raise UserError(f"entry point {name!r} ({points[name].value}) is not a Benchmark")
    return benchmark


def model_factories() -> dict[str, EntryPoint]:
    """Entry points of all installed model adapters by the kind they serve."""
    return _points(MODELS)
