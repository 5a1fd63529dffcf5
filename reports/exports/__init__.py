"""The exports, one file each. A module of this folder declares one `Export` as `EXPORT`; nothing else lists them.

Third parties add theirs by an entry point in the group `cambrian_eval.exports` that names an `Export` class or object.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from cambrian_eval.plugins import extended, find

from ..export import Export

GROUP = "cambrian_eval.exports"
"""Entry points of exports."""


@cache
def exports() -> dict[str, Export]:
    """All exports by name: those of this folder in alphabetical order, then third parties'."""
    names = sorted(module.name for module in iter_modules(__path__))
    return extended("export", _ours(tuple(names)), Export, GROUP)  # type: ignore[type-abstract]


def load_export(name: str) -> Export:
    """The export of that name."""
    found = exports()
    if name in found:
        return found[name]
    return find("export", name, tuple(found.values()), Export, GROUP)  # type: ignore[type-abstract]


def _ours(names: tuple[str, ...]) -> tuple[Export, ...]:
    return tuple(import_module(f"{__name__}.{name}").EXPORT for name in names)
