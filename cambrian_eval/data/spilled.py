"""Images that are copied to a temporary file while their table is read, and read from there when they are asked."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Callable
from typing import Any

from cambrian_eval.image import MAX_BYTES, LazyImage


class Spilled:
    """Images in a temporary file; equal images are stored once."""

    def __init__(self) -> None:
        self._store = tempfile.TemporaryFile(prefix="cambrian-eval-images-")  # noqa: SIM115 - as long as the images
        self._lock = threading.Lock()
        self._known: dict[bytes, tuple[int, int]] = {}

    def keep(self, data: bytes) -> LazyImage:
        """Stores an image and gives it as one that is read from there."""
        if len(data) > MAX_BYTES:
            return LazyImage.unreadable(f"an image of {len(data)} bytes, more than the limit of {MAX_BYTES}")
        digest = hashlib.sha256(data).digest()
        if digest not in self._known:
            self._store.seek(0, 2)
            self._known[digest] = self._store.tell(), len(data)
            self._store.write(data)
        return LazyImage(_reader(self._store, self._lock, *self._known[digest]))


def _reader(store: Any, lock: threading.Lock, offset: int, size: int) -> Callable[[], bytes]:
    def read() -> bytes:
        with lock:
            store.seek(offset)
            return bytes(store.read(size))

    return read
