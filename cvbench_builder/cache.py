"""The cache of annotations that were read, by the sha256 of their file.

The hash of a file is stored by path, size and modification time, so that a second start neither parses nor hashes
it. Only this module knows the location of the cache and the names of its entries.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cvbench_builder import catalog as catalogs
from cvbench_builder.catalog import FORMAT, Catalog
from cvbench_builder.records import map_file


def default_folder() -> Path:
    """The location according to the XDG rules, if no folder is given."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cvbench_builder"


@dataclass(frozen=True)
class Cache:
    """The entries in `folder`; with None nothing is stored."""

    folder: Path | None

    def digest(self, path: Path) -> str:
        """The sha256 of a file; computed only if this path, size and time are not stored yet."""
        if self.folder is None or not path.is_file():
            return _digest(path)
        state = path.stat()
        key = hashlib.sha256(f"{path.resolve()}|{state.st_size}|{state.st_mtime_ns}".encode()).hexdigest()[:32]
        memo = self.folder / "digests" / key
        if memo.is_file():
            return memo.read_text()
        value = _digest(path)
        _write(memo, value.encode())
        return value

    def catalog(self, kind: str, digest: str, file: str, read: Callable[[], Catalog]) -> Catalog:
        """The stored columns of the file with this hash; otherwise those that `read` returns, which are then stored."""
        if self.folder is None:
            return read()
        entry = self.folder / f"{kind}-{digest}-v{FORMAT}.npz"
        if entry.is_file():
            try:
                return catalogs.load(entry, file)
            except (OSError, ValueError, KeyError, json.JSONDecodeError):
                entry.unlink()  # a damaged entry is read again
        catalog = read()
        entry.parent.mkdir(parents=True, exist_ok=True)
        part = entry.with_name(f"{entry.name}.{os.getpid()}.part")
        catalogs.save(catalog, part)
        part.replace(entry)
        return catalog


NOTHING_KEPT = Cache(None)


def _digest(path: Path) -> str:
    """Maps the file like its reader, so that a missing or empty file gives the same message."""
    return hashlib.sha256(map_file(path)).hexdigest()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(data)
    part.replace(path)
