"""Files from outside: regular files only, JSON with bounded nesting, and names that stay inside their folder."""

from __future__ import annotations

import json
import stat
from pathlib import Path, PurePosixPath
from typing import Any

from cvbench_builder.errors import BuilderError

MAX_DEPTH = 100
"""Lists and objects inside each other beyond which JSON is refused."""
MAX_IMAGE_BYTES = 256 << 20
"""Larger image files are not read."""
IMAGE_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "JPEG2000")
"""Formats that are decoded; some of Pillow's other readers start programs."""


def shown(text: str) -> str:
    """A message with control characters written out, since names in it come from files."""
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def require_file(path: Path) -> Path:
    """The path of a regular file; a pipe or a device would block or never end."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        missing = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise BuilderError(f"{path}: {missing}") from None
    if stat.S_ISDIR(mode):
        raise BuilderError(f"{path}: is a folder; a file is needed")
    if not stat.S_ISREG(mode):
        raise BuilderError(f"{path}: is not a regular file")
    return path


def read_text(path: Path) -> str:
    """The text of a regular UTF-8 file."""
    try:
        return require_file(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BuilderError(f"{path}: cannot be read ({error})") from None


def parse_json(text: str | bytes, where: str) -> Any:
    """The value of a JSON text; `where` names the place for the error message."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise BuilderError(f"{where}: is nested too deeply; fix the file") from None
    except ValueError as error:
        raise BuilderError(f"{where}: is not valid JSON ({error}); export the file again") from None
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [v for one in level for v in _inside(one) if isinstance(v, (dict, list))]
        if not level:
            return value
    raise BuilderError(f"{where}: is nested more than {MAX_DEPTH} levels deep; fix the file")


def _inside(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def check_image_name(name: object, where: str) -> str:
    """The `filename` of a row: a relative path below `img/` without `..`, since files are read and written by it."""
    if isinstance(name, str) and name.isprintable() and "\\" not in name and len(name) < 500:
        parts = PurePosixPath(name).parts
        if len(parts) > 1 and parts[0] == "img" and ".." not in parts and name == "/".join(parts):
            return name
    raise BuilderError(f"{where}: the `filename` {str(name)[:100]!r} is not a path below img/; the file was changed")


def inside(folder: Path, name: str) -> Path:
    """A regular file below the folder, links followed."""
    path = folder / name
    try:
        resolved = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise BuilderError(f"{path}: no such file; the build is damaged") from None
    if not resolved.is_relative_to(folder.resolve()):
        raise BuilderError(f"{path}: is a link that leads out of {folder}; replace it by the file")
    return require_file(path)
