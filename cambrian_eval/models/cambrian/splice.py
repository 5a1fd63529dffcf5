"""Put encoded images into embedded text: the sequence the decoder sees, row by row, then padded to a batch.

Decides positions: where each image begins in its row, what the length limit cuts off, and on which side a batch is
padded. Needs neither towers nor decoder.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from cambrian_eval.errors import UserError

from .config import IMAGE_TOKEN_ID
from .connector import EncodedImage
from .language import ImageStates
from .sva import Windows

Side = Literal["left", "right"]
IGNORED_LABEL = -100


@dataclass(frozen=True)
class SplicedBatch:
    """What a prefill needs: embeddings [B, T, H], mask and positions [B, T], and where the images are."""

    inputs_embeds: Tensor
    attention_mask: Tensor
    position_ids: Tensor
    image_states: ImageStates | None
    labels: Tensor | None = None


@dataclass(frozen=True)
class _Row:
    embeds: Tensor
    labels: Tensor | None
    columns: Tensor
    windows: Windows | None


def text_rows(values: Tensor, attention_mask: Tensor | None) -> list[Tensor]:
    """The rows of a padded batch without their padding."""
    if attention_mask is None:
        return list(values)
    keep = attention_mask.bool()
    return [row[kept.to(row.device)] for row, kept in zip(values, keep, strict=True)]


def padded_side(attention_mask: Tensor | None) -> Side | None:
    """The side on which a batch is padded, or None where it is not padded at all."""
    if attention_mask is None or bool(attention_mask.all()):
        return None
    return "left" if bool((attention_mask[:, 0] == 0).any()) else "right"


def image_index(ids: Tensor) -> int | None:
    """The position of the image in a row of ids; None where there is none."""
    places = (ids == IMAGE_TOKEN_ID).nonzero().flatten().tolist()
    if len(places) > 1:
        raise UserError(f"a prompt has {len(places)} images; Cambrian-1 takes at most one image per prompt")
    return int(places[0]) if places else None


def warn_of_position(place: int, trained: int) -> None:
    """Warn that an image has another position than in training; the samplers follow it there."""
    warnings.warn(
        f"the image begins at position {place} of the prompt, in training it was image_position = {trained}; the "
        "samplers use the real position",
        stacklevel=3,
    )


def splice(
    rows: Sequence[Tensor],
    images: Sequence[EncodedImage],
    embed: Callable[[Tensor], Tensor],
    *,
    token_limit: int | None,
    padding_side: Side,
    labels: Sequence[Tensor] | None = None,
) -> SplicedBatch:
    """Embed unpadded rows of ids, each image in the place of its mark; `images` in the order of the rows."""
    places = [image_index(ids) for ids in rows]
    wanted = sum(place is not None for place in places)
    if wanted != len(images):
        raise UserError(f"the prompts have {wanted} image marks but {len(images)} images were given")
    given = iter(images)
    made = [
        _splice_row(
            ids,
            place,
            None if place is None else next(given),
            embed,
            token_limit,
            None if labels is None else labels[index],
        )
        for index, (ids, place) in enumerate(zip(rows, places, strict=True))
    ]
    return _pad(made, padding_side)


def _splice_row(
    ids: Tensor,
    place: int | None,
    image: EncodedImage | None,
    embed: Callable[[Tensor], Tensor],
    limit: int | None,
    labels: Tensor | None,
) -> _Row:
    if place is None or image is None:
        return _Row(embed(ids), labels, torch.empty(0, dtype=torch.long), None)
    text = embed(torch.cat([ids[:place], ids[place + 1 :]]))
    visual = image.tokens.to(text)
    embeds = torch.cat([text[:place], visual, text[place:]])[:limit]
    if labels is not None:
        hidden = labels.new_full((len(visual),), IGNORED_LABEL)
        labels = torch.cat([labels[:place], hidden, labels[place + 1 :]])[:limit]
    region = image.region
    grid = torch.arange(region.tokens).view(region.height, region.width + 1)
    columns = place + grid[:, :-1].flatten()
    windows = image.windows
    kept = columns < len(embeds)
    if windows is not None and not bool(kept.all()):
        index = kept.nonzero().flatten()
        kept_windows = windows.select(index.to(windows.image.device)) if len(index) else None
        columns, windows = columns[index], kept_windows
    return _Row(embeds, labels, columns, windows)


def _pad(rows: Sequence[_Row], side: Side) -> SplicedBatch:
    device = rows[0].embeds.device
    length = max(len(row.embeds) for row in rows)
    starts = [length - len(row.embeds) if side == "left" else 0 for row in rows]
    embeds, masks, positions, labels = [], [], [], []
    for row, start in zip(rows, starts, strict=True):
        count = len(row.embeds)
        around = (start, length - start - count)
        embeds.append(torch.nn.functional.pad(row.embeds, (0, 0, *around)))
        index = torch.arange(length, device=device) - start
        masks.append(((index >= 0) & (index < count)).long())
        positions.append(index.clamp(0, max(count - 1, 0)))
        if row.labels is not None:
            labels.append(torch.nn.functional.pad(row.labels, around, value=IGNORED_LABEL))
    return SplicedBatch(
        torch.stack(embeds),
        torch.stack(masks),
        torch.stack(positions),
        _gather_states(rows, starts, device),
        torch.stack(labels) if labels else None,
    )


def _gather_states(rows: Sequence[_Row], starts: Sequence[int], device: torch.device) -> ImageStates | None:
    parts = [
        (index, row.columns + starts[index], row.windows) for index, row in enumerate(rows) if row.windows is not None
    ]
    if not parts:
        return None
    windows = [found for _, _, found in parts]
    image = [torch.full_like(found.image, number) for number, found in enumerate(windows)]
    return ImageStates(
        torch.cat([torch.full_like(columns, index) for index, columns, _ in parts]).to(device),
        torch.cat([columns for _, columns, _ in parts]).to(device),
        Windows(
            tuple(torch.cat(features) for features in zip(*(w.features for w in windows), strict=True)),
            tuple(torch.cat(masks) for masks in zip(*(w.masks for w in windows), strict=True)),
            torch.cat([found.context for found in windows]),
            torch.cat(image),
        ),
    )
