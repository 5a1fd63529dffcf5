"""Finds what has kinds by name: benchmarks, model adapters, recipes, vision conditions, scorers, suites.

Third parties extend each list by an entry point in the group of its name; `plugins` finds and makes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cambrian_eval.benchmark import PAPER, Benchmark
from cambrian_eval.condition import Condition, Dose
from cambrian_eval.conditions import CONDITIONS
from cambrian_eval.errors import UserError
from cambrian_eval.json_input import read_object
from cambrian_eval.model import Adapter, Claim, Model, option_fields, parse_options
from cambrian_eval.other_harnesses import instead_of_model
from cambrian_eval.plugins import (
    BENCHMARKS,
    CONDITIONS_GROUP,
    MODELS,
    RECIPES_GROUP,
    SCORERS_GROUP,
    SUITES_GROUP,
    declared,
    extended,
    find,
    folded,
    instance,
    is_third_party,
    made,
    missing,
    package,
    refused,
    renamed,
    third_party,
)
from cambrian_eval.sample import Request
from cambrian_eval.scorer import SCORERS, Scorer
from cambrian_eval.suite import SUITES, Suite

RUN_SETTINGS = ("seed", "offline", "rehash")
"""Settings of a run that an adapter sees only if it declares an option of that name."""
RECIPES = Path(__file__).with_name("models") / "recipes"
"""The folder of the recipes that come with the package, a file each."""
CATEGORIES = tuple(PAPER)
"""The four categories, in the paper's order."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A plug-in that cannot be used, with its reason; it stops nothing else."""

    kind: str
    """What it was to be: benchmark, model adapter, vision condition, scorer, recipe."""
    name: str
    """The name it declares."""
    reason: str
    """Why it cannot be used, one line."""


def unusable() -> list[Unusable]:
    """Every plug-in that cannot be used. Imports all of those of other packages."""
    found = []
    for kind, group, load in (
        ("benchmark", BENCHMARKS, load_benchmark),
        ("model adapter", MODELS, load_adapter),
        ("vision condition", CONDITIONS_GROUP, _third_party_condition),
        ("scorer", SCORERS_GROUP, _third_party_scorer),
        ("suite", SUITES_GROUP, _third_party_suite),
        ("recipe", RECIPES_GROUP, _third_party_recipe),
    ):
        found += [
            Unusable(kind, point.name, f"{point.value} of package {package(point)}: {reason}")
            for point, reason in refused(group)
        ]
        for name in (n for n in declared(group) if ":" not in n and is_third_party(group, n)):
            try:
                load(name)
            except UserError as error:
                found.append(Unusable(kind, name, str(error)))
    return found


def benchmark_names() -> list[str]:
    """Names of all usable benchmarks, in the paper's order, third parties' after."""
    order = [name for names in PAPER.values() for name in names]
    points = declared(BENCHMARKS)
    others = (n for n in set(points) - set(order) if ":" not in n and is_benchmark(n))
    return [n for n in order if n in points] + sorted(others)


def declared_benchmarks() -> list[str]:
    """Names of all benchmarks that are declared; imports none of them."""
    return [name for name in declared(BENCHMARKS) if ":" not in name]


def is_benchmark(name: str) -> bool:
    """Whether a benchmark of that name can be used, `package:name` included."""
    return name in declared(BENCHMARKS) and (not is_third_party(BENCHMARKS, name) or _loads(name))


@cache
def _loads(benchmark: str) -> bool:
    try:
        load_benchmark(benchmark)
    except UserError:
        return False
    return True


def load_benchmark(name: str, **settings: Any) -> Benchmark:
    """The benchmark of that name with its settings set."""
    points = declared(BENCHMARKS)
    name = folded(name, points)
    if name not in points:
        raise missing("benchmark", BENCHMARKS, name, points)
    benchmark = made("benchmark", points[name], settings)
    if not isinstance(benchmark, Benchmark):
        raise UserError(f"benchmark {name!r} ({points[name].value}) is not a Benchmark")
    if benchmark.judging is None and type(benchmark).fuzzy is Benchmark.fuzzy:
        raise UserError(f"benchmark {name!r} ({points[name].value}) declares neither `fuzzy` nor `judging`")
    return renamed(benchmark, name) if ":" in name else benchmark


@cache
def suites() -> dict[str, Suite]:
    """All suites by name: ours in their order, then third parties' by name."""
    return extended("suite", SUITES, Suite, SUITES_GROUP)


def _third_party_suite(name: str) -> Suite:
    return third_party("suite", name, Suite, SUITES_GROUP)


@cache
def average_divisor(benchmark: str) -> float:
    """What a benchmark's headline score is divided by before it enters an average."""
    return load_benchmark(benchmark).average_divisor if benchmark in declared(BENCHMARKS) else 1.0


def adapter_names() -> list[str]:
    """Names of all installed model adapters; imports none of them."""
    return sorted(name for name in declared(MODELS) if ":" not in name)


@cache
def load_adapter(name: str) -> Adapter:
    """The model adapter of that name."""
    points = declared(MODELS)
    if name not in points:
        raise missing("model", MODELS, name, points)
    return instance("model adapter", name, points[name], Adapter)  # type: ignore[type-abstract]


def locate(spec: str) -> tuple[Adapter, str]:
    """The adapter for a `--model` spec, and the text that names the model to it. Loads no model."""
    if not spec.strip():
        raise UserError("no model named; give for example chance, cambrian:PATH, hf:ID or openai:NAME")
    kind, _, rest = spec.partition(":")
    kind = kind if Path(spec).is_dir() else folded(kind, declared(MODELS))
    name, _, remainder = rest.partition(":")
    if f"{kind}:{name}" in declared(MODELS):
        return load_adapter(f"{kind}:{name}"), remainder
    if kind in declared(MODELS):
        return load_adapter(kind), rest
    folder = Path(spec).expanduser()
    config = _config(folder, spec) if folder.is_dir() else None
    if config is None and not _is_hub_id(spec):
        error = missing("model", MODELS, kind, declared(MODELS), spec)
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
    return third_party("vision condition", name, Condition, CONDITIONS_GROUP)  # type: ignore[type-abstract]


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
    return third_party("scorer", name, Scorer, SCORERS_GROUP)  # type: ignore[type-abstract]


def recipe_files() -> dict[str, Path]:
    """The files of all recipes by name: the paper's, the others that come with the package, then third parties'."""
    found = {path.stem: path for path in sorted(RECIPES.glob("*.toml"), key=lambda p: (p.stem != "paper", p.stem))}
    for name in sorted(set(declared(RECIPES_GROUP)) - set(found)):
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
    return _third_party_recipe(name) if name in declared(RECIPES_GROUP) else None


def _third_party_recipe(name: str) -> Path:
    point = declared(RECIPES_GROUP)[name]
    if (RECIPES / f"{name}.toml").is_file():
        raise UserError(f"recipe {name!r} is built in; {point.value} must use another name")
    value = made("recipe", point, {})
    path = Path(value) if isinstance(value, (str, Path)) else None
    if path is None or not path.is_file():
        raise UserError(f"recipe {name!r} ({point.value}) is not the path of a TOML file")
    return path
