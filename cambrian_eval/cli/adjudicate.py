"""`cambrian-eval adjudicate`: mark which scorer is right; the marks give the error rate of each scorer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cambrian_eval.numbers import number, span

if TYPE_CHECKING:
    from cambrian_eval.results.adjudication import ErrorRates, Proportion


def adjudicate(
    run: Path = typer.Argument(help="A run folder."),
    a: str = typer.Option("fuzzy", help="The first scorer."),
    b: str = typer.Option("judge", help="The second scorer."),
    benchmark: str = typer.Option(None, help="Only these benchmarks."),
    vision: str = typer.Option(None, help="Only this condition."),
    marks: Path = typer.Option(
        None, help="Marks exported from the page: print error rates instead of writing the page."
    ),
    out: Path = typer.Option(None, help="The page to write. [default: RUN/adjudicate-A-B.html]"),
    open_: bool = typer.Option(
        None, "--open/--no-open", help="Open the page in a browser. [default: if run in a terminal]"
    ),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text."),
) -> None:
    """Write a page on which to mark disagreements, or print the error rates that the marks give."""
    import sys

    from cambrian_eval.cli import output
    from cambrian_eval.errors import UserError
    from cambrian_eval.results.adjudication import error_rates, page, read_marks
    from cambrian_eval.results.agreement import agreement_of
    from cambrian_eval.running.store import open_run

    stored = open_run(run)
    found = agreement_of(stored, a, b, output.benchmarks(benchmark) if benchmark else None, vision)
    if marks is not None:
        rates = error_rates(found, read_marks(marks, a, b))
        print(output.as_json(_values(rates, a, b)) if json else _table(rates, a, b))
        return
    target = out or run / f"adjudicate-{a}-{b}.html"
    text = page(found, a, b, str(run), str(stored.info["model"]["name"]), marking=True)
    try:
        target.write_text(text, "utf-8")
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}") from None
    n = sum(len(r.disagreements) for r in found)
    if json:
        print(output.as_json({"page": str(target), "disagreements": n}))
    else:
        print(f"{n} disagreements: {target}")
        command = f"cambrian-eval adjudicate {run} --a {a} --b {b} --marks marks.json"
        print(f"next: mark them on the page, export the marks, and run: {command}")
    if open_ if open_ is not None else sys.stdout.isatty():
        import webbrowser

        webbrowser.open(target.resolve().as_uri())


def _values(rates: list[ErrorRates], a: str, b: str) -> dict[str, Any]:
    def values(r: ErrorRates, p: Proportion) -> dict[str, Any]:
        return {"wrong": p.k, "of": p.n, "rate": p.value, "interval": p.interval, "of_all_responses": r.overall(p)}

    return {
        "a": a,
        "b": b,
        "rates": [
            {
                "name": r.name,
                "decided": r.decided,
                "disagreements": r.disagreements,
                "marked": r.marked,
                "unclear": r.unclear,
                "a_wrong": values(r, r.a_wrong),
                "b_wrong": values(r, r.b_wrong),
            }
            for r in rates
        ],
    }


def _table(rates: list[ErrorRates], a: str, b: str) -> str:
    from cambrian_eval.cli import output

    def percent(value: tuple[float, ...] | None) -> str:
        if value is None:
            return "-"
        first, low, high = (100 * v for v in value)
        return f"{number(first)}% ({span((low, high))})"

    def of_marked(p: Proportion) -> str:
        return percent(None if p.value is None or p.interval is None else (p.value, *p.interval))

    rows = [["", "responses", "disagreements", "marked", "unclear", f"{a} wrong", f"{b} wrong"]]
    rows[0] += [f"{a} wrong, at least", f"{b} wrong, at least"]
    for r in rates:
        row = [r.name, str(r.decided), str(r.disagreements), str(r.marked), str(r.unclear)]
        row += [of_marked(r.a_wrong), of_marked(r.b_wrong)]
        rows.append([*row, percent(r.overall(r.a_wrong)), percent(r.overall(r.b_wrong))])
    notes = (
        "wrong: proportion of the marked disagreements, unclear ones excluded, with 95 % Wilson intervals",
        "at least: lower bound over all responses, because responses on which the scorers agree are not reviewed",
    )
    return "\n".join((output.table(rows, right=range(1, 9)), *notes))
