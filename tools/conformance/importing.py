"""Imports single modules of a checkout whose other dependencies may be missing.

A package listed as bare is imported without its `__init__`. A third-party module that the checkout imports and that is
not installed is replaced by a stand-in: it can be imported and named, but a call to it while a response is scored
raises `Missing`, so that no verdict ever comes from a stand-in.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOGGING = frozenset({"loguru"})
"""Modules whose calls have no result that matters."""


class Missing(BaseException):
    """A scoring function called a module that is not installed."""


class NotAsked(BaseException):
    """The harness has no such question."""


class NeedsJudge(BaseException):
    """The harness would ask an LLM at this point."""


class Drawn(BaseException):
    """The harness would draw an option at random at this point."""


class Judge:
    """Stands where a harness expects the client of its judge."""

    def generate(self, *_: Any, **__: Any) -> str:
        """Reports that a judge was needed."""
        raise NeedsJudge


def draw(*_: Any, **__: Any) -> Any:
    """Stands where a harness draws at random."""
    raise Drawn


class _Absent(types.ModuleType):
    """A module, class or function that is not there."""

    scoring = False
    __path__: Sequence[str] = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Absent(f"{self.__name__}.{name}")

    def __call__(self, *args: Any, **_: Any) -> Any:
        if _Absent.scoring and self.__name__.split(".")[0] not in LOGGING:
            raise Missing(self.__name__.split(".")[0])
        return args[0] if len(args) == 1 and callable(args[0]) else self

    def __mro_entries__(self, bases: Any) -> tuple[type, ...]:
        return (object,)

    def __getitem__(self, key: Any) -> Any:
        return self

    def __or__(self, other: Any) -> Any:
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, root: Path) -> None:
        self.root = str(root.resolve())
        self.absent: set[str] = set()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        top = name.split(".")[0]
        if top not in self.absent:
            if "." in name or (Path(self.root) / top).exists() or not self._asked_by_checkout():
                return None
            self.absent.add(top)
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Absent(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass

    def _asked_by_checkout(self) -> bool:
        frame = sys._getframe(1)
        while frame is not None and ("importlib" in frame.f_code.co_filename or frame.f_code.co_filename == __file__):
            frame = frame.f_back  # type: ignore[assignment]
        return frame is not None and str(Path(frame.f_code.co_filename).resolve()).startswith(self.root)


def prepare(root: Path, bare: Sequence[str] = ()) -> None:
    """Makes the checkout importable: bare packages, and stand-ins for what is not installed."""
    sys.path.insert(0, str(root))
    for name in bare:
        module = types.ModuleType(name)
        module.__path__ = [str(root / name.replace(".", "/"))]
        sys.modules[name] = module
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], last, module)
    sys.meta_path.append(_Finder(root))


def load(name: str) -> Any:
    """A module of the checkout."""
    return importlib.import_module(name)


@contextmanager
def scoring() -> Iterator[None]:
    """While a response is scored, stand-ins may not be called."""
    _Absent.scoring = True
    try:
        yield
    finally:
        _Absent.scoring = False
