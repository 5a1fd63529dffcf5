"""What names on the command line stand for: benchmarks, suites and categories in any letter case."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from cambrian_eval.benchmark import PAPER
from cambrian_eval.errors import UserError, unknown
from cambrian_eval.plugins import BENCHMARKS, declared, is_third_party, missing, refused
from cambrian_eval.registry import benchmark_names, load_benchmark, suites

EVERYTHING = "everything"
"""The word for every installed benchmark with a published dataset."""


@dataclass(frozen=True, slots=True)
class Named:
    """What names on the command line stand for."""

    benchmarks: tuple[str, ...]
    """Each once, in the order given."""
    settings: dict[str, dict[str, Any]]
    """Settings by benchmark that a name chose, as `vqav2:full` does."""
    says: tuple[str, ...]
    """What a user should be told about the names, a line each."""


def named(texts: Iterable[str], offered: Callable[[], Collection[str] | None] | None = None) -> Named:
    """The benchmarks that names stand for: benchmarks, suites and categories in any letter case, `all`, `everything`.

    Words for several benchmarks stand for those `offered` only, where the data has not all of them. `everything` and
    categories leave out benchmarks without a published dataset, which must be named. Names of single benchmarks import
    these alone.
    """
    found: list[str] = []
    settings: dict[str, dict[str, Any]] = {}
    says = []
    groups = {suite.name: suite.benchmarks for suite in suites().values()} | _categories()
    groups |= {"all": groups["paper"]}
    folded = {name.lower(): name for name in (*groups, EVERYTHING, *declared(BENCHMARKS))}
    for text in texts:
        name, variant = folded.get(text.strip().lower()), ""
        if name is None:
            written, _, variant = text.partition(":")
            name = folded.get(written.strip().lower())
        if name is None:
            raise _unknown_benchmark(written.strip(), (*groups, EVERYTHING))
        if (name in groups or name == EVERYTHING) and not variant:
            members = _everything() if name == EVERYTHING else groups[name]
            if name == "all" and len(_everything()) > len(members):
                extra = len(_everything()) - len(members)
                says.append(f"all: the {len(members)} of the paper; `everything` has {extra} more")
            if absent := [b for b in members if b not in benchmark_names()]:
                raise UserError(f"{name} names benchmarks that are not installed: {', '.join(absent)}")
            available = None if offered is None else offered()
            found += [b for b in members if available is None or b in available]
            continue
        benchmark = load_benchmark(name)
        if variant:
            if variant.lower() not in benchmark.variants:
                raise unknown(f"variant of {name}", variant, benchmark.variants)
            settings[name] = dict(benchmark.variants[variant.lower()])
        found.append(name)
    return Named(tuple(dict.fromkeys(found)), settings, tuple(says))


def _everything() -> tuple[str, ...]:
    """Every installed benchmark with a published dataset."""
    return tuple(name for name in benchmark_names() if load_benchmark(name).source.is_published)


def _categories() -> dict[str, tuple[str, ...]]:
    """The paper's categories with its benchmarks and those of other packages, and the categories of those."""
    found: dict[str, list[str]] = {category: list(names) for category, names in PAPER.items()}
    for name in benchmark_names():
        if is_third_party(BENCHMARKS, name) and load_benchmark(name).source.is_published:
            found.setdefault(load_benchmark(name).category, []).append(name)
    return {category: tuple(names) for category, names in found.items()}


def _unknown_benchmark(name: str, groups: Iterable[str]) -> UserError:
    """An error with near misses: similar names, and names that begin like it or that it begins with."""
    if any(point.name == name for point, _ in refused(BENCHMARKS)):
        return missing("benchmark", BENCHMARKS, name, ())
    known = [*declared(BENCHMARKS), *groups]
    low = name.lower().replace("-", "_")
    starts = [n for n in known if low and (n.lower().startswith(low) or low.startswith(n.lower()))]
    near = difflib.get_close_matches(low, [n.lower() for n in known], n=3, cutoff=0.6)
    close = list(dict.fromkeys([*sorted(starts, key=len, reverse=True), *(n for n in known if n.lower() in near)]))
    if not close:
        return unknown("benchmark, suite or category", name, known)
    return UserError(f"unknown benchmark, suite or category {name[:80]!r}; did you mean {' or '.join(close[:4])}?")
