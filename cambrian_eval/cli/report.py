"""`cambrian-eval report`: tables, figures, exports and a page to browse from runs."""

from __future__ import annotations

from pathlib import Path

import typer

from cambrian_eval.cli.score_sources import HELP


def report(
    context: typer.Context,
    runs: list[Path] = typer.Argument(help=HELP["runs"]),
    out: Path = typer.Option(Path("report"), "--out", help="Folder of the report."),
    scorer: str = typer.Option("fuzzy", help=HELP["scorer"]),
    title: str = typer.Option("Evaluation report", help="Heading of the page."),
    images: bool = typer.Option(True, "--images/--no-images", help="Thumbnails of the images."),
    max_images: int = typer.Option(4000, min=0, help="Most thumbnails, spread over the benchmarks; 0 for all."),
    data_root: Path = typer.Option(None, help="Data folder of the runs, to show its images."),
    style: str = typer.Option("paper", help=HELP["style"]),
    width: str = typer.Option("page", help=HELP["width"]),
    format: str = typer.Option("pdf", "--format", help=HELP["format"]),
    processes: int = typer.Option(
        None, min=1, help="Processes that draw figures at the same time. [default: one for each processor]"
    ),
) -> None:
    """Tables, figures, exports and report.html from one run or several."""
    from cambrian_eval.cli import output
    from cambrian_eval.processes import processes_for
    from cambrian_eval.reports import report as reports
    from cambrian_eval.reports import style as styles
    from cambrian_eval.reports.provenance import command_line
    from cambrian_eval.reports.sources import Sources

    styles.theme_named(style, width)
    options = reports.Options(title, images, style, styles.formats_named(format), data_root, max_images, width=width)
    sources = Sources(tuple(runs), scorer=scorer)
    number = processes or processes_for(sum(named.run.response_bytes() for named in sources.opened))
    found = reports.write(sources, out, options, command_line(context), number)
    output.score_table(found.layout)
    output.sentences(found.findings)
    output.notes_below(found.notes)
    print(f"\n{len(found.files)} files in {out}; open {out / 'report.html'}")
