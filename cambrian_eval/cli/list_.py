"""`cambrian-eval list`: what can be run with what."""

from __future__ import annotations

import typer


def list_(json: bool | None = typer.Option(None, "--json", help="One JSON object instead of text.")) -> None:
    """Benchmarks by category, models and scorers."""
    from cambrian_eval.cli import words
    from cambrian_eval.registry import CATEGORIES, benchmark_names, conditions, load_benchmark, model_factories, scorers

    found = [load_benchmark(name) for name in benchmark_names()]
    if json:
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
            }
            for b in found
        ]
        print(words.as_json({"benchmarks": benchmarks, "models": sorted(model_factories())}))
        return
    rows = [["benchmark", "rows", "chance", "of", "metric", "data set"]]
    for category in (*CATEGORIES, *sorted({b.category for b in found} - set(CATEGORIES))):
        inside = [b for b in found if b.category == category]
        if inside:
            rows.append([f"-- {category}", "", "", "", "", ""])
        for b in inside:
            source = b.source
            rows.append(
                [
                    b.name,
                    str(source.n_rows),
                    f"{b.typical_chance:g}",
                    f"{b.scale:g}",
                    b.metric,
                    f"{source.repo} ({source.split})",
                ]
            )
    print(words.table(rows, right=(1, 2, 3)))
    print(f"\nmodels:   {', '.join(sorted(model_factories()))}")
    for kind, values in (("conditions", conditions().values()), ("scorers", scorers().values())):
        print(f"{kind}:")
        for value in values:
            print(f"  {value.name:<10}  {value.summary}")
    settings = [f"{b.name}.{name}" for b in found for name in b.settings_schema]
    if settings:
        print(f"settings: {', '.join(settings)}")
