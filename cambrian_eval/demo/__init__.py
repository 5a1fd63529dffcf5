"""The demo checkpoint: a small Cambrian-1 model, trained on the miniature suite and shipped with the package.

An ordinary checkpoint in the official layout, with its tokenizer and its four vision towers inside, loaded like any
other; `docs/demo-model.md` says how it was made.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["checkpoint", "sweep"]


def checkpoint() -> Path:
    """The demo checkpoint's folder."""
    return Path(__file__).parent / "cambrian-demo"


def sweep() -> Path:
    """Scores of the demo's variants (towers left out, connector alone, other seeds), a CSV for `analyze --scores`."""
    return Path(__file__).parent / "sweep.csv"
