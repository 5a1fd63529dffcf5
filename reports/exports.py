"""Results in the forms other tools read: long CSV, a model card's `model-index`, lm-evaluation-harness JSON.

Nothing is computed here besides units: the lm-eval form has fractions of the largest score with standard errors
derived from the 95 % interval, the others have the paper's scale.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from typing import Any

from cambrian_eval.numbers import number
from cambrian_eval.registry import benchmark_names, load_benchmark
from cambrian_eval.safe_text import MAX_NAME, csv_text
from cambrian_eval.sample import Result

from .catalogue import entry
from .runs import NamedRun

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


def model_index(named: NamedRun, scorer: str = "fuzzy") -> str:
    """The `model-index` block of a model card (YAML), with vision on; strings are quoted as JSON, which is YAML.

    Empty where nothing can be published: scores on synthetic data never are.
    """

    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=True)

    lines = ["model-index:", f"- name: {quoted(named.name)}", "  results:"]
    written = 0
    for r in named.results:
        if r.condition != "on" or r.scorer != scorer or r.score is None or r.synthetic:
            continue
        written += 1
        title, repo, split, metric = r.benchmark, r.benchmark, "test", "score"
        if r.benchmark in benchmark_names():
            declared = load_benchmark(r.benchmark, **named.run.info["benchmarks"][r.benchmark]["settings"])
            source = declared.source
            title, repo, split, metric = declared.title, source.repo, source.split, declared.metric
        partial = f" ({r.subset})" if r.subset else "" if r.complete else f" (subset: {r.n} samples)"
        lines += [
            "  - task:",
            "      type: visual-question-answering",
            "      name: Visual question answering",
            "    dataset:",
            f"      type: {quoted(repo)}",
            f"      name: {quoted(title)}",
            f"      split: {quoted(split)}",
            "    metrics:",
            f"    - type: {quoted(r.benchmark)}",
            f"      value: {number(r.score, 4)}",
            f"      name: {quoted(f'{metric}, {scorer} scorer{partial}')}",
            "      verified: false",
        ]
    return "\n".join(lines) + "\n" if written else ""


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


def sanitized(name: str) -> str:
    """A model's name as a file name: everything but letters, digits, "_", "." and "-" becomes "__"."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "__", name).strip("._")[:MAX_NAME] or "model"
