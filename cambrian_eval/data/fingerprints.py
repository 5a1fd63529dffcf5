"""Fingerprints of the rows a run was made from, for run.json."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cambrian_eval.data.table import Row
from cambrian_eval.file_hashes import file_hashes
from cambrian_eval.image import LazyImage

LARGEST = 1 << 36
"""Bytes beyond which a file is not hashed: no benchmark has such a file, and reading a sparse one would not end."""


def rows_fingerprint(rows: Sequence[Row]) -> str:
    """Hash of everything in rows that are small enough to be held in memory, images included."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr(sorted(row.items())).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


def folder_fingerprint(folder: Path, rehash: bool = False) -> str:
    """Hash of the names and contents of all files in a folder; of one above `LARGEST`, the size."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    sizes = {p: p.stat().st_size for p in files}
    hashes = file_hashes([p for p in files if sizes[p] <= LARGEST], rehash)
    digest = hashlib.sha256()
    for path in files:
        digest.update(
            f"{path.relative_to(folder)}\0{hashes.get(path, sizes[path])}\0".encode("utf-8", "surrogateescape")
        )
    return digest.hexdigest()[:32]


def content_fingerprint(rows: Sequence[Row]) -> str:
    """Hash of the texts, numbers and lists of rows; of images, only whether they are there.

    Images stay unread, so that fingerprints cost no more than the table's text.
    """
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr(sorted((str(k), _plain(v)) for k, v in row.items())).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


def _plain(value: Any) -> Any:
    """A cell without the content of its images."""
    if isinstance(value, LazyImage):
        return "image"
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in sorted(value.items()) if name not in ("bytes", "path")}
    return value
