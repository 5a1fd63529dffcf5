"""Images as parts of a chat message: as their own bytes where endpoints take the format, else as PNG or JPEG.

An image is encoded once for all its questions and conditions: the parts of recent images are kept, ready to be sent.
"""

from __future__ import annotations

import base64
import io
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from cambrian_eval.image import LazyImage

if TYPE_CHECKING:
    from PIL import Image

ACCEPTED = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
MOST_BYTES = 15_000_000
"""Size of the largest image that is sent unchanged; as base64 it stays under the usual limit of 20 MB."""
MOST_KEPT = 256 << 20
"""The most bytes of parts that are kept."""
_PLAIN_MODES = {"1", "L", "LA", "P", "RGB", "RGBA"}


@dataclass(frozen=True, slots=True)
class ImagePart:
    """One image, ready to be sent."""

    part: orjson.Fragment
    """The JSON of its part of a message, which bodies contain unchanged."""
    size: tuple[int, int]
    """Width and height."""
    note: str | None
    """What was changed, where it is not sent as its own bytes."""
    n_bytes: int
    """The length of its JSON."""


class ImageParts:
    """Makes the parts of images, and keeps the most recent ones by the hash of their image."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most, self._n_bytes = most, 0
        self._kept: OrderedDict[str, ImagePart] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, image: LazyImage) -> ImagePart:
        """The part of an image; raises what reading the image raises."""
        name = image.sha256
        with self._lock:
            if (kept := self._kept.get(name)) is not None:
                self._kept.move_to_end(name)
                return kept
        made = _made(image)
        with self._lock:
            if name not in self._kept:
                self._kept[name] = made
                self._n_bytes += made.n_bytes
            while self._n_bytes > self._most:
                self._n_bytes -= self._kept.popitem(last=False)[1].n_bytes
        return made


def _made(image: LazyImage) -> ImagePart:
    mime, data, note = encoded(image)
    head = f'{{"type":"image_url","image_url":{{"url":"data:{mime};base64,'.encode()
    text = b"".join((head, base64.b64encode(data), b'"}}'))
    header = image.header()
    return ImagePart(orjson.Fragment(text), (header.width, header.height), note, len(text))


def encoded(image: LazyImage, most: int = MOST_BYTES) -> tuple[str, bytes, str | None]:
    """MIME type and bytes of an image as it is sent, and what was changed where they are not the original bytes."""
    from PIL.Image import Resampling

    data, header = image.data(), image.header()
    if header.format in ACCEPTED and header.mode in _PLAIN_MODES and not header.animated and len(data) <= most:
        return ACCEPTED[header.format], data, None
    pixels = image.load()
    png = _saved(pixels, "PNG")
    if len(png) <= most:
        return "image/png", png, f"{header.format} as PNG"
    jpeg = _saved(pixels, "JPEG", quality=95)
    while len(jpeg) > most and min(pixels.size) > 64:
        pixels = pixels.resize((pixels.width * 3 // 4, pixels.height * 3 // 4), Resampling.LANCZOS)
        jpeg = _saved(pixels, "JPEG", quality=95)
    return "image/jpeg", jpeg, f"{header.format} as JPEG of {pixels.width} x {pixels.height} pixels"


def _saved(image: Image.Image, kind: str, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **settings)
    return buffer.getvalue()
