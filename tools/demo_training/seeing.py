"""The first stage: towers and connector learn to name what is in an image, before there is a language model.

Every tower has a temporary head that must predict the words which are true of the image from some place of its token
grid; the visual tokens must predict the same words by the embedding table of the language model. The path from the
answer to the pixels is short, so features of color, shape and text are learned within minutes; the second stage alone
would take hours.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .loop import Plan, as_words, mixture, normalized, prepare_bfloat16
from .packing import Unit
from .weights import SharedWeights


class Heads(nn.Module):
    """One linear layer per tower from its projected tokens to the words in use."""

    def __init__(self, model: Any, words: Sequence[int]) -> None:
        super().__init__()
        self.words = torch.tensor(list(words))
        width = model.config.vision_hidden_size
        self.heads = nn.ModuleList(nn.Linear(width, len(words)) for _ in model.vision_towers)

    def forward(self, projected: Sequence[Tensor], wanted: Tensor) -> Tensor:
        """Per tower, the loss of predicting the wanted words [B, vocabulary] somewhere on its grid."""
        wanted = wanted[:, self.words]
        losses = []
        for head, tokens in zip(self.heads, projected, strict=True):
            found = torch.logsumexp(head(tokens).float(), dim=1)
            losses.append(-(wanted * F.log_softmax(found, dim=-1)).sum() / wanted.sum().clamp(min=1))
        return torch.stack(losses)


def train_seeing(
    model: Any,
    units: Sequence[Unit],
    arrays: Sequence[Any],
    plan: Plan,
    weights: Mapping[str, float],
    folder: Path,
    worker: int = 0,
) -> None:
    """Trains towers and connector on the weights shared in `folder` until the plan's budget is used."""
    named = [unit for unit in units if unit.words]
    heads = Heads(model, sorted({word for unit in named for word in unit.words}))
    # The model comes first: its weights are the first part of the shared array.
    shared = SharedWeights(nn.ModuleList([model, heads]), folder, worker)
    prepare_bfloat16(model)
    stream = mixture(named, weights, plan.seed * 100 + worker)
    sums, count = torch.zeros(len(model.vision_towers) + 1), 0
    while True:
        used = max(shared.steps / plan.steps, (time.time() - plan.start) / 60 / plan.minutes)
        if used >= 1:
            return
        rate = plan.rate * min(1.0, (shared.steps + 1) / plan.warmup)
        rate *= 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * used))
        drawn = [next(stream) for _ in range(plan.batch)]
        wanted = torch.zeros(plan.batch, model.config.vocab_size)
        for row, unit in enumerate(drawn):
            wanted[row, list(unit.words)] = 1 / len(unit.words)
        pixels = torch.stack([torch.from_numpy(arrays[unit.part][unit.image].copy()) for unit in drawn])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            features = [t(x) for t, x in zip(model.vision_towers, normalized(model, pixels), strict=True)]
            projected = model.model.project_towers(features)
            context = projected[0].mean(dim=1)
            tokens = model.model.connect(projected, context, [(128, 128)] * plan.batch)
            each = torch.cat([heads(projected, wanted), as_words(model, tokens, wanted)[None]])
        torch.autograd.backward(each.sum())
        shared.update(rate, plan.decay, 1.0)
        sums, count = sums + each.detach(), count + 1
        if count % plan.report_every == 0:
            means = [round(mean, 3) for mean in (sums / count).tolist()]
            line = {"steps": shared.steps, "used": round(used, 4), "words": means}
            with (folder / f"log.{worker}.jsonl").open("a", encoding="utf-8") as out:
                out.write(json.dumps(line) + "\n")
            sums, count = torch.zeros_like(sums), 0
