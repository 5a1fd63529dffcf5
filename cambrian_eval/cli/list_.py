"""`cambrian-eval list`: benchmarks, models, conditions, scorers and so on, and the options of a model adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from cambrian_eval.benchmark import Benchmark
    from cambrian_eval.models.recipes.recipe import Recipe

KINDS = ("benchmarks", "suites", "models", "conditions", "scorers", "recipes", "formats")


def list_(
    kind: str = typer.Argument(None, help=f"{', '.join(KINDS)}. [default: all]"),
    options: str = typer.Option(None, metavar="KIND", help="With models: the options of this adapter (-M name=value)."),
    json: bool | None = typer.Option(None, "--json", help="Print one JSON object instead of text."),
) -> None:
    """List benchmarks by category, suites, models, conditions, scorers, recipes and import formats."""
    from cambrian_eval.cli import output
    from cambrian_eval.errors import UserError, unknown

    kind = None if kind is None else kind.lower()
    if kind is not None and kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    if options is not None:
        if kind != "models":
            raise UserError("--options belongs to models: cambrian-eval list models --options KIND")
        _options(options, bool(json))
    elif json:
        print(output.as_json(_as_json(kind)))
    elif kind is None:
        _all()
    elif kind == "benchmarks":
        _benchmarks()
    elif kind == "recipes":
        _recipes()
    else:
        print(output.table([[name, summary] for name, summary in _summaries(kind).items()]))


def _summaries(kind: str) -> dict[str, str]:
    from cambrian_eval.registry import adapter_names, conditions, load_adapter, scorers, suites

    if kind == "suites":
        return {name: f"{suite.summary}: {', '.join(suite.benchmarks)}" for name, suite in suites().items()}
    if kind == "models":
        return {name: load_adapter(name).summary for name in adapter_names()}
    if kind == "formats":
        from cambrian_eval.imports.formats import formats

        return {name: value.summary for name, value in formats().items()}
    values = conditions() if kind == "conditions" else scorers()
    return {name: value.summary for name, value in values.items()}


def _installed() -> list[Benchmark]:
    from cambrian_eval.registry import benchmark_names, load_benchmark

    return [load_benchmark(name) for name in benchmark_names()]


def _as_json(kind: str | None) -> dict[str, Any]:
    from dataclasses import asdict

    from cambrian_eval.registry import adapter_names, scorers, suites

    if kind == "recipes":
        from cambrian_eval.models.recipes.catalog import all_recipes

        return {kind: [_recipe_as_json(recipe) for recipe in all_recipes()]}
    if kind is not None and kind != "benchmarks":
        return {kind: [{"name": name, "summary": summary} for name, summary in _summaries(kind).items()]}
    benchmarks = [
        {
            "name": b.name,
            "title": b.title,
            "category": b.category,
            "metric": b.metric,
            "rows": b.source.n_rows,
            "chance": b.typical_chance,
            "scale": b.scale,
            "source": b.source.repo,
            "scorers": [n for n, s in scorers().items() if s.unavailable(b) is None],
            "settings": b.settings,
            "addresses": [address.text for address in b.source.addresses()],
            "columns": list(b.schema) or list(b.source.columns),
            "suites": [name for name, suite in suites().items() if b.name in suite.benchmarks],
            "judged": b.judging is not None,
            "published": [asdict(p) for p in b.published],
        }
        for b in _installed()
    ]
    return {"benchmarks": benchmarks} | ({"models": adapter_names()} if kind is None else {})


def _all() -> None:
    from cambrian_eval.cli import output
    from cambrian_eval.registry import adapter_names, recipe_files, unusable

    found = _benchmarks()
    print(f"\nmodels:   {', '.join(adapter_names())}")
    for kind in ("suites", "conditions", "scorers"):
        print(f"{kind}:")
        for name, summary in _summaries(kind).items():
            output.sentences([f"  {name:<10}  {summary}"], 14)
    output.sentences([f"recipes:  {', '.join(recipe_files())}"], 10)
    settings = [f"{b.name}.{name}" for b in found for name in b.settings_schema]
    if settings:
        output.sentences([f"settings: {', '.join(settings)}"], 10)
    if broken := unusable():
        print("unusable plug-ins:")
        for plugin in broken:
            print(f"  {plugin.kind} {plugin.name}: {plugin.reason}")


def _recipes() -> None:
    """What each recipe is for, and its sources; `show --recipe` prints its values."""
    from cambrian_eval.cli import output
    from cambrian_eval.errors import UserError
    from cambrian_eval.models.recipes.recipe import read
    from cambrian_eval.registry import recipe_files

    files = recipe_files()
    width = max(map(len, files))
    for name, path in files.items():
        try:
            recipe = read(path, name)
        except UserError as error:  # a third party's
            print(f"{name:<{width}}  cannot be used: {error}")
            continue
        output.sentences([f"{name:<{width}}  {recipe.summary}"], width + 2)
        output.sentences((f"{'':<{width}}  source: {s.document} ({s.date})" for s in recipe.sources), width + 4)
    print("cambrian-eval show --recipe NAME prints the values, each with its source")


def _recipe_as_json(recipe: Recipe) -> dict[str, Any]:
    sources = [
        {"document": s.document, "date": s.date.isoformat(), "url": s.url, "version": s.version, "values": s.values}
        for s in recipe.sources
    ]
    texts = {"summary": recipe.summary, "models": recipe.models, "note": recipe.note}
    return {"name": recipe.name, **texts, "values": dict(recipe.written), "sources": sources}


def _benchmarks() -> list[Benchmark]:
    from cambrian_eval.cli import aligned, output
    from cambrian_eval.registry import CATEGORIES

    found = _installed()
    rows = [["benchmark", "rows", "chance", "of", "metric", "dataset"]]
    for category in (*CATEGORIES, *sorted({b.category for b in found} - set(CATEGORIES))):
        inside = [b for b in found if b.category == category]
        if inside:
            rows.append([f"-- {category}", "", "", "", "", ""])
        for b in inside:
            source = (
                f"{b.source.repo} ({b.source.split})" if b.source.is_published else "only your own rows (--data-root)"
            )
            rows.append(
                [b.name, str(b.source.n_rows or "-"), f"{b.typical_chance:g}", f"{b.scale:g}", b.metric, source]
            )
    width = output.terminal_width()
    if width is not None and max(map(len, aligned.lines(rows))) > width:
        rows = [[*row[:4], "\n".join(filter(None, row[4:]))] for row in rows]
        rows[0][-1] = "metric, dataset"
    print(output.table(rows, right=(1, 2, 3)))
    return found


def _options(name: str, json: bool) -> None:
    from cambrian_eval.cli import output
    from cambrian_eval.model import option_fields
    from cambrian_eval.registry import load_adapter

    adapter = load_adapter(name)
    fields = option_fields(adapter).values()
    if json:
        described = [
            {
                "name": f.name,
                "type": f.type.__name__,
                "default": f.default,
                "choices": list(f.choices),
                "minimum": f.minimum,
                "help": f.help,
            }
            for f in fields
        ]
        print(output.as_json({"model": name, "summary": adapter.summary, "options": described}))
        return
    output.sentences([f"{name}: {adapter.summary}"])
    if not fields:
        print("no options")
        return
    rows = [["option", "values", "default", ""]]
    rows += [[f.name, f.allowed, f.default_text or "-", f.help] for f in fields]
    print(output.table(rows))
