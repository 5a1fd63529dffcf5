"""The import formats, a file each. A module of this folder declares one `Format` as `FORMAT`; nothing else lists them.

Third parties add theirs by an entry point in the group `cambrian_eval.import_formats` that names a `Format` class.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from cambrian_eval.errors import UserError
from cambrian_eval.imports.log import Format, Source
from cambrian_eval.registry import extended, find

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
    if not path.exists():
        raise UserError(f"{path} does not exist")
    source = Source(path)
    if name is not None and not path.is_dir():
        return [(source, load_format(name))]
    if not path.is_dir():
        return [(source, recognized(source) or load_format(OWN))]
    if (whole := recognized(source)) is not None:
        return [(source, whole)]
    found = []
    for file in sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith(".")):
        inner = Source(file)
        try:
            kind = recognized(inner) if name is None else load_format(name)
        except UserError:
            if file.suffix.lower() in (".jsonl", ".json", ".xlsx", ".tsv", ".eval"):
                raise
            continue
        if kind is not None:
            found.append((inner, kind))
    inside = {source.path.parent for source, _ in found}
    found += [
        (one, kind)
        for p in sorted(path.rglob("*"))
        if p.is_dir() and p not in inside
        for one in [Source(p)]
        if (kind := recognized(one)) is not None
    ]
    if not found:
        known = "; ".join(one.summary for one in formats().values())
        raise UserError(f"{path} holds no log of a known format; known: {known}")
    return found
