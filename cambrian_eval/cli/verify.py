"""`cambrian-eval verify` and `cambrian-eval seal`: whether a run or a report is what its responses say."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from cambrian_eval.results.verify import Verification


def verify(
    path: Path = typer.Argument(help="A run folder, or the folder of a report."),
    data_root: Path = typer.Option(None, help="Where the rows of the run are now."),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text."),
) -> None:
    """Recompute every verdict, score, interval, average, table cell and figure value; exit 1 where one differs."""
    from dataclasses import asdict

    from cambrian_eval.cli import output
    from cambrian_eval.results.verify import verify_run
    from cambrian_eval.running.store import open_run

    is_report = (path / "report.html").is_file() and not (path / "run.json").is_file()
    found = _report(path) if is_report else verify_run(open_run(path), data_root)
    if json:
        print(output.as_json({"path": str(path), **asdict(found)}))
    else:
        for kind, n in found.checked.items():
            print(f"recomputed: {n:,} {kind}")
        for line in found.skipped:
            print(f"not recomputed: {line}")
        for line in found.differences:
            print(f"differs: {line}")
        if not is_report:
            print(f"root hash: {found.root}" if found.root else "not sealed")
        print("everything that was recomputed is equal" if not found.differences else "some values differ")
    if found.differences:
        raise typer.Exit(1)


def seal(run: Path = typer.Argument(help="A run folder.")) -> None:
    """Write seal.json: the SHA-256 of every file, versions, hardware, and a root hash to print in a paper."""
    from cambrian_eval.running import seal as sealing
    from cambrian_eval.running.store import open_run

    made = sealing.seal(open_run(run))
    print(f"{made.n} files sealed in {run / sealing.SEAL}")
    print(f"root hash: {made.root}")


def _report(folder: Path) -> Verification:
    """A report against one made again from its runs by its own command."""
    import tempfile

    from cambrian_eval.errors import UserError
    from cambrian_eval.reports import report
    from cambrian_eval.reports.sources import Sources
    from cambrian_eval.results.verify import Verification, compare_lines, compare_tables

    found = Verification()
    command, given = _command(folder)
    runs = tuple(map(Path, given["runs"]))
    absent = [str(run) for run in runs if not (run / "run.json").is_file()]
    if absent:
        raise UserError(
            f"{folder} was made from {', '.join(absent)}, which is not here; run from the folder of: {command}"
        )
    sources = Sources(runs, scorer=given["scorer"])
    with tempfile.TemporaryDirectory() as again:
        report.write(sources, Path(again), report.Options(given["title"], False, given["style"], ()), command)
        made = _numbers(Path(again))
    stored = _numbers(folder)
    for name in sorted({*made, *stored}):
        if name not in made:
            found.skipped.append(f"{name}: the runs of this report give no such file")
        elif name not in stored:
            found.differences.append(f"{name} is missing")
        elif name.endswith(".csv"):
            compare_tables(name, stored[name], made[name], found)
        else:
            compare_lines(name, stored[name], made[name], found)
    found.skipped.append("drawn figures and the page: their numbers are those of the CSV files")
    return found


def _numbers(folder: Path) -> dict[str, str]:
    """The files of a report that hold numbers as text: tables and exports in every form, and the CSV of figures."""
    files = [*folder.glob("tables/*"), *folder.glob("exports/**/*"), *folder.glob("figures/*.csv")]
    return {p.relative_to(folder).as_posix(): p.read_text("utf-8", "replace") for p in files if p.is_file()}


def _command(folder: Path) -> tuple[str, dict[str, Any]]:
    """The command that made a report and its parameters, from the files beside its figures."""
    from typer.main import get_command

    from cambrian_eval.cli.report import report
    from cambrian_eval.errors import UserError
    from cambrian_eval.json_input import read_object

    for file in sorted((folder / "figures").glob("*.json")):
        command = read_object(file).get("command")
        words = shlex.split(command) if isinstance(command, str) else []
        if words[:2] == ["cambrian-eval", "report"]:
            app = typer.Typer(add_completion=False)
            app.command("report")(report)
            return " ".join(words), dict(get_command(app).make_context("report", words[2:]).params)
    raise UserError(f"{folder}: no file in figures/ names the command that made this report; write the report again")
