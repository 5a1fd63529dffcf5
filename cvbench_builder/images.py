"""Image files before decoding: location, size and orientation.

Reads headers only (a few hundred bytes), so all images of a source can be checked before any is decoded. Boxes are
rotated with their image according to its EXIF orientation.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cvbench_builder.catalog import Catalog, Floats, ImageFlag, Ints
from cvbench_builder.errors import BuilderError
from cvbench_builder.files import IMAGE_FORMATS, MAX_IMAGE_BYTES

SWAPS_SIDES = frozenset({5, 6, 7, 8})


@dataclass(frozen=True)
class Header:
    """Stored size and EXIF orientation (1 = upright)."""

    width: int
    height: int
    orientation: int


@dataclass(frozen=True)
class Source:
    """One annotation file with the images that were found for it."""

    catalog: Catalog
    images: dict[str, Path]
    """Path of each usable image by image id; empty when no image folder was given."""
    missing: tuple[str, ...]


class UnreadableImage(Exception):
    """The file exists but is not a readable image."""


def read_header(path: Path) -> Header:
    """Size and orientation of a JPEG or PNG from its header; Pillow reads unusual files."""
    with path.open("rb") as handle:
        start = handle.read(32)
        if start[:2] == b"\xff\xd8":
            found = _jpeg(path)
            if found is not None:
                return found
        elif start[:8] == b"\x89PNG\r\n\x1a\n" and len(start) >= 24:
            width, height = struct.unpack(">II", start[16:24])
            if b"eXIf" not in handle.read(4096):
                return Header(width, height, 1)
    return _by_pillow(path)


def _by_pillow(path: Path) -> Header:
    from PIL import Image

    try:
        with Image.open(path, formats=IMAGE_FORMATS) as image:
            return Header(image.width, image.height, int(image.getexif().get(0x0112, 1) or 1))
    except (OSError, ValueError, SyntaxError, KeyError, Image.DecompressionBombError):
        raise UnreadableImage(str(path)) from None


def _jpeg(path: Path) -> Header | None:
    """Size and orientation from the JPEG segments; None if Pillow has to read the file."""
    orientation = 1
    with path.open("rb") as handle:
        handle.seek(2)
        while True:
            head = handle.read(4)
            if len(head) < 4 or head[0] != 0xFF:
                return None
            marker, length = head[1], struct.unpack(">H", head[2:])[0]
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                frame = handle.read(5)
                if len(frame) < 5:
                    return None
                height, width = struct.unpack(">HH", frame[1:5])
                return Header(width, height, orientation) if width and height else None
            if marker == 0xE1:
                body = handle.read(length - 2)
                if body[:6] == b"Exif\0\0":
                    return _by_pillow(path)  # rare, so Pillow parses the TIFF data
            else:
                handle.seek(length - 2, os.SEEK_CUR)


class ImageFolder:
    """The images under some folders, listed once."""

    def __init__(self, roots: list[Path], follow_links: bool = False) -> None:
        self.roots = roots
        self.follow_links = follow_links
        self.left_out: list[Path] = []
        """Files and folders behind links that lead out of the image folder."""
        for root in roots:
            if not root.is_dir():
                raise BuilderError(f"{root}: no such image folder")
        self._listed: dict[Path, dict[str, int]] = {}

    def _sizes(self, folder: Path) -> dict[str, int]:
        if folder not in self._listed:
            try:
                with os.scandir(folder) as entries:
                    found = [e for e in entries if e.is_file()]
                if found and not self._leads_out(folder):
                    kept = [e for e in found if not (e.is_symlink() and self._leads_out(Path(e.path)))]
                    self._listed[folder] = {e.name: e.stat().st_size for e in kept}
                else:
                    self._listed[folder] = {}
            except OSError:
                self._listed[folder] = {}
        return self._listed[folder]

    def _leads_out(self, path: Path) -> bool:
        """Whether a path ends outside the image folders, all links followed, and links are not allowed."""
        if self.follow_links or any(path.resolve().is_relative_to(root.resolve()) for root in self.roots):
            return False
        self.left_out.append(path)
        return True

    def find(self, name: str) -> Path | None:
        """The file with this name; the folders of the official layout in `name` may be absent on disk."""
        parts = [p for p in name.replace("\\", "/").split("/") if p not in ("", ".")]
        if ".." in parts or not parts:
            return None  # a name that leaves the folder is not an image of this dataset
        for root in self.roots:
            for tail in (parts, parts[1:], parts[-1:]):
                if tail and tail[-1] in self._sizes(root.joinpath(*tail[:-1])):
                    return root.joinpath(*tail)
        return None

    def size(self, path: Path) -> int:
        """Bytes of a file; 0 where it is missing."""
        return self._sizes(path.parent).get(path.name, 0)


def check(catalog: Catalog, folder: ImageFolder) -> tuple[Catalog, dict[str, Path], list[str]]:
    """Mark images that are missing, unreadable or of another size; rotate the boxes of those that EXIF rotates.

    Returns the catalog, the path of each usable image by id, and the missing names.
    """
    flags = catalog.image_flags.copy()
    width, height = catalog.image_width.copy(), catalog.image_height.copy()
    turned: dict[int, int] = {}
    paths: dict[str, Path] = {}
    missing: list[str] = []
    for i, name in enumerate(catalog.image_file.tolist()):
        if flags[i] & int(ImageFlag.DUPLICATE_ID):
            continue
        path = folder.find(name)
        if path is None:
            flags[i] |= int(ImageFlag.MISSING)
            missing.append(name)
            continue
        try:
            header = read_header(path) if 0 < folder.size(path) <= MAX_IMAGE_BYTES else None
        except (UnreadableImage, OSError):
            header = None
        if header is None:
            flags[i] |= int(ImageFlag.UNREADABLE)
            continue
        stated = (int(width[i]), int(height[i]))
        stored = (header.width, header.height)
        upright = stored[::-1] if header.orientation in SWAPS_SIDES else stored
        if stated == stored:
            if header.orientation != 1:
                turned[i] = header.orientation
                width[i], height[i] = upright
        elif stated != upright:
            flags[i] |= int(ImageFlag.SIZE_MISMATCH)
            continue
        paths[str(catalog.image_id[i])] = path
    boxes = _turn_objects(catalog, turned)
    checked = replace(catalog, image_flags=flags, image_width=width, image_height=height, object_box=boxes)
    return checked, paths, missing


def _turn_objects(catalog: Catalog, turned: dict[int, int]) -> Floats:
    if not turned:
        return catalog.object_box
    boxes = catalog.object_box.copy()
    for image, orientation in turned.items():
        rows = np.flatnonzero(catalog.object_image == image)
        size = (int(catalog.image_width[image]), int(catalog.image_height[image]))
        boxes[rows] = turn_boxes(boxes[rows], size, orientation)
    return boxes


def turn_boxes(boxes: Floats, size: tuple[int, int], orientation: int) -> Floats:
    """xyxy boxes of a stored image of `size` (w, h) after the rotation by EXIF."""
    w, h = size
    x1, y1, x2, y2 = (boxes[:, k] for k in range(4))
    turned = {
        1: (x1, y1, x2, y2),
        2: (w - x2, y1, w - x1, y2),
        3: (w - x2, h - y2, w - x1, h - y1),
        4: (x1, h - y2, x2, h - y1),
        5: (y1, x1, y2, x2),
        6: (h - y2, x1, h - y1, x2),
        7: (h - y2, w - x2, h - y1, w - x1),
        8: (y1, w - x2, y2, w - x1),
    }
    return np.stack(turned.get(orientation, turned[1]), axis=1)


def count_by_flag(flags: Ints) -> dict[str, int]:
    """The number of images with each problem."""
    wanted = (
        ImageFlag.MISSING,
        ImageFlag.UNREADABLE,
        ImageFlag.SIZE_MISMATCH,
        ImageFlag.NO_MASK,
        ImageFlag.DUPLICATE_ID,
        ImageFlag.EXCLUDED,
        ImageFlag.GIVEN_TWICE,
    )
    counts = {str(p.name).lower(): int(np.count_nonzero(flags & int(p))) for p in wanted}
    return {k: v for k, v in counts.items() if v}
