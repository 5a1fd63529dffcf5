"""A run: plans the cells (benchmark x condition), drives an engine and stores every response as it arrives.

Starting it again on the same folder resumes it; settings that responses depend on must then be equal. The runner does
not score: it calls a function for each finished cell (see `results.evaluation`).
"""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol, get_args, runtime_checkable

from cambrian_eval import registry
from cambrian_eval.benchmark import Benchmark, PromptStyle
from cambrian_eval.condition import Context, graded_samples
from cambrian_eval.data.rows import Loaded, load_samples
from cambrian_eval.decoding import asked, facts, key_parts
from cambrian_eval.engines.local import Completed, Job
from cambrian_eval.errors import UserError, unknown
from cambrian_eval.model import Model, Observer, Resumable, Spending, honours, refuse_unhonoured
from cambrian_eval.running import manifest
from cambrian_eval.running.cache import ResponseCache, answered
from cambrian_eval.running.changes import NAMED, Change, OnChange, changed_requests, changed_samples, described
from cambrian_eval.running.images import check_images, missing_image
from cambrian_eval.running.mixtures import general, mixture, ways_of
from cambrian_eval.running.progress import CountsTokens, Progress, stage
from cambrian_eval.running.progress import plan as tell_plan
from cambrian_eval.running.records import Cell, Record
from cambrian_eval.running.settings import RunOutcome, Settings
from cambrian_eval.running.sharding import by_image
from cambrian_eval.running.status import Heartbeat
from cambrian_eval.running.stopping import Halt, Watch, record_stop
from cambrian_eval.running.store import Run, create_or_open
from cambrian_eval.sample import Request, RequestKeys, Result, Sample, request_id

Score = Callable[[Run, Benchmark, Cell], list[Result]]
"""What scores a finished cell: stores its verdicts and gives its results."""
Rule = Callable[[Benchmark, Cell, Sequence[Sample]], Watch]
"""What decides for a cell when it has enough samples."""


class Engine(Protocol):
    """What drives a model: `engines.local` in this process, `engines.ray` over many."""

    def run(self, model: Model, jobs: Iterator[Job], stop: threading.Event) -> Iterator[Completed]:
        """An answer for each job, in any order. After `stop` is set, what models already hold is still answered."""
        ...

    def facts(self) -> dict[str, Any]:
        """Which engine and how large, for run.json."""
        ...

    def state(self) -> dict[str, Any]:
        """The state at this moment (GPU memory, replicas), for `status`."""
        ...


@runtime_checkable
class Loader(Protocol):
    """An engine that loads the model in other processes; `open` gives the local proxy."""

    def open(self, model: str | Model, options: Mapping[str, Any]) -> Model:
        """The proxy of the loaded model; called once, before the first `run`."""
        ...

    def close(self) -> None:
        """Releases what `open` started; called however the run ends."""
        ...


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

    `score` is called for every cell whose responses are complete, and `save` for all results at the end, while the
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
                _CellRun(store, cell, b, loaded[b.name].samples, graded, settings, chosen, cache, watches.get(cell))
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
    tasks: Sequence[_CellRun],
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
    tasks: Sequence[_CellRun],
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
        scored = score(task.store, task.benchmark, task.cell) if finished else []
        progress.finish(task.cell, scored[0] if scored else None)
        results += scored
        if not task.settings.allow_mixed:
            notes = [r.notes for r in task.store.all_responses(task.cell).values()]
            ways += ways_of(map(general, notes))
            if (mixed := mixture(ways_of(notes)) or mixture(ways)) is not None:
                return results, mixed
        if not finished:
            break
    return results, None


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


class _CellRun:
    """One benchmark under one condition: pending samples, their requests, and where responses are stored."""

    def __init__(
        self,
        store: Run,
        cell: Cell,
        benchmark: Benchmark,
        samples: Sequence[Sample],
        graded: Sequence[Sample],
        settings: Settings,
        model: Model,
        cache: ResponseCache | None,
        watch: Watch | None,
    ) -> None:
        self.watch = watch
        self.cache, self.n_cached = cache, 0
        self.store, self.cell, self.benchmark = store, cell, benchmark
        self.settings, self.model, self.samples = settings, model, samples
        self.condition = registry.load_condition(cell.condition)
        mine = samples if settings.shard is None else settings.shard.of(samples)
        known = {s.id for s in graded}
        self.mine = [s for s in mine if s.id in known]
        self.max_new_tokens = settings.answer_limit(benchmark)
        self.places_images = benchmark.places_images(settings.prompts)
        stated = facts(settings.decoding, settings.system, settings.thinking, settings.order)

        def keys_of(repeat: int) -> RequestKeys:
            parts = key_parts(self.max_new_tokens, settings.seed, stated, repeat, self.places_images)
            return RequestKeys(model.fingerprint, parts)

        self.keys = functools.cache(keys_of)
        self.n = self.n_failed = self.n_outage = self.n_stored = 0
        self.stale: set[tuple[str, int]] = set()
        self.context = Context(samples, settings.seed, settings.max_pixels)
        self.needs_images = self.condition.needs_images and not settings.images_optional and model.max_images != 0

    def drive(self, engine: Engine, progress: Progress, heartbeat: Heartbeat, stop: threading.Event) -> bool:
        """Requests what is pending; True when every sample of the cell (in this run's shard) has its response.

        With a rule it is also True when the rule has stopped the cell.
        """
        stored = self.store.all_responses(self.cell)
        done = {i: r.finish == "failed" for i, r in stored.items() if i not in self.stale and not r.outage}
        if self.settings.retry_failed:
            done = {i: broken for i, broken in done.items() if not broken}
        known = {(s.id, n) for s in self.mine for n in range(self.settings.repeats)}
        self.n = sum(i in known for i in done)
        self.n_failed = sum(broken for i, broken in done.items() if i in known)
        order = by_image(self.mine) if self.watch is None else self.watch.order
        pending = [(s, n) for s in order for n in range(self.settings.repeats) if (s.id, n) not in done]
        if self.watch is not None and pending and any(self.watch.take(r) for i, r in stored.items() if i in done):
            pending = []
        halt = Halt(stop)
        progress.start(self.cell, self.total, self.n)
        heartbeat.start(self.cell, self.n, self.n_failed)
        if pending:
            self.condition.check(self.context)
            if isinstance(self.model, Observer):
                self.model.observe(self.cell.benchmark, self.samples)
            asked = {request_id(s.id, n): (s, n) for s, n in pending}
            if len(asked) < len(pending):
                raise UserError(f"{self.cell.benchmark}: ids such as 'x' and 'x#1' cannot be repeated; rename them")
            writer = self.store.writer(self.cell)
            count = progress.count if isinstance(progress, CountsTokens) else None  # asked once: it is slow

            def take(completed: Completed) -> None:
                record = self._store(writer.append, completed, *asked.pop(completed.response.id))
                if self.watch is not None and self.watch.take(record):
                    halt.set()
                broken = completed.response.finish == "failed"
                if count is not None:
                    count(completed.response)
                progress.advance(self.cell, broken)
                heartbeat.beat(broken)

            try:
                if self.cache is not None:
                    makers = [self._preparation(s, n) for s, n in asked.values()]
                    for completed in answered(self.cache, makers):
                        take(completed)
                        self.n_cached += 1
                        if halt.is_set():
                            break
                    progress.say(f"{self.cell.stem}: {self.n_cached} of {len(pending)} responses from the cache")
                jobs = (Job(i, self._preparation(s, n), self.settings.max_pixels) for i, (s, n) in [*asked.items()])
                for completed in engine.run(self.model, jobs, halt) if asked and not halt.is_set() else ():
                    take(completed)
                    if self.cache is not None and completed.request is not None:
                        self.cache.put(completed.request.key, self.model.name, completed.response)
            finally:
                writer.close()
        heartbeat.finish()
        whole = self.n == self.total and not self.n_outage  # also by requests in flight: then all are used
        found = None if self.watch is None or whole else self.watch.stop
        record_stop(self.store, self.cell, None if found is None else asdict(found))
        if found is not None:
            progress.say(f"{self.cell.stem}: stopped by {found.rule} after {found.samples:,} of {found.of:,} samples")
        return self.n == self.total or found is not None

    @property
    def total(self) -> int:
        """Responses of the cell when it is complete."""
        return len(self.mine) * self.settings.repeats

    def changes(self) -> list[Change]:
        """The stored responses that belong to other requests than those of this command."""
        records = {i: r for i, r in self.store.all_responses(self.cell).items() if not r.outage}
        kept = [i for i, r in records.items() if not (self.settings.retry_failed and r.finish == "failed")]
        self.n_stored = len({(s.id, n) for s in self.mine for n in range(self.settings.repeats)}.intersection(kept))
        if not records:
            return []
        return changed_requests(self.cell, self.mine, records, lambda sample, n: self._preparation(sample, n)(False))

    def _prompt(self, sample: Sample) -> str:
        return self.settings.prompt(self.benchmark, sample)

    def _store(self, append: Callable[[Record], None], completed: Completed, sample: Sample, repeat: int) -> Record:
        request, response = completed.request, completed.response
        hashes = () if request is None else tuple(p.sha256 for p in request.images)
        if request is not None and request.images_dropped:
            response = replace(response, notes={**response.notes, "images_dropped": request.images_dropped})
        prompt = self._prompt(sample) if request is None else request.prompt
        record = Record.of(response, request.key if request else "", prompt, hashes, repeat)
        append(record)
        self.n += 1
        self.n_failed += response.finish == "failed"
        self.n_outage += bool(response.notes.get("outage"))
        return record

    def _preparation(self, sample: Sample, repeat: int) -> Callable[[bool], Request]:
        def prepare(decode: bool) -> Request:
            if self.needs_images and (reason := missing_image(self.benchmark, sample)) is not None:
                raise ValueError(reason)
            shown = self.condition.apply(sample, self.context)
            kept = shown if self.model.max_images is None else shown[: self.model.max_images]
            images = tuple(i.decoded(self.settings.max_pixels) if decode else i.fetched() for i in kept)
            settings = self.settings
            prompt = self.condition.words(self._prompt(sample), sample)
            return Request(
                id=request_id(sample.id, repeat),
                benchmark=self.cell.benchmark,
                condition=self.cell.condition,
                prompt=prompt,
                images=images,
                images_dropped=len(shown) - len(kept),
                max_new_tokens=self.max_new_tokens,
                key=self.keys(repeat).key(prompt, [p.sha256 for p in images]),
                places_images=self.places_images,
                decoding=settings.decoding,
                system=settings.system,
                thinking=settings.thinking,
                order=settings.order,
                repeat=repeat,
            )

        return prepare
