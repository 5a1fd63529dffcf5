"""`--to lm-eval`: results in the layout of the lm-evaluation-harness, fractions of the largest score.

Standard errors are derived from the 95 % intervals. Nothing else is computed here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cambrian_eval.results.rows import size_of
from cambrian_eval.sample import Result

from .. import style
from ..export import Export, Exported, sanitized, stems
from ..runs import NamedRun


def lm_eval_text(named: NamedRun) -> str:
    """The file of a run."""
    return json.dumps(lm_eval(named), indent=2, ensure_ascii=False) + "\n"


def lm_eval(named: NamedRun) -> dict[str, Any]:
    """Results in the layout of the lm-evaluation-harness: `metric,filter` keys, the scorer being the filter."""
    info = named.run.info
    results: dict[str, dict[str, Any]] = {}
    counts: dict[str, dict[str, int]] = {}
    for r in named.results:
        if r.score is None:
            continue
        task = _task(r)
        cell = results.setdefault(task, {"alias": task, "sample_len": r.n})
        cell[f"score,{r.scorer}"] = r.score / r.scale
        error = "N/A" if r.interval is None else (r.interval[1] - r.interval[0]) / 2 / 1.959964 / r.scale
        cell[f"score_stderr,{r.scorer}"] = error
        rows = info["benchmarks"].get(r.benchmark, {}).get("samples", r.n)
        if r.partial and not r.synthetic:
            rows = size_of(r.benchmark) or rows
        counts[task] = {"original": int(rows), "effective": r.n}
    start, end = _times(info)
    return {
        "results": results,
        "group_subtasks": {task: [] for task in results},
        "configs": {task: {"task": task, "output_type": "generate_until", "num_fewshot": 0} for task in results},
        "versions": {task: 1 for task in results},
        "n-shot": {task: 0 for task in results},
        "higher_is_better": {task: {"score": True} for task in results},
        "n-samples": counts,
        "config": {
            "model": str(info["model"].get("spec", named.name)).partition(":")[0],
            "model_args": str(info["model"].get("spec", named.name)),
            "batch_size": info["model"].get("options", {}).get("batch_size", "auto"),
            "limit": info["responses_depend_on"].get("limit"),
            "random_seed": info["responses_depend_on"].get("seed"),
            "synthetic_data": named.synthetic,
        },
        "git_hash": None,
        "date": start,
        "model_source": str(info["model"].get("spec", named.name)).partition(":")[0],
        "model_name": named.name,
        "model_name_sanitized": sanitized(named.name),
        "start_time": start,
        "end_time": end,
        "total_evaluation_time_seconds": None if start is None or end is None else str(end - start),
    }


def _task(r: Result) -> str:
    """A task per benchmark; conditions other than `on` are tasks of their own."""
    return r.benchmark if r.condition == "on" else f"{r.benchmark}_vision_{r.condition}"


def _times(info: dict[str, Any]) -> tuple[float | None, float | None]:
    """Start of the first and end of the last pass, in seconds since 1970."""
    passes = info.get("passes") or [{}]
    return _seconds(passes[0].get("start")), _seconds(passes[-1].get("end"))


def _seconds(text: str | None) -> float | None:
    if not text:
        return None
    from datetime import datetime

    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


class LmEval(Export):
    """A results file for each run."""

    name = "lm-eval"
    summary = "a results file of the lm-evaluation-harness for each run"

    def write(self, runs: Sequence[NamedRun], out: Path, scorer: str) -> Exported:
        """Writes all scorers, each as a filter; conditions other than `on` are tasks of their own."""
        made = zip(runs, stems(runs), strict=True)
        return Exported(tuple(style.write(out / f"{stem}.json", lm_eval_text(named)) for named, stem in made))


EXPORT = LmEval()
