"""`cambrian-eval power`: how many samples are needed to detect a difference between two models."""

from __future__ import annotations

from pathlib import Path

import typer

from cambrian_eval.numbers import number


def power(
    benchmark: str = typer.Argument(help="Names, suites or categories separated by commas."),
    difference: float = typer.Option(1.0, min=0.01, max=99, help="The difference to detect, in points of 100."),
    runs: list[Path] = typer.Option(
        [], "--run", help="A run of the benchmarks; give two to use how far the two models agree."
    ),
    accuracy: float = typer.Option(
        None, min=0.1, max=99.9, help="Without a run: percent of samples that are right. [default: 50]"
    ),
    agreement: float = typer.Option(
        None,
        min=0.1,
        max=99.9,
        help="Percent of samples on which both models are right, or both wrong. [default: as if independent]",
    ),
    design_effect: float = typer.Option(
        None, min=1, max=1000, help="Without a run: factor of the variance for questions about one image. [default: 1]"
    ),
    vision: str = typer.Option("on", help="Condition of the runs."),
    scorer: str = typer.Option("fuzzy", help="The scorer whose verdicts of the runs are used."),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text."),
) -> None:
    """How many samples detect a difference of two models (paired, 80 % power, 5 % level), and whether it has them."""
    from dataclasses import asdict

    from cambrian_eval.cli import output
    from cambrian_eval.errors import UserError
    from cambrian_eval.registry import load_benchmark
    from cambrian_eval.results.power import from_numbers, from_runs
    from cambrian_eval.results.rows import notes_of, rows_of
    from cambrian_eval.running.store import open_run

    share = None if agreement is None else agreement / 100
    if len(runs) > 2:
        raise UserError("--run can be given once or twice")
    if runs and (accuracy is not None or design_effect is not None):
        raise UserError("a run says its accuracy and design effect; leave out --accuracy and --design-effect")
    names = output.benchmarks(benchmark)
    opened = [open_run(path) for path in runs]
    if opened:
        for run in opened:
            if absent := [name for name in names if name not in run.benchmarks()]:
                raise UserError(f"{run.path} has no responses to {', '.join(absent)}")
        found = [from_runs(opened, name, difference, share, vision, scorer) for name in names]
    else:
        rate = None if accuracy is None else accuracy / 100
        found = [from_numbers(load_benchmark(n), difference, rate, share, design_effect or 1.0) for n in names]
    about = {name: rows_of(name, *opened) for name in names}
    if json:
        values = [{**asdict(one), **asdict(about[one.benchmark])} for one in found]
        print(output.as_json({"runs": list(map(str, runs)), "power": values}))
        return
    rows = [["benchmark", "needed", "has", "enough", "all detect", "agreement", "design effect", "from"]]
    for one in found:
        enough = "-" if one.has is None else "yes" if one.has >= one.needed else "no"
        has = "-" if one.has is None else f"{one.has:,}"
        rows.append(
            [
                *(about[one.benchmark].label(one.benchmark), f"{one.needed:,}", has, enough, number(one.detects)),
                *(
                    f"{one.agreement:.1%}",
                    f"{one.design_effect:.2f}",
                    one.basis if one.n is None else f"{one.basis}, {one.n:,} samples",
                ),
            ]
        )
    unit = "point" if difference == 1 else "points"
    print(f"samples that detect a difference of {difference:g} {unit} (paired, 80 % power, 5 % level)")
    print(output.table(rows, right=(1, 2, 3, 4, 5, 6)))
    output.notes_below(notes_of(about))
