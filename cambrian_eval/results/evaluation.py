"""Running and scoring together: what `cambrian-eval run` and `import` do, and what Python users call."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cambrian_eval.benchmark import Benchmark, PromptStyle
from cambrian_eval.data.rows import DataSpec
from cambrian_eval.decoding import Mode
from cambrian_eval.engines.local import LocalEngine
from cambrian_eval.errors import UserError
from cambrian_eval.image import MAX_PIXELS
from cambrian_eval.model import Model
from cambrian_eval.models.recipes.applied import Given, applied, processor_options, processor_settings
from cambrian_eval.models.recipes.catalog import load
from cambrian_eval.names import named
from cambrian_eval.results.averages import by_run
from cambrian_eval.results.basis import changed_by_rules, key_of
from cambrian_eval.results.enough import check_rule, watch
from cambrian_eval.results.grading import save_results, score_cell, usable_scorers
from cambrian_eval.running.changes import OnChange
from cambrian_eval.running.engine import Engine
from cambrian_eval.running.notebook import NotebookProgress, in_notebook
from cambrian_eval.running.progress import Progress, Silent
from cambrian_eval.running.records import Cell
from cambrian_eval.running.runner import check, execute
from cambrian_eval.running.settings import RunOutcome, Settings
from cambrian_eval.running.sharding import Shard
from cambrian_eval.running.stopping import Until
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Result


def run(
    model: str | Model,
    benchmarks: str | Sequence[str],
    out: str | Path,
    *,
    vision: str | Sequence[str] = ("on",),
    data: str = "hub",
    data_root: str | Path | None = None,
    recipe: str | None = None,
    prompts: PromptStyle | None = None,
    scorers: str | Sequence[str] = ("fuzzy", "official"),
    official_raw: bool = False,
    limit: int | None = None,
    seed: int = 0,
    max_new_tokens: int | None = None,
    decoding: Mapping[str, Any] | None = None,
    system: str | None = None,
    thinking: Mode | None = None,
    thinking_budget: int | None = None,
    repeats: int = 1,
    max_pixels: int = MAX_PIXELS,
    max_failures: float = 0.01,
    retry_failed: bool = False,
    cache: str | Path | None = None,
    offline: bool = False,
    revision: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    allow_urls: bool = False,
    on_change: OnChange = "refuse",
    allow_mixed: bool = False,
    shard: str | None = None,
    until: float | Until | None = None,
    options: Mapping[str, Any] | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> RunOutcome:
    """Runs a model over benchmarks and vision conditions into the folder `out`; resumes where an earlier call stopped.

    `benchmarks`, `vision` and `scorers` are lists, or one text such as `"mmvp,gqa"`; suites and categories are names of
    benchmarks too. Progress is shown in a notebook; elsewhere, and with `progress=Silent()`, there is none.
    `settings` maps a benchmark's name to its settings, `options` are those of the model's adapter, `decoding` the
    settings of `-G`, such as `{"temperature": 0.7}`. `recipe` is a name or a file; what is set beside it wins.
    `until` stops a benchmark when its interval is at most so many points to each side, or by another `Until`.
    """
    shown = progress or (NotebookProgress() if in_notebook() else Silent())
    chosen_names = named(_listed(benchmarks))
    for line in chosen_names.says:
        shown.say(line)
    given_settings = settings or {}
    own = {
        name: {**chosen_names.settings.get(name, {}), **given_settings.get(name, {})}
        for name in {**chosen_names.settings, **given_settings}
    }
    recipe_used = None if recipe is None else load(recipe)
    images = processor_settings(options or {})
    given = Given(prompts, decoding or {}, max_new_tokens, system, thinking, thinking_budget, images)
    root = None if data_root is None else Path(data_root)
    chosen = Settings(
        benchmarks=chosen_names.benchmarks,
        conditions=tuple(_listed(vision)),
        data=DataSpec.parse(data, root, revision, offline, allow_urls),
        scorers=tuple(_listed(scorers)),
        official_raw=official_raw,
        limit=limit,
        seed=seed,
        repeats=repeats,
        max_pixels=max_pixels,
        max_failures=max_failures,
        retry_failed=retry_failed,
        benchmark_settings=own,
        on_change=on_change,
        allow_mixed=allow_mixed,
        shard=None if shard is None else Shard.parse(shard),
        until=Until(until) if isinstance(until, int | float) else until,
        offline=offline,
        **applied(recipe_used, given),
        cache=None if cache is None else Path(cache),
    )
    if isinstance(model, str):
        options = {**(options or {}), **processor_options(model, recipe_used, options or {})}
    elif recipe_used is not None and recipe_used.processor:
        raise UserError(f"model {model.name!r} is loaded already; recipe {recipe} sets its image processor")
    return evaluate(model, chosen, Path(out), options, engine, shown, stop)


def _listed(names: str | Sequence[str]) -> list[str]:
    """`a, b` or a list of names as a list, each once."""
    parts = names.split(",") if isinstance(names, str) else names
    return list(dict.fromkeys(part.strip() for part in parts if part.strip()))


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
    plan = check(settings)
    for benchmark in plan:
        usable_scorers(benchmark, settings.scorers)

    shown = progress or Silent()

    def warn(lines: Sequence[str]) -> None:
        for text in lines:
            shown.say(f"warning: {text}")

    def score(store: Run, benchmark: Benchmark, cell: Cell) -> list[Result]:
        results = score_cell(store, benchmark, cell, settings.scorers, official_raw=settings.official_raw)
        warn(_add_results(store, results))
        return results

    driver = engine or LocalEngine()
    check_rule(settings, plan, driver, bool((options or {}).get("batch_api")))
    until = settings.until
    rule = None if until is None else partial(watch, settings, until)

    def save(store: Run, results: Sequence[Result]) -> None:
        warn(save_results(store, results))

    return execute(model, settings, out, options, driver, shown, score, save, stop, rule)


def _add_results(run: Run, results: Sequence[Result]) -> list[str]:
    """Adds the results of a finished cell while the run goes on; returns which scores changed with the rules.

    The other results are not checked again: `save_results` does that once, at the end. A resumed run does not write
    what it holds already.
    """
    stored = run.results()
    merged = run.merged_results(results)
    if merged == stored:
        return []
    run.save_results(merged, by_run(merged))
    return changed_by_rules({key_of(r): r for r in stored}, results)
