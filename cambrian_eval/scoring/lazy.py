"""Attributes that are computed when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class lazy(Generic[T]):
    """A method as an attribute that is computed once an object.

    `functools.cached_property` takes a lock at each first use before Python 3.12, which is a third of the time of
    reading a short response. What is computed here is pure, so that two threads at worst compute the same value twice.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, obj: None, kind: type) -> Self: ...
    @overload
    def __get__(self, obj: object, kind: type) -> T: ...
    def __get__(self, obj: object | None, kind: type) -> Self | T:
        if obj is None:
            return self
        value = obj.__dict__[self._name] = self._compute(obj)
        return value
