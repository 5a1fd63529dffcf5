"""`cambrian-eval gain`: how much of the scores comes from the images, and how much the language model knew before."""

from __future__ import annotations

from pathlib import Path

import typer

from cambrian_eval.numbers import number, signed, span


def gain(
    run: Path = typer.Argument(help="A run with vision on and off."),
    language_model: Path = typer.Option(
        None, "--language-model", help="A run, with vision off, of the language model that the model is built on."
    ),
    scorer: str = typer.Option("fuzzy", help="The scorer whose scores are compared."),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text."),
) -> None:
    """Multimodal gain (on - off) and leakage (off - language model alone, at least 0) of each benchmark."""
    from dataclasses import asdict

    from cambrian_eval.cli import output
    from cambrian_eval.results.gain import gains
    from cambrian_eval.results.rows import notes_of, rows_of
    from cambrian_eval.running.store import open_run

    other = None if language_model is None else open_run(language_model)
    stored = open_run(run)
    found = gains(stored, other, scorer)
    read = (stored,) if other is None else (stored, other)
    about = {g.benchmark: rows_of(g.benchmark, *read) for g in found}
    if json:
        values = [{**asdict(g), **asdict(about[g.benchmark])} for g in found]
        print(output.as_json({"run": str(run), "gains": values}))
        return
    rows = [["benchmark", "on", "off", "gain", "95% interval", *(["language model", "leakage"] if other else [])]]
    for g in found:
        cells = [number(g.on), number(g.off), signed(g.gain), span(g.interval, plus=True)]
        cells += [number(g.language_model), number(g.leakage)] if other else []
        rows.append([about[g.benchmark].label(g.benchmark), *cells])
    print(output.table(rows, right=range(1, len(rows[0]))))
    output.notes_below(notes_of(about))
