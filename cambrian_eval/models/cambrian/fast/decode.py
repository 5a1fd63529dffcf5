"""The decode loop: one token per pass for every running question, until each has stopped or reached its limit.

Greedy, by the largest logit, or as the questions' decoding says (`models.sampling`). Stopping is decided on the device;
the host reads which questions still run, on a GPU one pass late so that it never blocks the device. When half of them
have finished, the cache is compacted to the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cambrian_eval.decoding import Decoding
from cambrian_eval.models.sampling import CLOSE, choose, needed, penalized, penalizes, prompt_mask, uniforms

from .cache import GrowingCache
from .layout import PADDING, PREFIX, Layout
from .questions import Question


@dataclass(frozen=True, eq=False)
class Slot:
    """A question in its row, and the label that marks its columns in the layout."""

    label: int
    question: Question


Slots = list[list["Slot | None"]]


@dataclass(frozen=True)
class Decoded:
    """New ids, including the stop id where there was one, and whether two ids were close for any of them."""

    ids: tuple[int, ...]
    close: bool


@dataclass(frozen=True)
class _Pass:
    """The result of one pass: ids [G, N], whether each was close to another (float32 only), and their questions."""

    ids: Tensor
    close: Tensor | None
    slots: Slots


@dataclass
class Pending:
    """Questions after the prefill: the hidden states [G, N, H] that give their next tokens.

    `positions` [G, N] are the positions of those tokens; `slots` says which question is where.
    """

    cache: GrowingCache
    layout: Layout
    hidden: Tensor
    positions: Tensor
    slots: Slots


class Decoder:
    """The decoder of one model, run with layouts, and the loop over new tokens."""

    def __init__(self, model: Any, stops: Sequence[int]) -> None:
        self.model = model
        self.device: torch.device = model.get_input_embeddings().weight.device
        self.stopping = frozenset(stops)
        self.stops = torch.tensor(sorted(self.stopping), dtype=torch.long, device=self.device)
        self.window: int | None = getattr(model.model.config, "sliding_window", None)
        self.eager = model.model.config._attn_implementation == "eager"
        self.on_prompts: Callable[[Pending], None] | None = None
        """Called after every prefill, for tests that compare logits."""

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings of ids without images."""
        hidden: Tensor = self.model.get_input_embeddings()(ids)
        return hidden

    def body(self, embeds: Tensor, layout: Layout, cache: GrowingCache) -> Tensor:
        """Hidden states of the layout's last columns, which are not yet in the cache."""
        count = embeds.shape[1]
        mask = layout.mask(count, self.window)
        if self.eager:
            mask = torch.zeros_like(mask, dtype=embeds.dtype).masked_fill(~mask, torch.finfo(embeds.dtype).min)
        hidden: Tensor = self.model.model(
            inputs_embeds=embeds,
            attention_mask=mask,
            position_ids=layout.positions[:, -count:],
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return hidden

    def decode(self, pending: Pending) -> dict[Question, Decoded]:
        """New ids for every question."""
        if self.on_prompts is not None:
            self.on_prompts(pending)
        state = _State(pending, self.device)
        watch = _Watch(self.device)
        made: list[_Pass] = []
        hidden = pending.hidden
        for step in range(1, state.longest + 1):
            logits = self.model.lm_head(hidden)
            ids, close = _greedy(logits) if state.choice is None else state.choice.next(logits, step - 1)
            ids = ids.to(self.device)
            made.append(_Pass(ids, close, state.slots))
            if step == state.longest:
                break
            state.end(ids, step, self.stops)
            running = watch.running(state.done, state.slots)
            if running is not None:
                count = sum(map(sum, running))
                if count == 0:
                    break
                if 2 * count <= state.occupied:
                    ids = state.keep(running, ids)
                    watch.forget()
            state.advance()
            hidden = self.body(self.embed(ids), state.layout, state.cache)
        return _collected(made, self.stopping)


class _State:
    """The state that changes from token to token."""

    def __init__(self, pending: Pending, device: torch.device) -> None:
        self.device = device
        self.cache, self.layout, self.slots = pending.cache, pending.layout, pending.slots
        self.positions = pending.positions
        limits = [[0 if slot is None else slot.question.limit for slot in row] for row in self.slots]
        labels = [[PADDING if slot is None else slot.label for slot in row] for row in self.slots]
        self.limits = torch.tensor(limits, device=device)
        self.labels = torch.tensor(labels, device=device)
        self.done = self.labels == PADDING
        self.longest = max(map(max, limits))
        self.choice = _Choice.of(self.slots, self.longest, device)

    @property
    def occupied(self) -> int:
        return sum(slot is not None for row in self.slots for slot in row)

    def end(self, ids: Tensor, step: int, stops: Tensor) -> None:
        """Mark the questions that end with the new token, their `step`th."""
        self.done = self.done | (self.limits <= step) | (ids[..., None] == stops).any(dim=-1)

    def advance(self) -> None:
        """Add columns for the new tokens; those of finished questions are padding."""
        self.layout = self.layout.extended(torch.where(self.done, PADDING, self.labels), self.positions)
        self.positions = self.positions + 1

    def keep(self, running: list[list[bool]], ids: Tensor) -> Tensor:
        """Drop finished questions with their columns, and rows without running questions; returns the ids kept."""
        rows = [row for row, flags in enumerate(running) if any(flags)]
        places = [[n for n, flag in enumerate(running[row]) if flag] for row in rows]
        width = max(map(len, places))
        self.slots = [
            [self.slots[row][n] for n in found] + [None] * (width - len(found))
            for row, found in zip(rows, places, strict=True)
        ]
        row_index = torch.tensor(rows, device=self.device)
        index = torch.tensor([found + [0] * (width - len(found)) for found in places], device=self.device)
        empty = torch.tensor([[slot is None for slot in row] for row in self.slots], device=self.device)

        def moved(values: Tensor) -> Tensor:
            return values[row_index].gather(1, index)

        self.labels = moved(self.labels).masked_fill(empty, PADDING)
        self.limits, self.positions = moved(self.limits), moved(self.positions)
        self.done = moved(self.done) | empty
        if self.choice is not None:
            self.choice.keep(row_index[:, None], index)
        self._keep_columns(row_index)
        return moved(ids)

    def _keep_columns(self, rows: Tensor) -> None:
        owners, positions = self.layout.owners[rows], self.layout.positions[rows]
        wanted = (owners == PREFIX) | ((owners[..., None] == self.labels[:, None, :]).any(-1) & (owners != PADDING))
        counts = wanted.sum(dim=1)
        # A stable sort moves the wanted columns to the front and keeps their causal order.
        columns = wanted.logical_not().to(torch.int8).argsort(dim=1, stable=True)[:, : int(counts.max())]
        kept = torch.arange(columns.shape[1], device=self.device) < counts[:, None]
        self.layout = Layout(owners.gather(1, columns).masked_fill(~kept, PADDING), positions.gather(1, columns))
        self.cache.gather(rows, columns)


class _Choice:
    """How the questions of a batch, which share their decoding, choose tokens other than the most likely.

    Tensors are [G, N, ...] as the slots are.
    """

    def __init__(self, decoding: Decoding, numbers: Tensor | None, prompts: list[list[tuple[int, ...]]]) -> None:
        self.decoding, self.numbers = decoding, numbers
        self._prompts = prompts
        self._mask: Tensor | None = None
        self._counts: Tensor | None = None

    @classmethod
    def of(cls, slots: Slots, longest: int, device: torch.device) -> _Choice | None:
        """What the slots need; None where all are greedy."""
        questions = [[None if slot is None else slot.question for slot in row] for row in slots]
        decoding = next(q.decoding for row in questions for q in row if q is not None)
        if not needed(decoding):
            return None
        numbers = None
        if decoding.samples:
            nothing = torch.zeros(longest, dtype=torch.float64)
            drawn = [
                torch.stack([nothing if q is None else torch.from_numpy(uniforms(q.stream, longest)) for q in row])
                for row in questions
            ]
            numbers = torch.stack(drawn).to(device)
        return cls(decoding, numbers, [[() if q is None else q.ids for q in row] for row in questions])

    def next(self, logits: Tensor, step: int) -> tuple[Tensor, Tensor | None]:
        """The ids at a step, counted from 0, and where rounding could have changed them (float32 only)."""
        scores = logits.float()
        if penalizes(self.decoding):
            scores = penalized(scores, self.decoding, *self._seen(scores))
        numbers = torch.zeros(scores.shape[:-1]) if self.numbers is None else self.numbers[..., step]
        chosen = choose(scores, self.decoding, numbers.to(scores.device))
        if self._counts is not None:
            self._counts.scatter_add_(-1, chosen.ids[..., None], torch.ones_like(chosen.ids[..., None]).int())
        return chosen.ids, chosen.close if logits.dtype == torch.float32 else None

    def _seen(self, scores: Tensor) -> tuple[Tensor | None, Tensor]:
        if self._counts is None:
            self._counts = torch.zeros(scores.shape, dtype=torch.int32, device=scores.device)
            if (self.decoding.repetition_penalty or 1.0) != 1.0:
                rows = [prompt_mask(row, scores.shape[-1]) for row in self._prompts]
                self._mask = torch.stack(rows).to(scores.device)
        return self._mask, self._counts

    def keep(self, rows: Tensor, columns: Tensor) -> None:
        """Keep these slots, as the state does."""
        self.numbers, self._mask, self._counts = (
            None if kept is None else kept[rows.to(kept.device), columns.to(kept.device)]
            for kept in (self.numbers, self._mask, self._counts)
        )


class _Watch:
    """Which questions still run, as far as the host knows."""

    def __init__(self, device: torch.device) -> None:
        self.late = device.type == "cuda"
        self._posted: tuple[Tensor, torch.cuda.Event] | None = None

    def running(self, done: Tensor, slots: Slots) -> list[list[bool]] | None:
        """Flags in the order of the slots; on a GPU those of the pass before, and None after the first pass."""
        if not self.late:
            return _flags(done, slots)
        before, self._posted = self._posted, _posted(done)
        if before is None:
            return None
        before[1].synchronize()
        return _flags(before[0], slots)

    def forget(self) -> None:
        """Discard the posted flags, because the slots have moved."""
        self._posted = None


def _posted(done: Tensor) -> tuple[Tensor, torch.cuda.Event]:
    """An asynchronous copy to the host, and the event that marks its arrival."""
    host = torch.empty(done.shape, dtype=done.dtype, pin_memory=True)
    host.copy_(done, non_blocking=True)
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(done.device))
    return host, event


def _flags(done: Tensor, slots: Slots) -> list[list[bool]]:
    return [
        [slot is not None and not ended for slot, ended in zip(row, flags, strict=True)]
        for row, flags in zip(slots, done.tolist(), strict=True)
    ]


def _greedy(logits: Tensor) -> tuple[Tensor, Tensor | None]:
    """The ids of the largest logits [G, N, V], and where the two largest count as equal (None below float32)."""
    ids = logits.argmax(dim=-1)
    if logits.dtype != torch.float32:
        return ids, None
    first, second = logits.topk(2, dim=-1).values.unbind(-1)
    return ids, first - second < CLOSE * logits.abs().amax(dim=-1)


def _collected(made: Sequence[_Pass], stopping: frozenset[int]) -> dict[Question, Decoded]:
    """Every question's ids from all passes, cut after its first stop id or at its limit."""
    sequences: dict[Question, list[int]] = {}
    ended: set[Question] = set()
    close: set[Question] = set()
    # One transfer for the whole batch, after the last pass has been queued.
    flat = torch.cat([one.ids.flatten() for one in made]).tolist()
    flags = [one.close.flatten() for one in made if one.close is not None]
    flat_close = torch.cat(flags).tolist() if flags else [False] * len(flat)
    start = 0
    for one in made:
        width = one.ids.shape[1]
        for row, places in enumerate(one.slots):
            for column, slot in enumerate(places):
                if slot is None or slot.question in ended:
                    continue
                place = start + row * width + column
                value = flat[place]
                sequence = sequences.setdefault(slot.question, [])
                sequence.append(value)
                if flat_close[place]:
                    close.add(slot.question)
                if value in stopping or len(sequence) >= slot.question.limit:
                    ended.add(slot.question)
        start += one.ids.numel()
    return {q: Decoded(tuple(ids), q in close) for q, ids in sequences.items()}
