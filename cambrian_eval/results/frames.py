"""What a run has stored as pandas data frames: a row for each result, and a row for each response.

A score or a verdict that no longer belongs to the stored responses is not in them: the score is empty and its note
says why, a verdict is an error that names the command which renews it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from cambrian_eval.errors import UserError, unknown
from cambrian_eval.registry import benchmark_names, load_benchmark
from cambrian_eval.results.basis import checked_verdicts, key_of, problems, remedy
from cambrian_eval.running.records import Cell, Record
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Result, Sample

if TYPE_CHECKING:
    import pandas as pd

RESULT_COLUMNS = (
    *("model", "benchmark", "category", "condition", "scorer", "score", "low", "high", "scale", "chance", "n"),
    *("n_failed", "n_unparsed", "n_undecided", "complete", "subset", "synthetic", "notes"),
)
"""The columns of a data frame of results."""
SAMPLE_COLUMNS = (
    *("benchmark", "condition", "repeat", "id", "question", "options", "answers", "image_id", "group", "prompt"),
    *("response", "thoughts", "finish", "error", "prompt_tokens", "new_tokens", "seconds", "synthetic"),
)
"""The first columns of a data frame of samples; one for each tag and four for each scorer follow."""


def results_frame(model: str, results: Sequence[Result]) -> pd.DataFrame:
    """Results as rows."""
    import pandas as pd

    known = set(benchmark_names())
    rows = []
    for r in results:
        low, high = r.interval or (None, None)
        category = load_benchmark(r.benchmark).category if r.benchmark in known else None
        names = (model, r.benchmark, category, r.condition, r.scorer)
        counts = (r.n, r.n_failed, r.n_unparsed, r.n_undecided)
        numbers = (r.score, low, high, r.scale, r.chance)
        rows.append((*names, *numbers, *counts, r.complete, r.subset, r.synthetic, "; ".join(r.remarks)))
    found = pd.DataFrame(rows, columns=list(RESULT_COLUMNS))
    measured = ["score", "low", "high", "scale", "chance"]
    found[measured] = found[measured].astype("float64")
    return found


def usable_results(run: Run) -> list[Result]:
    """The stored results; those that no longer belong to the run have no score, and a note says why."""
    from dataclasses import replace

    stored = run.results()
    unusable = problems(run, stored)
    return [
        replace(r, score=None, interval=None, breakdown={}, notes=(*r.notes, remedy(run, key_of(r), why)))
        if (why := unusable.get(key_of(r))) is not None
        else r
        for r in stored
    ]


def samples_frame(
    run: Run, benchmarks: Collection[str] | None = None, conditions: Collection[str] | None = None
) -> pd.DataFrame:
    """Every stored response as a row, with its question, answers, tags, and the verdicts of all scorers."""
    import pandas as pd

    cells = run.cells()
    for kind, wanted, held in (
        ("benchmark of this run", benchmarks, {c.benchmark for c in cells}),
        ("condition of this run", conditions, {c.condition for c in cells}),
    ):
        for name in wanted or ():
            if name not in held:
                raise unknown(kind, name, sorted(held))
    chosen = [
        c
        for c in cells
        if (benchmarks is None or c.benchmark in benchmarks) and (conditions is None or c.condition in conditions)
    ]
    rows = [row for cell in chosen for row in _rows(run, cell)]
    tags = dict.fromkeys(name for row in rows for name in row if name.startswith("tag_"))
    scorers = dict.fromkeys(s for cell in chosen for s in run.scorers(cell))
    parts = [name for s in scorers for name in (s, f"{s}_extracted", f"{s}_rule", f"{s}_outcome")]
    return pd.DataFrame(rows, columns=[*SAMPLE_COLUMNS, *tags, *parts])


def _rows(run: Run, cell: Cell) -> list[dict[str, Any]]:
    from cambrian_eval.running.shapes import is_synthetic

    samples = {s.id: s for s in run.samples(cell.benchmark)}
    drawn = is_synthetic(run.info["benchmarks"][cell.benchmark])
    verdicts = {}
    for scorer in run.scorers(cell):
        checked_verdicts(run, cell, scorer)
        verdicts[scorer] = run.all_verdicts(cell, scorer)
    rows = []
    for key, record in run.all_responses(cell).items():
        if record.id not in samples:
            raise UserError(f"{run.path}: the response {record.id!r} of {cell.stem} has no sample; restore the folder")
        row = {**_row(samples[record.id], record), "benchmark": cell.benchmark, "condition": cell.condition}
        row["synthetic"] = drawn
        for scorer, found in verdicts.items():
            if (v := found.get(key)) is not None:
                row |= {scorer: v.value, f"{scorer}_extracted": v.extracted}
                row |= {f"{scorer}_rule": v.rule, f"{scorer}_outcome": v.outcome}
        rows.append(row)
    order = {identity: i for i, identity in enumerate(samples)}
    return sorted(rows, key=lambda row: (order[row["id"]], row["repeat"]))


def _row(sample: Sample, record: Record) -> dict[str, Any]:
    return {
        "repeat": record.repeat,
        "id": sample.id,
        "question": sample.question,
        "options": sample.options,
        "answers": list(sample.answers),
        "image_id": sample.image_id,
        "group": sample.group,
        "prompt": record.prompt,
        "response": record.text,
        "thoughts": record.thoughts,
        "finish": record.finish,
        "error": record.error,
        "prompt_tokens": record.prompt_tokens,
        "new_tokens": record.new_tokens,
        "seconds": record.seconds,
        **{f"tag_{name}": value for name, value in sample.tags.items()},
    }


def flat(frame: pd.DataFrame) -> pd.DataFrame:
    """A data frame of samples whose cells are text, numbers and lists of text, for files.

    Options become lines such as `A. cat`; a tag with several values becomes one text; text is valid Unicode.
    """
    found = frame.copy()
    found["options"] = [[f"{letter}. {text}" for letter, text in options.items()] for options in frame["options"]]
    for name in found.columns:
        if found[name].dtype == object:
            found[name] = [_cell(value, name.startswith("tag_")) for value in found[name]]
    return found


def _cell(value: Any, tag: bool) -> Any:
    if isinstance(value, list | tuple):
        parts = [str(_cell(part, False)) for part in value]
        return "; ".join(parts) if tag else parts
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value
