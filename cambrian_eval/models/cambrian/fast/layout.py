"""Which question each column of a key-value cache belongs to, and the attention mask that follows from it.

A row of a batch has one prefix (template, image) and after it the tokens of several questions, side by side. Every
column has an owner: the prefix, one question, or none (padding). A token attends to the prefix and to the earlier
tokens of its own question; that single rule gives the mask of every pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

PREFIX = -1
PADDING = -2


@dataclass(frozen=True)
class Layout:
    """Owners and positions [G, K] of the columns in a cache of G rows, in the cache's order."""

    owners: Tensor
    positions: Tensor

    @classmethod
    def of_prefixes(cls, mask: Tensor, positions: Tensor) -> Layout:
        """The layout after a pass over whole prefixes, padded on the right; `mask` [G, K] is 1 where real."""
        return cls(torch.where(mask.bool(), PREFIX, PADDING), positions)

    def extended(self, owners: Tensor, positions: Tensor) -> Layout:
        """The layout after one more pass has added its columns to the cache."""
        return Layout(torch.cat([self.owners, owners], dim=1), torch.cat([self.positions, positions], dim=1))

    def mask(self, count: int, window: int | None = None) -> Tensor:
        """Boolean [G, 1, count, K]: what each of the last `count` columns attends to.

        Columns are in causal order, so a token attends to no column on the right of its own; with a sliding `window`,
        only to positions less than that far back. Padding attends to itself alone, which keeps its softmax finite.
        """
        keys, queries = self.owners[:, None, :], self.owners[:, -count:, None]
        seen = (keys == PREFIX) | (keys == queries)
        columns = torch.arange(self.owners.shape[1], device=self.owners.device)
        seen &= columns <= columns[-count:, None]
        if window is not None:
            distance = self.positions[:, -count:, None] - self.positions[:, None, :]
            seen &= (distance < window) | (columns == columns[-count:, None])
        return seen[:, None]
