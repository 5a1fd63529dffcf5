"""The driver: a stream of questions in, generated ids out, batch by batch; a batch that runs out of memory is split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from .alone import ask_alone
from .batch import BatchRunner
from .clock import Clock
from .images import ImageStore
from .memory import TokenBudget, default_vision_cache, is_out_of_memory, release, start_tokens
from .planning import Batch, Rules, Window
from .questions import Generated, Group, ImageSource, Question

WIDTH = 32
"""The most questions about one image that run side by side."""
MASKED_ATTENTION = ("sdpa", "eager")
"""Attention functions that accept any mask."""
VISION_BATCH = {"cuda": 16, "cpu": 1}
"""Images per pass through the towers. On a CPU one image already fills the caches."""


@dataclass(frozen=True)
class Failure:
    """A question that could not be answered, and why."""

    tag: Any
    error: Exception


class Driver:
    """Runs questions through one model and keeps encoded images between calls.

    `batch_size` is the most questions in a batch; None = as many as fit. With `deterministic` every question is
    computed in passes whose shapes depend on that question alone.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        batch_size: int | None = None,
        vision_cache_bytes: int | None = None,
        deterministic: bool = False,
        width: int = WIDTH,
    ) -> None:
        self.model, self.processor = model.eval(), processor
        self.device: torch.device = model.get_input_embeddings().weight.device
        for tower in model.vision_towers:
            if tower.spec.kind.channels_last:
                tower.network.to(memory_format=torch.channels_last)
        if model.model.config._attn_implementation not in MASKED_ATTENTION:
            # Questions side by side need a mask of their own, which flash-attn does not accept.
            model.model.config._attn_implementation = "sdpa"
        self.clock = Clock(self.device)
        if deterministic:
            width = 1
        elif batch_size is not None:
            width = min(width, batch_size)
        self.rules = Rules(model.config.token_limit, width, batch_size, deterministic)
        tokens = start_tokens(model.model.config, _window_numbers(model.config), model.dtype, self.device)
        self.budget = TokenBudget(tokens, most=tokens)
        batch = VISION_BATCH.get(self.device.type, 1) if batch_size is None else min(16, batch_size)
        self.images = ImageStore(
            model,
            processor,
            self.clock,
            capacity=default_vision_cache(self.device) if vision_cache_bytes is None else vision_cache_bytes,
            batch=1 if deterministic else batch,
        )
        self.runner = BatchRunner(
            model, stop_ids(model), width, self.clock, lambda question: ask_alone(model, processor, question)
        )

    def batches(self, questions: Iterable[Question]) -> Iterator[list[Generated | Failure]]:
        """The result of every question, in any order, one batch at a time; pulls only what the next batches need."""
        window = Window(iter(questions), self._visual, self.images.prefetch, self.rules)

        def refill() -> None:
            window.fill(self.budget.tokens)

        try:
            while True:
                with self.clock.host("waiting"):
                    refill()
                batch = window.take(self.budget.tokens)
                if batch is None:
                    return
                yield list(self._results(batch, refill))
        finally:
            self.images.close()

    def _visual(self, source: ImageSource) -> int:
        return int(self.processor.visual_tokens(source.size))

    def _results(self, batch: Batch, meanwhile: Any) -> Iterator[Generated | Failure]:
        found = self.images.encoded([group.image for group in batch.groups if group.image is not None])
        ready: list[Group] = []
        for group in batch.groups:
            error = None if group.image is None else found[group.image.key]
            if isinstance(error, Exception):
                yield from (Failure(question.tag, error) for question in group.questions)
            else:
                ready.append(group)
        if ready:
            yield from self._run(ready, batch.split, batch.tokens, found, meanwhile)

    def _run(
        self, groups: list[Group], split: bool, tokens: int, found: Any, meanwhile: Any
    ) -> Iterator[Generated | Failure]:
        """Run groups together; where they do not fit in memory, in halves, down to a single question."""
        images = [None if group.image is None else found[group.image.key] for group in groups]
        failure: Exception | None = None
        try:
            results = self.runner.run(groups, images, split, meanwhile)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            # Without its traceback, whose frames keep the tensors that must be freed.
            failure = error.with_traceback(None)
        if failure is None:
            self.budget.succeeded(tokens)
            yield from results
            return
        release(self.device)
        self.budget.ran_out(tokens)
        parts = self._parts(groups)
        if parts is None:
            yield Failure(groups[0].questions[0].tag, failure)
            return
        for part in parts:
            yield from self._run(part, split, tokens // 2, found, _nothing)

    def _parts(self, groups: list[Group]) -> tuple[list[Group], list[Group]] | None:
        """Halves of what did not fit: of the groups, or of the questions of a single group; None for one question."""
        middle = len(groups) // 2
        if middle:
            return groups[:middle], groups[middle:]
        (group,) = groups
        middle = len(group.questions) // 2
        if not middle:
            return None
        self.runner.width = max(1, min(self.runner.width, len(group.questions)) // 2)
        return [group.part(0, middle)], [group.part(middle, len(group.questions))]


def _window_numbers(config: Any) -> int:
    """Size of the windows of one visual token, in numbers; 0 where no sampler reads them."""
    if not config.sampler_layers:
        return 0
    return int(sum(side * side for side in config.window_sides(config.grid_side)) * config.vision_hidden_size)


def _nothing() -> None:
    """In place of `meanwhile` where the window is filled already."""


def stop_ids(model: Any) -> list[int]:
    """Ids that end a response, from the checkpoint's generation settings."""
    stops = model.generation_config.eos_token_id
    if stops is None:
        return []
    return [int(stop) for stop in stops] if isinstance(stops, (list, tuple)) else [int(stops)]
