"""A run: plans the cells (benchmark x condition), drives an engine and stores every response as it arrives.

Starting it again on the same folder resumes it; settings that would change responses must then be equal. Scoring is
somebody else's work (`results.evaluation`): a function is called for each finished cell.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, get_args, runtime_checkable

from cambrian_eval import registry
from cambrian_eval.benchmark import Benchmark, PromptStyle
from cambrian_eval.condition import Context
from cambrian_eval.data.rows import Loaded, load_samples
from cambrian_eval.engines.local import Completed, Job
from cambrian_eval.errors import UserError, unknown
from cambrian_eval.model import Model, Observer
from cambrian_eval.running import manifest
from cambrian_eval.running.settings import Outcome, Settings
from cambrian_eval.running.sharding import by_image
from cambrian_eval.running.status import Heartbeat
from cambrian_eval.running.store import Cell, Record, Run, create_or_open
from cambrian_eval.sample import Request, Result, Sample, request_key

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
    """An engine that loads models itself, elsewhere; what it opens stands for them here."""

    def open(self, model: str | Model, options: Mapping[str, Any]) -> Model:
        """What stands for the loaded model; called once, before the first `run`."""
        ...

    def close(self) -> None:
        """Ends what `open` began; called however the run ends."""
        ...


class Progress(Protocol):
    """Told what happens; the command line draws bars from it."""

    def start(self, cell: Cell, total: int, done: int) -> None:
        """A cell of `total` samples begins, `done` of them answered by earlier starts."""
        ...

    def advance(self, cell: Cell, failed: bool) -> None:
        """One more answer of the cell is stored."""
        ...

    def finish(self, cell: Cell, result: Result | None) -> None:
        """The cell ends, with its result by the first scorer; None where answers of it are still missing."""
        ...

    def say(self, text: str) -> None:
        """A warning, or what was mended, in one line."""
        ...


class Silent:
    """Progress for callers that want none."""

    def start(self, cell: Cell, total: int, done: int) -> None:
        """Passes over the beginning of a cell."""
        return None

    def advance(self, cell: Cell, failed: bool) -> None:
        """Passes over an answer."""
        return None

    def finish(self, cell: Cell, result: Result | None) -> None:
        """Passes over the end of a cell; the result is in the `Outcome`."""
        return None

    def say(self, text: str) -> None:
        """Drops warnings too; those about the data stand in run.json."""
        return None


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
) -> Outcome:
    """Runs a model over the planned cells into the folder `out`; resumes where an earlier call stopped.

    `score` is called for every cell whose responses are complete, and `save` for all results at the end, while the
    run is still locked; results are handed on, not interpreted.
    """
    plan = check(settings)
    if isinstance(model, str):
        options = registry.check_options(model, options or {})
    elif options:
        raise UserError(f"model {model.name!r} is loaded already; options can only be set for a --model spec")
    store = create_or_open(out)
    stop = stop or threading.Event()
    loaded: dict[str, Loaded] = {}
    for benchmark in plan:
        if stop.is_set():
            return Outcome(store, (), 0, 0, True)
        loaded[benchmark.name] = load_samples(benchmark, settings.data, settings.limit)
    for text in (w for data in loaded.values() for w in data.warnings):
        progress.say(f"warning: {text}")
    known = {"seed": settings.seed, "offline": settings.offline, **(options or {})}
    if isinstance(engine, Loader):
        chosen = engine.open(model, known)
    else:
        chosen = registry.resolve(model, known) if isinstance(model, str) else model
    try:
        with store.writing() as repairs:
            for text in repairs:
                progress.say(text)
            info = manifest.describe(model, chosen, settings, plan, loaded, options, engine.facts())
            if (store.path / "run.json").is_file():
                info = manifest.continued(store.info, info, store.path)
            store.save_info(info)
            for benchmark in plan:
                if not store.has_samples(benchmark.name):
                    store.save_samples(benchmark.name, loaded[benchmark.name].samples)
            tasks = [
                _CellRun(store, Cell(b.name, condition), b, loaded[b.name].samples, settings, chosen)
                for b in plan
                for condition in settings.conditions
            ]
            results = _drive(tasks, engine, progress, score, Heartbeat(store, engine.state), stop)
            save(store, results)
            manifest.close_pass(store, interrupted=stop.is_set())
    finally:
        if isinstance(engine, Loader):
            engine.close()
    return Outcome(store, tuple(results), sum(t.n for t in tasks), sum(t.n_failed for t in tasks), stop.is_set())


def _drive(
    tasks: Sequence[_CellRun],
    engine: Engine,
    progress: Progress,
    score: Score,
    heartbeat: Heartbeat,
    stop: threading.Event,
) -> list[Result]:
    """Cell by cell: responses, then scores; ends early where `stop` is set."""
    results: list[Result] = []
    heartbeat.plan({t.cell: len(t.mine) for t in tasks})
    for task in tasks:
        finished = task.drive(engine, progress, heartbeat, stop)
        scored = score(task.store, task.benchmark, task.cell) if finished else []
        progress.finish(task.cell, scored[0] if scored else None)
        results += scored
        if not finished:
            break
    return results


def check(settings: Settings) -> list[Benchmark]:
    """The benchmarks with their settings; every name is checked before anything is loaded."""
    if not settings.benchmarks:
        raise UserError("no benchmark named; give --benchmark NAME[,NAME...] or 'all'")
    registry.check_conditions(settings.conditions)
    if settings.prompts not in get_args(PromptStyle):
        raise unknown("prompt style", settings.prompts, get_args(PromptStyle))
    for name in settings.benchmark_settings:
        if name not in settings.benchmarks:
            raise UserError(f"a setting names benchmark {name!r}, which is not in this run")
    return [registry.load_benchmark(n, **settings.benchmark_settings.get(n, {})) for n in settings.benchmarks]


class _CellRun:
    """One benchmark under one condition: which samples are open, how each becomes a request, where answers go."""

    def __init__(
        self,
        store: Run,
        cell: Cell,
        benchmark: Benchmark,
        samples: Sequence[Sample],
        settings: Settings,
        model: Model,
    ) -> None:
        self.store, self.cell, self.benchmark = store, cell, benchmark
        self.settings, self.model, self.samples = settings, model, samples
        self.mine = samples if settings.shard is None else settings.shard.of(samples)
        self.max_new_tokens = settings.max_new_tokens or benchmark.max_new_tokens
        self.n = self.n_failed = 0
        self.condition = registry.load_condition(cell.condition)
        self.context = Context(samples, settings.seed, settings.max_pixels)

    def drive(self, engine: Engine, progress: Progress, heartbeat: Heartbeat, stop: threading.Event) -> bool:
        """Completeds what is open; True when every sample of the cell (of this run's part of it) has its answer."""
        done = {i: r.finish == "failed" for i, r in self.store.responses(self.cell).items()}
        if self.settings.retry_failed:
            done = {i: broken for i, broken in done.items() if not broken}
        known = {s.id for s in self.mine}
        self.n = sum(i in known for i in done)
        self.n_failed = sum(broken for i, broken in done.items() if i in known)
        pending = [s for s in by_image(self.mine) if s.id not in done]
        progress.start(self.cell, len(self.mine), self.n)
        heartbeat.start(self.cell, self.n, self.n_failed)
        if pending:
            self.condition.check(self.context)
            if isinstance(self.model, Observer):
                self.model.observe(self.cell.benchmark, self.samples)
            jobs = (Job(s.id, self._preparation(s), self.settings.max_pixels) for s in pending)
            asked = {s.id: s for s in pending}
            writer = self.store.writer(self.cell)
            try:
                for answer in engine.run(self.model, jobs, stop):
                    self._keep(writer.append, answer, asked.pop(answer.response.id))
                    broken = answer.response.finish == "failed"
                    progress.advance(self.cell, broken)
                    heartbeat.beat(broken)
            finally:
                writer.close()
        heartbeat.finish()
        return self.n == len(self.mine)

    def _prompt(self, sample: Sample) -> str:
        return self.benchmark.prompt(sample, self.settings.prompts)

    def _keep(self, append: Callable[[Record], None], answer: Completed, sample: Sample) -> None:
        request, response = answer.request, answer.response
        hashes = () if request is None else tuple(p.sha256 for p in request.images)
        if request is not None and request.images_dropped:
            response = replace(response, notes={**response.notes, "images_dropped": request.images_dropped})
        prompt = self._prompt(sample) if request is None else request.prompt
        append(Record.of(response, request.key if request else "", prompt, hashes))
        self.n += 1
        self.n_failed += response.finish == "failed"

    def _preparation(self, sample: Sample) -> Callable[[bool], Request]:
        def prepare(decode: bool) -> Request:
            shown = self.condition.apply(sample, self.context)
            kept = shown if self.model.max_images is None else shown[: self.model.max_images]
            images = tuple(i.decoded(self.settings.max_pixels) if decode else i.fetched() for i in kept)
            decoding = {"max_new_tokens": self.max_new_tokens, "seed": self.settings.seed}
            hashes = tuple(p.sha256 for p in images)
            prompt = self._prompt(sample)
            return Request(
                id=sample.id,
                benchmark=self.cell.benchmark,
                condition=self.cell.condition,
                prompt=prompt,
                images=images,
                images_dropped=len(shown) - len(kept),
                max_new_tokens=self.max_new_tokens,
                key=request_key(self.model.fingerprint, prompt, hashes, decoding),
            )

        return prepare
