"""The driver: a stream of questions in, answers out, every wave planned, encoded, run, and run again in parts
where memory did not suffice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from .alone import ask_alone
from .clock import Clock
from .images import ImageStore
from .memory import TokenBudget, default_vision_cache, is_out_of_memory, release, start_tokens
from .planning import Rules, Wave, Window
from .questions import Answer, Bundle, Question, Shown
from .wave import WaveRunner

WIDTH = 32
"""Questions of one image that are asked side by side."""
MASKED_ATTENTION = ("sdpa", "eager")
"""Attention functions that take any mask."""
VISION_BATCH = {"cuda": 16, "cpu": 1}
"""On a processor one image already fills the caches."""


@dataclass(frozen=True)
class Failure:
    """A question that could not be answered, and why."""

    tag: Any
    error: Exception


class Driver:
    """Answers questions with one model, keeping encoded images from call to call.

    `batch_size` is the number of questions run at a time, None what fits. With `deterministic` every question
    is computed in passes whose shapes depend on that question alone.
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
            # Convolutions between layers that work on channels: kept last, they need no transposition.
            if tower.spec.kind.name == "convnext":
                tower.network.to(memory_format=torch.channels_last)
        if model.model.config._attn_implementation not in MASKED_ATTENTION:
            # Questions side by side need a mask of their own, which flash-attn does not take.
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
        self.runner = WaveRunner(
            model, stop_ids(model), width, self.clock, lambda question: ask_alone(model, processor, question)
        )

    def waves(self, questions: Iterable[Question]) -> Iterator[list[Answer | Failure]]:
        """An answer to every question, in any order, a wave at a time; pulls only what the next waves need."""
        window = Window(iter(questions), self._visual, self.images.announce, self.rules)

        def refill() -> None:
            window.fill(self.budget.tokens)

        try:
            while True:
                with self.clock.host("waiting"):
                    refill()
                wave = window.take(self.budget.tokens)
                if wave is None:
                    return
                yield list(self._answer(wave, refill))
        finally:
            self.images.close()

    def _visual(self, shown: Shown) -> int:
        return int(self.processor.visual_tokens(shown.size))

    def _answer(self, wave: Wave, meanwhile: Any) -> Iterator[Answer | Failure]:
        found = self.images.encoded([bundle.shown for bundle in wave.bundles if bundle.shown is not None])
        ready: list[Bundle] = []
        for bundle in wave.bundles:
            error = None if bundle.shown is None else found[bundle.shown.key]
            if isinstance(error, Exception):
                yield from (Failure(question.tag, error) for question in bundle.questions)
            else:
                ready.append(bundle)
        if ready:
            yield from self._run(ready, wave.split, wave.tokens, found, meanwhile)

    def _run(
        self, bundles: list[Bundle], split: bool, tokens: int, found: Any, meanwhile: Any
    ) -> Iterator[Answer | Failure]:
        """Run bundles together; where they do not fit, in halves, down to a single question."""
        images = [None if bundle.shown is None else found[bundle.shown.key] for bundle in bundles]
        failure: Exception | None = None
        try:
            answers = self.runner.run(bundles, images, split, meanwhile)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            # Kept without its traceback, whose frames hold the very tensors that have to go.
            failure = error.with_traceback(None)
        if failure is None:
            self.budget.succeeded(tokens)
            yield from answers
            return
        release(self.device)
        self.budget.ran_out(tokens)
        parts = self._parts(bundles)
        if parts is None:
            yield Failure(bundles[0].questions[0].tag, failure)
            return
        for part in parts:
            yield from self._run(part, split, tokens // 2, found, _nothing)

    def _parts(self, bundles: list[Bundle]) -> tuple[list[Bundle], list[Bundle]] | None:
        """Halves of what did not fit: of the bundles, else of the questions of the only one."""
        middle = len(bundles) // 2
        if middle:
            return bundles[:middle], bundles[middle:]
        (bundle,) = bundles
        middle = len(bundle.questions) // 2
        if not middle:
            return None
        self.runner.width = max(1, min(self.runner.width, len(bundle.questions)) // 2)
        return [bundle.part(0, middle)], [bundle.part(middle, len(bundle.questions))]


def _window_numbers(config: Any) -> int:
    """Numbers in the windows of one visual token; none where no sampler reads them."""
    if not config.sampler_layers:
        return 0
    return int(sum(side * side for side in config.window_sides(config.grid_side)) * config.vision_hidden_size)


def _nothing() -> None:
    """The window is filled already."""


def stop_ids(model: Any) -> list[int]:
    """Ids that end an answer, from the checkpoint's generation settings."""
    stops = model.generation_config.eos_token_id
    if stops is None:
        return []
    return [int(stop) for stop in stops] if isinstance(stops, (list, tuple)) else [int(stops)]
