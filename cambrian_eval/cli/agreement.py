"""`cambrian-eval agreement`: agreement of two scorers on the same stored responses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cambrian_eval.numbers import number, signed, span

if TYPE_CHECKING:
    from cambrian_eval.results.agreement import ScorerAgreement
    from cambrian_eval.running.store import Run

FORMATS = ("table", "csv", "json", "html")
_HEADING = [
    "benchmark",
    "condition",
    "n",
    "score_a",
    "score_b",
    "difference",
    "difference_low",
    "difference_high",
    "raw_agreement",
    "kappa",
    "kappa_low",
    "kappa_high",
    "both_right",
    "only_a",
    "only_b",
    "both_wrong",
    "undecided",
    "failed",
    "published_a",
    "published_b",
    "published_difference",
    "synthetic",
    "subset",
]


def agreement(
    run: Path = typer.Argument(help="A run folder."),
    a: str = typer.Option("fuzzy", help="The first scorer."),
    b: str = typer.Option("judge", help="The second scorer."),
    benchmark: str = typer.Option(None, help="Only these benchmarks."),
    vision: str = typer.Option(None, help="Only this condition."),
    format: str = typer.Option("table", help="table, csv, json or html."),
    show: int = typer.Option(3, min=0, help="Number of disagreements to print for each benchmark (table)."),
    out: Path = typer.Option(None, help="Write to this file instead of standard output."),
) -> None:
    """Compare two scorers: scores, difference, agreement, Cohen's kappa, confusion table and disagreements."""
    from cambrian_eval.cli import output
    from cambrian_eval.errors import UserError, unknown
    from cambrian_eval.results.agreement import agreement_of
    from cambrian_eval.running.store import open_run

    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    stored = open_run(run)
    found = agreement_of(stored, a, b, output.benchmarks(benchmark) if benchmark else None, vision)
    if format == "table":
        text = _table(found, a, b, stored, show)
    else:
        text = _formatted(found, a, b, str(run), str(stored.info["model"]["name"]), format)
    if out is None:
        print(text)
        return
    try:
        out.write_text(text + "\n", "utf-8", "replace")
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}") from None


def _formatted(found: Sequence[ScorerAgreement], a: str, b: str, run: str, model: str, format: str) -> str:
    if format == "html":
        from cambrian_eval.results.adjudication import page

        return page(found, a, b, run, model, marking=False)
    if format == "json":
        from cambrian_eval.cli import output
        from cambrian_eval.results.agreement import as_values, mean_difference

        mean = mean_difference(found)
        summary = None if mean is None else {"difference": mean[0], "absolute_difference": mean[1]}
        return output.as_json(
            {"run": run, "model": model, "a": a, "b": b, "mean": summary, "agreements": [as_values(r) for r in found]}
        )
    return _csv(found)


def _csv(found: Sequence[ScorerAgreement]) -> str:
    from cambrian_eval.safe_text import csv_text

    rows = []
    for r in found:
        c, p = r.confusion, r.published
        low_high = [*(r.interval or (None, None))]
        kappas = [c.kappa, *(r.kappa_interval or (None, None))]
        row = [r.benchmark, r.condition, r.n, r.score_a, r.score_b, r.difference, *low_high, c.raw, *kappas]
        row += [c.both_right, c.only_a, c.only_b, c.both_wrong, r.undecided, r.failed]
        row += [None, None, None] if p is None else [p.a, p.b, p.difference]
        row += ["yes" if r.rows.synthetic else "no", r.rows.subset]
        rows.append(row)
    return csv_text(_HEADING, rows).rstrip("\n")


def _table(found: Sequence[ScorerAgreement], a: str, b: str, run: Run, show: int) -> str:
    from cambrian_eval.cli import output
    from cambrian_eval.results.agreement import mean_difference
    from cambrian_eval.results.rows import notes_of

    with_published = any(r.published for r in found)
    rows = [["benchmark", "condition", "n", a, b, f"{b} - {a}", "95% interval", "agree", "kappa", "95% interval"]]
    rows[0] += ["both right", f"only {a}", f"only {b}", "both wrong", "undecided", "failed"]
    rows[0] += ["published"] if with_published else []
    for r in found:
        c = r.confusion
        row = [r.rows.label(r.benchmark), r.condition, str(r.n), number(r.score_a), number(r.score_b)]
        row += [signed(r.difference)]
        row += [span(r.interval, plus=True)]
        row += ["-" if c.raw is None else f"{number(100 * c.raw)}%", number(c.kappa, 3)]
        row += [span(r.kappa_interval, 3)]
        row += [str(v) for v in (c.both_right, c.only_a, c.only_b, c.both_wrong, r.undecided, r.failed)]
        if with_published:
            row.append("" if r.published is None else signed(r.published.difference))
        rows.append(row)
    text = f"{run.info['model']['name']}: a = {a}, b = {b}\n" + output.table(rows, range(2, len(rows[0])), keys=2)
    if (mean := mean_difference(found)) is not None:
        text += f"\nmean difference {signed(mean[0], 2)}, mean absolute difference {number(mean[1], 2)}"
    if with_published:
        text += (
            "\npublished: difference between GPT-3.5 grading and fuzzy matching for this model, Table 24 of the paper"
        )
    notes = [f"note: {note}" for note in notes_of({r.benchmark: r.rows for r in found})]
    notes += [f"note ({r.benchmark}): {note}" for r in found for note in r.notes]
    text += "".join(f"\n{line}" for note in notes for line in output.wrapped(note, output.terminal_width()))
    return text + _examples(found, a, b, show)


def _examples(found: Sequence[ScorerAgreement], a: str, b: str, show: int) -> str:
    """The first disagreements of every benchmark."""

    from cambrian_eval.errors import one_line

    def short(text: str) -> str:
        flat = one_line(text)
        return flat if len(flat) <= 160 else f"{flat[:157]}..."

    text = ""
    for r in found:
        for d in r.disagreements[:show]:
            gold = " | ".join(f"{g}: {d.options[g]}" if g in d.options else g for g in d.answers)
            text += f"\n\n{d.key}\n  question  {short(d.question)}\n  gold      {short(gold)}"
            text += f"\n  response  {short(d.response)}"
            for name, verdict in ((a, d.a), (b, d.b)):
                text += f"\n  {name:<9} {verdict.value:g} ({verdict.rule})"
        if (more := len(r.disagreements) - show) > 0:
            text += (
                f"\n\n{r.benchmark}.{r.condition}: {more} more disagreements; show them with --show N or --format html"
            )
    return text
