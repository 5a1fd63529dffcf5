"""A key-value cache that grows in place, can be forked at its prefix, and can drop finished questions.

Transformers' dynamic cache copies itself for every token and its static one fixes the length in advance; this layer
keeps spare columns and copies only when they run out. Everything else is transformers' own `Cache`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

SPARE = 64
"""Columns allocated beyond what is needed whenever a layer has to grow."""


class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values of one decoder layer: views of buffers with spare columns at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.is_initialized: bool = False
        self.length = 0

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append the new columns; returns all of them."""
        end = self.length + key_states.shape[-2]
        if not self.is_initialized:
            self.dtype, self.device = key_states.dtype, key_states.device
            self.keys, self.values = _with_capacity(key_states, end + SPARE), _with_capacity(value_states, end + SPARE)
            self.is_initialized = True
        elif end > self.keys.shape[-2]:
            capacity = end + max(SPARE, end // 4)
            self.keys, self.values = self._moved(self.keys, capacity), self._moved(self.values, capacity)
        self.keys[:, :, self.length : end] = key_states
        self.values[:, :, self.length : end] = value_states
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_seq_length(self) -> int:
        """Number of columns in use, without the spare ones."""
        return self.length

    def fork(self, rows: Tensor | None, length: int) -> GrowingLayer:
        """A layer that begins with the first `length` columns of this one, of some of its rows.

        Without `rows` the two share their buffers: columns written after `length` overwrite those of the older fork,
        so only the newest fork may be used.
        """
        made = GrowingLayer()
        made.is_initialized, made.dtype, made.device, made.length = True, self.dtype, self.device, length
        if rows is None:
            made.keys, made.values = self.keys, self.values
        else:
            rows = rows.to(self.device)
            made.keys = self.keys[:, :, :length].index_select(0, rows)
            made.values = self.values[:, :, :length].index_select(0, rows)
        return made

    def gather(self, rows: Tensor, columns: Tensor) -> None:
        """Keep `rows` [R], and of each of them `columns` [R, K] in that order."""
        rows, columns = rows.to(self.device), columns.to(self.device)
        self.keys, self.values = _gathered(self.keys, rows, columns), _gathered(self.values, rows, columns)
        self.length = columns.shape[1]

    def _moved(self, old: Tensor, capacity: int) -> Tensor:
        new = _with_capacity(old, capacity)
        new[:, :, : self.length] = old[:, :, : self.length]
        return new


class GrowingCache(Cache):  # type: ignore[misc]
    """All layers of a decoder; see `GrowingLayer`."""

    def __init__(self, layers: list[GrowingLayer] | None = None) -> None:
        if layers is None:
            super().__init__(layer_class_to_replicate=GrowingLayer)
        else:
            super().__init__(layers=layers)

    def fork(self, rows: Tensor | None, length: int) -> GrowingCache:
        """Fork every layer; without `rows` only the newest fork may be used."""
        return GrowingCache([layer.fork(rows, length) for layer in self.layers])

    def gather(self, rows: Tensor, columns: Tensor) -> None:
        """Keep these rows and columns of every layer, in place."""
        for layer in self.layers:
            layer.gather(rows, columns)


def _with_capacity(like: Tensor, capacity: int) -> Tensor:
    batch, heads, _, width = like.shape
    # Zeros, because a masked column must be finite, or its weight of zero would give NaN.
    return like.new_zeros(batch, heads, capacity, width)


def _gathered(old: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    index = columns[:, None, :, None].expand(-1, old.shape[1], -1, old.shape[3])
    return torch.gather(old.index_select(0, rows), 2, index)
