"""Fingerprints of the rows a run was made from, for run.json."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from cambrian_eval.data.table import Row


def rows_fingerprint(rows: Sequence[Row]) -> str:
    """Hash of everything in rows that are small enough to be held in memory, images included."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr(sorted(row.items())).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


def folder_fingerprint(folder: Path) -> str:
    """Names, sizes and the first and last 4 MiB of every file: changes whenever a table is rewritten."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder)}\0{size}\0".encode("utf-8", "surrogateescape"))
        if path.suffix not in {".parquet", ".jsonl", ".arrow", ".csv", ".json"}:
            continue
        with path.open("rb") as file:
            digest.update(file.read(1 << 22))
            if size > 1 << 22:
                file.seek(max(size - (1 << 22), 1 << 22))
                digest.update(file.read())
    return digest.hexdigest()[:32]
