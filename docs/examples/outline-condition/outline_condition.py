"""A vision condition `outline`: the edges of the sample's own images."""

from __future__ import annotations

from collections.abc import Sequence

from cambrian_eval.condition import Condition, Context
from cambrian_eval.image import LazyImage
from cambrian_eval.sample import Sample


class Outline(Condition):
    """Shapes and text stay visible; colors and surfaces do not."""

    name = "outline"
    title = "Outlines"
    summary = "the edges of the sample's own images"
    color = "#7fa88f"

    def apply(self, sample: Sample, context: Context) -> Sequence[LazyImage]:
        """One image of edges for each image of the sample. An image is computed when it is read."""
        return [_outlined(image, context.max_pixels) for image in sample.images]


def _outlined(image: LazyImage, max_pixels: int) -> LazyImage:
    def draw() -> bytes:
        from PIL import ImageFilter

        edges = image.load(max_pixels).convert("L").filter(ImageFilter.FIND_EDGES)
        return LazyImage.from_image(edges.convert("RGB")).data()

    return LazyImage(draw)
