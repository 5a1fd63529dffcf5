"""One benchmark under one vision condition of a run: its requests, its responses, and when it is complete."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace

from cambrian_eval import registry
from cambrian_eval.benchmark import Benchmark
from cambrian_eval.condition import Context
from cambrian_eval.decoding import facts, key_parts
from cambrian_eval.engines.local import Completed, Job
from cambrian_eval.errors import UserError
from cambrian_eval.model import Model, Observer
from cambrian_eval.running.cache import ResponseCache, answered
from cambrian_eval.running.changes import Change, changed_requests
from cambrian_eval.running.engine import Engine
from cambrian_eval.running.images import missing_image
from cambrian_eval.running.progress import CountsTokens, Progress
from cambrian_eval.running.records import Cell, Record
from cambrian_eval.running.settings import Settings
from cambrian_eval.running.sharding import by_image
from cambrian_eval.running.status import Heartbeat
from cambrian_eval.running.stopping import Halt, Watch, record_stop
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Request, RequestKeys, Sample, request_id


class CellRun:
    """The pending samples of a cell, their requests, and where responses are stored."""

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
        known = self._known(done)
        self.n, self.n_failed = len(known), sum(done[i] for i in known)
        order = by_image(self.mine) if self.watch is None else self.watch.order
        pairs = ((s, n) for s in order for n in range(self.settings.repeats) if (s.id, n) not in done)
        asked = {request_id(s.id, n): (s, n) for s, n in pairs}
        if len(asked) < self.total - self.n:
            raise UserError(f"{self.cell.benchmark}: ids such as 'x' and 'x#1' cannot be repeated; rename them")
        if self.watch is not None and asked and any(self.watch.take(r) for i, r in stored.items() if i in done):
            asked = {}
        halt = Halt(stop)
        progress.start(self.cell, self.total, self.n)
        heartbeat.start(self.cell, self.n, self.n_failed)
        if asked:
            self.condition.check(self.context)
            if isinstance(self.model, Observer):
                self.model.observe(self.cell.benchmark, self.samples)
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
                    n_asked = len(asked)
                    makers = [self._preparation(s, n) for s, n in asked.values()]
                    for completed in answered(self.cache, makers):
                        take(completed)
                        self.n_cached += 1
                        if halt.is_set():
                            break
                    progress.say(f"{self.cell.stem}: {self.n_cached} of {n_asked} responses from the cache")
                jobs = (Job(i, self._preparation(*asked[i]), self.settings.max_pixels) for i in list(asked))
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
        complete = self.n == self.total or found is not None
        self.samples = self.mine = []  # with them go their images, which scoring does not need
        self.context = Context([], self.settings.seed, self.settings.max_pixels)
        return complete

    @property
    def total(self) -> int:
        """Responses of the cell when it is complete."""
        return len(self.mine) * self.settings.repeats

    def changes(self) -> list[Change]:
        """The stored responses that belong to other requests than those of this command."""
        records = {i: r for i, r in self.store.all_responses(self.cell).items() if not r.outage}
        kept = [i for i, r in records.items() if not (self.settings.retry_failed and r.finish == "failed")]
        self.n_stored = len(self._known(kept))
        if not records:
            return []
        return changed_requests(self.cell, self.mine, records, lambda sample, n: self._preparation(sample, n)(False))

    def _known(self, stored: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
        """Those of the stored responses, by sample id and repeat, that this run would request."""
        ids = {s.id for s in self.mine}
        return [(i, n) for i, n in stored if n < self.settings.repeats and i in ids]

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
