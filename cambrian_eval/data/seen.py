"""Content fingerprints of datasets as they were first seen on this machine, and what has changed since.

The file lies in the cache folder: JSON, one entry for each benchmark and address as declared.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cambrian_eval.cache_folder import cache_folder
from cambrian_eval.errors import UserError
from cambrian_eval.json_input import read_object


def seen_file() -> Path:
    """Where the fingerprints are recorded."""
    return cache_folder("datasets") / "seen.json"


def recorded() -> dict[str, Any]:
    """All entries; none where the file is absent or cannot be read."""
    path = seen_file()
    if not path.is_file():
        return {}
    with contextlib.suppress(UserError):
        return dict(read_object(path, "remove the file"))
    return {}


def compared(benchmark: str, declared: str, address: str, commit: str, content: str, rows: int) -> tuple[str, ...]:
    """Records content that is seen for the first time; says where it is not what was seen then."""
    key = f"{benchmark} {declared}"
    known = recorded()
    before = known.get(key)
    if not isinstance(before, dict):
        today = datetime.now(UTC).date().isoformat()
        entry = {"content": content, "rows": rows, "from": address, "revision": commit, "first_seen": today}
        _write({**known, key: entry})
        return ()
    if before.get("content") == content:
        return ()
    then = f"{before.get('rows')} rows of {before.get('from')} at {str(before.get('revision'))[:12]}"
    return (
        f"{benchmark}: the rows differ from those first seen on {before.get('first_seen')} ({then}; now {rows} rows at "
        f"{commit[:12]}); scores may not be comparable; if the change is wanted, remove {key!r} from {seen_file()}",
    )


def _write(entries: dict[str, Any]) -> None:
    """Replaces the file; a cache folder that cannot be written is no error."""
    path = seen_file()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            json.dump(entries, file, indent=1, sort_keys=True)
        os.replace(file.name, path)
