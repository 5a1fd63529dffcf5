"""Where the images of a request stand in its text.

A prompt whose benchmark places images (`Benchmark.places_images`) has marks `<image N>`: the N-th image goes there,
again at each further mark. Images without a mark stand in front; marks without an image are removed. All other prompts
have their images in front, and marks in them are ordinary text.
"""

from __future__ import annotations

import re

from cambrian_eval.image import LazyImage
from cambrian_eval.sample import Request

Part = str | LazyImage
_MARK = re.compile(r"<image (\d{1,3})>")


def parts(request: Request) -> list[Part]:
    """Texts and images in the order in which the model reads them; no text is empty."""
    if not request.places_images:
        return [*request.images, request.prompt]
    found: list[Part] = []
    text, end, placed = "", 0, set[int]()
    for mark in _MARK.finditer(request.prompt):
        text, end = text + request.prompt[end : mark.start()], mark.end()
        number = int(mark[1]) - 1
        if 0 <= number < len(request.images):
            found += [text, request.images[number]]
            text = ""
            placed.add(number)
    found.append(text + request.prompt[end:])
    unplaced = [image for i, image in enumerate(request.images) if i not in placed]
    return [*unplaced, *(part for part in found if not isinstance(part, str) or part)]


def text_of(request: Request) -> str:
    """The text alone, for a model whose images stand in front."""
    return "".join(part for part in parts(request) if isinstance(part, str))
