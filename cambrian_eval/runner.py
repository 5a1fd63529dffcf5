"""A run: plan the cells (benchmark x condition), drive an engine, keep the store fed, score what is complete.

`run` is what `cambrian-eval run` calls and what Python users call. Starting it again on the same folder goes on
where it was; settings that would change answers must be equal then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, get_args, runtime_checkable

from cambrian_eval import manifest, vision
from cambrian_eval.benchmark import Benchmark, PromptStyle
from cambrian_eval.engines.local import Answer, Job, LocalEngine
from cambrian_eval.errors import UserError, unknown
from cambrian_eval.model import Model, ModelOptions, Observer, locate, resolve
from cambrian_eval.picture import MAX_PIXELS
from cambrian_eval.pulse import Pulse
from cambrian_eval.registry import load_benchmark
from cambrian_eval.rows import DataSpec, Loaded, load_samples
from cambrian_eval.sample import Request, Result, Sample, request_key
from cambrian_eval.scored import score_cell
from cambrian_eval.sharding import Shard, by_picture
from cambrian_eval.store import Cell, Record, Run, create_or_open


class Engine(Protocol):
    """What drives a model: `engines.local` in this process, `engines.ray` over many."""

    def run(self, model: Model, jobs: Iterator[Job], stop: threading.Event) -> Iterator[Answer]:
        """An answer for each job, in any order. After `stop` is set, what models already hold is still answered."""
        ...

    def facts(self) -> dict[str, Any]:
        """Which engine and how large, for run.json."""
        ...

    def condition(self) -> dict[str, Any]:
        """How things stand at this moment (GPU memory, replicas), for `status`."""
        ...


@runtime_checkable
class Loader(Protocol):
    """An engine that loads models itself, elsewhere; what it opens stands for them here."""

    def open(self, model: str | Model, options: ModelOptions) -> Model:
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


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything about a run that is not the model."""

    benchmarks: tuple[str, ...]
    """Names, in the order in which they run."""
    conditions: tuple[str, ...] = ("on",)
    """Vision conditions, each applied to every benchmark."""
    data: DataSpec = field(default_factory=DataSpec)
    """Which rows."""
    prompts: PromptStyle = "official"
    """Whose wording the prompts have."""
    scorers: tuple[str, ...] = ("fuzzy", "official")
    """The deterministic scorers to apply; the first one's score is shown as cells end."""
    limit: int | None = None
    """Only so many samples of each benchmark, pairs kept whole; None = all."""
    seed: int = 0
    """Of everything random in the conditions; part of every request's key."""
    max_new_tokens: int | None = None
    """Instead of each benchmark's own limit."""
    max_pixels: int = MAX_PIXELS
    """Pictures with more pixels than this count as failed."""
    retry_failed: bool = False
    """Whether samples that failed in an earlier start are asked again."""
    switches: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Benchmark name -> setting -> value."""
    shard: Shard | None = None
    """The part of every benchmark that this run answers; None = all of it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    run: Run
    """The folder, open for reading."""
    results: tuple[Result, ...]
    """A result for each finished benchmark, condition and scorer."""
    n: int
    """Samples that have an answer, over all cells, earlier starts included."""
    n_failed: int
    """Those among them that failed."""
    interrupted: bool
    """Whether it was stopped before the end; the same call goes on."""


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
    limit: int | None = None,
    seed: int = 0,
    max_new_tokens: int | None = None,
    max_pixels: int = MAX_PIXELS,
    retry_failed: bool = False,
    offline: bool = False,
    revision: str | None = None,
    switches: Mapping[str, Mapping[str, Any]] | None = None,
    shard: str | None = None,
    options: ModelOptions | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Run a model over benchmarks and vision conditions into the folder `out`; goes on where an earlier call ended."""
    root = None if data_root is None else Path(data_root)
    settings = Settings(
        tuple(dict.fromkeys(benchmarks)),
        tuple(vision),
        DataSpec.parse(data, root, revision, offline),
        prompts,
        tuple(scorers),
        limit,
        seed,
        max_new_tokens,
        max_pixels,
        retry_failed,
        switches or {},
        None if shard is None else Shard.parse(shard),
    )
    return execute(model, settings, Path(out), options, engine or LocalEngine(), progress or Silent(), stop)


def execute(
    model: str | Model,
    settings: Settings,
    out: Path,
    options: ModelOptions | None,
    engine: Engine,
    progress: Progress,
    stop: threading.Event | None = None,
) -> Outcome:
    """The same with everything said explicitly."""
    plan = _check(settings)
    if isinstance(model, str):
        locate(model)
    store = create_or_open(out)
    stop = stop or threading.Event()
    loaded: dict[str, Loaded] = {}
    for benchmark in plan:
        if stop.is_set():
            return Outcome(store, (), 0, 0, True)
        loaded[benchmark.name] = load_samples(benchmark, settings.data, settings.limit)
    for text in (w for data in loaded.values() for w in data.warnings):
        progress.say(f"warning: {text}")
    if isinstance(engine, Loader):
        chosen = engine.open(model, options or ModelOptions())
    else:
        chosen = resolve(model, options) if isinstance(model, str) else model
    try:
        with store.writing() as mended:
            for text in mended:
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
            results = _drive(tasks, engine, progress, Pulse(store, engine.condition), stop)
            store.save_results(results)
            manifest.close_pass(store, interrupted=stop.is_set())
    finally:
        if isinstance(engine, Loader):
            engine.close()
    return Outcome(store, tuple(results), sum(t.n for t in tasks), sum(t.n_failed for t in tasks), stop.is_set())


def _drive(
    tasks: Sequence[_CellRun], engine: Engine, progress: Progress, pulse: Pulse, stop: threading.Event
) -> list[Result]:
    """Cell by cell: answers, then verdicts and results; ends early where `stop` is set."""
    results: list[Result] = []
    pulse.plan({t.cell: len(t.mine) for t in tasks})
    for task in tasks:
        finished = task.drive(engine, progress, pulse, stop)
        scored = score_cell(task.store, task.benchmark, task.cell, task.settings.scorers) if finished else []
        progress.finish(task.cell, scored[0] if scored else None)
        results += scored
        if not finished:
            break
    return results


def _check(settings: Settings) -> list[Benchmark]:
    """The benchmarks with their switches set; every name is checked before anything is loaded."""
    if not settings.benchmarks:
        raise UserError("no benchmark named; give --benchmark NAME[,NAME...] or 'all'")
    if not settings.scorers:
        raise UserError("no scorer named; give --scorer fuzzy, official or both")
    vision.check_conditions(settings.conditions)
    if settings.prompts not in get_args(PromptStyle):
        raise unknown("prompt style", settings.prompts, get_args(PromptStyle))
    for name in settings.switches:
        if name not in settings.benchmarks:
            raise UserError(f"a setting names benchmark {name!r}, which is not in this run")
    plan = [load_benchmark(name, **settings.switches.get(name, {})) for name in settings.benchmarks]
    for benchmark in plan:
        for scorer in settings.scorers:
            if scorer not in benchmark.scorers:
                raise unknown(f"scorer of {benchmark.name}", scorer, benchmark.scorers)
    return plan


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
        self.swap = vision.partners(samples, settings.seed) if cell.condition == "shuffled" else {}

    def drive(self, engine: Engine, progress: Progress, pulse: Pulse, stop: threading.Event) -> bool:
        """Answers what is open; True when every sample of the cell (of this run's part of it) has its answer."""
        done = {i: r.finish == "failed" for i, r in self.store.responses(self.cell).items()}
        if self.settings.retry_failed:
            done = {i: broken for i, broken in done.items() if not broken}
        known = {s.id for s in self.mine}
        self.n = sum(i in known for i in done)
        self.n_failed = sum(broken for i, broken in done.items() if i in known)
        pending = [s for s in by_picture(self.mine) if s.id not in done]
        progress.start(self.cell, len(self.mine), self.n)
        pulse.start(self.cell, self.n, self.n_failed)
        if pending:
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
                    pulse.beat(broken)
            finally:
                writer.close()
        pulse.finish()
        return self.n == len(self.mine)

    def _prompt(self, sample: Sample) -> str:
        return self.benchmark.prompt(sample, self.settings.prompts)

    def _keep(self, append: Callable[[Record], None], answer: Answer, sample: Sample) -> None:
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
            images, dropped = vision.shown(
                self.cell.condition,
                sample,
                self.swap,
                self.settings.seed,
                self.model.max_images,
                self.settings.max_pixels,
                decode,
            )
            decoding = {"max_new_tokens": self.max_new_tokens, "seed": self.settings.seed}
            hashes = tuple(p.sha256 for p in images)
            prompt = self._prompt(sample)
            return Request(
                id=sample.id,
                benchmark=self.cell.benchmark,
                condition=self.cell.condition,
                prompt=prompt,
                images=images,
                images_dropped=dropped,
                max_new_tokens=self.max_new_tokens,
                guesses=sample.guesses,
                key=request_key(self.model.fingerprint, prompt, hashes, decoding),
            )

        return prepare
