"""An image to the pixels of every tower: pad to a square, resize, normalize."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from .towers.kind import TowerSpec, Triple

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pad_to_square(image: Image.Image, color: tuple[int, int, int]) -> Image.Image:
    """Center the image on a square of its longer side; an odd remainder goes to the bottom or the right."""
    width, height = image.size
    if width == height:
        return image
    side = max(width, height)
    square = Image.new("RGB", (side, side), color)
    square.paste(image, ((side - width) // 2, (side - height) // 2))
    return square


def normalize(image: Image.Image, mean: Triple, std: Triple) -> NDArray[np.float32]:
    """RGB to float32 [3, height, width], scaled to one and normalized per channel."""
    scaled: NDArray[np.float32] = np.asarray(image, dtype=np.float32) * np.float32(1 / 255)
    centered: NDArray[np.float32] = scaled - np.asarray(mean, dtype=np.float32)
    return np.ascontiguousarray((centered / np.asarray(std, dtype=np.float32)).transpose(2, 0, 1))


def tower_pixels(image: Image.Image, spec: TowerSpec) -> NDArray[np.float32]:
    """One tower's view of an image, float32 [3, side, side]."""
    square = pad_to_square(as_rgb(image), spec.kind.padding)
    if square.size != (spec.side, spec.side):
        square = square.resize((spec.side, spec.side), Image.Resampling.BICUBIC)
    return normalize(square, spec.mean, spec.std)


def as_rgb(image: Image.Image) -> Image.Image:
    """The image itself where it is RGB already; transparency is dropped, as in the authors' scripts."""
    return image if image.mode == "RGB" else image.convert("RGB")
