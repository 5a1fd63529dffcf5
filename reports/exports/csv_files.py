"""`--to csv`: results, secondary scores and samples as CSV, with the scores on the paper's scale."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from cambrian_eval.safe_text import csv_text

from .. import style
from ..catalogue import entry
from ..export import Export, Exported
from ..runs import NamedRun

RESULT_COLUMNS = (
    "model",
    "benchmark",
    "category",
    "condition",
    "scorer",
    "score",
    "low",
    "high",
    "scale",
    "chance",
    "n",
    "n_failed",
    "n_unparsed",
    "complete",
    "synthetic",
    "notes",
)


def results_csv(runs: Sequence[NamedRun]) -> str:
    """Every result, a row each."""
    rows = []
    for named in runs:
        for r in named.results:
            low, high = r.interval or (None, None)
            rows.append(
                (
                    named.name,
                    r.benchmark,
                    entry(r.benchmark).category,
                    r.condition,
                    r.scorer,
                    _float(r.score),
                    _float(low),
                    _float(high),
                    float(r.scale),
                    _float(r.chance),
                    r.n,
                    r.n_failed,
                    r.n_unparsed,
                    "yes" if r.complete else "no",
                    "yes" if r.synthetic else "no",
                    "; ".join(r.remarks),
                )
            )
    return csv_text(RESULT_COLUMNS, rows)


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def breakdown_csv(runs: Sequence[NamedRun]) -> str:
    """Every secondary score, a row each."""
    rows = [
        (named.name, r.benchmark, r.condition, r.scorer, metric, float(value))
        for named in runs
        for r in named.results
        for metric, value in r.breakdown.items()
    ]
    return csv_text(("model", "benchmark", "condition", "scorer", "metric", "value"), rows)


def samples_csv(runs: Sequence[NamedRun]) -> str:
    """Every response with its question, answers and verdicts, a row each."""
    import pandas as pd

    from cambrian_eval.results.frames import flat, samples_frame

    frames = [flat(samples_frame(named.run)).assign(model=named.name) for named in runs]
    found = pd.concat(frames, ignore_index=True)
    columns = ["model", *(c for c in found.columns if c != "model")]
    rows = found[columns].astype(object).where(found[columns].notna(), None).itertuples(index=False, name=None)
    return csv_text(columns, ([_text(cell) for cell in row] for row in rows))


def _text(cell: object) -> object:
    """A list as JSON; every other cell as it is."""
    return json.dumps(cell, ensure_ascii=False) if isinstance(cell, list) else cell


class CsvFiles(Export):
    """Three CSV files for all runs together."""

    name = "csv"
    summary = "results.csv, breakdown.csv and samples.csv of all runs"

    def write(self, runs: Sequence[NamedRun], out: Path, scorer: str) -> Exported:
        """Writes all scorers and conditions."""
        contents = {"results": results_csv(runs), "breakdown": breakdown_csv(runs), "samples": samples_csv(runs)}
        return Exported(tuple(style.write(out / f"{name}.csv", text) for name, text in contents.items()))


EXPORT = CsvFiles()
