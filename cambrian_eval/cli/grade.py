"""`cambrian-eval grade`: scores a file of rows and predictions."""

from __future__ import annotations

from pathlib import Path

import typer


def grade(
    file: Path = typer.Argument(help='JSONL or CSV: the dataset\'s own columns plus "prediction" on every row.'),
    benchmark: str = typer.Option(..., help="Name of the benchmark."),
    scorer: str = typer.Option("fuzzy", help="One scorer."),
    out: Path = typer.Option(None, help="File for the verdicts: .jsonl or .csv."),
    set_: list[str] = typer.Option([], "--set", help="benchmark.setting=value; may be repeated."),
    official_raw: bool = typer.Option(False, help="Let the official scorer read thoughts too."),
    json: bool = typer.Option(False, "--json", help="The result as one JSON object."),
) -> None:
    """Verdicts and the result for rows and predictions in a file; needs no dataset, network or model."""
    from dataclasses import asdict

    from cambrian_eval.cli import output
    from cambrian_eval.errors import UserError
    from cambrian_eval.registry import load_benchmark
    from cambrian_eval.results.prediction_files import grade_file, write_verdicts

    if out is not None and out.exists() and file.exists() and out.samefile(file):
        raise UserError(f"--out {out} is the file with the predictions; choose another name")
    declared = load_benchmark(benchmark, **output.settings_of(set_, benchmark))
    lines, result = grade_file(file, declared, scorer, official_raw=official_raw)
    if out is not None:
        write_verdicts(out, lines)
    if json:
        print(output.as_json({"result": asdict(result), "verdicts": lines}))
        return
    if out is None:
        for line in lines:
            print(output.as_json(line))
    print(output.results([result]))
