"""The Spatial Vision Aggregator: queries that read their own window of every tower's feature map.

The arithmetic of one sampler layer, which the connector and the in-LLM samplers share. Every query sees one window per
tower and nothing else, so all windows of all images are one dense batch: no loop over queries and no small attention
calls. Module names are those of the checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import SAMPLER_HEADS


@dataclass(frozen=True)
class Windows:
    """What N queries may look at.

    `features[i]` is tower i's windows [N, r_i * r_i, C], `masks[i]` the matching booleans [N, r_i * r_i];
    `context` is [P, C], one vector per image, and `image` [N] says which image each query belongs to.
    """

    features: tuple[Tensor, ...]
    masks: tuple[Tensor, ...]
    context: Tensor
    image: Tensor

    def to(self, device: torch.device, dtype: torch.dtype) -> Windows:
        """The windows on a device; features and context in the given type, masks and numbers in their own."""
        return Windows(
            tuple(feature.to(device, dtype) for feature in self.features),
            tuple(mask.to(device) for mask in self.masks),
            self.context.to(device, dtype),
            self.image.to(device),
        )

    def select(self, index: Tensor) -> Windows:
        """The windows of some of the queries, in the order of `index`."""
        return Windows(
            tuple(feature[index] for feature in self.features),
            tuple(mask[index] for mask in self.masks),
            self.context,
            self.image[index],
        )


def _normed_linear(width: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width, bias=False))


class WindowAttention(nn.Module):
    """Attention of one query over the cells of its windows, with a norm and a projection per tower."""

    def __init__(self, width: int, towers: int) -> None:
        super().__init__()
        self.towers = towers
        self.q_proj = _normed_linear(width)
        for tower in range(towers):
            self.add_module(f"k_proj_{tower}", _normed_linear(width))
            self.add_module(f"v_proj_{tower}", _normed_linear(width))
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(self, query: Tensor, cells: Sequence[Tensor], mask: Tensor) -> Tensor:
        """`query` [N, C], `cells` per tower [N, r*r, C], `mask` [N, K] over all towers' cells -> [N, C]."""
        count, width = query.shape
        keys = torch.cat([self.get_submodule(f"k_proj_{i}")(cell) for i, cell in enumerate(cells)], dim=1)
        values = torch.cat([self.get_submodule(f"v_proj_{i}")(cell) for i, cell in enumerate(cells)], dim=1)
        head = width // SAMPLER_HEADS
        split = (count, -1, SAMPLER_HEADS, head)
        heads = self.q_proj(query).view(count, SAMPLER_HEADS, head)
        scores = torch.einsum("nhd,nkhd->nhk", heads, keys.view(split)) * head**-0.5
        scores = scores.masked_fill(~mask[:, None, :], torch.finfo(scores.dtype).min)
        weights = scores.softmax(dim=-1, dtype=torch.float32).to(scores.dtype)
        mixed = torch.einsum("nhk,nkhd->nhd", weights, values.view(split))
        output: Tensor = self.o_proj(mixed.reshape(count, width))
        return output


class OutputProjection(nn.Module):
    """The two-layer perceptron at the end of a sampler layer."""

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(width, width, bias=False)
        self.linear_2 = nn.Linear(width, out_width, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """Linear, exact GELU, linear; keeps the leading dimensions."""
        output: Tensor = self.linear_2(F.gelu(self.linear_1(hidden)))
        return output


class SamplerLayer(nn.Module):
    """One layer: reads the context, attends to the windows, and adds the result to the query."""

    def __init__(self, query_width: int, width: int, window_sides: Sequence[int]) -> None:
        super().__init__()
        self.window_sides = tuple(window_sides)
        self.proj_context = nn.Linear(width, width, bias=False)
        self.proj_in = nn.Linear(query_width + width, width, bias=False)
        self.cross_attn = WindowAttention(width, len(self.window_sides))
        self.norm = nn.LayerNorm(width)
        self.proj_out = OutputProjection(width, query_width)
        for tower, side in enumerate(self.window_sides):
            if side > 1:
                self.register_parameter(f"pos_embed_{tower}", nn.Parameter(torch.zeros(side * side, width)))

    def forward(self, queries: Tensor, windows: Windows) -> Tensor:
        """`queries` [N, query width] -> the same shape."""
        context = self.proj_context(windows.context)[windows.image]
        hidden = self.proj_in(torch.cat([queries, context], dim=-1))
        cells = [
            cell + self.get_parameter(f"pos_embed_{tower}") if side > 1 else cell
            for tower, (side, cell) in enumerate(zip(self.window_sides, windows.features, strict=True))
        ]
        hidden = hidden + self.cross_attn(hidden, cells, torch.cat(windows.masks, dim=1))
        output: Tensor = queries + self.proj_out(self.norm(hidden))
        return output


class VisionSampler(nn.Module):
    """A stack of sampler layers over the same windows."""

    def __init__(self, query_width: int, width: int, window_sides: Sequence[int], depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(SamplerLayer(query_width, width, window_sides) for _ in range(depth))

    def forward(self, queries: Tensor, windows: Windows) -> Tensor:
        """Queries [N, D] through every layer in turn; the windows stay the same."""
        for layer in self.layers:
            queries = layer(queries, windows)
        return queries


def resample_grid(tokens: Tensor, side: int) -> Tensor:
    """Bilinear resampling of row-major tokens [B, s*s, D] to [B, side*side, D], in float32 and cast back."""
    batch, count, width = tokens.shape
    source = int(count**0.5)
    grid = tokens.transpose(1, 2).reshape(batch, width, source, source)
    grid = resample_map(grid, side)
    return grid.flatten(2).transpose(1, 2)


def resample_map(grid: Tensor, side: int) -> Tensor:
    """Bilinear resampling of a map [B, D, s, s] to [B, D, side, side], in float32 and cast back."""
    size = (side, side)
    return F.interpolate(grid.float(), size=size, mode="bilinear", align_corners=False).to(grid.dtype)
