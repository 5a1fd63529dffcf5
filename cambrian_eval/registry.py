"""Finds what has kinds by name: benchmarks, models, vision conditions and scorers, ours and third parties'.

Third parties extend each list by an entry point in the group of its name. Nothing is imported before it is needed,
so listing names is fast.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from cambrian_eval.benchmark import PAPER, Benchmark
from cambrian_eval.condition import CONDITIONS, Condition
from cambrian_eval.errors import UserError, unknown
from cambrian_eval.scorer import SCORERS, Scorer

BENCHMARKS = "cambrian_eval.benchmarks"
"""Entry points of benchmarks: each names a `Benchmark` class."""
MODELS = "cambrian_eval.models"
"""Entry points of model adapters."""
CONDITIONS_GROUP = "cambrian_eval.conditions"
"""Entry points of vision conditions: each names a `Condition` class or object."""
SCORERS_GROUP = "cambrian_eval.scorers"
"""Entry points of scorers: each names a `Scorer` class or object."""
CATEGORIES = tuple(PAPER)
"""The four categories, in the paper's order."""

T = TypeVar("T")


@cache
def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def benchmark_names() -> list[str]:
    """Names of all installed benchmarks, in the paper's order, others after."""
    order = [name for names in PAPER.values() for name in names]
    found = _points(BENCHMARKS)
    return [n for n in order if n in found] + sorted(set(found) - set(order))


def load_benchmark(name: str, **settings: Any) -> Benchmark:
    """The benchmark of that name with its settings set."""
    points = _points(BENCHMARKS)
    if name not in points:
        raise unknown("benchmark", name, points)
    benchmark = _load("benchmark", points[name])(**settings)
    if not isinstance(benchmark, Benchmark):
        raise UserError(f"entry point {name!r} ({points[name].value}) is not a Benchmark")
    return benchmark


@cache
def average_divisor(benchmark: str) -> float:
    """What a benchmark's headline score is divided by before it enters an average."""
    return load_benchmark(benchmark).average_divisor if benchmark in _points(BENCHMARKS) else 1.0


def model_factories() -> dict[str, EntryPoint]:
    """Entry points of all installed model adapters by the kind they serve."""
    return _points(MODELS)


def conditions() -> dict[str, Condition]:
    """All vision conditions by name: ours in their order, then third parties' by name."""
    return extended("vision condition", CONDITIONS, Condition, CONDITIONS_GROUP)


def load_condition(name: str) -> Condition:
    """The vision condition of that name."""
    found = conditions()
    if name not in found:
        if name == "random":
            raise UserError("condition 'random' needs no run: every result carries its exact chance score")
        raise unknown("vision condition", name, found)
    return found[name]


def check_conditions(names: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """The names in the order given, each once; an unknown name is an error, and so is none."""
    if not names:
        raise UserError(f"no vision condition named; known: {', '.join(conditions())}")
    return tuple(dict.fromkeys(load_condition(name).name for name in names))


def scorers() -> dict[str, Scorer]:
    """All deterministic scorers by name: ours in their order, then third parties' by name."""
    return extended("scorer", SCORERS, Scorer, SCORERS_GROUP)


def load_scorer(name: str, benchmark: Benchmark | None = None) -> Scorer:
    """The scorer of that name; where a benchmark is given, one that can score it."""
    found = scorers()
    if name not in found:
        raise unknown("scorer", name, found)
    if benchmark is not None and (reason := found[name].unavailable(benchmark)) is not None:
        raise UserError(reason)
    return found[name]


@cache
def extended(kind: str, ours: tuple[T, ...], wanted: type[T], group: str) -> dict[str, T]:
    """Our values by name and those of the group's entry points; a name that is taken is an error."""
    found: dict[str, T] = {getattr(value, "name"): value for value in ours}  # noqa: B009
    for name, point in sorted(_points(group).items()):
        loaded = _load(kind, point)
        value = loaded() if isinstance(loaded, type) else loaded
        if not isinstance(value, wanted):
            raise UserError(f"entry point {name!r} ({point.value}) is not a {wanted.__name__}")
        if getattr(value, "name", None) != name or not name.isidentifier():
            raise UserError(f"entry point {name!r} ({point.value}) must be an identifier equal to the value's `name`")
        if name in found:
            raise UserError(f"{kind} {name!r} is built in; {point.value} must use another name")
        found[name] = value
    return found


def _load(kind: str, point: EntryPoint) -> Any:
    try:
        return point.load()
    except ImportError as error:
        raise UserError(f"{kind} {point.name!r} ({point.value}) cannot be imported: {error}") from error
