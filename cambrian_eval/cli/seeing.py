"""`cambrian-eval seeing`: which samples need their image, and which models see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from cambrian_eval.reports.seeing import Seen
    from cambrian_eval.results.seeing_estimates import Interval

NAME_WIDTH = 30
"""Longer names of models lose their middle in the table, so that it fits 80 columns."""


def seeing(
    runs: list[Path] = typer.Argument(help="Runs of one or more models with vision on and off."),
    scorer: str = typer.Option("fuzzy", help="The scorer whose verdicts are read."),
    benchmark: str = typer.Option(None, help="Only these benchmarks."),
    at_least: float = typer.Option(0.5, min=0, max=1, help="Smallest probability of a sample in the subset."),
    out: Path = typer.Option(Path("subsets"), help="Folder for seeing.json and the subset needs-vision.json."),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text."),
) -> None:
    """Which samples need their image, and which models see.

    An item response model of verdicts with vision on and off, and under no_question and nothing where all runs have
    both. The probability that a sample needs its image is that of a competent model knowing the answer with the image
    and not without it (mean over the models above average; a right guess is not knowing). Visual information is
    the share of what tells the models apart that the image adds. Seeing is what the image adds to the log-odds of a
    model, against the mean of the models. With one model, the first estimate alone, from its own verdicts.
    """
    from cambrian_eval.cli import output
    from cambrian_eval.reports import seeing as reading
    from cambrian_eval.reports.runs import open_runs
    from cambrian_eval.results import subsets

    only = None if benchmark is None else output.benchmarks(benchmark)
    found = reading.seen(open_runs(runs), scorer, only)
    chosen = reading.subset(found, at_least)
    labels = out / "seeing.json"
    written = [labels, subsets.write(chosen, out / f"{reading.SUBSET}.json")]
    labels.write_text(output.as_json(reading.as_values(found, samples=True)) + "\n", encoding="utf-8")
    if json:
        body = reading.as_values(found, samples=False)
        for name, values in body.items():
            values["in_subset"] = len(chosen.ids[name])
        print(output.as_json({"benchmarks": body, "files": [str(path) for path in written]}))
        return
    rows = [["benchmark", "samples", "models", "needs image, %", "visual info, %", "subset"]]
    for s in found:
        e = s.estimates
        cells = [f"{len(s.samples):,}", str(len(s.models)), _share(e.needed_share), _share(e.visual)]
        rows.append([s.rows.label(s.benchmark), *cells, f"{len(chosen.ids[s.benchmark]):,}"])
    print(output.table(rows, right=(1, 2, 3, 4, 5)))
    for s in found:
        if s.estimates.abilities:
            print(f"\n{s.benchmark}: abilities in logits against the mean of the models")
            print(_abilities(s))
    print()
    output.notes_below(reading.notes(found))
    for path in written:
        print(path)


def _abilities(s: Seen) -> str:
    rows = [["model", "seeing", "95% interval", "text", "95% interval"]]
    order = sorted(range(len(s.models)), key=lambda m: -s.estimates.abilities[m]["seeing"].value)
    for m in order:
        name = s.models[m] if len(s.models[m]) <= NAME_WIDTH else f"{s.models[m][:13]}...{s.models[m][-14:]}"
        row = [name]
        for part in ("seeing", "text"):
            a = s.estimates.abilities[m][part]
            row += [f"{a.value:+.2f}", "-" if a.low is None else f"{a.low:+.2f} .. {a.high:+.2f}"]
        rows.append(row)
    from cambrian_eval.cli import output

    return output.table(rows, right=(1, 2, 3, 4))


def _share(found: Interval | None) -> str:
    """A share in percent with its interval."""
    if found is None:
        return "-"
    text = f"{100 * found.value:.0f}"
    return text if found.low is None or found.high is None else f"{text} ({100 * found.low:.0f}-{100 * found.high:.0f})"
