"""cambrian-eval: `official`, our own code for the rules of the authors' scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harnesses.ours import Scorer, scored_by


def scorers(checkout: Path | None) -> dict[str, Callable[[], Scorer]]:
    """Every benchmark with `official`; no checkout is needed."""
    return scored_by("official")
