"""One batch of groups through the decoder, from encoded images to new ids.

There are three kinds of pass. The prefix pass runs what the questions of a group have in common, samplers included,
one group per row. The question pass appends the rest of all its questions to the row, side by side. The decode passes
append one token for every running question. Keys and values of a prefix are thus computed once and never copied for its
questions; `layout` gives the attention mask. Groups of a single question need no question pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..connector import EncodedImage
from .cache import GrowingCache
from .clock import Clock
from .decode import Decoded, Decoder, Pending, Slot, Slots
from .layout import PADDING, Layout
from .questions import Generated, Group, Question


@dataclass(frozen=True)
class Prefixes:
    """The result of the prefix pass: the cache, its layout, every row's length and last hidden state [G, H]."""

    cache: GrowingCache
    layout: Layout
    lengths: Tensor
    last: Tensor


class BatchRunner:
    """Runs batches on one model. `width` is how many questions of a group run side by side.

    `alone` runs one question by itself; its result replaces the shared one where two ids were close.
    """

    def __init__(
        self, model: Any, stops: Sequence[int], width: int, clock: Clock, alone: Callable[[Question], tuple[int, ...]]
    ) -> None:
        self.model = model
        self.clock = clock
        self.width = width
        self.alone = alone
        self.decoder = Decoder(model, stops)

    @torch.inference_mode()
    def run(
        self,
        groups: Sequence[Group],
        images: Sequence[EncodedImage | None],
        split: bool,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> list[Generated]:
        """The generated ids of all questions of the groups.

        With `split` the questions follow their shared prefix in a second pass; without it every group is one question
        and its whole prompt is one pass. `meanwhile` is called once while the device is busy.
        """
        if not split:
            rows = [group.questions[0].ids for group in groups]
            with self.clock.phase("prefill"):
                pending = self._begin_whole(groups, self._prefix_pass(rows, images))
            meanwhile()
            return self._finish(groups, pending)
        with self.clock.phase("prefill"):
            prefixes = self._prefix_pass([group.prefix_ids for group in groups], images)
        results: list[Generated] = []
        for start in range(0, max(len(group.questions) for group in groups), self.width):
            chunk = [group.questions[start : start + self.width] for group in groups]
            rows_left = [row for row, questions in enumerate(chunk) if questions]
            with self.clock.phase("prefill"):
                pending = self._question_pass(groups, chunk, rows_left, prefixes)
            if start == 0:
                meanwhile()
            results += self._finish([groups[row] for row in rows_left], pending)
        return results

    def _prefix_pass(self, rows: Sequence[Sequence[int]], images: Sequence[EncodedImage | None]) -> Prefixes:
        device = self.decoder.device
        length = max(map(len, rows))
        ids = torch.zeros(len(rows), length, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row)
            mask[index, : len(row)] = 1
        encoded = [image for image in images if image is not None]
        batch = self.model.prepare(ids.to(device), mask.to(device), encoded, padding_side="right")
        cache = GrowingCache()
        # Rows are padded on the right, so plain causal attention is correct for every real token, and without a mask
        # attention uses its fastest kernel.
        hidden = self.model.model(
            inputs_embeds=batch.inputs_embeds,
            position_ids=batch.position_ids,
            past_key_values=cache,
            use_cache=True,
            image_states=batch.image_states,
        ).last_hidden_state
        lengths = batch.attention_mask.sum(dim=1)
        last = hidden[torch.arange(len(rows), device=hidden.device), (lengths - 1).to(hidden.device)]
        return Prefixes(cache, Layout.of_prefixes(batch.attention_mask, batch.position_ids), lengths, last)

    def _begin_whole(self, groups: Sequence[Group], prefixes: Prefixes) -> Pending:
        slots: Slots = [[Slot(0, group.questions[0])] for group in groups]
        return Pending(prefixes.cache, prefixes.layout, prefixes.last[:, None], prefixes.lengths[:, None], slots)

    def _question_pass(
        self,
        groups: Sequence[Group],
        chunk: Sequence[Sequence[Question]],
        rows: Sequence[int],
        prefixes: Prefixes,
    ) -> Pending:
        device = self.decoder.device
        own = [[groups[row].own_ids(question) for question in chunk[row]] for row in rows]
        length = max(sum(map(len, parts)) for parts in own)
        width = max(map(len, own))
        ids = torch.zeros(len(rows), length, dtype=torch.long)
        owners = torch.full_like(ids, PADDING)
        offsets = torch.zeros_like(ids)
        ends = torch.zeros(len(rows), width, dtype=torch.long)
        counts = torch.zeros_like(ends)
        for index, parts in enumerate(own):
            column = 0
            for label, part in enumerate(parts):
                here = slice(column, column + len(part))
                ids[index, here] = torch.tensor(part)
                owners[index, here] = label
                offsets[index, here] = torch.arange(len(part))
                column += len(part)
                ends[index, label], counts[index, label] = column - 1, len(part)
        ids, owners, offsets, ends, counts = (t.to(device) for t in (ids, owners, offsets, ends, counts))
        some = None if len(rows) == len(groups) else torch.tensor(rows, device=device)
        cache = prefixes.cache.fork(some, prefixes.layout.owners.shape[1])
        layout, lengths = prefixes.layout, prefixes.lengths[:, None]
        if some is not None:
            layout, lengths = Layout(layout.owners[some], layout.positions[some]), lengths[some]
        layout = layout.extended(owners, lengths + offsets)
        hidden = self.decoder.body(self.decoder.embed(ids), layout, cache)
        last = ends.to(hidden.device)[..., None].expand(-1, -1, hidden.shape[-1])
        slots: Slots = [
            [Slot(label, question) for label, question in enumerate(chunk[row])] + [None] * (width - len(chunk[row]))
            for row in rows
        ]
        return Pending(cache, layout, hidden.gather(1, last), lengths + counts, slots)

    def _finish(self, groups: Sequence[Group], pending: Pending) -> list[Generated]:
        group_of = {
            slot.question: group
            for group, row in zip(groups, pending.slots, strict=True)
            for slot in row
            if slot is not None
        }
        with self.clock.phase("decode"):
            made = self.decoder.decode(pending)
        return [
            self._generated(question, self._checked(question, found), group_of[question])
            for question, found in made.items()
        ]

    def _checked(self, question: Question, decoded: Decoded) -> tuple[int, ...]:
        if not decoded.close:
            return decoded.ids
        with self.clock.phase("alone"):
            self.clock.counts["alone"] += 1
            return self.alone(question)

    def _generated(self, question: Question, ids: tuple[int, ...], group: Group) -> Generated:
        return Generated(question.tag, ids, ids[-1] in self.decoder.stopping, group.prompt_tokens(question))
