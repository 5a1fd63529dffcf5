"""What was read from files, kept until they change."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from cambrian_eval.running.files import State

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """The values last used, each with the state of the files that it was read from."""

    def __init__(self, most: int | None = None) -> None:
        """`most` values are kept; None for all."""
        self._most = most
        self._held: dict[K, tuple[State, V]] = {}

    def get(self, key: K, state: State, read: Callable[[], V]) -> V:
        """The value of a key; read where it is not kept, or the state of its files is another one."""
        held = self._held.pop(key, None)
        if held is None or held[0] != state:
            self._make_room()
            held = state, read()
        self._held[key] = held
        return held[1]

    def put(self, key: K, state: State, value: V) -> None:
        """Keeps a value that this program has just written."""
        self._held.pop(key, None)
        self._make_room()
        self._held[key] = state, value

    def _make_room(self) -> None:
        if self._most is not None and len(self._held) >= self._most:
            del self._held[next(iter(self._held))]
