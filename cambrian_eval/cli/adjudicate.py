"""`cambrian-eval adjudicate`: a person marks who was right; the marks give each scorer's error rate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from cambrian_eval.results.adjudication import ErrorRates, Share


def adjudicate(
    run: Path = typer.Argument(help="A run folder."),
    a: str = typer.Option("fuzzy", help="The first scorer."),
    b: str = typer.Option("judge", help="The second scorer."),
    benchmark: str = typer.Option(None, help="Only these benchmarks."),
    vision: str = typer.Option(None, help="Only this condition."),
    marks: Path = typer.Option(None, help="Marks exported from the page: report error rates instead."),
    out: Path = typer.Option(None, help="The page. [default: RUN/adjudicate-A-B.html]"),
    open_: bool = typer.Option(None, "--open/--no-open", help="Open the page. [default: in a terminal]"),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text."),
) -> None:
    """Write the page of disagreements, or read its marks back."""
    import sys

    from cambrian_eval.cli import words
    from cambrian_eval.errors import UserError
    from cambrian_eval.results.adjudication import error_rates, page, read_marks
    from cambrian_eval.results.agreement import agreement_of
    from cambrian_eval.running.store import open_run

    stored = open_run(run)
    found = agreement_of(stored, a, b, words.benchmarks(benchmark) if benchmark else None, vision)
    if marks is not None:
        rates = error_rates(found, read_marks(marks, a, b))
        print(words.as_json(_values(rates, a, b)) if json else _table(rates, a, b))
        return
    target = out or run / f"adjudicate-{a}-{b}.html"
    text = page(found, a, b, str(run), str(stored.info["model"]["name"]), marking=True)
    try:
        target.write_text(text, "utf-8")
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}") from None
    n = sum(len(r.disagreements) for r in found)
    if json:
        print(words.as_json({"page": str(target), "disagreements": n}))
    else:
        print(f"{n} disagreements: {target}")
        print(f"export the marks there, then: cambrian-eval adjudicate {run} --a {a} --b {b} --marks marks.json")
    if open_ if open_ is not None else sys.stdout.isatty():
        import webbrowser

        webbrowser.open(target.resolve().as_uri())


def _values(rates: list[ErrorRates], a: str, b: str) -> dict[str, Any]:
    def share(r: ErrorRates, s: Share) -> dict[str, Any]:
        return {"wrong": s.k, "of": s.n, "rate": s.value, "interval": s.interval, "of_all_answers": r.overall(s)}

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
                "a_wrong": share(r, r.a_wrong),
                "b_wrong": share(r, r.b_wrong),
            }
            for r in rates
        ],
    }


def _table(rates: list[ErrorRates], a: str, b: str) -> str:
    from cambrian_eval.cli import words

    def percent(value: tuple[float, ...] | None) -> str:
        if value is None:
            return "-"
        first, low, high = (100 * v for v in value)
        return f"{first:.1f}% ({low:.1f} .. {high:.1f})"

    def of_marked(s: Share) -> str:
        return percent(None if s.value is None or s.interval is None else (s.value, *s.interval))

    rows = [["", "answers", "differ", "marked", "unclear", f"{a} wrong", f"{b} wrong"]]
    rows[0] += [f"{a} wrong, of all", f"{b} wrong, of all"]
    for r in rates:
        row = [r.name, str(r.decided), str(r.disagreements), str(r.marked), str(r.unclear)]
        row += [of_marked(r.a_wrong), of_marked(r.b_wrong)]
        rows.append([*row, percent(r.overall(r.a_wrong)), percent(r.overall(r.b_wrong))])
    note = "wrong: of the marked disagreements that are clear, with 95 % Wilson intervals; of all: at least, because"
    return f"{words.table(rows, right=range(1, 9))}\n{note} answers the scorers agree on were not looked at"
