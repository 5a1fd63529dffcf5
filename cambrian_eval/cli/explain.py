"""`cambrian-eval explain`: why two runs have different scores, in parts that add up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cambrian_eval.numbers import number, signed, span

if TYPE_CHECKING:
    from cambrian_eval.results.explain import Explanation

TEXT = 160
"""Characters of a response that are printed; the page has all of them."""


def explain(
    a: Path = typer.Argument(help="A run folder; an import is one too."),
    b: Path = typer.Argument(help="Another run folder, or the same one with another scorer or condition."),
    benchmark: str = typer.Option(None, help="Only these benchmarks. [default: all that both runs have]"),
    vision: str = typer.Option("on", help="Condition of both runs."),
    vision_b: str = typer.Option(None, help="Condition of the second run, if it differs."),
    scorer: str = typer.Option("fuzzy", help="Scorer of both runs; `log` = the verdicts in an imported log."),
    scorer_b: str = typer.Option(None, help="Scorer of the second run, if it differs."),
    show: int = typer.Option(3, min=0, help="Samples of each part to print with both texts, at most 20."),
    html: Path = typer.Option(None, help="A page with both texts side by side."),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text, with every sample."),
) -> None:
    """Split the difference of two scores into parts: rows, gold, prompts, cut-off responses, reading, metric, text."""
    from dataclasses import asdict

    from cambrian_eval.cli import output
    from cambrian_eval.errors import UserError
    from cambrian_eval.results import explain as explaining
    from cambrian_eval.results.rows import notes_of, rows_of
    from cambrian_eval.running.store import open_run

    first, second = open_run(a), open_run(b)
    names = output.benchmarks(benchmark) if benchmark else []
    found = explaining.explain(first, second, scorer, scorer_b or scorer, vision, vision_b or vision, names)
    about = {e.benchmark: rows_of(e.benchmark, first, second) for e in found}
    if html is not None:
        try:
            html.write_text(explaining.page(found, about, str(a), str(b)), "utf-8")
        except OSError as error:
            raise UserError(f"{html} cannot be written: {error.strerror}") from error
    if json:
        values = [{**asdict(e), "difference": e.difference, **asdict(about[e.benchmark])} for e in found]
        print(output.as_json({"a": str(a), "b": str(b), "explanations": values}))
        return
    print(f"a = {a} ({vision}, {scorer}), b = {b} ({vision_b or vision}, {scorer_b or scorer})")
    for one in found:
        _print(one, about[one.benchmark].label(one.benchmark), show)
    output.notes_below(notes_of(about))
    if html is not None:
        print(f"page: {html}")


def _print(found: Explanation, label: str, show: int) -> None:
    from cambrian_eval.cli import output
    from cambrian_eval.errors import one_line

    print(f"\n{label}: a {number(found.a, 2)}, b {number(found.b, 2)}, {found.common} samples in both")
    rows = [["part", "points", "95% interval", "samples", "differ"]]
    for part in found.parts:
        points = signed(part.points, 2), span(part.interval, 2, plus=True)
        rows.append([part.label, *points, str(len(part.ids)), str(part.changed)])
    rows.append(["difference", signed(found.difference, 2), span(found.interval, 2, plus=True), "", ""])
    print(output.table(rows, right=(1, 2, 3, 4)))
    for part in found.parts:
        for case in part.shown[:show]:
            print(f"  {part.label}: {case.id} ({signed(case.points, 3)}): {one_line(case.question, TEXT)}")
            for name, side in (("a", case.a), ("b", case.b)):
                value = "not in this run" if side.value is None else f"{side.value:g} for {one_line(side.text, TEXT)!r}"
                print(f"    {name}: {value}")
