"""The demo checkpoint: a small Cambrian-1 model that can see, trained on the miniature suite, shipped as data.

Owns the folder and where it is. It is an ordinary checkpoint in the official layout, with its tokenizer and its
four vision towers inside, and is loaded like any other; how it was made is in `docs/demo-model.md`.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["checkpoint"]


def checkpoint() -> Path:
    """The demo checkpoint's folder."""
    return Path(__file__).parent / "cambrian-demo"
