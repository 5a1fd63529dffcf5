"""`cambrian-eval import`: predictions made elsewhere, as a run."""

from __future__ import annotations

from pathlib import Path

import typer


def import_(
    predictions: Path = typer.Argument(help='JSONL, one {"id": ..., "response": ...} a line.'),
    benchmark: str = typer.Option(..., help="Name of the benchmark."),
    out: Path = typer.Option(..., help="The run folder to make."),
    name: str = typer.Option(None, help="Display name of the model. [default: the file's name]"),
    vision: str = typer.Option("on", help="The condition the predictions were made under."),
    data: str = typer.Option("hub", help="hub, mini or mini:N."),
    data_root: Path = typer.Option(None, help="Folder with one sub-folder for each benchmark."),
    prompts: str = typer.Option("official", help="official or paper."),
    limit: int = typer.Option(None, min=1, help="The predictions cover only the first N samples."),
    set_: list[str] = typer.Option([], "--set", help="benchmark.setting=value; may be repeated."),
    scorer: str = typer.Option("fuzzy,official", help="Scorers to apply."),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text."),
    offline: bool = typer.Option(False, help="No network; use the caches only."),
) -> None:
    """Check a predictions file against the dataset, store it as a run and score it."""
    from dataclasses import asdict

    from cambrian_eval.cli import output
    from cambrian_eval.data.rows import DataSpec
    from cambrian_eval.results.evaluation import evaluate
    from cambrian_eval.running.predictions import replayed
    from cambrian_eval.running.settings import Settings

    settings = Settings(
        benchmarks=(benchmark,),
        conditions=(vision,),
        data=DataSpec.parse(data, data_root, offline=offline),
        prompts=prompts,  # type: ignore[arg-type]
        scorers=tuple(output.names(scorer)),
        limit=limit,
        images_optional=True,
        benchmark_settings=output.settings(set_),
    )
    model = replayed(predictions, settings, name or predictions.stem)
    outcome = evaluate(model, settings, out)
    if json:
        body = {"run": str(out), "samples": outcome.n, "failed": outcome.n_failed}
        print(output.as_json({**body, "results": [asdict(r) for r in outcome.results]}))
        return
    print(output.results(outcome.results, output.published(name or predictions.stem, outcome.results)))
    print(f"run: {outcome.run.path}")
