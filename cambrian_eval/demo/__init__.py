"""The demo checkpoint: a small Cambrian-1 model that can see, trained on the miniature suite, shipped as data.

Owns the folder and where it is. It is an ordinary checkpoint in the official layout, with its tokenizer and its
four vision towers inside, and is loaded like any other; how it was made is in `docs/demo-model.md`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cambrian_eval.model import Model, ModelOptions

__all__ = ["checkpoint", "create", "sweep"]


def checkpoint() -> Path:
    """The demo checkpoint's folder."""
    return Path(__file__).parent / "cambrian-demo"


def sweep() -> Path:
    """Scores of the demo's variants (towers left out, connector alone, other seeds), a CSV for `analyze --scores`."""
    return Path(__file__).parent / "sweep.csv"


def create(rest: str, options: ModelOptions) -> Model:
    """`--model demo`: the demo checkpoint, run as any Cambrian checkpoint is."""
    from cambrian_eval.errors import UserError
    from cambrian_eval.models.cambrian_adapter import create as load

    if rest:
        raise UserError(f"demo:{rest}: the demo checkpoint takes nothing after its name")
    return load(str(checkpoint()), options)
