"""One wave: a batch of bundles through the decoder, from encoded images to new ids.

Three kinds of pass. The prefix pass runs what the questions of a bundle have in common, samplers included, a
bundle to a row. The question pass appends the rest of all its questions to the row, side by side. The decode
passes append one token for every question that goes on. Keys and values of a prefix are thus computed once
and never copied for its questions; `layout` says who sees what. Bundles of a single question need no second
pass.
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
from .decode import Decoder, Made, Pending, Slot, Slots
from .layout import PADDING, Layout
from .questions import Answer, Bundle, Question


@dataclass(frozen=True)
class Prefixes:
    """What the prefix pass leaves: the cache, its layout, every row's length and last hidden state [G, H]."""

    cache: GrowingCache
    layout: Layout
    lengths: Tensor
    last: Tensor


class WaveRunner:
    """Runs waves on one model. `width` is how many questions of a bundle are asked at a time.

    `alone` answers one question by itself. It has the last word where two ids were close.
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
        bundles: Sequence[Bundle],
        images: Sequence[EncodedImage | None],
        split: bool,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> list[Answer]:
        """The answers to all questions of the bundles.

        With `split` the questions are asked after their shared prefix, else every bundle is one question and
        its whole prompt one pass. `meanwhile` is called once while the device is busy.
        """
        if not split:
            rows = [bundle.questions[0].ids for bundle in bundles]
            with self.clock.phase("prefill"):
                pending = self._begin_whole(bundles, self._prefix_pass(rows, images))
            meanwhile()
            return self._finish(bundles, pending)
        with self.clock.phase("prefill"):
            prefixes = self._prefix_pass([bundle.prefix_ids for bundle in bundles], images)
        answers: list[Answer] = []
        for start in range(0, max(len(bundle.questions) for bundle in bundles), self.width):
            chunk = [bundle.questions[start : start + self.width] for bundle in bundles]
            rows_left = [row for row, questions in enumerate(chunk) if questions]
            with self.clock.phase("prefill"):
                pending = self._question_pass(bundles, chunk, rows_left, prefixes)
            if start == 0:
                meanwhile()
            answers += self._finish([bundles[row] for row in rows_left], pending)
        return answers

    def _prefix_pass(self, rows: Sequence[Sequence[int]], images: Sequence[EncodedImage | None]) -> Prefixes:
        device = self.decoder.device
        length = max(map(len, rows))
        ids = torch.zeros(len(rows), length, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row)
            mask[index, : len(row)] = 1
        shown = [image for image in images if image is not None]
        batch = self.model.prepare(ids.to(device), mask.to(device), shown, padding_side="right")
        cache = GrowingCache()
        # Rows are padded on the right, so plain causal attention is right for every real token, and no mask
        # at all lets attention take its fastest way.
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

    def _begin_whole(self, bundles: Sequence[Bundle], prefixes: Prefixes) -> Pending:
        slots: Slots = [[Slot(0, bundle.questions[0])] for bundle in bundles]
        return Pending(prefixes.cache, prefixes.layout, prefixes.last[:, None], prefixes.lengths[:, None], slots)

    def _question_pass(
        self,
        bundles: Sequence[Bundle],
        chunk: Sequence[Sequence[Question]],
        rows: Sequence[int],
        prefixes: Prefixes,
    ) -> Pending:
        device = self.decoder.device
        own = [[bundles[row].own_ids(question) for question in chunk[row]] for row in rows]
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
        some = None if len(rows) == len(bundles) else torch.tensor(rows, device=device)
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

    def _finish(self, bundles: Sequence[Bundle], pending: Pending) -> list[Answer]:
        homes = {
            slot.question: bundle
            for bundle, row in zip(bundles, pending.slots, strict=True)
            for slot in row
            if slot is not None
        }
        with self.clock.phase("decode"):
            made = self.decoder.decode(pending)
        return [
            self._answer(question, self._settled(question, found), homes[question]) for question, found in made.items()
        ]

    def _settled(self, question: Question, made: Made) -> tuple[int, ...]:
        if not made.close:
            return made.ids
        with self.clock.phase("alone"):
            self.clock.counts["alone"] += 1
            return self.alone(question)

    def _answer(self, question: Question, ids: tuple[int, ...], home: Bundle) -> Answer:
        return Answer(question.tag, ids, ids[-1] in self.decoder.stopping, home.prompt_tokens(question))
