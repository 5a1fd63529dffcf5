"""Puts generated pages into the navigation, below the entry that mkdocs.yml has for their index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def spread(nav: Any, index: str, entries: Sequence[Any]) -> bool:
    """Turns the navigation entry of `index` into a section with `entries` below it; returns whether it was found."""
    for entry in nav or ():
        for title, target in entry.items() if isinstance(entry, dict) else ():
            if target == index:
                entry[title] = [index, *entries]
                return True
            if isinstance(target, list) and spread(target, index, entries):
                return True
    return False
