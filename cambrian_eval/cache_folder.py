"""Where caches are kept: one folder for all of them."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """The folder of one cache: below `CAMBRIAN_EVAL_CACHE` if that is set, else below the user's cache folder."""
    if root := os.environ.get("CAMBRIAN_EVAL_CACHE"):
        return Path(root) / name
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "cambrian-eval" / name
