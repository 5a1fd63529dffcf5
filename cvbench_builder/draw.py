"""Images with boxes: colors, widths, mirroring, and the bytes that are stored.

An image without boxes keeps the bytes of the source. Every other image is decoded, turned upright, drawn on in RGB and
saved as PNG.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvbench_builder.files import IMAGE_FORMATS, MAX_IMAGE_BYTES

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

Box = tuple[float, float, float, float]


class BrokenImage(Exception):
    """The image cannot be decoded completely."""


@dataclass(frozen=True)
class DrawnBox:
    """A box to draw and its color."""

    rgb: tuple[int, int, int]
    box: Box


@dataclass(frozen=True)
class Rendered:
    """An image as it is stored: its bytes, their file suffix, its size."""

    data: bytes
    suffix: str
    width: int
    height: int


@dataclass(frozen=True)
class ImageFacts:
    """What is known after decoding an image: its hash, its difference hash, its upright size."""

    sha256: str
    look: int
    width: int
    height: int


def inspect(path: Path) -> ImageFacts:
    """Decode the whole image, so that a truncated one is found before a row uses it."""
    data = _read(path)
    image = _open(data, path)
    return ImageFacts(hashlib.sha256(data).hexdigest(), difference_hash(image), image.width, image.height)


def difference_hash(image: PillowImage) -> int:
    """64 bits: whether each cell of a 9 x 8 gray thumbnail is brighter than its right neighbor."""
    small = image.convert("L").resize((9, 8))
    gray = list(small.tobytes())
    bits = (gray[9 * y + x] > gray[9 * y + x + 1] for y in range(8) for x in range(8))
    return sum(1 << i for i, bit in enumerate(bits) if bit)


def render(path: Path, boxes: list[DrawnBox], *, mirror: bool = False, marker: str = "box") -> Rendered:
    """The image with its boxes, or with points in their middle; the last one is drawn last, on top."""
    data = _read(path)
    image = _open(data, path)
    if not boxes and not mirror and image.info.get("upright_rgb"):
        return Rendered(data, path.suffix.lower() or ".jpg", image.width, image.height)
    if mirror:
        from PIL import ImageOps

        image = ImageOps.mirror(image)
        boxes = [DrawnBox(b.rgb, mirrored(b.box, image.width)) for b in boxes]
    width = line_width(image.width, image.height)
    for drawn in boxes if marker == "point" else ():
        _point(image, drawn)
    for drawn in boxes if marker == "box" else ():
        for band in frame(drawn.box, width, image.width, image.height):
            image.paste(drawn.rgb, band)
    return Rendered(encode_png(image), ".png", image.width, image.height)


def encode_png(image: PillowImage) -> bytes:
    """An RGB image as PNG, every row stored as its difference from the row above.

    Pillow tries all filters for each row: for photographs it needs two to three times as long as this, for files that
    are at most 10 % smaller.
    """
    import numpy as np

    pixels = np.asarray(image).reshape(image.height, 3 * image.width)
    rows = np.empty((image.height, 1 + 3 * image.width), np.uint8)
    rows[:, 0] = 2  # the filter "up"
    rows[0, 1:] = pixels[0]
    np.subtract(pixels[1:], pixels[:-1], out=rows[1:, 1:])
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", packer.compress(rows.data) + packer.flush()), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + name + d + struct.pack(">I", zlib.crc32(name + d)) for name, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _point(image: PillowImage, drawn: DrawnBox) -> None:
    """A disk with a white and a black rim, so that it is visible on every background."""
    from PIL import ImageDraw

    x, y = (drawn.box[0] + drawn.box[2]) / 2, (drawn.box[1] + drawn.box[3]) / 2
    radius = point_radius(image.width, image.height)
    pen = ImageDraw.Draw(image)
    for size, color in ((radius + 2, (0, 0, 0)), (radius + 1, (255, 255, 255)), (radius, drawn.rgb)):
        pen.ellipse((x - size, y - size, x + size, y + size), fill=color)


def point_radius(width: int, height: int) -> int:
    """1 % of the longer side, at least 4 pixels."""
    return max(4, round(0.01 * max(width, height)))


def _read(path: Path) -> bytes:
    try:
        if not path.is_file() or path.stat().st_size > MAX_IMAGE_BYTES:
            raise BrokenImage(str(path))
        return path.read_bytes()
    except OSError:
        raise BrokenImage(str(path)) from None


def _open(data: bytes, path: Path) -> PillowImage:
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data), formats=IMAGE_FORMATS) as opened:
            opened.load()
            orientation = opened.getexif().get(0x0112, 1)
            plain = opened.mode == "RGB" and orientation in (None, 0, 1)
            turned: Any = opened if plain else ImageOps.exif_transpose(opened)
            if turned.mode.startswith("I"):  # 16 bits a pixel, which `convert` would clip to white
                turned = turned.convert("I").point(lambda value: value * (255 / 65535))
            image: PillowImage = turned.convert("RGB").copy() if turned.mode != "RGB" else turned.copy()
    except (OSError, SyntaxError, ValueError, KeyError, Image.DecompressionBombError):
        raise BrokenImage(str(path)) from None
    image.info = {"upright_rgb": plain}
    return image


def line_width(width: int, height: int) -> int:
    """0.5 % of the longer side, at least 2 pixels."""
    return max(2, round(0.005 * max(width, height)))


def mirrored(box: Box, width: float) -> Box:
    """The box in the image turned left to right."""
    return (width - box[2], box[1], width - box[0], box[3])


def frame(box: Box, line: int, width: int, height: int) -> list[tuple[int, int, int, int]]:
    """The four bands of a box outline, drawn outward so the object stays uncovered.

    At the border of the image the line is moved inside; otherwise an object that fills the image would have no box.
    """
    left = max(0, math.floor(box[0] + 1e-6) - line)
    top = max(0, math.floor(box[1] + 1e-6) - line)
    right = min(width, math.ceil(box[2] - 1e-6) + line)
    bottom = min(height, math.ceil(box[3] - 1e-6) + line)
    bands = (
        (left, top, right, top + line),
        (left, bottom - line, right, bottom),
        (left, top, left + line, bottom),
        (right - line, top, right, bottom),
    )
    return [(max(0, a), max(0, b), min(width, c), min(height, d)) for a, b, c, d in bands]
