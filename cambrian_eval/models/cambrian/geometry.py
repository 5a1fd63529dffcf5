"""The position of the image inside the padded square: valid regions, masks, windows and visual tokens.

Pure arithmetic on (width, height). The order of the floating point operations is part of the published function: it
decides between n and n - 1 rows for some sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Region:
    """The cells of a square grid that show the image rather than padding: a band of full rows or columns."""

    top: int
    left: int
    height: int
    width: int

    @property
    def cells(self) -> int:
        """Number of cells that show the image; newlines are not among them."""
        return self.height * self.width

    @property
    def tokens(self) -> int:
        """Visual tokens of the region: every row is followed by one newline token."""
        return self.height * (self.width + 1)


def valid_region(size: tuple[int, int], side: int) -> Region:
    """The part of a `side` x `side` grid over the padded square that shows an image of (width, height).

    An image so narrow that no row or column would be left (an aspect ratio above about `side`) keeps exactly one, the
    first of the lower or right half; the authors' code fails there with a reshape error.
    """
    width, height = size
    if width <= 0 or height <= 0:
        raise ValueError(f"an image of {width} x {height} pixels has no content")
    if width / height > 1:
        start, kept = _band(int(height * (side / width)), side)
        return Region(top=start, left=0, height=kept, width=side)
    start, kept = _band(int(width * (side / height)), side)
    return Region(top=0, left=start, height=side, width=kept)


def _band(cells: int, side: int) -> tuple[int, int]:
    start = (side - cells) // 2
    kept = side - 2 * start
    return (start, kept) if kept > 0 else (side // 2, 1)


def visual_tokens(size: tuple[int, int], side: int) -> int:
    """Number of visual tokens of an image of (width, height) on a grid of `side`."""
    return valid_region(size, side).tokens


def valid_map(size: tuple[int, int], side: int) -> Tensor:
    """Boolean [side, side]: true where the grid shows the image."""
    import torch

    region = valid_region(size, side)
    valid = torch.zeros(side, side, dtype=torch.bool)
    valid[region.top : region.top + region.height, region.left : region.left + region.width] = True
    return valid


def cut_windows(grid: Tensor, query_side: int) -> Tensor:
    """Cut [..., s, s, D] into windows [..., q*q, r*r, D] with r = s / q, both row-major."""
    *lead, side, _, width = grid.shape
    cells = side // query_side
    grid = grid.reshape(*lead, query_side, cells, query_side, cells, width)
    count = len(lead)
    order = (*range(count), count, count + 2, count + 1, count + 3, count + 4)
    return grid.permute(order).reshape(*lead, query_side * query_side, cells * cells, width)


def window_masks(size: tuple[int, int], tower_sides: Sequence[int], query_side: int) -> tuple[Tensor, ...]:
    """Per tower, boolean [q*q, r*r]: which cells of each window a query attends to.

    The border is computed on every tower's own side. A window of padding alone attends to all of its cells; this is
    decided for each tower separately.
    """
    masks = []
    for side in tower_sides:
        mask = cut_windows(valid_map(size, side).unsqueeze(-1), query_side).squeeze(-1)
        masks.append(mask | ~mask.any(dim=-1, keepdim=True))
    return tuple(masks)


def region_windows(region: Region, side: int) -> Tensor:
    """Row-major indices, into the windows of a `side` x `side` grid, of the cells inside `region`."""
    import torch

    rows = torch.arange(region.top, region.top + region.height)
    columns = torch.arange(region.left, region.left + region.width)
    return (rows[:, None] * side + columns[None, :]).flatten()
