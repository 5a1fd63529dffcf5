"""An encoded image that is read on demand.

Rows of a dataset hold thousands of images; a `LazyImage` knows how to read the encoded bytes, so that a
loaded benchmark costs the memory of its text. Decoding for models happens in `load`, in one place.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

IMAGE_COLUMN = re.compile(r"(decoded_)?[Ii]mages?(_\d+|_base64)?$")
"""Columns of datasets whose cells are images."""
MAX_PIXELS = 178_956_970
"""Largest image that is decoded unless the user allows more (the same bound as Pillow's own warning)."""
MAX_BYTES = 256 << 20
"""Largest encoded image that is read."""
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "JPEG2000", "ICO", "TGA", "AVIF")
"""Formats that are decoded. Others stay out: some of Pillow's readers start other programs (EPS)."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes of an encoded image say."""

    format: str
    """One of `FORMATS`."""
    mode: str
    """Pillow's name of its pixels, such as RGB, RGBA or CMYK."""
    width: int
    height: int
    animated: bool
    """Whether it is a PNG or WebP of several frames."""


class LazyImage:
    """The encoded bytes of one image, read on demand, and what is known of them."""

    __slots__ = ("_decoded", "_header", "_read", "_sha256", "name", "problem")

    def __init__(self, read: Callable[[], bytes], name: str = "") -> None:
        self._read = read
        self._sha256: str | None = None
        self._decoded: Image | None = None
        self._header: Header | None = None
        self.name = name
        self.problem: str | None = None
        """Why the image can never be read, where that is known without reading it."""

    @classmethod
    def of(cls, value: Any) -> LazyImage | None:
        """An image from what datasets hold: bytes, a path, {"bytes", "path"}, a Pillow image, or nothing."""
        if value is None or isinstance(value, LazyImage):
            return value
        if isinstance(value, dict):
            if value.get("bytes") is not None:
                return cls.of(value["bytes"])
            return cls.of(value.get("path"))
        if isinstance(value, (bytes, bytearray, memoryview)):
            data = bytes(value)
            return cls(lambda: data)
        if isinstance(value, (str, Path)):
            path = Path(value)
            made = cls(lambda: read_file(path), name=path.name)
            if not os.path.exists(path):
                made.problem = f"image file {path} does not exist"
            return made
        if hasattr(value, "save") and hasattr(value, "convert"):
            return cls(lambda: _as_png(value))
        return cls.unreadable(f"the image cell holds a {type(value).__name__}, not an image")

    @classmethod
    def unreadable(cls, problem: str, name: str = "") -> LazyImage:
        """An image that is known to be unreadable: every attempt to read it is a `ValueError` with the reason."""

        def read() -> bytes:
            raise ValueError(problem)

        made = cls(read, name)
        made.problem = problem
        return made

    def __str__(self) -> str:
        raise TypeError(self.problem or "bytes or an image where text is needed")

    def data(self) -> bytes:
        """The encoded bytes as the dataset holds them."""
        return self._read()

    @property
    def sha256(self) -> str:
        """Hash of the encoded bytes, computed once."""
        if self._sha256 is None:
            self._sha256 = hashlib.sha256(self._read()).hexdigest()
        return self._sha256

    def load(self, max_pixels: int = MAX_PIXELS) -> Image:
        """The decoded RGB image: first frame, no EXIF rotation, as the released evaluation scripts see it."""
        if self._decoded is not None:
            return self._decoded
        return decode(self._read(), max_pixels)

    def header(self, max_pixels: int = MAX_PIXELS) -> Header:
        """Format and size, read without decoding pixels; refuses what `load` refuses, except damaged pixels."""
        if self._header is None:
            with opened(self._read(), max_pixels) as image:
                kind = image.format or ""
                animated = kind in ("PNG", "WEBP") and getattr(image, "n_frames", 1) > 1
                self._header = Header(kind, image.mode, *image.size, animated)
        return self._header

    def fetched(self) -> LazyImage:
        """An image that already holds its bytes and its hash, still encoded (what goes to another machine)."""
        data = self._read()
        held = LazyImage(lambda: data, self.name)
        held._sha256 = hashlib.sha256(data).hexdigest()
        return held

    @classmethod
    def received(cls, data: bytes, sha256: str, name: str) -> LazyImage:
        """An image whose bytes were hashed where they came from."""
        made = cls(lambda: data, name)
        made._sha256 = sha256
        return made

    def decoded(self, max_pixels: int = MAX_PIXELS) -> LazyImage:
        """An image that already holds its bytes, its hash and its pixels (what a prepared request carries)."""
        ready = self.fetched()
        ready._decoded = decode(ready.data(), max_pixels)
        return ready

    @classmethod
    def from_image(cls, image: Image, name: str = "") -> LazyImage:
        """An image made from pixels, for the conditions that replace what the model sees."""
        data = _as_png(image)
        made = cls(lambda: data, name)
        made._decoded = image
        return made


def images(value: Any) -> tuple[LazyImage, ...]:
    """All images of a column that may hold none, one or a list."""
    if isinstance(value, (list, tuple)):
        return tuple(p for item in value if (p := LazyImage.of(item)) is not None)
    one = LazyImage.of(value)
    return () if one is None else (one,)


def read_file(path: Path) -> bytes:
    """The bytes of a regular file; pipes, devices and files above `MAX_BYTES` are refused before reading."""
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise ValueError(f"{path.name} is not a regular file")
    if about.st_size > MAX_BYTES:
        raise ValueError(f"{path.name} has {about.st_size} bytes, more than the limit of {MAX_BYTES}")
    return path.read_bytes()


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Image:
    """Encoded bytes to an RGB Pillow image; an image that claims too many pixels is refused before decoding."""
    with opened(data, max_pixels) as image:
        if image.mode != "RGB":
            return _eight_bits(image).convert("RGB")
        image.load()
        return image


def opened(data: bytes, max_pixels: int) -> ImageFile:
    """An image whose header is read; one that claims too many pixels is refused."""
    from PIL import Image as pil
    from PIL import UnidentifiedImageError

    if pil.MAX_IMAGE_PIXELS is not None and max_pixels > pil.MAX_IMAGE_PIXELS:
        pil.MAX_IMAGE_PIXELS = max_pixels  # the user allowed more than Pillow's default
    try:
        image = pil.open(io.BytesIO(data), formats=FORMATS)
    except (UnidentifiedImageError, KeyError):  # KeyError: this Pillow lacks one of the formats
        raise ValueError(f"{len(data)} bytes that are not an image in a known format") from None
    except pil.DecompressionBombError as error:
        raise ValueError(f"image exceeds the limit of {max_pixels} pixels ({error})") from None
    width, height = image.size
    if width * height > max_pixels:
        image.close()
        raise ValueError(f"image of {width} x {height} pixels exceeds the limit of {max_pixels} pixels")
    return image


def _eight_bits(image: Image) -> Image:
    """A gray image of 16 bits a pixel in 8; Pillow's own conversion cuts off all above 255, which is almost white."""
    if not image.mode.startswith("I"):
        return image
    wide = image.convert("I")
    _, most = wide.getextrema()
    if image.mode == "I" and most <= 255:  # type: ignore[operator]
        return wide.convert("L")
    return wide.point(lambda value: value * (255 / 65535)).convert("L")


def _as_png(image: Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()
