"""`cambrian-eval report`: tables, figures, exports and a browsable page from runs."""

from __future__ import annotations

from pathlib import Path

import typer


def report(
    context: typer.Context,
    runs: list[Path] = typer.Argument(help="Run folders."),
    out: Path = typer.Option(Path("report"), "--out", help="Folder of the report."),
    scorer: str = typer.Option("fuzzy", help="Which scores stand in tables and figures."),
    title: str = typer.Option("Evaluation report", help="Heading of the page."),
    images: bool = typer.Option(True, "--images/--no-images", help="Thumbnails of the images."),
    style: str = typer.Option("paper", help="Look of the figure files: paper, web or slides."),
    format: str = typer.Option("pdf,svg,png", "--format", help="Formats of the figure files."),
) -> None:
    """Tables, figures, exports and report.html from one run or several."""
    from cambrian_eval.reports import report as reports
    from cambrian_eval.reports import sources
    from cambrian_eval.reports import style as looks
    from cambrian_eval.reports.provenance import command_line

    looks.theme_named(style)
    asked = sources.Asked(tuple(runs), scorer=scorer)
    options = reports.Options(scorer, title, images, style, looks.formats_named(format))
    found = reports.write(sources.runs(asked), out, options, asked.provenance(command_line(context), "own runs"))
    print(found.table)
    for line in found.reading:
        print(line)
    for note in found.notes:
        print(f"note: {note}")
    print(f"\n{len(found.files)} files in {out}; open {out / 'report.html'}")
