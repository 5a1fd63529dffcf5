"""Where the images of a request stand in its text.

A prompt whose benchmark places images (`Benchmark.places_images`) has marks `<image N>`: the N-th image goes there,
again at each further mark. Marks without an image are removed. Images without a mark, and all images of other prompts,
stand before the text, or after it where the request's order is `text_first`; marks in other prompts are ordinary text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cambrian_eval.image import LazyImage
from cambrian_eval.sample import Request

Part = str | LazyImage
MARK = re.compile(r"<image (\d{1,3})>")


def parts(request: Request) -> list[Part]:
    """Texts and images in the order in which the model reads them; no text is empty."""
    if not request.places_images:
        return _in_order(request, request.images, [request.prompt])
    found: list[Part] = []
    text, end, placed = "", 0, set[int]()
    for mark in MARK.finditer(request.prompt):
        text, end = text + request.prompt[end : mark.start()], mark.end()
        number = int(mark[1]) - 1
        if 0 <= number < len(request.images):
            found += [text, request.images[number]]
            text = ""
            placed.add(number)
    found.append(text + request.prompt[end:])
    unplaced = [image for i, image in enumerate(request.images) if i not in placed]
    return _in_order(request, unplaced, [part for part in found if not isinstance(part, str) or part])


def _in_order(request: Request, images: Sequence[LazyImage], rest: Sequence[Part]) -> list[Part]:
    return [*rest, *images] if request.order == "text_first" else [*images, *rest]


def text_of(request: Request) -> str:
    """The text alone, without the marks of placed images."""
    return "".join(part for part in parts(request) if isinstance(part, str))
