"""Image cells of tables: every usual form of an image in a row becomes a `LazyImage`.

A cell may hold bytes, a path below the data folder, a `file:` URL, base64 text with or without a `data:` prefix,
`{"bytes": ..., "path": ...}` with any of these, an `http(s):` URL (only where URLs are allowed), a list of such
cells, or nothing. Anything else becomes an image that is known to be unreadable, with the reason, so that its sample
fails instead of being asked without it.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from cambrian_eval.errors import UserError
from cambrian_eval.image import IMAGE_COLUMN, MAX_BYTES, LazyImage, read_file

LONGEST_PATH = 4096
"""Characters beyond which a text cannot be a path."""
URL_TIMEOUT = 30.0
"""Seconds to wait for an image behind a URL."""
LONGEST_NAME = 255
"""Characters beyond which a text without a dot, of base64 characters alone, is taken for base64 and not for a name."""
_STARTS = ("/9j/", "iVBORw0KGgo", "R0lGOD", "UklGR", "SUkq", "TU0AK")
"""How the base64 text of JPEG, PNG, GIF, WebP and TIFF begins."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_-][A-Za-z0-9+/_\s-]*+={0,2}+\s*+")
"""Possessive, so that a text that does not match costs one pass."""


def image_cell(value: Any, roots: Sequence[Path], urls: bool = False) -> Any:
    """A cell as an image, a list of images, or None where it is empty. Nothing is read yet."""
    if value is None or isinstance(value, LazyImage):
        return value
    if isinstance(value, (list, tuple)):
        return [image_cell(v, roots, urls) for v in value]
    if isinstance(value, Mapping):
        return _from_mapping(value, roots, urls)
    if isinstance(value, (bytes, bytearray)):
        return LazyImage.of(bytes(value))
    if isinstance(value, Path):
        return _from_path(str(value), roots)
    if isinstance(value, str):
        return _from_text(value, roots, urls)
    return LazyImage.of(value)


def _from_mapping(value: Mapping[str, Any], roots: Sequence[Path], urls: bool) -> LazyImage | None:
    """`{"bytes", "path"}` as `datasets` writes it; in JSON the bytes are base64 text or a list of numbers."""
    data, path = value.get("bytes"), value.get("path")
    if isinstance(data, str) and data:
        return _from_base64(data)
    if isinstance(data, list):
        try:
            return LazyImage.of(bytes(data))
        except (TypeError, ValueError):
            return LazyImage.unreadable('"bytes" is a list that is not of numbers from 0 to 255')
    if isinstance(data, (bytes, bytearray)) and data:
        return LazyImage.of(bytes(data))
    if isinstance(path, str) and path:
        return _from_text(path, roots, urls)
    if "bytes" in value or "path" in value:
        return LazyImage.unreadable('the cell has neither "bytes" nor "path"')
    return LazyImage.unreadable(f"the cell is an object with the keys {', '.join(map(str, value)) or 'none'}")


def _from_text(text: str, roots: Sequence[Path], urls: bool) -> LazyImage | None:
    if not text.strip():
        return None
    if text.startswith("data:"):
        head, comma, body = text.partition(",")
        if not comma or not head.endswith(";base64"):
            return LazyImage.unreadable("the cell is a data: URL without base64 content")
        return _from_base64(body)
    scheme = urlsplit(text[:16]).scheme.lower()
    if scheme in ("http", "https"):
        if not urls:
            return LazyImage.unreadable("the cell is a URL; give --allow-urls to download it")
        return LazyImage(lambda: _download(text), name=text)
    if scheme == "file":
        return _from_path(unquote(urlsplit(text).path), roots)
    if text.startswith(_STARTS) or len(text) > LONGEST_PATH or (len(text) > LONGEST_NAME and _BASE64.fullmatch(text)):
        return _from_base64(text)
    return _from_path(text, roots)


def _from_base64(text: str) -> LazyImage:
    if len(text) > MAX_BYTES * 4 // 3:
        return LazyImage.unreadable(f"base64 text of {len(text)} characters exceeds the limit of {MAX_BYTES} bytes")
    if not _BASE64.fullmatch(text):
        return LazyImage.unreadable("the cell is neither a path nor valid base64 text")

    def read() -> bytes:
        try:
            bare = text.strip().rstrip("=").translate(_URL_SAFE)
            return base64.b64decode(bare + "=" * (-len(bare) % 4))
        except binascii.Error as error:
            raise ValueError(f"base64 text cannot be decoded: {error}") from None

    return LazyImage(read)


_URL_SAFE = str.maketrans("-_", "+/", " \n\r\t")


def _from_path(text: str, roots: Sequence[Path]) -> LazyImage:
    path = inside(text, roots)
    image = LazyImage(lambda: read_file(path), name=text)
    if not os.path.isfile(path):
        there = os.path.exists(path)
        image.problem = f"{text!r} is not a regular file" if there else f"image file {text[:200]!r} does not exist"
    return image


def _download(url: str) -> bytes:
    from urllib.request import urlopen

    with urlopen(url, timeout=URL_TIMEOUT) as reply:
        data: bytes = reply.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"{url} holds more than {MAX_BYTES} bytes")
    return data


def inside(path: str | Path, roots: Sequence[Path]) -> Path:
    """Where a path of a row leads (from the first root, if it is relative), links followed; never outside."""
    bases = [root.resolve() for root in roots]
    try:
        found = (bases[0] / path).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"image path {str(path)[:200]!r} cannot be resolved ({error}); fix the row") from None
    if not any(found.is_relative_to(base) for base in bases):
        raise UserError(f"image path {str(path)[:200]!r} leaves the data folder {roots[0]}; paths must stay inside it")
    return found


def confined(rows: Sequence[Mapping[str, Any]], root: Path) -> Sequence[Mapping[str, Any]]:
    """Rows whose image paths have been resolved and found to stay inside the folder."""
    for row in rows:
        for name, value in row.items():
            if IMAGE_COLUMN.fullmatch(name) and isinstance(value, (str, Path)):
                inside(value, (root,))
    return rows
