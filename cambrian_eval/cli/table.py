"""`cambrian-eval table`: scores in the layout of the paper's Table 9, or ranks as in its Table 2."""

from __future__ import annotations

from pathlib import Path

import typer

from cambrian_eval.cli.score_sources import HELP


def table(
    runs: list[Path] = typer.Argument(None, help=HELP["runs"]),
    scores: list[Path] = typer.Option(None, "--scores", help=HELP["scores"]),
    published: str = typer.Option(None, "--published", help=HELP["published"]),
    format: str = typer.Option(
        None, "--format", help="text, markdown, latex, csv or html. [default: text on a terminal, else markdown]"
    ),
    columns: str = typer.Option(
        None, "--columns", help="Benchmarks, avg, avg_general, avg_knowledge, avg_ocr, avg_vision, visual_tokens."
    ),
    intervals: bool = typer.Option(False, "--intervals", help="Half widths of the 95 % intervals beside scores."),
    ranks: bool = typer.Option(False, "--ranks", help="Ranks by category average instead of scores."),
    models: str = typer.Option(None, help=HELP["models"]),
    scorer: str = typer.Option("fuzzy", help=HELP["scorer"]),
    vision: str = typer.Option("on", "--vision", help=HELP["vision"]),
    width: str = typer.Option(None, "--width", help="LaTeX: the width to fill, as neurips, icml-page or 5.5in."),
    transpose: bool = typer.Option(False, "--transpose", help="LaTeX: models as columns."),
    out: Path = typer.Option(None, "--out", help="A file to write instead of standard output."),
) -> None:
    """A table of models by benchmarks, categories with their averages, best per group in bold."""
    from cambrian_eval.cli import output
    from cambrian_eval.errors import UserError, unknown
    from cambrian_eval.reports import style, tables
    from cambrian_eval.reports.latex import latex
    from cambrian_eval.reports.sources import Sources

    format = None if format is None else format.lower()
    if format not in (None, output.TEXT, *tables.FORMATS):
        raise unknown("table format", str(format), (output.TEXT, *tables.FORMATS))
    if format != "latex" and (width is not None or transpose):
        raise UserError("--width and --transpose are for LaTeX; add --format latex")
    inches = None if width is None else style.theme_named("paper", width).page
    found = Sources(tuple(runs or ()), tuple(scores or ()), published, scorer, vision, models).table
    layout = (
        tables.rank_layout(found) if ranks else tables.layout(found, tables.columns_named(columns, found), intervals)
    )
    if format == "latex":
        text = latex(layout, inches, transpose)
        if out is None:
            print(text, end="")
        else:
            print(style.write(out, text))
    elif out is None:
        output.score_table(layout, format)
    else:
        print(style.write(out, output.table_text(layout, format)))
