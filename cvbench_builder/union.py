"""Several annotation files of one source as one: which of their images are the same, which only have the same id.

Two images of one source and split are the same if they have the same id and file name and, where both files exist, the
same bytes. The first of them gets the objects of both; the others are marked and not used. Different images with the
same id get new ids.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from cvbench_builder.catalog import Catalog, ClassName, ImageFlag, Ints, join_columns
from cvbench_builder.images import Source
from cvbench_builder.sources.omni3d import estimate_hidden

_OBJECT_COLUMNS = [f.name for f in fields(Catalog) if f.name.startswith("object_") or f.name == "corners"]


def unite(sources: list[Source]) -> tuple[list[Source], list[str]]:
    """The sources with every image in one of them, and a line for each pair of files that had images in common.

    The order of `sources` determines which file counts as the first.
    """
    united: list[Source] = []
    notes: list[str] = []
    by_name: dict[tuple[str, str], list[int]] = defaultdict(list)
    for source in sources:
        earlier = by_name[(source.catalog.name, source.catalog.split)]
        for place in earlier:
            united[place], source, common = _settle(united[place], source)
            if common:
                files = f"{united[place].catalog.file} and {source.catalog.file}"
                notes.append(f"{files}: {common} images are in both; using each once, with the objects of both")
        earlier.append(len(united))
        united.append(source)
    return united, notes


def _settle(first: Source, second: Source) -> tuple[Source, Source, int]:
    """Both sources with distinct images, and the number of images that both had."""
    a, b = first.catalog, second.catalog
    row_of = {name: row for row, name in enumerate(a.image_id.tolist())}
    twice: list[tuple[int, int]] = []
    others: list[int] = []
    for row, name in enumerate(b.image_id.tolist()):
        if name in row_of and not int(b.image_flags[row]) & int(ImageFlag.GIVEN_TWICE):
            same = _same(first, row_of[name], second, row)
            (twice.append((row_of[name], row)) if same else others.append(row))
    if others:
        second = _renamed(second, others)
    if twice:
        first = replace(first, catalog=_with_objects(a, b, twice))
        flags = second.catalog.image_flags.copy()
        flags[[row for _, row in twice]] |= int(ImageFlag.GIVEN_TWICE)
        dropped = {str(second.catalog.image_id[row]) for _, row in twice}
        images = {k: v for k, v in second.images.items() if k not in dropped}
        second = replace(second, catalog=second.catalog.with_flags(flags), images=images)
    return first, second, len(twice)


def _same(first: Source, row: int, second: Source, other: int) -> bool:
    a, b = first.catalog, second.catalog
    if _plain(str(a.image_file[row])) != _plain(str(b.image_file[other])):
        return False
    one, two = (s.images.get(str(s.catalog.image_id[i])) for s, i in ((first, row), (second, other)))
    if one is None or two is None or one == two:
        return True
    return one.stat().st_size == two.stat().st_size and _sha256(one) == _sha256(two)


def _plain(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _renamed(source: Source, rows: list[int]) -> Source:
    """The source with new ids for these images: another image of an earlier file has theirs."""
    catalog = source.catalog
    ids = catalog.image_id.tolist()
    images = dict(source.images)
    for row in rows:
        new = f"{ids[row]}@{catalog.sha256[:8]}"
        if ids[row] in images:
            images[new] = images.pop(ids[row])
        ids[row] = new
    return replace(source, catalog=replace(catalog, image_id=np.array(ids, np.str_)), images=images)


def _with_objects(a: Catalog, b: Catalog, twice: list[tuple[int, int]]) -> Catalog:
    """`a` with the objects that only `b` lists for the images of both."""
    at = {row: place for place, row in twice}
    rows = np.flatnonzero(np.isin(b.object_image, list(at)))
    known: dict[ClassName, int] = {c: i for i, c in enumerate(a.classes)}
    shared = np.flatnonzero(np.isin(a.object_image, list(at.values())))
    have = {_identity(a, i, int(a.object_image[i])) for i in shared.tolist()}
    rows = np.array([i for i in rows.tolist() if _identity(b, i, at[int(b.object_image[i])]) not in have], np.int64)
    if not len(rows):
        return a
    own: dict[str, Any] = {name: getattr(b, name)[rows] for name in _OBJECT_COLUMNS if len(getattr(b, name))}
    own["object_image"] = np.array([at[int(i)] for i in b.object_image[rows]], np.int64)
    own["object_class"] = np.array([known.setdefault(b.classes[k], len(known)) for k in b.object_class[rows]], np.int64)
    columns = join_columns([{name: getattr(a, name) for name in own}, own])
    order: Ints = np.argsort(columns["object_image"], kind="stable")
    head: dict[str, Any] = {"classes": tuple(known), "synthetic": a.synthetic or b.synthetic}
    joined = replace(a, **head, **{name: column[order] for name, column in columns.items()})
    return estimate_hidden(joined) if joined.source == "Omni3D" else joined


def _identity(catalog: Catalog, row: int, image: int) -> tuple[Any, ...]:
    name = catalog.classes[int(catalog.object_class[row])].name
    return image, str(catalog.object_id[row]), name, tuple(np.round(catalog.object_box[row], 2).tolist())
