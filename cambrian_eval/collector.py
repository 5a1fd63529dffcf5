"""Python's search for cycles of values, which visits values again and again while many are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def collect_rarely() -> None:
    """Seldom searches for cycles from here on: samples and verdicts are many and have none."""
    gc.set_threshold(100_000, 20, 100)


@contextmanager
def collector_off() -> Iterator[None]:
    """No search for cycles inside, for work that makes many values and no cycles; a decorator, too."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
