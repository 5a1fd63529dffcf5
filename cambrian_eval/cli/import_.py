"""`cambrian-eval import`: logs of other harnesses, and predictions made elsewhere, as a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from cambrian_eval.imports.writing import Imported

SHOWN = 20
"""Findings of a benchmark that are printed; all are in the run."""


def import_(
    files: list[Path] = typer.Argument(help="Logs or folders of logs; the format is recognized by content."),
    benchmark: str = typer.Option(..., help="Names of benchmarks, a category, or all."),
    out: Path = typer.Option(None, help="The run folder to make. [default: runs/NAME]"),
    format_: str = typer.Option(None, "--format", help="Name of the format; `list formats` shows them."),
    name: str = typer.Option(None, help="Display name of the model. [default: the log's, else the file's name]"),
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
    """Match logs with the dataset's rows, store them as a run and score them."""
    from dataclasses import asdict

    from cambrian_eval.cli import output, summary
    from cambrian_eval.data.rows import DataSpec
    from cambrian_eval.errors import UserError
    from cambrian_eval.imports.writing import import_logs
    from cambrian_eval.running.settings import Settings

    spec = DataSpec.parse(data, data_root, offline=offline)
    names = tuple(output.benchmarks(benchmark, spec.offered))
    if not names:
        raise UserError("no benchmark named; give --benchmark NAME[,NAME...] or 'all'")
    settings = Settings(
        benchmarks=names,
        conditions=(vision,),
        data=spec,
        prompts=prompts,  # type: ignore[arg-type]
        scorers=tuple(output.names(scorer)),
        limit=limit,
        images_optional=True,
        benchmark_settings=output.settings(set_),
    )
    if not settings.scorers:
        raise UserError("no scorer named; give --scorer fuzzy, official or both")
    made = import_logs(files, settings, out, name, format_)
    failed = sum(m.entry.finish == "failed" for one in made.matchings.values() for m in one.matches)
    if json:
        print(
            output.as_json(
                {
                    "run": str(made.run.path),
                    "samples": made.n,
                    "failed": failed,
                    "formats": made.formats,
                    "findings": {b: [asdict(f) for f in one.findings] for b, one in made.matchings.items()},
                    "missing": {b: one.missing for b, one in made.matchings.items()},
                    "results": [asdict(r) for r in made.results],
                }
            )
        )
        return
    _print_findings(made)
    summary.show(made.results, made.run.info["model"]["name"])
    print(f"run: {made.run.path}")


def _print_findings(made: Imported) -> None:
    """The formats, and every row of a log that is not simply the response to a sample."""
    for path, name in made.formats.items():
        print(f"{path}: {name}")
    for benchmark, one in made.matchings.items():
        ways = {by: sum(m.by == by for m in one.matches) for by in ("id", "row", "content", "order")}
        text = ", ".join(f"{n} by {by}" for by, n in ways.items() if n)
        apart = {kind: n for kind in ("no image", "other split") if (n := one.count(kind))}
        called = {"no image": "questions without an image", "other split": "questions of another split"}
        rest = "".join(f"; {n} {called[kind]} are not part of it" for kind, n in apart.items())
        print(f"{benchmark}: {len(one.matches)} responses matched ({text}){rest}")
        listed = [f for f in one.findings if f.kind not in apart]
        for finding in listed[:SHOWN]:
            print(f"  {finding.kind}: {finding.place}: {finding.id}: {finding.text}")
        if len(listed) > SHOWN:
            print(f"  and {len(listed) - SHOWN} more, in {made.run.path}/imports")
        if one.missing:
            names = ", ".join(map(repr, one.missing[:5])) + (", ..." if len(one.missing) > 5 else "")
            print(f"  missing: {len(one.missing)} samples have no row: {names}")
