"""Finds what has kinds by name: benchmarks, model adapters, recipes, vision conditions, scorers, ours and others'.

Third parties extend each list by an entry point in the group of its name. Nothing is imported before it is needed,
so listing names is fast.

More than 400 lines in one file on purpose: every kind of plug-in is found and refused by the same rules.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar

from cambrian_eval.benchmark import PAPER, Benchmark
from cambrian_eval.condition import Condition, Dose
from cambrian_eval.conditions import CONDITIONS
from cambrian_eval.errors import CambrianEvalError, UserError, describe, unknown
from cambrian_eval.json_input import read_object
from cambrian_eval.model import Adapter, Claim, Model, option_fields, parse_options
from cambrian_eval.other_harnesses import instead_of_model
from cambrian_eval.sample import Request
from cambrian_eval.scorer import SCORERS, Scorer
from cambrian_eval.suite import SUITES, Suite

BENCHMARKS = "cambrian_eval.benchmarks"
"""Entry points of benchmarks: each names a `Benchmark` class."""
MODELS = "cambrian_eval.models"
"""Entry points of model adapters: each names an `Adapter` class or object."""
RUN_SETTINGS = ("seed", "offline", "rehash")
"""Settings of a run that an adapter sees only if it declares an option of that name."""
CONDITIONS_GROUP = "cambrian_eval.conditions"
"""Entry points of vision conditions: each names a `Condition` class or object."""
SCORERS_GROUP = "cambrian_eval.scorers"
"""Entry points of scorers: each names a `Scorer` class or object."""
SUITES_GROUP = "cambrian_eval.suites"
"""Entry points of suites: each names a `Suite`."""
RECIPES_GROUP = "cambrian_eval.recipes"
"""Entry points of recipes: each names the path of a TOML file."""
RECIPES = Path(__file__).with_name("models") / "recipes"
"""The folder of the recipes that come with the package, a file each."""
CATEGORIES = tuple(PAPER)
"""The four categories, in the paper's order."""

OURS = "cambrian-eval"
"""The distribution whose entry points are built in."""
_BUILT_IN = {
    CONDITIONS_GROUP: ("vision condition", frozenset(c.name for c in CONDITIONS)),
    SCORERS_GROUP: ("scorer", frozenset({*(s.name for s in SCORERS), "judge"})),  # the LLM judge is no plug-in
}
"""What is built in without an entry point: the kind and its names by group."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unusable:
    """A plug-in that cannot be used, with its reason; it stops nothing else."""

    kind: str
    """What it was to be: benchmark, model adapter, vision condition, scorer, recipe."""
    name: str
    """The name it declares."""
    reason: str
    """Why it cannot be used, one line."""


@cache
def _entry_points() -> Any:  # its type differs between versions of Python; all have `select`
    """Those of all installed packages; reading them takes time with every package that is installed."""
    return entry_points()


@cache
def _declared(group: str) -> tuple[dict[str, EntryPoint], tuple[tuple[EntryPoint, str], ...]]:
    """Entry points by name, and those whose name is taken, each with the reason.

    A built-in name always means ours. A name that two other packages declare means neither. What is refused can be
    used as `package:name`.
    """
    by_name: dict[str, dict[str, EntryPoint]] = {}
    for point in _entry_points().select(group=group):
        by_name.setdefault(point.name, {}).setdefault(_package(point), point)
    found: dict[str, EntryPoint] = {}
    refused: list[tuple[EntryPoint, str]] = []
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
        for package, point in points.items():
            if package != OURS:
                refused.append((point, f"{reason}; {use.format(package)}"))
                found[f"{package}:{name}"] = point
    return found, tuple(refused)


def _points(group: str) -> dict[str, EntryPoint]:
    return _declared(group)[0]


def provider(group: str, name: str) -> str | None:
    """The package of a plug-in with its version; None for what is built in."""
    point = _points(group).get(name)
    if point is None or point.dist is None or _package(point) == OURS:
        return None
    return f"{_package(point)} {point.dist.version}"


def _package(point: EntryPoint) -> str:
    return "unknown" if point.dist is None else re.sub(r"[-_.]+", "-", point.dist.name).lower()


def unusable() -> list[Unusable]:
    """Every plug-in that cannot be used. Imports all of them."""
    found = []
    for kind, group, load in (
        ("benchmark", BENCHMARKS, load_benchmark),
        ("model adapter", MODELS, load_adapter),
        ("vision condition", CONDITIONS_GROUP, _third_party_condition),
        ("scorer", SCORERS_GROUP, _third_party_scorer),
        ("suite", SUITES_GROUP, _third_party_suite),
        ("recipe", RECIPES_GROUP, _third_party_recipe),
    ):
        points, refused = _declared(group)
        found += [Unusable(kind, p.name, f"{p.value} of package {_package(p)}: {reason}") for p, reason in refused]
        for name in (n for n in points if ":" not in n):
            try:
                load(name)
            except UserError as error:
                found.append(Unusable(kind, name, str(error)))
    return found


def benchmark_names() -> list[str]:
    """Names of all usable benchmarks, in the paper's order, third parties' after."""
    order = [name for names in PAPER.values() for name in names]
    points = _points(BENCHMARKS)
    others = (n for n in set(points) - set(order) if ":" not in n and _is_usable(n))
    return [n for n in order if n in points] + sorted(others)


def declared_benchmarks() -> list[str]:
    """Names of all benchmarks that are declared; imports none of them."""
    return [name for name in _points(BENCHMARKS) if ":" not in name]


def folded(name: str, known: Iterable[str]) -> str:
    """The known name that equals the given one in another letter case; the given one where there is none, or two."""
    names = list(known)
    same = [n for n in names if n.lower() == name.strip().lower()]
    return same[0] if name not in names and len(same) == 1 else name


def is_benchmark(name: str) -> bool:
    """Whether a benchmark of that name can be used, `package:name` included."""
    return name in _points(BENCHMARKS) and _is_usable(name)


@cache
def _is_usable(benchmark: str) -> bool:
    try:
        load_benchmark(benchmark)
    except UserError:
        return False
    return True


def load_benchmark(name: str, **settings: Any) -> Benchmark:
    """The benchmark of that name with its settings set."""
    points = _points(BENCHMARKS)
    name = folded(name, points)
    if name not in points:
        raise _missing("benchmark", BENCHMARKS, name, points)
    benchmark = _made("benchmark", points[name], settings)
    if not isinstance(benchmark, Benchmark):
        raise UserError(f"benchmark {name!r} ({points[name].value}) is not a Benchmark")
    if benchmark.judging is None and type(benchmark).fuzzy is Benchmark.fuzzy:
        raise UserError(f"benchmark {name!r} ({points[name].value}) declares neither `fuzzy` nor `judging`")
    return _renamed(benchmark, name) if ":" in name else benchmark


@cache
def suites() -> dict[str, Suite]:
    """All suites by name: ours in their order, then third parties' by name."""
    return extended("suite", SUITES, Suite, SUITES_GROUP)


def _third_party_suite(name: str) -> Suite:
    return _third_party("suite", name, SUITES, Suite, SUITES_GROUP)


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
    folded = {name.lower(): name for name in (*groups, *_points(BENCHMARKS))}
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
        if name not in own and _package(_points(BENCHMARKS)[name]) != OURS:
            found.setdefault(load_benchmark(name).category, []).append(name)
    return {category: tuple(names) for category, names in found.items()}


def _unknown_benchmark(name: str, groups: Iterable[str]) -> UserError:
    """An error with near misses: similar names, and names that begin like it or that it begins with."""
    if any(point.name == name for point, _ in _declared(BENCHMARKS)[1]):
        return _missing("benchmark", BENCHMARKS, name, ())
    known = [*_points(BENCHMARKS), *groups]
    low = name.lower().replace("-", "_")
    starts = [n for n in known if low and (n.lower().startswith(low) or low.startswith(n.lower()))]
    near = difflib.get_close_matches(low, [n.lower() for n in known], n=3, cutoff=0.6)
    close = list(dict.fromkeys([*sorted(starts, key=len, reverse=True), *(n for n in known if n.lower() in near)]))
    if not close:
        return unknown("benchmark, suite or category", name, known)
    return UserError(f"unknown benchmark, suite or category {name[:80]!r}; did you mean {' or '.join(close[:4])}?")


@cache
def average_divisor(benchmark: str) -> float:
    """What a benchmark's headline score is divided by before it enters an average."""
    return load_benchmark(benchmark).average_divisor if benchmark in _points(BENCHMARKS) else 1.0


def adapter_names() -> list[str]:
    """Names of all installed model adapters; imports none of them."""
    return sorted(name for name in _points(MODELS) if ":" not in name)


@cache
def load_adapter(name: str) -> Adapter:
    """The model adapter of that name."""
    points = _points(MODELS)
    if name not in points:
        raise _missing("model", MODELS, name, points)
    return _instance("model adapter", name, points[name], Adapter)  # type: ignore[type-abstract]


def locate(spec: str) -> tuple[Adapter, str]:
    """The adapter for a `--model` spec, and the text that names the model to it. Loads no model."""
    if not spec.strip():
        raise UserError("no model named; give for example chance, cambrian:PATH, hf:ID or openai:NAME")
    kind, _, rest = spec.partition(":")
    kind = kind if Path(spec).is_dir() else folded(kind, _points(MODELS))
    name, _, remainder = rest.partition(":")
    if f"{kind}:{name}" in _points(MODELS):
        return load_adapter(f"{kind}:{name}"), remainder
    if kind in _points(MODELS):
        return load_adapter(kind), rest
    folder = Path(spec).expanduser()
    config = _config(folder, spec) if folder.is_dir() else None
    if config is None and not _is_hub_id(spec):
        error = _missing("model", MODELS, kind, _points(MODELS), spec)
        hint = instead_of_model(spec)
        raise error if hint is None else UserError(f"unknown model {spec[:80]!r}; {hint}")
    claims = {name: _claim(name, spec, config) for name in adapter_names()}
    best = max(claims.values(), default=Claim.NONE)
    found = [name for name, claim in claims.items() if claim == best]
    if best == Claim.NONE:
        raise UserError(f"no adapter recognizes model {spec!r}; name one: {', '.join(f'{n}:{spec}' for n in claims)}")
    if len(found) > 1:
        raise UserError(f"several adapters recognize model {spec!r}; write {' or '.join(f'{n}:{spec}' for n in found)}")
    return load_adapter(found[0]), spec


def check_options(spec: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are set, each in its own type; raises `UserError` where one does not fit. Loads no model."""
    parsed = parse_options(locate(spec)[0], options)
    return {name: getattr(parsed, name) for name in (written.replace("-", "_") for written in options)}


def resolve(spec: str, options: Mapping[str, Any] | None = None) -> Model:
    """The model for a `--model` spec and its adapter's options.

    The settings of a run among the options (`seed`, `offline`, `rehash`) are left out where the adapter declares
    none of that name; any other unknown option is an error.
    """
    adapter, rest = locate(spec)
    known = option_fields(adapter)
    parsed = parse_options(adapter, {k: v for k, v in (options or {}).items() if k in known or k not in RUN_SETTINGS})
    try:
        model = adapter.create(rest, parsed)
    except ImportError as error:
        raise UserError(f"model {spec!r} cannot be imported: {error}") from error
    if not isinstance(model, Model):
        raise UserError(f"model adapter {adapter.name!r} does not make a Model")
    return model


def written(spec: str, options: Mapping[str, Any], request: Request) -> str:
    """The exact text that a model is given for a request; loads no weights."""
    adapter, rest = locate(spec)
    try:
        return adapter.written(rest, parse_options(adapter, options), request)
    except ImportError as error:
        raise UserError(f"model {spec!r} cannot be imported: {error}") from error


def _claim(name: str, spec: str, config: Mapping[str, Any] | None) -> Claim:
    try:
        return load_adapter(name).recognizes(spec, config)
    except UserError:  # a third party's adapter that cannot be imported must not block the others
        return Claim.NONE


def _config(folder: Path, spec: str) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.exists():
        raise UserError(f"model folder {spec} has no config.json; name a checkpoint folder")
    return read_object(path, "copy or download the file again")


def _is_hub_id(spec: str) -> bool:
    return spec.count("/") == 1 and not spec.startswith((".", "/", "~")) and not spec.endswith("/")


@cache
def conditions() -> dict[str, Condition]:
    """All vision conditions by name: ours in their order, then third parties' by name."""
    return extended("vision condition", CONDITIONS, Condition, CONDITIONS_GROUP)  # type: ignore[type-abstract]


def load_condition(name: str) -> Condition:
    """The vision condition of that name; `NAME:AMOUNT` for one that takes an amount."""
    base, colon, amount = name.partition(":")
    base = folded(base, conditions())
    name = f"{base}{colon}{amount}"
    if colon and isinstance(dose := conditions().get(base), Dose):
        return dose.at(amount)
    if isinstance(dose := conditions().get(name), Dose):
        raise UserError(f"condition {name!r} needs an amount, as in {name}:N; it is {dose.amounts}")
    if name == "random":
        raise UserError("condition 'random' needs no run: every result carries its exact chance score")
    return find("vision condition", name, CONDITIONS, Condition, CONDITIONS_GROUP)  # type: ignore[type-abstract]


def _third_party_condition(name: str) -> Condition:
    return _third_party("vision condition", name, CONDITIONS, Condition, CONDITIONS_GROUP)  # type: ignore[type-abstract]


def check_conditions(names: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """The names in the order given, each once; an unknown name is an error, and so is none."""
    if not names:
        raise UserError(f"no vision condition named; known: {', '.join(conditions())}")
    return tuple(dict.fromkeys(load_condition(name).name for name in names))


@cache
def scorers() -> dict[str, Scorer]:
    """All deterministic scorers by name: ours in their order, then third parties' by name."""
    return extended("scorer", SCORERS, Scorer, SCORERS_GROUP)  # type: ignore[type-abstract]


def load_scorer(name: str, benchmark: Benchmark | None = None) -> Scorer:
    """The scorer of that name; where a benchmark is given, one that can score it."""
    scorer = find("scorer", folded(name, scorers()), SCORERS, Scorer, SCORERS_GROUP)  # type: ignore[type-abstract]
    if benchmark is not None and (reason := scorer.unavailable(benchmark)) is not None:
        raise UserError(reason)
    return scorer


def is_rule(name: str) -> bool:
    """Whether a name is that of a deterministic scorer that can be used; the LLM judge is none."""
    try:
        return load_scorer(name).name == name
    except UserError:
        return False


def _third_party_scorer(name: str) -> Scorer:
    return _third_party("scorer", name, SCORERS, Scorer, SCORERS_GROUP)  # type: ignore[type-abstract]


def recipe_files() -> dict[str, Path]:
    """The files of all recipes by name: the paper's, the others that come with the package, then third parties'."""
    found = {path.stem: path for path in sorted(RECIPES.glob("*.toml"), key=lambda p: (p.stem != "paper", p.stem))}
    for name in sorted(set(_points(RECIPES_GROUP)) - set(found)):
        try:
            found[name] = _third_party_recipe(name)
        except UserError:  # `unusable` tells the reason
            continue
    return found


def recipe_file(name: str) -> Path | None:
    """The file of the recipe of that name; None where there is none. A plug-in that cannot be used is an error."""
    own = RECIPES / f"{name}.toml"
    if own.parent == RECIPES and own.is_file():
        return own
    return _third_party_recipe(name) if name in _points(RECIPES_GROUP) else None


def _third_party_recipe(name: str) -> Path:
    point = _points(RECIPES_GROUP)[name]
    if (RECIPES / f"{name}.toml").is_file():
        raise UserError(f"recipe {name!r} is built in; {point.value} must use another name")
    value = _made("recipe", point, {})
    path = Path(value) if isinstance(value, (str, Path)) else None
    if path is None or not path.is_file():
        raise UserError(f"recipe {name!r} ({point.value}) is not the path of a TOML file")
    return path


def extended(kind: str, ours: tuple[T, ...], wanted: type[T], group: str) -> dict[str, T]:
    """Our values by name and those of the group's entry points that can be used."""
    found: dict[str, T] = {getattr(value, "name"): value for value in ours}  # noqa: B009
    for name in sorted(n for n in _points(group) if ":" not in n):
        try:
            found[name] = _third_party(kind, name, ours, wanted, group)
        except UserError:  # `unusable` tells the reason, and so does whoever asks for it by name
            continue
    return found


def find(kind: str, name: str, ours: tuple[T, ...], wanted: type[T], group: str) -> T:
    """One of `extended` by its name; a plug-in that cannot be used is an error with its reason."""
    own = {getattr(value, "name"): value for value in ours}  # noqa: B009
    if name in own:
        return own[name]
    if name in _points(group):
        return _third_party(kind, name, ours, wanted, group)
    raise _missing(kind, group, name, extended(kind, ours, wanted, group))


def _missing(kind: str, group: str, name: str, known: Iterable[str], written: str | None = None) -> UserError:
    """The error about a name that means nothing; where packages declare it, how to name each."""
    for point, reason in _declared(group)[1]:
        if point.name == name:
            return UserError(f"{kind} {name!r}: {reason}")
    return unknown(kind, written or name, known)


def _third_party(kind: str, name: str, ours: tuple[T, ...], wanted: type[T], group: str) -> T:
    point = _points(group)[name]
    if not point.name.isidentifier():
        raise UserError(f"{kind} {name!r} ({point.value}) must be an identifier, such as my_{kind.split()[-1]}")
    return _instance(kind, name, point, wanted)


def _instance(kind: str, name: str, point: EntryPoint, wanted: type[T]) -> T:
    """What an entry point names, made where it is a class; its `name` must be the entry point's.

    Where it is used as `package:name`, that is its name, so that nothing takes it for the other one.
    """
    value = _made(kind, point, {})
    if not isinstance(value, wanted):
        raise UserError(f"{kind} {point.name!r} ({point.value}) is not a {wanted.__name__}")
    if getattr(value, "name", None) != point.name:
        raise UserError(f"{kind} {point.name!r} ({point.value}): the entry point must be equal to the value's `name`")
    return value if name == point.name else _renamed(value, name)


def _renamed(value: T, name: str) -> T:
    """The value under another name: an object of a subclass that differs in nothing else."""
    kind = type(value)
    try:
        made = copy(value)
        made.__class__ = type(kind.__name__, (kind,), {"name": name, "__module__": kind.__module__, "__slots__": ()})
        if getattr(made, "name", None) != name:
            object.__setattr__(made, "name", name)
    except (TypeError, AttributeError) as error:
        raise UserError(f"{name!r} cannot be used under that name: {describe(error)}") from None
    return made


def _made(kind: str, point: EntryPoint, arguments: Mapping[str, Any]) -> Any:
    """The value of an entry point; whatever a plug-in does at import or when it is made is one line."""
    try:
        loaded = point.load()
        return loaded(**arguments) if isinstance(loaded, type) else loaded
    except CambrianEvalError:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(f"{kind} {point.name!r} ({point.value}) cannot be loaded: {describe(error)}") from error
