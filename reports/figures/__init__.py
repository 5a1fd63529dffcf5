"""The figures, one file each. A module of this folder declares one `Figure` as `FIGURE`; nothing else lists them.

Third parties add theirs by an entry point in the group `cambrian_eval.figures` that names a `Figure` class or object.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from cambrian_eval.plugins import extended, find

from ..figure import Figure

GROUP = "cambrian_eval.figures"
"""Entry points of figures."""


@cache
def figures() -> dict[str, Figure[Any, Any]]:
    """All figures by name: those of this folder in alphabetical order, then third parties'."""
    names = sorted(module.name for module in iter_modules(__path__))
    ours = tuple(import_module(f"{__name__}.{name}").FIGURE for name in names)
    return extended("figure", ours, Figure, GROUP)


def load_figure(name: str) -> Figure[Any, Any]:
    """The figure of that name."""
    if name in (found := figures()):
        return found[name]
    return find("figure", name, tuple(found.values()), Figure, GROUP)  # type: ignore[type-abstract]
