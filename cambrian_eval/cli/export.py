"""`cambrian-eval export`: runs in the forms that other tools read."""

from __future__ import annotations

from pathlib import Path

import typer

from cambrian_eval.cli.score_sources import HELP


def export(
    runs: list[Path] = typer.Argument(None, help=HELP["runs"]),
    to: str = typer.Option(None, "--to", help="Forms, comma-separated; without it, all forms are listed."),
    out: Path = typer.Option(Path("export"), "--out", help="Folder of the files; several forms get one each in it."),
    scorer: str = typer.Option("fuzzy", help="The scorer of a model card; other forms have all scorers."),
) -> None:
    """Write runs as CSV, as a dataset or model card for the Hub, for wandb or lm-eval; nothing is uploaded."""
    from cambrian_eval.cli import output
    from cambrian_eval.errors import UserError
    from cambrian_eval.reports.exports import exports, load_export
    from cambrian_eval.reports.runs import open_runs

    if not to:
        rows = [["form", "what is written"], *([name, found.summary] for name, found in exports().items())]
        print(output.table(rows))
        if runs:
            raise UserError("--to is missing; name one of these forms, for example --to csv")
        return
    if not runs:
        raise UserError(f"no run named: cambrian-eval export RUN --to {to}")
    forms = [load_export(name.lower()) for name in output.names(to)]
    if not forms:
        raise UserError(f"--to {to!r} names no form; there are {', '.join(exports())}")
    opened = open_runs(runs)
    for form in forms:
        written = form.write(opened, out if len(forms) == 1 else out / form.name, scorer)
        for path in written.files:
            print(path)
        for command in written.then:
            print(f"next: {command}")
