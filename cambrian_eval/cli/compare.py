"""`cambrian-eval compare`: paired comparison of two runs, or of two conditions of one run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cambrian_eval.numbers import number, probability, signed, span

if TYPE_CHECKING:
    from cambrian_eval.results.lengths import Lengths
    from cambrian_eval.running.store import Run


def compare(
    a: Path = typer.Argument(help="A run folder."),
    b: Path = typer.Argument(help="Another run folder, or the same one with --vision-b."),
    vision: str = typer.Option("on", "--vision", help="Condition of both runs."),
    vision_b: str = typer.Option(None, help="Condition of the second run, if it differs."),
    scorer: str = typer.Option("fuzzy", help="The scorer whose verdicts are compared."),
    strata: str = typer.Option(
        None, help="Compare runs of different questions by these tags, such as task,source: difference per stratum."
    ),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text."),
) -> None:
    """Compare two runs: paired difference per benchmark, interval, p-value, smallest detectable difference."""
    from dataclasses import asdict

    from cambrian_eval.cli import output
    from cambrian_eval.results.comparison import compare_runs, differing
    from cambrian_eval.results.lengths import lengths
    from cambrian_eval.running.store import Cell, is_synthetic, open_run

    first, second = open_run(a), open_run(b)
    if strata:
        _compare_strata(first, second, vision, vision_b or vision, scorer, strata, json)
        return
    found = compare_runs(first, second, vision, vision_b or vision, scorer)
    names = [c.benchmark for c in found]
    settings = differing(first, second, names)
    cells = [[Cell(name, condition) for name in names] for condition in (vision, vision_b or vision)]
    long = lengths(first, second, *cells)
    if json:
        body = {"comparisons": [asdict(c) for c in found], "lengths": [asdict(x) for x in long]}
        print(output.as_json({"a": str(a), "b": str(b), "settings_that_differ": settings, **body}))
        return
    rows = [["benchmark", "n", "a", "b", "b - a", "95% interval", "p", "p (Holm)", "test", "detectable"]]
    for c in found:
        p, name = c.paired, output.labelled(first, c.benchmark)
        rows.append(
            [
                *(name, str(p.n), number(p.a), number(p.b), signed(p.difference), span(p.interval, plus=True)),
                *(probability(p.p_value), probability(c.p_holm), p.test, number(p.detectable)),
            ]
        )
    print(f"a = {a} ({vision}), b = {b} ({vision_b or vision}), scorer {scorer}")
    print(output.table(rows, right=(1, 2, 3, 4, 5, 6, 7, 9)))
    _print_lengths(long)
    if left := [n for n in dict.fromkeys((*first.benchmarks(), *second.benchmarks())) if n not in names]:
        why = "missing in one run, graded by a judge, or the gold answers are withheld"
        print(f"note: not compared ({why}): {', '.join(left)}")
    if drawn := [name for name in names if is_synthetic(first.info["benchmarks"][name])]:
        print(f"note: synthetic data, no score of the published benchmark: {', '.join(sorted(drawn))}")
    if settings:
        print(f"note: the runs also differ in these settings: {'; '.join(settings)}")
    for c in found:
        if c.only_a or c.only_b:
            print(f"note ({c.benchmark}): not compared: {c.only_a} samples only in a, {c.only_b} only in b")
    print("detectable: the smallest difference that these samples detect (80 % power, 5 % level)")


def _print_lengths(found: Sequence[Lengths]) -> None:
    """Mean lengths of the responses, with thoughts where a model tells them apart."""
    from cambrian_eval.cli import output

    heads = ["response length", "n", "tokens a", "tokens b", "characters a", "characters b"]
    thoughts = any(value is not None for x in found for value in x.thought_tokens)
    rows = [heads + (["thought tokens a", "thought tokens b"] if thoughts else [])]
    for x in found:
        values = [*x.tokens, *x.characters, *(x.thought_tokens if thoughts else ())]
        rows.append([x.benchmark, str(x.n), *map(number, values)])
    print(output.table(rows, right=tuple(range(1, len(rows[0])))))


def _compare_strata(a: Run, b: Run, vision: str, vision_b: str, scorer: str, strata: str, json: bool) -> None:
    from dataclasses import asdict

    from cambrian_eval.cli import output
    from cambrian_eval.results.strata import compare_strata

    tags = [t.strip() for t in strata.split(",") if t.strip()]
    found = compare_strata(a, b, vision, vision_b, scorer, tags)
    if json:
        print(output.as_json({"a": str(a.path), "b": str(b.path), "strata": [asdict(c) for c in found]}))
        return
    rows = [["benchmark", ", ".join(tags), "n a", "n b", "a", "b", "chance a", "chance b", "b - a", "95% interval"]]
    for c in found:
        numbers = map(number, (c.a, c.b, c.chance_a, c.chance_b))
        ends = signed(c.difference), span(c.interval, plus=True)
        rows.append([c.benchmark, c.stratum, str(c.n_a), str(c.n_b), *numbers, *ends])
    print(f"a = {a.path} ({vision}), b = {b.path} ({vision_b}), scorer {scorer}; the runs have different questions")
    print(output.table(rows, right=(2, 3, 4, 5, 6, 7, 8)))
    print("all strata: the strata weighted by their samples in a")
    if any(abs(c.chance_a - c.chance_b) > 1 for c in found):
        print("note: chance differs between the two sets, so their options differ; build both with the same preset")
