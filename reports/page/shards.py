"""The page's data in parts that are loaded when needed, also from a folder on disk.

A part is JSON. Where all parts are small they are in the page itself, which is then one file to send. Otherwise each
is a script beside the page that calls a function of the page with it, as text: from `file://` a browser loads scripts,
but no JSON.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError

from ..style import write
from .records import Browsable, script_json

FOLDER = "samples"
"""Where the scripts are, beside the page."""
EMBEDDED = 2 << 20
"""Parts and thumbnails of together at most so many characters are in the page itself."""
_NAME = re.compile(r"(columns|(rows|texts)-\d+)\.js")


@dataclass(frozen=True)
class Part:
    """One part of the data."""

    name: str
    json: str


def parts(data: Browsable) -> Iterator[Part]:
    """The columns, the blocks of rows, then the texts for the search."""
    yield Part("columns", script_json(data.columns))
    for name, blocks in (("rows", data.blocks), ("texts", data.texts)):
        for number, block in enumerate(blocks):
            yield Part(f"{name}-{number}", block)


def image_parts(thumbnails: dict[str, str], size: int) -> tuple[list[Part], dict[str, int]]:
    """Embedded thumbnails in base64, `size` of them in a part; and which part has which."""
    names = sorted(thumbnails)
    blocks = [names[i : i + size] for i in range(0, len(names), size)]
    found = [Part(f"images-{k}", script_json({n: thumbnails[n] for n in block})) for k, block in enumerate(blocks)]
    return found, {name: k for k, block in enumerate(blocks) for name in block}


def stamp(found: Sequence[Part]) -> str:
    """A hash of all parts: a page tells by it that a script beside it is of another report."""
    digest = hashlib.blake2b(digest_size=8)
    for part in found:
        digest.update(part.json.encode("utf-8", "backslashreplace"))
    return digest.hexdigest()


def write_beside(found: Sequence[Part], out: Path, mark: str) -> list[Path]:
    """The parts as scripts in a folder beside the page."""
    return [write(out / FOLDER / f"{part.name}.js", call(part.name, mark, part.json)) for part in found]


def call(name: str, mark: str, json: str) -> str:
    """The script that gives a part to the page."""
    text = json.replace("\\", "\\\\").replace("'", "\\'")
    return f'cambrianReport("{name}","{mark}",\'{text}\');\n'


def remove_others(out: Path, kept: Sequence[Path]) -> None:
    """Removes scripts of an earlier, larger report in the same folder; nothing else."""
    folder, names = out / FOLDER, {path.name for path in kept}
    if not folder.is_dir():
        return
    try:
        for path in folder.iterdir():
            if _NAME.fullmatch(path.name) and path.name not in names:
                path.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror or error}); choose another --out") from error


def size(found: Sequence[Part], thumbnails: dict[str, Any]) -> int:
    """Characters that these would add to the page."""
    return sum(len(part.json) for part in found) + sum(map(len, thumbnails.values()))
