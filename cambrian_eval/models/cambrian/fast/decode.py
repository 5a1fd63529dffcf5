"""The decode loop: one token a pass for every question that goes on, until each has stopped or reached its limit.

Greedy, by the largest logit. Stopping is decided on the device; the host only looks at which questions go on,
on a GPU one pass late so that it never holds the device up. When half of them have ended, the rest is moved
together and their columns alone are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .cache import GrowingCache
from .layout import PADDING, PREFIX, Layout
from .questions import Question


@dataclass(frozen=True, eq=False)
class Slot:
    """A question in its row, and the label by which the layout knows its columns."""

    label: int
    question: Question


Slots = list[list["Slot | None"]]

CLOSE = 4e-6
"""Two float32 logits nearer than this share of the largest are as good as equal. What stands beside a question moves
its logits by up to a millionth.
"""


@dataclass(frozen=True)
class Made:
    """New ids, the stop id included where there was one, and whether two ids were close for any of them."""

    ids: tuple[int, ...]
    close: bool


@dataclass(frozen=True)
class _Pass:
    """What one pass made: ids [G, N], whether each was close to another (float32 only), and whose they are."""

    ids: Tensor
    close: Tensor | None
    slots: Slots


@dataclass
class Pending:
    """Questions whose prompts have been read: hidden states [G, N, H] their next tokens follow from.

    `positions` [G, N] are those next tokens' positions and `slots` says which question is where.
    """

    cache: GrowingCache
    layout: Layout
    hidden: Tensor
    positions: Tensor
    slots: Slots


class Decoder:
    """The decoder of one model, called with layouts, and the loop over new tokens."""

    def __init__(self, model: Any, stops: Sequence[int]) -> None:
        self.model = model
        self.device: torch.device = model.get_input_embeddings().weight.device
        self.stopping = frozenset(stops)
        self.stops = torch.tensor(sorted(self.stopping), dtype=torch.long, device=self.device)
        self.window: int | None = getattr(model.model.config, "sliding_window", None)
        self.eager = model.model.config._attn_implementation == "eager"
        self.on_prompts: Callable[[Pending], None] | None = None
        """Told of prompts once they have been read, for whoever compares logits."""

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings of ids, before any image takes the place of its mark."""
        hidden: Tensor = self.model.get_input_embeddings()(ids)
        return hidden

    def body(self, embeds: Tensor, layout: Layout, cache: GrowingCache) -> Tensor:
        """Hidden states of the layout's last columns, which the cache does not hold yet."""
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

    def decode(self, pending: Pending) -> dict[Question, Made]:
        """The answer to every question."""
        if self.on_prompts is not None:
            self.on_prompts(pending)
        state = _State(pending, self.device)
        watch = _Watch(self.device)
        made: list[_Pass] = []
        hidden = pending.hidden
        for step in range(1, state.longest + 1):
            logits = self.model.lm_head(hidden)
            ids = logits.argmax(dim=-1).to(self.device)
            made.append(_Pass(ids, _close(logits), state.slots))
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
    """What changes from token to token."""

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

    @property
    def occupied(self) -> int:
        return sum(slot is not None for row in self.slots for slot in row)

    def end(self, ids: Tensor, step: int, stops: Tensor) -> None:
        """Mark the questions that the token just made, their `step`th, has ended."""
        self.done = self.done | (self.limits <= step) | (ids[..., None] == stops).any(dim=-1)

    def advance(self) -> None:
        """Give the tokens just made their columns; those of ended questions belong to nobody."""
        self.layout = self.layout.extended(torch.where(self.done, PADDING, self.labels), self.positions)
        self.positions = self.positions + 1

    def keep(self, running: list[list[bool]], ids: Tensor) -> Tensor:
        """Drop ended questions with their columns, and rows without any other; returns the ids so kept."""
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
        self._keep_columns(row_index)
        return moved(ids)

    def _keep_columns(self, rows: Tensor) -> None:
        owners, positions = self.layout.owners[rows], self.layout.positions[rows]
        wanted = (owners == PREFIX) | ((owners[..., None] == self.labels[:, None, :]).any(-1) & (owners != PADDING))
        counts = wanted.sum(dim=1)
        # A stable sort moves the wanted columns to the front and leaves their causal order as it was.
        columns = wanted.logical_not().to(torch.int8).argsort(dim=1, stable=True)[:, : int(counts.max())]
        kept = torch.arange(columns.shape[1], device=self.device) < counts[:, None]
        self.layout = Layout(owners.gather(1, columns).masked_fill(~kept, PADDING), positions.gather(1, columns))
        self.cache.gather(rows, columns)


class _Watch:
    """Which questions still run, as far as the host knows."""

    def __init__(self, device: torch.device) -> None:
        self.late = device.type == "cuda"
        self._posted: tuple[Tensor, torch.cuda.Event] | None = None

    def running(self, done: Tensor, slots: Slots) -> list[list[bool]] | None:
        """Flags in the order of the slots; on a GPU those posted the pass before, at first none."""
        if not self.late:
            return _flags(done, slots)
        before, self._posted = self._posted, _posted(done)
        if before is None:
            return None
        before[1].synchronize()
        return _flags(before[0], slots)

    def forget(self) -> None:
        """The slots have moved: what was posted speaks of places that are no more."""
        self._posted = None


def _posted(done: Tensor) -> tuple[Tensor, torch.cuda.Event]:
    """A copy on its way to the host, and the event that says it has arrived."""
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


def _close(logits: Tensor) -> Tensor | None:
    """Where the two largest of the logits [G, N, V] are as good as equal; below float32 nobody asks."""
    if logits.dtype != torch.float32:
        return None
    first, second = logits.topk(2, dim=-1).values.unbind(-1)
    return first - second < CLOSE * logits.abs().amax(dim=-1)


def _collected(made: Sequence[_Pass], stopping: frozenset[int]) -> dict[Question, Made]:
    """Every question's ids out of what the passes made, cut behind its first stop id or at its limit."""
    sequences: dict[Question, list[int]] = {}
    ended: set[Question] = set()
    close: set[Question] = set()
    # One transfer for the whole wave: the tensors wait on the device until the last pass is on its way.
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
    return {q: Made(tuple(ids), q in close) for q, ids in sequences.items()}
