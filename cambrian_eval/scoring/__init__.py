"""From text to verdict: pure functions, no randomness, every verdict says which rule fired.

`from cambrian_eval.scoring import letter` gives a module that is executed when it is first used: an adapter can be
listed or shown without compiling the patterns of its scorers.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if not TYPE_CHECKING:

    def __getattr__(name: str) -> ModuleType:
        """A sub-module that loads itself on first use."""
        spec = None if name.startswith("__") else importlib.util.find_spec(f"{__name__}.{name}")
        if spec is None or spec.loader is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if spec.name not in sys.modules:
            spec.loader = importlib.util.LazyLoader(spec.loader)
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module
            spec.loader.exec_module(module)
        globals()[name] = sys.modules[spec.name]
        return sys.modules[spec.name]
