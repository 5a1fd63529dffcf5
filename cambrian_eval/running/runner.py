"""A run: plans the cells (benchmark x condition), drives an engine and stores every response as it arrives.

Starting it again on the same folder resumes it; settings that responses depend on must then be equal. The runner does
not score: it calls a function for each finished cell (see `results.evaluation`).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
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
from cambrian_eval.running.mixtures import general, mixture, ways_of
from cambrian_eval.running.progress import CountsTokens, Progress
from cambrian_eval.running.settings import RunOutcome, Settings
from cambrian_eval.running.sharding import by_image
from cambrian_eval.running.status import Heartbeat
from cambrian_eval.running.store import Cell, Record, Run, create_or_open
from cambrian_eval.sample import Request, Result, Sample, request_id, request_key

Score = Callable[[Run, Benchmark, Cell], list[Result]]
"""What scores a finished cell: stores its verdicts and gives its results."""


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
) -> RunOutcome:
    """Runs a model over the planned cells into the folder `out`; resumes where an earlier call stopped.

    `score` is called for every cell whose responses are complete, and `save` for all results at the end, while the
    run is still locked.
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
    for benchmark in plan:
        if stop.is_set():
            return RunOutcome(store, (), 0, 0, True)
        loaded[benchmark.name] = load_samples(benchmark, settings.data, settings.limit, only=settings.only)
        _check_images(benchmark, loaded[benchmark.name].samples, settings, progress)
    for text in (w for data in loaded.values() for w in data.warnings):
        progress.say(f"warning: {text}")
    cache = None if settings.cache is None else ResponseCache(settings.cache)
    known = {"seed": settings.seed, "offline": settings.offline, "rehash": settings.data.rehash, **(options or {})}
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
                _CellRun(store, Cell(b.name, condition), b, loaded[b.name].samples, settings, chosen, cache)
                for b in plan
                for condition in settings.conditions
            ]
            changed = _check_stored(store, tasks, loaded, settings, progress, info)
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
    lines = described(changes, samples)
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


def missing_image(benchmark: Benchmark, sample: Sample) -> str | None:
    """Why a sample cannot be asked with vision, as far as this is known without reading its images."""
    needed = benchmark.images_needed(sample)
    if len(sample.images) < needed:
        return "the sample has no image" if not sample.images else f"{len(sample.images)} of {needed} images"
    return next((image.problem for image in sample.images if image.problem is not None), None)


def _check_images(benchmark: Benchmark, samples: Sequence[Sample], settings: Settings, progress: Progress) -> None:
    """Refuses to run blind: too many samples without their images end the run before the model is loaded."""
    asked = [n for n in settings.conditions if registry.load_condition(n).needs_images]
    if not asked or settings.images_optional:
        return
    missing = [(s, reason) for s in samples if (reason := missing_image(benchmark, s)) is not None]
    if not missing:
        return
    first, reason = missing[0]
    text = (
        f"{benchmark.name}: {len(missing)} of {len(samples)} samples cannot be asked with vision "
        f"{', '.join(asked)}; the first, {first.id}: {reason}"
    )
    if len(missing) > settings.max_failures * len(samples):
        raise UserError(f"{text}; add the images, or use --vision off, or raise --max-failures")
    progress.say(f"warning: {text}")


class _CellRun:
    """One benchmark under one condition: pending samples, their requests, and where responses are stored."""

    def __init__(
        self,
        store: Run,
        cell: Cell,
        benchmark: Benchmark,
        samples: Sequence[Sample],
        settings: Settings,
        model: Model,
        cache: ResponseCache | None,
    ) -> None:
        self.cache, self.n_cached = cache, 0
        self.store, self.cell, self.benchmark = store, cell, benchmark
        self.settings, self.model, self.samples = settings, model, samples
        self.condition = registry.load_condition(cell.condition)
        mine = samples if settings.shard is None else settings.shard.of(samples)
        known = {s.id for s in graded_samples(self.condition, samples, benchmark)}
        self.mine = [s for s in mine if s.id in known]
        self.max_new_tokens = settings.answer_limit(benchmark)
        self.places_images = benchmark.places_images(settings.prompts)
        self.stated = facts(settings.decoding, settings.system, settings.thinking, settings.order)
        self.n = self.n_failed = self.n_outage = 0
        self.stale: set[tuple[str, int]] = set()
        self.context = Context(samples, settings.seed, settings.max_pixels)
        self.needs_images = self.condition.needs_images and not settings.images_optional and model.max_images != 0

    def drive(self, engine: Engine, progress: Progress, heartbeat: Heartbeat, stop: threading.Event) -> bool:
        """Requests what is pending; True when every sample of the cell (in this run's shard) has its response."""
        stored = self.store.all_responses(self.cell)
        done = {i: r.finish == "failed" for i, r in stored.items() if i not in self.stale and not r.outage}
        if self.settings.retry_failed:
            done = {i: broken for i, broken in done.items() if not broken}
        known = {(s.id, n) for s in self.mine for n in range(self.settings.repeats)}
        self.n = sum(i in known for i in done)
        self.n_failed = sum(broken for i, broken in done.items() if i in known)
        pending = [(s, n) for s in by_image(self.mine) for n in range(self.settings.repeats) if (s.id, n) not in done]
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
                self._store(writer.append, completed, *asked.pop(completed.response.id))
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
                    progress.say(f"{self.cell.stem}: {self.n_cached} of {len(pending)} responses from the cache")
                jobs = (Job(i, self._preparation(s, n), self.settings.max_pixels) for i, (s, n) in [*asked.items()])
                for completed in engine.run(self.model, jobs, stop) if asked else ():
                    take(completed)
                    if self.cache is not None and completed.request is not None:
                        self.cache.put(completed.request.key, self.model.name, completed.response)
            finally:
                writer.close()
        heartbeat.finish()
        return self.n == self.total

    @property
    def total(self) -> int:
        """Responses of the cell when it is complete."""
        return len(self.mine) * self.settings.repeats

    def changes(self) -> list[Change]:
        """The stored responses that belong to other requests than those of this command."""
        records = {i: r for i, r in self.store.all_responses(self.cell).items() if not r.outage}
        if not records:
            return []
        return changed_requests(self.cell, self.mine, records, lambda sample, n: self._preparation(sample, n)(False))

    def _prompt(self, sample: Sample) -> str:
        return self.settings.prompt(self.benchmark, sample)

    def _store(self, append: Callable[[Record], None], completed: Completed, sample: Sample, repeat: int) -> None:
        request, response = completed.request, completed.response
        hashes = () if request is None else tuple(p.sha256 for p in request.images)
        if request is not None and request.images_dropped:
            response = replace(response, notes={**response.notes, "images_dropped": request.images_dropped})
        prompt = self._prompt(sample) if request is None else request.prompt
        append(Record.of(response, request.key if request else "", prompt, hashes, repeat))
        self.n += 1
        self.n_failed += response.finish == "failed"
        self.n_outage += bool(response.notes.get("outage"))

    def _preparation(self, sample: Sample, repeat: int) -> Callable[[bool], Request]:
        def prepare(decode: bool) -> Request:
            if self.needs_images and (reason := missing_image(self.benchmark, sample)) is not None:
                raise ValueError(reason)
            shown = self.condition.apply(sample, self.context)
            kept = shown if self.model.max_images is None else shown[: self.model.max_images]
            images = tuple(i.decoded(self.settings.max_pixels) if decode else i.fetched() for i in kept)
            settings = self.settings
            parts = key_parts(self.max_new_tokens, settings.seed, self.stated, repeat, self.places_images)
            hashes = tuple(p.sha256 for p in images)
            prompt = self.condition.words(self._prompt(sample), sample)
            return Request(
                id=request_id(sample.id, repeat),
                benchmark=self.cell.benchmark,
                condition=self.cell.condition,
                prompt=prompt,
                images=images,
                images_dropped=len(shown) - len(kept),
                max_new_tokens=self.max_new_tokens,
                key=request_key(self.model.fingerprint, prompt, hashes, parts),
                places_images=self.places_images,
                decoding=settings.decoding,
                system=settings.system,
                thinking=settings.thinking,
                order=settings.order,
                repeat=repeat,
            )

        return prepare
