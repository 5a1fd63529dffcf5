"""From tower features to visual tokens: projections, context, aggregation, crop and newlines.

Has the vision weights that are in the checkpoint under `model.` (everything that is not the language model) and the
values that an image becomes. Independent of towers, text and decoder layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .config import CambrianConfig
from .geometry import Region, cut_windows, region_windows, valid_region, window_masks
from .sva import VisionSampler, Windows, resample_grid

Size = tuple[int, int]


@dataclass(frozen=True)
class EncodedImage:
    """What the language model needs of one image, computed once however many questions it has.

    `tokens` [n, H] goes into the sequence, with a newline embedding after every row of `region`. `windows` has what
    the in-LLM samplers read for the region's cells, row-major; it is None where no sampler runs.
    """

    size: Size
    region: Region
    tokens: Tensor
    windows: Windows | None

    @property
    def nbytes(self) -> int:
        """Size of the tensors in memory, for caches with a limit."""
        tensors = [self.tokens]
        if self.windows is not None:
            tensors += [*self.windows.features, *self.windows.masks, self.windows.context]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def perceptron(in_width: int, out_width: int, depth: int) -> nn.Module:
    """`depth` linear layers with exact GELU between them; a single one is a bare layer, as in the files."""
    first = nn.Linear(in_width, out_width)
    if depth == 1:
        return first
    rest = [module for _ in range(depth - 1) for module in (nn.GELU(), nn.Linear(out_width, out_width))]
    return nn.Sequential(first, *rest)


class Connector(nn.Module):
    """The vision part of the checkpoint, mixed into the language model so that names match the file."""

    mm_projector: nn.Module
    vision_sampler_layers: nn.ModuleList
    vision_query: nn.Parameter
    image_newline: nn.Parameter

    def build_connector(self, config: CambrianConfig, tower_widths: Sequence[int]) -> None:
        """Create the modules; called once, by the constructor of the class this is mixed into."""
        config.check_vision()
        self.vision = config
        hidden, width = config.hidden_size, config.vision_hidden_size
        self.image_newline = nn.Parameter(torch.randn(hidden) * hidden**-0.5)
        if not config.uses_aggregator:
            self.mm_projector = perceptron(sum(tower_widths), hidden, config.projector_depth)
            return
        groups = config.num_query_group
        self.vision_query = nn.Parameter(torch.randn(groups, width) * width**-0.5)
        self.mm_projector = perceptron(groups * width, hidden, config.projector_depth)
        for tower, tower_width in enumerate(tower_widths):
            projection = nn.Sequential(
                nn.Linear(tower_width, width), nn.GELU(), nn.Linear(width, width), nn.LayerNorm(width)
            )
            self.add_module(f"mm_projector_aux_{tower}", projection)
        for group, side in enumerate(config.query_sides):
            sampler = VisionSampler(width, width, config.window_sides(side), config.connector_depth)
            self.add_module(f"vision_sampler_{group}", sampler)
        if config.sampler_layers:
            sides = config.window_sides(config.grid_side)
            self.vision_sampler_layers = nn.ModuleList(
                VisionSampler(hidden, width, sides, depth=1) for _ in config.sampler_layers
            )

    def project_towers(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Tower tokens [P, s_i * s_i, D_i] to g_i [P, s_i * s_i, C], on one device."""
        home = self.vision_query.device
        return tuple(
            self.get_submodule(f"mm_projector_aux_{tower}")(feature).to(home) for tower, feature in enumerate(features)
        )

    def encode_features(self, features: Sequence[Tensor], sizes: Sequence[Size]) -> list[EncodedImage]:
        """What the language model needs of P images, from their tower tokens and their (width, height)."""
        if not self.vision.uses_aggregator:
            home = self.image_newline.device
            joined = torch.cat([feature.to(home) for feature in features], dim=-1)
            grid = self.mm_projector(joined)
            return [self._finish(grid[i], size, None) for i, size in enumerate(sizes)]
        projected = self.project_towers(features)
        context = projected[0].mean(dim=1)
        grid = self.connect(projected, context, sizes)
        windows = self.image_windows(projected, context, sizes)
        return [self._finish(grid[i], size, windows[i]) for i, size in enumerate(sizes)]

    def connect(self, projected: Sequence[Tensor], context: Tensor, sizes: Sequence[Size]) -> Tensor:
        """Aggregate every query group over all its windows and project: [P, image_token_len, H]."""
        groups = []
        for group, side in enumerate(self.vision.query_sides):
            images, queries = len(sizes), side * side
            windows = Windows(
                tuple(cut_windows(self._as_grid(feature), side).flatten(0, 1) for feature in projected),
                self._batch_masks(sizes, side, context.device),
                context,
                torch.arange(images, device=context.device).repeat_interleave(queries),
            )
            start = self.vision_query[group].to(context).expand(images * queries, -1)
            mixed = self.get_submodule(f"vision_sampler_{group}")(start, windows)
            mixed = mixed.view(images, queries, -1)
            groups.append(mixed if side == self.vision.grid_side else resample_grid(mixed, self.vision.grid_side))
        output: Tensor = self.mm_projector(torch.cat(groups, dim=-1))
        return output

    def image_windows(
        self, projected: Sequence[Tensor], context: Tensor, sizes: Sequence[Size]
    ) -> list[Windows | None]:
        """Per image, the windows inside its region on the final grid, for the in-LLM samplers."""
        if not self.vision.sampler_layers:
            return [None] * len(sizes)
        side = self.vision.grid_side
        cut = [cut_windows(self._as_grid(feature), side) for feature in projected]
        found: list[Windows | None] = []
        for index, size in enumerate(sizes):
            keep = region_windows(valid_region(size, side), side).to(context.device)
            masks = [mask.to(context.device)[keep] for mask in window_masks(size, self.vision.tower_sides, side)]
            found.append(
                Windows(
                    tuple(feature[index][keep] for feature in cut),
                    tuple(masks),
                    context[index : index + 1],
                    torch.zeros(len(keep), dtype=torch.long, device=context.device),
                )
            )
        return found

    def _finish(self, grid: Tensor, size: Size, windows: Windows | None) -> EncodedImage:
        """Crop one image's projected grid to its region and end every row with the newline embedding."""
        side = self.vision.grid_side
        region = valid_region(size, side)
        keep = region_windows(region, side).to(grid.device)
        rows = grid[keep].view(region.height, region.width, -1)
        newline = self.image_newline.to(rows).expand(region.height, 1, -1)
        return EncodedImage(size, region, torch.cat([rows, newline], dim=1).flatten(0, 1), windows)

    @staticmethod
    def _as_grid(tokens: Tensor) -> Tensor:
        side = int(tokens.shape[1] ** 0.5)
        return tokens.view(tokens.shape[0], side, side, tokens.shape[2])

    def _batch_masks(self, sizes: Sequence[Size], side: int, device: torch.device) -> tuple[Tensor, ...]:
        each = [window_masks(size, self.vision.tower_sides, side) for size in sizes]
        return tuple(torch.cat(masks).to(device) for masks in zip(*each, strict=True))
