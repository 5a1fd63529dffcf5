"""How much fits in memory: what is free, what a token needs, and a token budget that adapts when memory runs out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch

_SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")

MOST_TOKENS = {"cuda": 32_768, "cpu": 2_048}
"""Larger batches are not faster: matrix products are at full rate already, and on a CPU the states of a larger one do
not fit in its caches."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out, on any device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)


def release(device: torch.device) -> None:
    """Return cached blocks to the device after memory ran out."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def free_bytes(device: torch.device) -> int:
    """Memory that can still be allocated on the device."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + cached
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 4 << 30


def bytes_per_token(config: Any, cells: int, dtype: torch.dtype) -> int:
    """Memory of one position: its keys and values in all layers, and its widest intermediate states.

    `cells` is the size of a visual token's windows, in numbers: a sampler has them, their norms, keys and values in
    memory at once.
    """
    heads = config.num_key_value_heads or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    kept = 2 * config.num_hidden_layers * heads * width
    passing = 8 * config.hidden_size + 3 * config.intermediate_size + 6 * cells
    return int((kept + passing) * dtype.itemsize)


def default_vision_cache(device: torch.device) -> int:
    """Bytes for encoded images unless the user sets them: a sixth of what is free, at most 8 GiB on a CPU."""
    share = free_bytes(device) // 6
    return share if device.type == "cuda" else min(share, 8 << 30)


def start_tokens(config: Any, cells: int, dtype: torch.dtype, device: torch.device) -> int:
    """The most positions of a first batch: what fits in half of the free memory, up to `MOST_TOKENS`."""
    fits = free_bytes(device) // 2 // bytes_per_token(config, cells, dtype)
    return max(1024, min(MOST_TOKENS.get(device.type, 4_096), fits))


@dataclass
class TokenBudget:
    """How many positions a batch may have. After memory ran out it approaches the largest number that fits."""

    tokens: int
    most: int
    fitted: int = 0
    failed: int | None = None

    def succeeded(self, used: int) -> None:
        """A batch of that size fitted; after a failure, one that nearly filled the budget lets it grow again."""
        self.fitted = max(self.fitted, used)
        if self.failed is None:
            return
        # Halfway to the smallest known failure, until the two are close.
        if used * 10 >= self.tokens * 8 and self.failed - self.tokens > self.failed // 8:
            self.tokens = min(self.most, (self.tokens + self.failed) // 2)

    def ran_out(self, used: int) -> None:
        """A batch of that size did not fit: the budget becomes half of the smallest that failed."""
        self.failed = used if self.failed is None else min(self.failed, used)
        self.tokens = max(1, self.failed // 2)
