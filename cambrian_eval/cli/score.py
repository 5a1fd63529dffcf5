"""`cambrian-eval score`: scores stored responses again; never runs the model."""

from __future__ import annotations

from pathlib import Path

import typer


def score(
    run: Path = typer.Argument(help="A run folder."),
    scorer: str = typer.Option("fuzzy,official", help="Scorers separated by commas."),
    benchmark: str = typer.Option(None, help="Only these benchmarks."),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text."),
) -> None:
    """Score a run again."""
    from dataclasses import asdict

    from cambrian_eval.cli import words
    from cambrian_eval.scored import score_run
    from cambrian_eval.store import open_run

    stored = open_run(run)
    only = words.benchmarks(benchmark) if benchmark else None
    found = score_run(stored, words.names(scorer), only)
    if json:
        print(words.as_json({"run": str(run), "results": [asdict(r) for r in found]}))
        return
    print(words.results(found, words.published(stored.info["model"]["name"], found)))
    print(words.averages(found))
