"""What names on the command line stand for: benchmarks, suites and categories in any letter case."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cambrian_eval.benchmark import PAPER
from cambrian_eval.errors import UserError, unknown
from cambrian_eval.plugins import BENCHMARKS, OURS, declared, missing, package, refused
from cambrian_eval.registry import benchmark_names, load_benchmark, suites


@dataclass(frozen=True, slots=True)
class Named:
    """What names on the command line stand for."""

    benchmarks: tuple[str, ...]
    """Each once, in the order given."""
    settings: dict[str, dict[str, Any]]
    """Settings by benchmark that a name chose, as `vqav2:full` does."""
    says: tuple[str, ...]
    """What a user should be told about the names, a line each."""


def named(texts: Iterable[str], offered: Collection[str] | None = None) -> Named:
    """The benchmarks that names stand for: benchmarks, suites and categories in any letter case, `all`, `everything`.

    Words for several benchmarks stand for those `offered` only, where the data has not all of them. `everything` and
    categories leave out benchmarks without a published dataset, which must be named.
    """
    found: list[str] = []
    settings: dict[str, dict[str, Any]] = {}
    says = []
    installed = benchmark_names()
    everything = [name for name in installed if load_benchmark(name).source.is_published]
    available = set(installed if offered is None else offered)
    groups = {suite.name: suite.benchmarks for suite in suites().values()} | _categories(everything)
    groups |= {"all": groups["paper"], "everything": tuple(everything)}
    folded = {name.lower(): name for name in (*groups, *declared(BENCHMARKS))}
    for text in texts:
        name, variant = folded.get(text.strip().lower()), ""
        if name is None:
            written, _, variant = text.partition(":")
            name = folded.get(written.strip().lower())
        if name is None:
            raise _unknown_benchmark(written.strip(), groups)
        if name in groups and not variant:
            if name == "all" and len(everything) > len(groups[name]):
                extra = len(everything) - len(groups[name])
                says.append(f"all: the {len(groups[name])} of the paper; `everything` has {extra} more")
            missing = [b for b in groups[name] if b not in installed]
            if missing:
                raise UserError(f"{name} names benchmarks that are not installed: {', '.join(missing)}")
            found += [b for b in groups[name] if b in available]
            continue
        benchmark = load_benchmark(name)
        if variant:
            if variant.lower() not in benchmark.variants:
                raise unknown(f"variant of {name}", variant, benchmark.variants)
            settings[name] = dict(benchmark.variants[variant.lower()])
        found.append(name)
    return Named(tuple(dict.fromkeys(found)), settings, tuple(says))


def _categories(everything: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The paper's categories with its benchmarks and those of other packages, and the categories of those."""
    own = {name for names in PAPER.values() for name in names}
    found: dict[str, list[str]] = {category: list(names) for category, names in PAPER.items()}
    for name in everything:
        if name not in own and package(declared(BENCHMARKS)[name]) != OURS:
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
