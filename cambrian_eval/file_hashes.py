"""SHA-256 of files, computed in parallel and remembered by path, size, modification time and inode.

The cache saves time and decides nothing: it may be deleted at any time, and where it cannot be used the files are
hashed anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cambrian_eval.cache_folder import cache_folder

WORKERS = max(2, min(8, os.cpu_count() or 1))
BLOCK = 1 << 20
"""Bytes read at a time."""
FRESH_NS = 2_000_000_000
"""A file changed less than this long ago is hashed anew: a second change may not show in its time."""


class Stopped(Exception):
    """Hashing ended early, because it was told to."""


def file_hashes(paths: Sequence[Path], rehash: bool = False, stop: threading.Event | None = None) -> dict[Path, str]:
    """The SHA-256 of each file. `rehash` ignores what is remembered; after `stop` is set, `Stopped` is raised."""
    stop = stop or threading.Event()
    with _cache() as cache:
        known = {} if rehash else _known(cache, paths)
        missing = [p for p in paths if p not in known]
        with ThreadPoolExecutor(WORKERS) as pool:
            known.update(zip(missing, pool.map(lambda path: _hash(path, stop), missing), strict=True))
        _remember(cache, {p: known[p] for p in missing})
    return {p: known[p] for p in paths}


def _hash(path: Path, stop: threading.Event) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            if stop.is_set():
                raise Stopped
            digest.update(block)
    return digest.hexdigest()


def _identity(path: Path) -> tuple[str, int, int, int]:
    about = path.stat()
    return str(path.resolve()), about.st_size, about.st_mtime_ns, about.st_ino


@contextlib.contextmanager
def _cache() -> Iterator[sqlite3.Connection | None]:
    """The cache file, or None where it cannot be opened."""
    connection = None
    try:
        folder = cache_folder("hashes")
        folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(folder / "files.sqlite", timeout=10)
        connection.execute(
            "create table if not exists files (path text primary key, size int, mtime int, inode int, sha256 text)"
        )
    except (OSError, sqlite3.Error):
        connection = None
    try:
        yield connection
    finally:
        if connection is not None:
            connection.close()


def _known(cache: sqlite3.Connection | None, paths: Sequence[Path]) -> dict[Path, str]:
    found: dict[Path, str] = {}
    if cache is None:
        return found
    with contextlib.suppress(sqlite3.Error):
        for path in paths:
            row = cache.execute(
                "select sha256 from files where path = ? and size = ? and mtime = ? and inode = ?", _identity(path)
            ).fetchone()
            if row is not None:
                found[path] = row[0]
    return found


def _remember(cache: sqlite3.Connection | None, hashes: dict[Path, str]) -> None:
    if cache is None:
        return
    import time

    settled = time.time_ns() - FRESH_NS
    with contextlib.suppress(sqlite3.Error):
        rows = [(*identity, digest) for p, digest in hashes.items() if (identity := _identity(p))[2] < settled]
        cache.executemany("insert or replace into files values (?, ?, ?, ?, ?)", rows)
        cache.commit()
