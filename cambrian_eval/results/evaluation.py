"""Running and scoring together: what `cambrian-eval run` and `import` do, and what Python users call."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cambrian_eval.benchmark import Benchmark, PromptStyle
from cambrian_eval.data.rows import DataSpec
from cambrian_eval.decoding import Mode, Thinking, parse
from cambrian_eval.engines.local import LocalEngine
from cambrian_eval.errors import UserError
from cambrian_eval.image import MAX_PIXELS
from cambrian_eval.model import Model
from cambrian_eval.results.grading import save_results, score_cell, usable_scorers
from cambrian_eval.running.changes import OnChange
from cambrian_eval.running.runner import Engine, Progress, Silent, check, execute
from cambrian_eval.running.settings import RunOutcome, Settings
from cambrian_eval.running.sharding import Shard
from cambrian_eval.running.store import Cell, Run
from cambrian_eval.sample import Result


def run(
    model: str | Model,
    benchmarks: Sequence[str],
    out: str | Path,
    *,
    vision: Sequence[str] = ("on",),
    data: str = "hub",
    data_root: str | Path | None = None,
    prompts: PromptStyle = "official",
    scorers: Sequence[str] = ("fuzzy", "official"),
    official_raw: bool = False,
    limit: int | None = None,
    seed: int = 0,
    max_new_tokens: int | None = None,
    decoding: Mapping[str, Any] | None = None,
    system: str | None = None,
    thinking: Mode = "auto",
    thinking_budget: int | None = None,
    repeats: int = 1,
    max_pixels: int = MAX_PIXELS,
    max_failures: float = 0.01,
    retry_failed: bool = False,
    offline: bool = False,
    revision: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    allow_urls: bool = False,
    on_change: OnChange = "refuse",
    allow_mixed: bool = False,
    shard: str | None = None,
    options: Mapping[str, Any] | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> RunOutcome:
    """Runs a model over benchmarks and vision conditions into the folder `out`; resumes where an earlier call stopped.

    `settings` maps a benchmark's name to its settings, `options` are those of the model's adapter, `decoding` the
    settings of `-G`, such as `{"temperature": 0.7}`.
    """
    root = None if data_root is None else Path(data_root)
    chosen = Settings(
        benchmarks=tuple(dict.fromkeys(benchmarks)),
        conditions=tuple(vision),
        data=DataSpec.parse(data, root, revision, offline, allow_urls),
        prompts=prompts,
        scorers=tuple(scorers),
        official_raw=official_raw,
        limit=limit,
        seed=seed,
        max_new_tokens=max_new_tokens,
        decoding=parse(decoding or {}, where="decoding"),
        system=system,
        thinking=Thinking(thinking, thinking_budget),
        repeats=repeats,
        max_pixels=max_pixels,
        max_failures=max_failures,
        retry_failed=retry_failed,
        benchmark_settings=settings or {},
        on_change=on_change,
        allow_mixed=allow_mixed,
        shard=None if shard is None else Shard.parse(shard),
        offline=offline,
    )
    return evaluate(model, chosen, Path(out), options, engine, progress, stop)


def evaluate(
    model: str | Model,
    settings: Settings,
    out: Path,
    options: Mapping[str, Any] | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> RunOutcome:
    """Like `run`, with the settings as one value."""
    if not settings.scorers:
        raise UserError("no scorer named; give --scorer fuzzy, official or both")
    for benchmark in check(settings):
        usable_scorers(benchmark, settings.scorers)

    def score(store: Run, benchmark: Benchmark, cell: Cell) -> list[Result]:
        return score_cell(store, benchmark, cell, settings.scorers, official_raw=settings.official_raw)

    shown = progress or Silent()

    def save(store: Run, results: Sequence[Result]) -> None:
        for text in save_results(store, results):
            shown.say(f"warning: {text}")

    return execute(model, settings, out, options, engine or LocalEngine(), shown, score, save, stop)
