"""`cambrian-eval table`: scores in the layout of the paper's Table 9, or ranks as in its Table 2."""

from __future__ import annotations

from pathlib import Path

import typer


def table(
    runs: list[Path] = typer.Argument(None, help="Run folders, each one a row."),
    scores: list[Path] = typer.Option(None, "--scores", help="A CSV of models by benchmarks (wide or long)."),
    published: str = typer.Option(None, "--published", help="The paper's tables: table9, table14 ..."),
    format: str = typer.Option("markdown", "--format", help="markdown, latex, csv or html."),
    columns: str = typer.Option(
        None, "--columns", help="Benchmarks, avg, avg_general, avg_knowledge, avg_ocr, avg_vision, visual_tokens."
    ),
    intervals: bool = typer.Option(False, "--intervals", help="Half widths of the 95 % intervals beside scores."),
    ranks: bool = typer.Option(False, "--ranks", help="Ranks by category average instead of scores."),
    models: str = typer.Option(None, help="Only these models: names or parts of names, comma-separated."),
    scorer: str = typer.Option("fuzzy", help="Which scores of the runs."),
    vision: str = typer.Option("on", "--vision", help="Which vision condition of the runs."),
    out: Path = typer.Option(None, "--out", help="A file to write instead of the screen."),
) -> None:
    """A table of models by benchmarks, categories with their averages, best per group in bold."""
    from cambrian_eval.errors import unknown
    from cambrian_eval.reports import sources, tables
    from cambrian_eval.reports import style as looks

    if format not in tables.FORMATS:
        raise unknown("table format", format, tables.FORMATS)
    asked = sources.Asked(tuple(runs or ()), tuple(scores or ()), published, scorer, vision)
    found = sources.narrowed(sources.table(asked), models, None)
    made = tables.rank_layout(found) if ranks else tables.layout(found, tables.columns_named(columns, found), intervals)
    text = tables.write(made, format)
    if out is None:
        print(text, end="")
    else:
        print(looks.write(out, text))
