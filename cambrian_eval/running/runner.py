"""A run: plans the cells (benchmark x condition), drives an engine and stores every response as it arrives.

Starting it again on the same folder resumes it; settings that responses depend on must then be equal. The runner does
not score: it calls a function for each finished cell (see `results.evaluation`).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from cambrian_eval import registry
from cambrian_eval.benchmark import Benchmark, PromptStyle
from cambrian_eval.condition import graded_samples
from cambrian_eval.data.rows import Loaded, load_samples
from cambrian_eval.decoding import asked
from cambrian_eval.errors import UserError, unknown
from cambrian_eval.model import Model, Observer, Resumable, Spending, honours, refuse_unhonoured
from cambrian_eval.running import manifest
from cambrian_eval.running.cache import ResponseCache
from cambrian_eval.running.cell_run import CellRun
from cambrian_eval.running.changes import NAMED, OnChange, changed_samples, described
from cambrian_eval.running.engine import Engine, Loader
from cambrian_eval.running.images import check_images
from cambrian_eval.running.mixtures import general, mixture, ways_of
from cambrian_eval.running.progress import Progress, stage
from cambrian_eval.running.progress import plan as tell_plan
from cambrian_eval.running.records import Cell
from cambrian_eval.running.settings import RunOutcome, Settings
from cambrian_eval.running.status import Heartbeat
from cambrian_eval.running.stopping import Watch
from cambrian_eval.running.store import Run, create_or_open
from cambrian_eval.sample import Result, Sample

Score = Callable[[Run, Benchmark, Cell], list[Result]]
"""What scores a finished cell: stores its verdicts and results, and gives the results."""
Rule = Callable[[Benchmark, Cell, Sequence[Sample]], Watch]
"""What decides for a cell when it has enough samples."""


def execute(
    model: str | Model,
    settings: Settings,
    out: Path,
    options: Mapping[str, Any] | None,
    engine: Engine,
    progress: Progress,
    score: Score,
    save: Callable[[Run, Sequence[Result]], None],
    stop: threading.Event | None = None,
    rule: Rule | None = None,
) -> RunOutcome:
    """Runs a model over the planned cells into the folder `out`; resumes where an earlier call stopped.

    `score` is called for every cell whose responses are complete, and `save` with all results at the end, while the
    run is still locked. With a `rule`, a cell may end before all its samples are requested.
    """
    plan = check(settings)
    settings = replace(settings, conditions=registry.check_conditions(settings.conditions))
    if isinstance(model, str):
        options = registry.check_options(model, options or {})
    elif options:
        raise UserError(f"model {model.name!r} is loaded already; options can only be set for a --model spec")
    if isinstance(engine, Loader) and (options or {}).get("budget") is not None:
        raise UserError("a budget holds for one process; leave out --budget, or use --engine local")
    store = create_or_open(out)
    stop = stop or threading.Event()
    loaded: dict[str, Loaded] = {}
    for i, benchmark in enumerate(plan, start=1):
        if stop.is_set():
            return RunOutcome(store, (), 0, 0, True)
        stage(progress, f"reading rows: {benchmark.name} ({i} of {len(plan)})")
        loaded[benchmark.name] = load_samples(benchmark, settings.data, settings.limit, only=settings.only)
        check_images(benchmark, loaded[benchmark.name].samples, settings, progress)
    for text in (w for data in loaded.values() for w in data.warnings):
        progress.say(f"warning: {text}")
    cells = [
        (b, Cell(b.name, name), graded_samples(registry.load_condition(name), loaded[b.name].samples, b))
        for b in plan
        for name in settings.conditions
    ]
    watches = {} if rule is None else {cell: rule(b, cell, samples) for b, cell, samples in cells if samples}
    cache = None if settings.cache is None else ResponseCache(settings.cache)
    known = {"seed": settings.seed, "offline": settings.offline, "rehash": settings.data.rehash, **(options or {})}
    stage(progress, f"loading model {model if isinstance(model, str) else model.name}")
    if isinstance(engine, Loader):
        chosen = engine.open(model, known)
    else:
        chosen = registry.resolve(model, known) if isinstance(model, str) else model
    try:
        refuse_unhonoured(chosen, asked(settings.decoding, settings.system, settings.thinking, settings.order))
        if settings.repeats > 1 and "temperature" in honours(chosen) and not settings.decoding.samples:
            progress.say("warning: --repeats with greedy decoding gives equal responses; set -G temperature=...")
        if cache is not None and isinstance(chosen, Observer):
            raise UserError(f"model {chosen.name} cannot use --cache: its responses depend on other samples too")
        with store.writing() as repairs:
            for text in repairs:
                progress.say(text)
            info = manifest.describe(model, chosen, settings, plan, loaded, options, engine.facts())
            if (store.path / "run.json").is_file():
                info = manifest.continued(store.info, info, store.path, settings.on_change)
            tasks = [
                CellRun(store, cell, b, loaded[b.name].samples, graded, settings, chosen, cache, watches.get(cell))
                for b, cell, graded in cells
            ]
            stage(progress, "comparing stored responses")
            changed = _check_stored(store, tasks, loaded, settings, progress, info)
            stage(progress, "")
            tell_plan(progress, {t.cell: (t.total, t.n_stored) for t in tasks})
            store.save_info(info)
            if isinstance(chosen, Spending):
                chosen.record_costs(store.path / "costs.jsonl")
            if isinstance(chosen, Resumable):
                chosen.keep_in(store.path / "batches")
            for benchmark in plan:
                if changed[benchmark.name] or not store.has_samples(benchmark.name):
                    store.save_samples(benchmark.name, loaded[benchmark.name].samples)
            loaded.clear()  # each task holds its samples until it has their responses
            cells.clear()
            results, mixed = _drive(tasks, engine, progress, score, Heartbeat(store, engine.state), stop)
            save(store, results)
            n_cached = None if cache is None else sum(t.n_cached for t in tasks)
            manifest.close_pass(store, interrupted=stop.is_set(), cached=n_cached)
    finally:
        if cache is not None:
            cache.close()
        if isinstance(engine, Loader):
            engine.close()
    if mixed is not None:
        raise UserError(
            f"{store.path} holds responses that were made in different ways: {mixed}; an average over them is not the "
            "score of one model; use another --out, or --allow-mixed to accept it (the results name it)"
        )
    n_failed, n_outage = sum(t.n_failed for t in tasks), sum(t.n_outage for t in tasks)
    return RunOutcome(store, tuple(results), sum(t.n for t in tasks), n_failed, stop.is_set(), n_outage, n_cached)


def _check_stored(
    store: Run,
    tasks: Sequence[CellRun],
    loaded: Mapping[str, Loaded],
    settings: Settings,
    progress: Progress,
    info: Mapping[str, Any],
) -> dict[str, list[str]]:
    """Compares what is stored with what this command would request; returns the samples that differ by benchmark.

    Responses that are kept although their requests differ become warnings in `info`, and so notes of the results.
    """
    samples = {name: changed_samples(store, name, data.samples) for name, data in loaded.items()}
    changes = [change for task in tasks for change in task.changes()]
    if not changes and not any(samples.values()):
        return samples
    before = manifest.data_changes(store.info, info) if (store.path / "run.json").is_file() else []
    lines = [*before, *described(changes, samples)]
    text = f"{store.path} holds responses to other requests than those of this command"
    if settings.on_change == "refuse":
        most = "; ".join(lines[:NAMED]) + (f"; and {len(lines) - NAMED} more" if len(lines) > NAMED else "")
        raise UserError(
            f"{text} ({most}); use --on-change ask to request them again, --on-change reuse to keep the stored "
            "responses, or another --out"
        )
    progress.say(f"{text}; they are {'requested again' if settings.on_change == 'ask' else 'kept'}:")
    for line in lines:
        progress.say(f"  {line}")
    for name in loaded if settings.on_change == "reuse" else ():
        mine = described([c for c in changes if c.cell.benchmark == name], {name: samples[name]})
        info["benchmarks"][name]["warnings"] += [f"kept, but made for other requests: {line}" for line in mine]
    if settings.on_change == "ask":
        for task in tasks:
            task.stale = {(c.id, c.repeat) for c in changes if c.cell == task.cell}
    return samples


def _drive(
    tasks: Sequence[CellRun],
    engine: Engine,
    progress: Progress,
    score: Score,
    heartbeat: Heartbeat,
    stop: threading.Event,
) -> tuple[list[Result], str | None]:
    """Cell by cell: responses, then scores; ends early where `stop` is set, or where responses are a mixture.

    The second value names the ways in which the responses were made, where they differ and that is not allowed.
    """
    results: list[Result] = []
    ways: Counter[str] = Counter()
    heartbeat.plan({t.cell: t.total for t in tasks})
    for task in tasks:
        finished = task.drive(engine, progress, heartbeat, stop)
        notes = [] if task.settings.allow_mixed else _notes(task)
        scored = score(task.store, task.benchmark, task.cell) if finished else []
        progress.finish(task.cell, scored[0] if scored else None)
        results += scored
        ways += ways_of(map(general, notes))
        if (mixed := mixture(ways_of(notes)) or mixture(ways)) is not None:
            return results, mixed
        if not finished:
            break
    return results, None


def _notes(task: CellRun) -> list[Mapping[str, Any]]:
    return [r.notes for r in task.store.all_responses(task.cell).values() if r.notes]


def check(settings: Settings) -> list[Benchmark]:
    """The benchmarks with their settings; every name is checked before anything is loaded."""
    if not settings.benchmarks:
        raise UserError("no benchmark named; give --benchmark NAME[,NAME...] or 'all'")
    registry.check_conditions(settings.conditions)
    if settings.on_change not in get_args(OnChange):
        raise unknown("--on-change", settings.on_change, get_args(OnChange))
    if settings.prompts not in get_args(PromptStyle):
        raise unknown("prompt style", settings.prompts, get_args(PromptStyle))
    for name in settings.benchmark_settings:
        if name not in settings.benchmarks:
            raise UserError(f"a setting names benchmark {name!r}, which is not in this run")
    found = [registry.load_benchmark(n, **settings.benchmark_settings.get(n, {})) for n in settings.benchmarks]
    for benchmark in found:
        if settings.prompts not in benchmark.prompt_styles:
            has = ", ".join(benchmark.prompt_styles)
            raise UserError(f"{benchmark.name} has no {settings.prompts!r} prompts; it has: {has}")
    return found
