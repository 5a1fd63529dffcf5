"""`cambrian-eval paper`: the paper's figures and tables from its published numbers, and your runs beside them."""

from __future__ import annotations

from pathlib import Path

import typer

from cambrian_eval.cli.score_sources import HELP


def paper(
    context: typer.Context,
    runs: list[Path] = typer.Argument(None, help="Run folders to draw beside the paper's numbers."),
    out: Path = typer.Option(Path("paper"), "--out", help="Folder for figures/, tables/ and with-runs/."),
    scorer: str = typer.Option("fuzzy", help=HELP["scorer"]),
    style: str = typer.Option("paper", help=HELP["style"]),
    width: str = typer.Option("page", help=HELP["width"]),
    live_text: bool = typer.Option(False, "--live-text", help=HELP["live_text"]),
    format: str = typer.Option("pdf,svg,png", "--format", help=HELP["format"]),
) -> None:
    """The paper's figures and tables from its published numbers, and your runs beside them."""
    from cambrian_eval.cli import output
    from cambrian_eval.reports import paper as papers
    from cambrian_eval.reports import style as styles
    from cambrian_eval.reports.provenance import command_line

    options = papers.Options(styles.theme_named(style, width, live_text), styles.formats_named(format))
    found = papers.write(tuple(runs or ()), scorer, out, options, command_line(context))
    output.sentences(f"{name}: {caption}" for name, caption in found.captions.items())
    output.notes_below(found.notes)
    print(f"\n{len(found.files)} files in {out}")
