"""Copies of images without the boxes that are drawn into a row's image, so that the review page can hide the boxes.

They are the source files as they are, in a folder of their own below `img/`. Rows without drawn boxes have none, and so
have builds of earlier versions and files that browsers do not show.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from cvbench_builder.files import inside

FOLDER = "img/clean"
_SHOWN = frozenset((".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp"))
"""Suffixes of files that browsers show."""


def keep(source: Path, folder: Path, filename: str) -> None:
    """Copy the source of a row's image into the build at `folder`."""
    if source.suffix.lower() not in _SHOWN:
        return
    target = folder / FOLDER / Path(_stem(filename) + source.suffix.lower())
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def found_in(folder: Path, filenames: list[str]) -> dict[str, str]:
    """The path of each copy in the build, by the `filename` of its row."""
    root = folder / FOLDER
    by_stem = {p.relative_to(root).with_suffix("").as_posix(): p for p in root.rglob("*") if p.is_file()}
    return {
        name: by_stem[stem].relative_to(folder).as_posix() for name in filenames if (stem := _stem(name)) in by_stem
    }


def copy(source: Path, target: Path, filenames: list[str]) -> None:
    """Copy what one build has for these rows into another."""
    for path in found_in(source, filenames).values():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(inside(source, path), target / path)


def _stem(filename: str) -> str:
    """The name of an image below `img/`, without its suffix."""
    return filename.removeprefix("img/").rpartition(".")[0]
