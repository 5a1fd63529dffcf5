"""A vision condition `blur`: the sample's own images, strongly blurred."""

from __future__ import annotations

from collections.abc import Sequence

from cambrian_eval.condition import Condition, Context
from cambrian_eval.image import LazyImage
from cambrian_eval.sample import Sample

STRENGTH = 0.1
"""Blur radius as a fraction of the shorter side of the image."""


class Blur(Condition):
    """Colors and large shapes stay visible; text and small objects do not."""

    name = "blur"
    title = "Blurred image"
    summary = "the sample's own images, strongly blurred"
    color = "#7fa88f"

    def apply(self, sample: Sample, context: Context) -> Sequence[LazyImage]:
        """One blurred image for each image of the sample. An image is computed when it is read."""
        return [_blurred(image, context.max_pixels) for image in sample.images]


def _blurred(image: LazyImage, max_pixels: int) -> LazyImage:
    def draw() -> bytes:
        from PIL import ImageFilter

        pixels = image.load(max_pixels)
        radius = STRENGTH * min(pixels.size)
        return LazyImage.from_image(pixels.filter(ImageFilter.GaussianBlur(radius))).data()

    return LazyImage(draw)
