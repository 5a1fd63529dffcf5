"""A run: plan the cells (benchmark x condition), drive an engine, keep the store fed, score what is complete.

`run` is what `cambrian-eval run` calls and what Python users call. Starting it again on the same folder goes on
where it was; settings that would change answers must be equal then.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol, get_args

from cambrian_eval import vision
from cambrian_eval.benchmark import Benchmark, PromptStyle
from cambrian_eval.engines.local import Answer, Job, LocalEngine
from cambrian_eval.errors import UserError, unknown
from cambrian_eval.model import Model, ModelOptions, Observer, locate, resolve
from cambrian_eval.picture import MAX_PIXELS
from cambrian_eval.registry import load_benchmark
from cambrian_eval.rows import DataSpec, Loaded, load_samples
from cambrian_eval.sample import Request, Result, Sample, request_key
from cambrian_eval.scored import score_cell
from cambrian_eval.store import Cell, Record, Run, create_or_open

PACKAGES = (
    *("cambrian-eval", "torch", "transformers", "tokenizers", "datasets", "pyarrow", "pillow"),
    *("numpy", "scipy", "rapidfuzz", "openai"),
)


class Engine(Protocol):
    """What drives a model: `engines.local` in this process, `engines.ray` over many."""

    def run(self, model: Model, jobs: Iterator[Job], stop: threading.Event) -> Iterator[Answer]: ...


class Progress(Protocol):
    """Told what happens; the command line draws bars from it."""

    def start(self, cell: Cell, total: int, done: int) -> None: ...

    def advance(self, cell: Cell, failed: bool) -> None: ...

    def finish(self, cell: Cell, result: Result | None) -> None: ...

    def say(self, text: str) -> None: ...


class Silent:
    """Progress for callers that want none."""

    def start(self, cell: Cell, total: int, done: int) -> None:
        return None

    def advance(self, cell: Cell, failed: bool) -> None:
        return None

    def finish(self, cell: Cell, result: Result | None) -> None:
        return None

    def say(self, text: str) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything about a run that is not the model."""

    benchmarks: tuple[str, ...]
    conditions: tuple[str, ...] = ("on",)
    data: DataSpec = field(default_factory=DataSpec)
    prompts: PromptStyle = "official"
    scorers: tuple[str, ...] = ("fuzzy", "official")
    limit: int | None = None
    seed: int = 0
    max_new_tokens: int | None = None
    max_pixels: int = MAX_PIXELS
    retry_failed: bool = False
    switches: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Benchmark name -> setting -> value."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    run: Run
    results: tuple[Result, ...]
    n: int
    n_failed: int
    interrupted: bool


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
    loaded = {b.name: load_samples(b, settings.data, settings.limit) for b in plan}
    for text in (w for data in loaded.values() for w in data.warnings):
        progress.say(f"warning: {text}")
    chosen = resolve(model, options) if isinstance(model, str) else model
    tasks = [
        _CellRun(store, Cell(b.name, condition), b, loaded[b.name].samples, settings, chosen)
        for b in plan
        for condition in settings.conditions
    ]
    with store.writing() as mended:
        for text in mended:
            progress.say(text)
        info = _describe(model, chosen, settings, plan, loaded, options)
        if (store.path / "run.json").is_file():
            info = _merge(store.info, info, store.path)
        store.save_info(info)
        for benchmark in plan:
            if not store.has_samples(benchmark.name):
                store.save_samples(benchmark.name, loaded[benchmark.name].samples)
        results: list[Result] = []
        for task in tasks:
            finished = task.drive(engine, progress, stop)
            scored = score_cell(store, task.benchmark, task.cell, settings.scorers) if finished else []
            progress.finish(task.cell, scored[0] if scored else None)
            results += scored
            if not finished:
                break
        store.save_results(results)
        _close_pass(store, interrupted=stop.is_set())
    return Outcome(store, tuple(results), sum(t.n for t in tasks), sum(t.n_failed for t in tasks), stop.is_set())


def _check(settings: Settings) -> list[Benchmark]:
    """The benchmarks with their switches set; every name is checked before anything is loaded."""
    if not settings.benchmarks:
        raise UserError("no benchmark named; give --benchmark NAME[,NAME...] or 'all'")
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
        self.store, self.cell, self.benchmark, self.settings, self.model = (
            store,
            cell,
            benchmark,
            settings,
            model,
        )
        self.samples = samples
        self.max_new_tokens = settings.max_new_tokens or benchmark.max_new_tokens
        self.n = self.n_failed = 0
        self.swap = vision.partners(samples, settings.seed) if cell.condition == "shuffled" else {}

    def drive(self, engine: Engine, progress: Progress, stop: threading.Event) -> bool:
        """Answers what is open; True when every sample of the cell has its answer."""
        done = self.store.responses(self.cell)
        if self.settings.retry_failed:
            done = {i: r for i, r in done.items() if r.finish != "failed"}
        known = {s.id for s in self.samples}
        self.n = sum(i in known for i in done)
        self.n_failed = sum(r.finish == "failed" for i, r in done.items() if i in known)
        pending = [s for s in by_picture(self.samples) if s.id not in done]
        progress.start(self.cell, len(self.samples), self.n)
        if pending:
            if isinstance(self.model, Observer):
                self.model.observe(self.cell.benchmark, self.samples)
            prompts = {s.id: self.benchmark.prompt(s, self.settings.prompts) for s in pending}
            jobs = (Job(s.id, self._preparation(s, prompts[s.id])) for s in pending)
            writer = self.store.writer(self.cell)
            try:
                for answer in engine.run(self.model, jobs, stop):
                    self._keep(writer.append, answer, prompts)
                    progress.advance(self.cell, answer.response.finish == "failed")
            finally:
                writer.close()
        return self.n == len(self.samples)

    def _keep(self, append: Callable[[Record], None], answer: Answer, prompts: Mapping[str, str]) -> None:
        request, response = answer.request, answer.response
        hashes = () if request is None else tuple(p.sha256 for p in request.images)
        if request is not None and request.images_dropped:
            response = replace(response, notes={**response.notes, "images_dropped": request.images_dropped})
        append(Record.of(response, request.key if request else "", prompts[response.id], hashes))
        self.n += 1
        self.n_failed += response.finish == "failed"

    def _preparation(self, sample: Sample, prompt: str) -> Callable[[], Request]:
        def prepare() -> Request:
            images, dropped = vision.shown(
                self.cell.condition,
                sample,
                self.swap,
                self.settings.seed,
                self.model.max_images,
                self.settings.max_pixels,
            )
            decoding = {"max_new_tokens": self.max_new_tokens, "seed": self.settings.seed}
            hashes = tuple(p.sha256 for p in images)
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


def by_picture(samples: Sequence[Sample]) -> list[Sample]:
    """Samples with those that share a picture side by side, pictures in order of first appearance."""
    places: dict[str, list[Sample]] = {}
    for sample in samples:
        places.setdefault(sample.image_id or f"\0{sample.id}", []).append(sample)
    return [s for group in places.values() for s in group]


# -- run.json


def _describe(
    spec: str | Model,
    model: Model,
    settings: Settings,
    plan: Sequence[Benchmark],
    loaded: Mapping[str, Loaded],
    options: ModelOptions | None,
) -> dict[str, Any]:
    """What is needed to repeat the run. `answers_depend_on` must be equal when a run is continued."""
    return {
        "model": {
            "name": model.name,
            "spec": spec if isinstance(spec, str) else model.name,
            "fingerprint": model.fingerprint,
            "max_images": model.max_images,
            "details": dict(model.describe()),
            "options": {k: v for k, v in asdict(options or ModelOptions()).items() if v is not None},
        },
        "answers_depend_on": {
            "model fingerprint": model.fingerprint,
            "prompts": settings.prompts,
            "seed": settings.seed,
            "limit": settings.limit,
            "max_new_tokens": settings.max_new_tokens,
            "max_pixels": settings.max_pixels,
        },
        "conditions": list(settings.conditions),
        "scorers": list(settings.scorers),
        "data": {
            "kind": settings.data.text,
            "root": None if settings.data.root is None else str(settings.data.root),
        },
        "benchmarks": {b.name: _describe_benchmark(b, settings, loaded[b.name]) for b in plan},
        "passes": [{"start": _now(), "end": None, "interrupted": None, **_surroundings()}],
    }


def _describe_benchmark(benchmark: Benchmark, settings: Settings, loaded: Loaded) -> dict[str, Any]:
    template = _template(benchmark, loaded.samples[0], settings.prompts)
    prompts = sha256()
    for sample in loaded.samples:
        prompts.update(benchmark.prompt(sample, settings.prompts).encode("utf-8", "surrogatepass") + b"\0")
    return {
        "title": benchmark.title,
        "category": benchmark.category,
        "data": loaded.provenance,
        "samples": len(loaded.samples),
        "complete": loaded.complete,
        "settings": benchmark.settings,
        "max_new_tokens": settings.max_new_tokens or benchmark.max_new_tokens,
        "prompt_template": template,
        "prompt_template_sha256": sha256(template.encode("utf-8", "surrogatepass")).hexdigest(),
        "prompts_sha256": prompts.hexdigest(),
        "warnings": list(loaded.warnings),
    }


def _template(benchmark: Benchmark, sample: Sample, style: PromptStyle) -> str:
    """The prompt of the first sample with its question and options replaced by their names."""
    names = tuple(f"{{option {label}}}" for label in sample.options)
    return benchmark.prompt(replace(sample, question="{question}", choices=names), style)


def _merge(old: dict[str, Any], new: dict[str, Any], path: Path) -> dict[str, Any]:
    """run.json of a continued run: refuses what would change answers, adds benchmarks, conditions and the new pass."""
    differences = [
        f"{name}: {old['answers_depend_on'].get(name)!r} there, {value!r} now"
        for name, value in new["answers_depend_on"].items()
        if old["answers_depend_on"].get(name) != value
    ]
    for name, now in new["benchmarks"].items():
        then = old["benchmarks"].get(name, now)
        for part in ("settings", "max_new_tokens", "samples", "prompts_sha256"):
            if then[part] != now[part]:
                differences.append(f"{name} {part}: {then[part]!r} there, {now[part]!r} now")
        if then["data"]["fingerprint"] != now["data"]["fingerprint"]:
            there, here = then["data"]["fingerprint"], now["data"]["fingerprint"]
            differences.append(f"{name} data: {there} there, {here} now")
    if differences:
        raise UserError(
            f"{path} was made with other settings ({'; '.join(differences)}); use the same settings or another --out"
        )
    merged = {**old, **{k: new[k] for k in ("model", "scorers", "data")}}
    merged["conditions"] = list(dict.fromkeys([*old["conditions"], *new["conditions"]]))
    merged["benchmarks"] = {
        **old["benchmarks"],
        **{k: v for k, v in new["benchmarks"].items() if k not in old["benchmarks"]},
    }
    merged["passes"] = [*old["passes"], *new["passes"]]
    return merged


def _close_pass(store: Run, interrupted: bool) -> None:
    info = store.info
    info["passes"][-1].update(end=_now(), interrupted=interrupted)
    store.save_info(info)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def _surroundings() -> dict[str, Any]:
    """Versions, hardware and git state of this process."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    hardware: dict[str, Any] = {
        "host": platform.node(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        hardware["gpus"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"versions": versions, "hardware": hardware, "git": _git()}


def _git() -> dict[str, Any] | None:
    """Commit and cleanliness of the checkout this package runs from; None when it is installed elsewhere."""
    here = Path(__file__).resolve().parent

    def ask(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(here), *words], capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if ask("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    return {"commit": ask("rev-parse", "HEAD"), "changed": bool(ask("status", "--porcelain"))}
