"""The import formats, a file each. A module of this folder declares one `Format` as `FORMAT`; nothing else lists them.

Third parties add theirs by an entry point in the group `cambrian_eval.import_formats` that names a `Format` class.
"""

from __future__ import annotations

import stat
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from cambrian_eval.errors import UserError
from cambrian_eval.imports.log import Format, Source
from cambrian_eval.plugins import extended, find

GROUP = "cambrian_eval.import_formats"
"""Entry points of import formats."""
OWN = "jsonl"
"""The format of a text file that no other recognizes; its reader says what is wrong with it."""


@cache
def formats() -> dict[str, Format]:
    """All import formats by name: those of this folder in alphabetical order, then third parties'."""
    names = sorted(module.name for module in iter_modules(__path__))
    ours = tuple(import_module(f"{__name__}.{name}").FORMAT for name in names)
    return extended("import format", ours, Format, GROUP)


def load_format(name: str) -> Format:
    """The import format of that name."""
    if name in (found := formats()):
        return found[name]
    return find("import format", name, tuple(found.values()), Format, GROUP)  # type: ignore[type-abstract]


def recognized(source: Source) -> Format | None:
    """The one format whose content the file has; None where there is none, an error where there are several."""
    found = [one for one in formats().values() if one.recognizes(source)]
    if len(found) > 1:
        names = " or ".join(f"--format {one.name}" for one in found)
        raise UserError(f"{source.path} could be of several formats; give {names}")
    return found[0] if found else None


def opened(path: Path, name: str | None) -> list[tuple[Source, Format]]:
    """The logs in a file or folder with their formats. A folder's files of no known format are left out."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UserError(f"{path} is not a regular file")
    if not stat.S_ISDIR(mode):
        source = Source(path)
        return [(source, load_format(name) if name is not None else recognized(source) or load_format(OWN))]
    if (whole := recognized(Source(path))) is not None:
        return [(Source(path), whole)]
    found = [
        (source, kind)
        for source in map(Source, sorted(p for p in path.rglob("*") if not p.name.startswith(".")))
        if (kind := _inside(source, name)) is not None
    ]
    folders = {source.path for source, _ in found if source.path.is_dir()}
    found = [(source, kind) for source, kind in found if source.path.parent not in folders]
    if not found:
        raise UserError(
            f"{path} is not a regular file, and as a folder it has no log of a known format (see cambrian-eval list "
            "formats)"
        )
    return found


LOGS = (".jsonl", ".json", ".xlsx", ".tsv", ".eval")
"""Suffixes of files in a folder that must be readable; others may be pictures or notes."""


def _inside(source: Source, name: str | None) -> Format | None:
    """The format of a file or folder inside a folder; None for what is no log."""
    try:
        if source.path.is_dir() or name is None:
            return recognized(source)
        return load_format(name) if source.path.is_file() else None
    except UserError:
        if source.path.suffix.lower() in LOGS:
            raise
        return None
