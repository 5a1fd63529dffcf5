"""`cambrian-eval compare`: paired comparison of two runs, or of two conditions of one run."""

from __future__ import annotations

from pathlib import Path

import typer


def compare(
    a: Path = typer.Argument(help="A run folder."),
    b: Path = typer.Argument(help="Another run folder, or the same one with --vision-b."),
    vision: str = typer.Option("on", "--vision", help="Condition of both runs."),
    vision_b: str = typer.Option(None, help="Condition of the second run, if it differs."),
    scorer: str = typer.Option("fuzzy", help="The scorer whose verdicts are compared."),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text."),
) -> None:
    """Compare two runs: paired difference per benchmark, interval, p-value, smallest detectable difference."""
    from dataclasses import asdict

    from cambrian_eval.cli import output
    from cambrian_eval.results.comparison import compare_runs, differing
    from cambrian_eval.running.store import open_run

    first, second = open_run(a), open_run(b)
    found = compare_runs(first, second, vision, vision_b or vision, scorer)
    if json:
        print(output.as_json({"a": str(a), "b": str(b), "comparisons": [asdict(c) for c in found]}))
        return
    rows = [["benchmark", "n", "a", "b", "b - a", "95% interval", "p", "p (Holm)", "test", "detectable"]]
    for c in found:
        p = c.paired
        span = "-" if p.interval is None else f"{p.interval[0]:+.1f} .. {p.interval[1]:+.1f}"
        rows.append(
            [
                *(c.benchmark, str(p.n), f"{p.a:.1f}", f"{p.b:.1f}", f"{p.difference:+.1f}", span),
                *(f"{p.p_value:.4f}", f"{c.p_holm:.4f}", p.test, output.number(p.detectable)),
            ]
        )
    print(f"a = {a} ({vision}), b = {b} ({vision_b or vision}), scorer {scorer}")
    print(output.table(rows, right=(1, 2, 3, 4, 5, 6, 7, 9)))
    compared = {c.benchmark for c in found}
    if left := [n for n in dict.fromkeys((*first.benchmarks(), *second.benchmarks())) if n not in compared]:
        why = "missing in one run, graded by a judge, or the gold answers are withheld"
        print(f"note: not compared ({why}): {', '.join(left)}")
    if settings := differing(first, second, [c.benchmark for c in found]):
        print(f"note: the runs also differ in these settings: {'; '.join(settings)}")
    for c in found:
        if c.only_a or c.only_b:
            print(f"note ({c.benchmark}): not compared: {c.only_a} samples only in a, {c.only_b} only in b")
    print("detectable: the smallest difference that these samples detect (80 % power, 5 % level)")
