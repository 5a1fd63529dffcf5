"""Plug-ins: what packages declare by an entry point in the group of its kind, ours and others', and how it is made.

Every kind is found and refused by the same rules. Nothing is imported before it is needed, so listing names is fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import copy
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import Any, TypeVar

from cambrian_eval.conditions import CONDITIONS
from cambrian_eval.errors import CambrianEvalError, UserError, describe, unknown
from cambrian_eval.scorer import SCORERS

BENCHMARKS = "cambrian_eval.benchmarks"
"""Entry points of benchmarks: each names a `Benchmark` class."""
MODELS = "cambrian_eval.models"
"""Entry points of model adapters: each names an `Adapter` class or object."""
CONDITIONS_GROUP = "cambrian_eval.conditions"
"""Entry points of vision conditions: each names a `Condition` class or object."""
SCORERS_GROUP = "cambrian_eval.scorers"
"""Entry points of scorers: each names a `Scorer` class or object."""
SUITES_GROUP = "cambrian_eval.suites"
"""Entry points of suites: each names a `Suite`."""
RECIPES_GROUP = "cambrian_eval.recipes"
"""Entry points of recipes: each names the path of a TOML file."""

OURS = "cambrian-eval"
"""The distribution whose entry points are built in."""
_BUILT_IN = {
    CONDITIONS_GROUP: ("vision condition", frozenset(c.name for c in CONDITIONS)),
    SCORERS_GROUP: ("scorer", frozenset({*(s.name for s in SCORERS), "judge"})),  # the LLM judge is no plug-in
}
"""What is built in without an entry point: the kind and its names by group."""

T = TypeVar("T")


@cache
def _entry_points() -> Any:  # its type differs between versions of Python; all have `select`
    """Those of all installed packages; reading them takes time with every package that is installed."""
    return entry_points()


@cache
def _sorted(group: str) -> tuple[dict[str, EntryPoint], tuple[tuple[EntryPoint, str], ...]]:
    """Entry points by name, and those whose name is taken, each with the reason.

    A built-in name always means ours. A name that two other packages declare means neither. What is refused can be
    used as `package:name`.
    """
    by_name: dict[str, dict[str, EntryPoint]] = {}
    for point in _entry_points().select(group=group):
        by_name.setdefault(point.name, {}).setdefault(package(point), point)
    found: dict[str, EntryPoint] = {}
    taken: list[tuple[EntryPoint, str]] = []
    for name, points in by_name.items():
        use = "use it as {}:" + name
        if name in (own := _BUILT_IN.get(group, ("", ()))[1]) or OURS in points:
            reason = f"{_BUILT_IN[group][0]} {name!r} is built in" if name in own else "the name is built in"
            if OURS in points:
                found[name] = points[OURS]
        elif len(points) == 1:
            found[name] = next(iter(points.values()))
            continue
        else:
            reason = f"the packages {', '.join(sorted(points))} declare the same name"
        for other, point in points.items():
            if other != OURS:
                taken.append((point, f"{reason}; {use.format(other)}"))
                found[f"{other}:{name}"] = point
    return found, tuple(taken)


def declared(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group by the name under which each can be used."""
    return _sorted(group)[0]


def refused(group: str) -> tuple[tuple[EntryPoint, str], ...]:
    """The entry points of a group whose name is taken, each with the reason."""
    return _sorted(group)[1]


def package(point: EntryPoint) -> str:
    """The distribution that declares an entry point, in the usual spelling."""
    return "unknown" if point.dist is None else _spelled(point.dist)


@cache
def _spelled(distribution: Distribution) -> str:
    """Its name; reading it parses a file, and all entry points of a distribution have the same one."""
    return re.sub(r"[-_.]+", "-", distribution.name).lower()


def is_third_party(group: str, name: str) -> bool:
    """Whether another package declares what is used under that name; what is built in is never refused."""
    return name in declared(group) and package(declared(group)[name]) != OURS


def provider(group: str, name: str) -> str | None:
    """The package of a plug-in with its version; None for what is built in."""
    point = declared(group).get(name)
    if point is None or point.dist is None or package(point) == OURS:
        return None
    return f"{package(point)} {point.dist.version}"


def folded(name: str, known: Iterable[str]) -> str:
    """The known name that equals the given one in another letter case; the given one where there is none, or two."""
    names = list(known)
    same = [n for n in names if n.lower() == name.strip().lower()]
    return same[0] if name not in names and len(same) == 1 else name


def extended(kind: str, ours: tuple[T, ...], wanted: type[T], group: str) -> dict[str, T]:
    """Our values by name and those of the group's entry points that can be used."""
    found: dict[str, T] = {getattr(value, "name"): value for value in ours}  # noqa: B009
    for name in sorted(n for n in declared(group) if ":" not in n):
        try:
            found[name] = third_party(kind, name, wanted, group)
        except UserError:  # `unusable` tells the reason, and so does whoever asks for it by name
            continue
    return found


def find(kind: str, name: str, ours: tuple[T, ...], wanted: type[T], group: str) -> T:
    """One of `extended` by its name; a plug-in that cannot be used is an error with its reason."""
    own = {getattr(value, "name"): value for value in ours}  # noqa: B009
    if name in own:
        return own[name]
    if name in declared(group):
        return third_party(kind, name, wanted, group)
    raise missing(kind, group, name, extended(kind, ours, wanted, group))


def missing(kind: str, group: str, name: str, known: Iterable[str], written: str | None = None) -> UserError:
    """The error about a name that means nothing; where packages declare it, how to name each."""
    for point, reason in refused(group):
        if point.name == name:
            return UserError(f"{kind} {name!r}: {reason}")
    return unknown(kind, written or name, known)


def third_party(kind: str, name: str, wanted: type[T], group: str) -> T:
    """The value of an entry point that is found beside built-in ones."""
    point = declared(group)[name]
    if not point.name.isidentifier():
        raise UserError(f"{kind} {name!r} ({point.value}) must be an identifier, such as my_{kind.split()[-1]}")
    return instance(kind, name, point, wanted)


def instance(kind: str, name: str, point: EntryPoint, wanted: type[T]) -> T:
    """What an entry point names, made where it is a class; its `name` must be the entry point's.

    Where it is used as `package:name`, that is its name, so that nothing takes it for the other one.
    """
    value = made(kind, point, {})
    if not isinstance(value, wanted):
        raise UserError(f"{kind} {point.name!r} ({point.value}) is not a {wanted.__name__}")
    if getattr(value, "name", None) != point.name:
        raise UserError(f"{kind} {point.name!r} ({point.value}): the entry point must be equal to the value's `name`")
    return value if name == point.name else renamed(value, name)


def renamed(value: T, name: str) -> T:
    """The value under another name: an object of a subclass that differs in nothing else."""
    kind = type(value)
    try:
        other = copy(value)
        other.__class__ = type(kind.__name__, (kind,), {"name": name, "__module__": kind.__module__, "__slots__": ()})
        if getattr(other, "name", None) != name:
            object.__setattr__(other, "name", name)
    except (TypeError, AttributeError) as error:
        raise UserError(f"{name!r} cannot be used under that name: {describe(error)}") from None
    return other


def made(kind: str, point: EntryPoint, arguments: Mapping[str, Any]) -> Any:
    """The value of an entry point; whatever a plug-in does at import or when it is made is one line."""
    try:
        loaded = point.load()
        return loaded(**arguments) if isinstance(loaded, type) else loaded
    except CambrianEvalError:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(f"{kind} {point.name!r} ({point.value}) cannot be loaded: {describe(error)}") from error
