"""All weights of a model in one flat array on disk that several training processes share.

Workers open the same memory-mapped files, and each applies its updates without waiting for the others (Recht et al.,
2011, "Hogwild!"). There is no barrier to wait at, workers can be stopped or added at any time, and the files always
hold the latest state.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn


class SharedWeights:
    """A model's parameters as views of one shared array, with Adam's moments beside it.

    Worker 0 creates the files with the weights of its model; the others wait for it. `paces` are relative learning
    rates for parameters with a given text in their name.
    """

    def __init__(
        self, model: nn.Module, folder: Path, worker: int = 0, paces: Mapping[str, float] | None = None
    ) -> None:
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self.parameters = [p for _, p in named]
        sizes = [p.numel() for p in self.parameters]
        total, last = sum(sizes), folder / "steps.bin"
        while worker and not last.exists():
            time.sleep(0.2)
        fresh = not last.exists()
        folder.mkdir(parents=True, exist_ok=True)
        self.flat, self.mean, self.square = (
            torch.from_file(str(folder / f"{name}.bin"), shared=True, size=total, dtype=torch.float32)
            for name in ("weights", "mean", "square")
        )
        self.decayed = torch.cat([torch.full((p.numel(),), float(p.ndim >= 2)) for p in self.parameters])
        self.pace = torch.cat([torch.full((p.numel(),), _pace(name, paces or {})) for name, p in named])
        if fresh:
            self.flat.copy_(torch.cat([p.detach().flatten() for p in self.parameters]))
        for p, part in zip(self.parameters, torch.split(self.flat, sizes), strict=True):
            p.data = part.view_as(p)
        self._steps = torch.from_file(str(last), shared=True, size=1, dtype=torch.int64)

    @property
    def steps(self) -> int:
        """Number of updates so far, by all workers."""
        return int(self._steps[0])

    @torch.no_grad()
    def update(self, rate: float, decay: float, clip: float, betas: tuple[float, float] = (0.9, 0.98)) -> float:
        """One step of AdamW from the current gradients; returns their norm before clipping."""
        gradient = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in self.parameters])
        norm = float(gradient.norm())
        if not math.isfinite(norm):
            return norm
        gradient.mul_(min(1.0, clip / (norm + 1e-6)))
        self._steps += 1
        count = self.steps
        self.mean.lerp_(gradient, 1 - betas[0])
        self.square.mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
        scale = (self.square / (1 - betas[1] ** count)).sqrt_().add_(1e-8)
        step = (self.mean / scale).div_(1 - betas[0] ** count)
        step.addcmul_(self.flat, self.decayed, value=decay)
        self.flat.addcmul_(step, self.pace, value=-rate)
        for p in self.parameters:
            p.grad = None
        return norm


def _pace(name: str, paces: Mapping[str, float]) -> float:
    return next((pace for part, pace in paces.items() if part in name), 1.0)


@torch.no_grad()
def copy_into(model: nn.Module, folder: Path) -> None:
    """Copies the current shared weights into a model."""
    parameters = list(model.parameters())
    sizes = [p.numel() for p in parameters]
    flat = torch.from_file(str(folder / "weights.bin"), shared=False, size=sum(sizes), dtype=torch.float32)
    for p, part in zip(parameters, torch.split(flat, sizes), strict=True):
        p.copy_(part.view_as(p))
