"""The training loop: AdamW, warm-up and cosine, everything trainable from the first step.

Runs for a number of minutes or of steps, whichever ends first; the learning rate depends on the used share of that
budget. Accuracy is measured on each batch before the update: as long as no image was used twice, that is accuracy on
unseen rows.
"""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .packing import KINDS, Batch, Shares, Unit, attention, batch_of
from .weights import SharedWeights

PACES = {"vision_towers.": 0.6, "mm_projector_aux": 0.6}
"""Relative learning rates: what the first stage trained changes more slowly."""


@dataclass(frozen=True)
class Plan:
    """How to train."""

    minutes: float
    steps: int
    batch: int = 16
    rate: float = 1.5e-3
    warmup: int = 200
    decay: float = 0.05
    room: int = 44
    """Tokens of text after an image."""
    words_share: float = 0.7
    """Weight of the visual tokens' own loss."""
    blind_share: float = 0.25
    spelt_until: float = 0.3
    """Share of the budget during which options are answered by their text, less and less often: the text is learned
    long before the letter that stands for it.
    """
    seed: int = 0
    report_every: int = 50
    start: float = 0.0
    """Start of the budget, in seconds since the epoch; an interrupted run keeps it."""


def mixture(units: Sequence[Unit], weights: Mapping[str, float], seed: int) -> Iterator[Unit]:
    """An endless stream of units: a benchmark is sampled by weight, then its next image in shuffled order."""
    rng = Random(seed)
    pools: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        pools[unit.benchmark].append(unit)
    names = sorted(pools)
    left: dict[str, list[Unit]] = {name: [] for name in names}
    chances = [weights.get(name, 1.0) for name in names]
    while True:
        name = rng.choices(names, chances)[0]
        if not left[name]:
            left[name] = rng.sample(pools[name], len(pools[name]))
        yield left[name].pop()


def normalized(model: Any, pixels: Tensor) -> list[Tensor]:
    """Per tower, the pixels as its preprocessing makes them."""
    scaled = pixels.permute(0, 3, 1, 2).float() / 255
    return [
        (scaled - torch.tensor(tower.spec.mean).view(1, 3, 1, 1)) / torch.tensor(tower.spec.std).view(1, 3, 1, 1)
        for tower in model.vision_towers
    ]


@dataclass(frozen=True)
class Losses:
    """The losses of one batch: cross-entropy of every weighted token, its weight, whether the prediction was correct,
    and the loss of the visual tokens as words.
    """

    each: Tensor
    weight: Tensor
    right: Tensor
    words: Tensor

    def loss(self, share: float) -> Tensor:
        """Weighted mean over the tokens, plus a share of the loss of the visual tokens as words."""
        return (self.each * self.weight).sum() / self.weight.sum() + share * self.words


def as_words(model: Any, visual: Tensor, wanted: Tensor) -> Tensor:
    """Loss of predicting the words of an image from its visual tokens [B, n, H] by the word embeddings.

    Each word must be predicted by some token, at any place. This short path from the answer to the towers trains them
    long before the language model can use their output.
    """
    scaled = visual * visual.pow(2).mean(-1, keepdim=True).add(1e-5).rsqrt()
    found = torch.logsumexp((scaled @ model.model.embed_tokens.weight.T).float(), dim=1)
    return -(wanted * F.log_softmax(found, dim=-1)).sum() / wanted.sum().clamp(min=1)


def losses(model: Any, batch: Batch, frame: Sequence[int]) -> Losses:
    """Runs a batch through towers, connector and language model."""
    features = [
        tower(pixels) for tower, pixels in zip(model.vision_towers, normalized(model, batch.pixels), strict=True)
    ]
    size = (128, 128)
    images = model.model.encode_features(features, [size] * len(batch.pixels))
    tokens = torch.stack([image.tokens for image in images])
    words = as_words(model, _without_newlines(tokens), batch.words)
    rows = len(batch.ids)
    begin = torch.tensor(frame).expand(rows, -1)
    visual = images[0].tokens.shape[0]
    mark = torch.full((rows, 1), -200)
    spliced = model.prepare(torch.cat([begin, mark, batch.ids], dim=1), None, images)
    mask, positions = attention(batch, len(frame), visual)
    hidden = model.model(
        inputs_embeds=spliced.inputs_embeds,
        attention_mask=mask,
        position_ids=positions,
        image_states=spliced.image_states,
        use_cache=False,
    ).last_hidden_state
    before = hidden[:, len(frame) + visual - 1 : -1]
    wanted = batch.weight > 0
    logits = model.lm_head(before[wanted])
    targets = batch.ids[wanted]
    each = F.cross_entropy(logits, targets, reduction="none")
    return Losses(each, batch.weight[wanted], logits.argmax(-1) == targets, words)


def _without_newlines(tokens: Tensor) -> Tensor:
    """Image tokens [B, side * (side + 1), H] without the newline token of every row."""
    side = math.isqrt(tokens.shape[1])
    rows, _, width = tokens.shape
    return tokens.reshape(rows, side, side + 1, width)[:, :, :-1].flatten(1, 2)


class Tally:
    """Share of answers that were correct in every token, by benchmark and kind."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])

    def add(self, batch: Batch, right: Tensor) -> None:
        """Counts an answer as correct where all its tokens are."""
        wanted = batch.weight > 0
        rows = torch.arange(len(batch.ids))[:, None].expand_as(batch.ids)[wanted].tolist()
        found: dict[tuple[int, int, int], bool] = {}
        kinds, numbers = batch.kind[wanted].tolist(), batch.segment[wanted].tolist()
        for row, number, kind, hit in zip(rows, numbers, kinds, right.tolist(), strict=True):
            if kind >= 0:
                key = (row, number, kind)
                found[key] = found.get(key, True) and hit
        for (row, _, kind), hit in found.items():
            count = self.counts[batch.benchmark[row], KINDS[kind]]
            count[0] += hit
            count[1] += 1

    def counted(self, kind: str) -> dict[str, list[int]]:
        """Benchmark -> (correct, all)."""
        return {name: count for (name, one), count in sorted(self.counts.items()) if one == kind}


def train(
    model: Any,
    units: Sequence[Unit],
    arrays: Sequence[Any],
    frame: Sequence[int],
    plan: Plan,
    weights: Mapping[str, float],
    folder: Path,
    worker: int = 0,
) -> int:
    """Trains on the weights shared in `folder` until the budget is used; returns the steps of all workers.

    Matrix products run in bfloat16 on float32 weights. Each worker writes its own log, log.WORKER.jsonl.
    """
    shared = SharedWeights(model, folder, worker, PACES)
    log = folder / f"log.{worker}.jsonl"
    prepare_bfloat16(model)
    stream, rng = mixture(units, weights, plan.seed * 100 + worker), Random(plan.seed * 100 + worker)
    start, tally, running, words, mine = time.time(), Tally(), 0.0, 0.0, 0
    while True:
        used = max(shared.steps / plan.steps, (time.time() - plan.start) / 60 / plan.minutes)
        if used >= 1:
            return shared.steps
        rate = plan.rate * min(1.0, (shared.steps + 1) / plan.warmup)
        rate *= 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * used))
        drawn = [next(stream) for _ in range(plan.batch)]
        shares = Shares(max(0.0, 1 - used / plan.spelt_until), plan.blind_share)
        batch = batch_of(drawn, arrays, rng, plan.room, shares, model.config.vocab_size)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            learned = losses(model, batch, frame)
        loss = learned.loss(plan.words_share)
        torch.autograd.backward(loss)
        shared.update(rate, plan.decay, 1.0)
        tally.add(batch, learned.right)
        running, words, mine = running + float(loss.detach()), words + float(learned.words.detach()), mine + 1
        if mine % plan.report_every == 0:
            line = {
                "steps": shared.steps,
                "mine": mine,
                "used": round(used, 4),
                "rate": round(rate, 6),
                "minutes": round((time.time() - start) / 60, 2),
                "loss": round(running / plan.report_every, 4),
                "words": round(words / plan.report_every, 4),
                **{kind: tally.counted(kind) for kind in KINDS},
            }
            with log.open("a", encoding="utf-8") as out:
                out.write(json.dumps(line) + "\n")
            tally, running, words = Tally(), 0.0, 0.0


def prepare_bfloat16(model: Any) -> None:
    """Settings that make bfloat16 fast on a CPU: eager attention, and depthwise convolutions in float32."""
    for module in model.modules():
        if hasattr(getattr(module, "config", None), "_attn_implementation"):
            module.config._attn_implementation = "eager"
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            setattr(module, "forward", _in_float32(module.forward))  # noqa: B010 - a method of one instance


def _in_float32(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def run(values: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return forward(values.float())

    return run
