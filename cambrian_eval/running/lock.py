"""One writer a run folder: an advisory lock on the folder itself.

Removing the file `lock`, which names the process, lets nobody in.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cambrian_eval.errors import UserError
from cambrian_eval.running.files import disk_error, replace_file


def held_by(folder: Path) -> str | None:
    """Which process holds the lock now, in words; None where there is none. Never disturbs it."""
    import fcntl

    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _named(folder) or "another process"
    else:
        return None
    finally:
        os.close(handle)


@contextmanager
def held(folder: Path) -> Iterator[str]:
    """Makes the folder and holds its lock; yields which process left a stale lock, empty where none did."""
    import fcntl

    path = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise disk_error(folder, error) from error
    try:
        before = _named(folder)
        for attempt in range(5):  # `held_by` of another process holds it for a moment
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise disk_error(path, error) from error
                if attempt == 4:
                    raise UserError(
                        f"{folder} is being written by {before or 'another process'}; wait or stop it"
                    ) from None
                time.sleep(0.02)
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        replace_file(path, f"process {os.getpid()} on {socket.gethostname()} since {since}", durable=False)
        try:
            yield before
        finally:
            replace_file(path, "", durable=False)
    finally:
        os.close(handle)


def _named(folder: Path) -> str:
    """Which process the lock file names; empty where there is none."""
    path = folder / "lock"
    try:
        return path.read_bytes()[:4096].decode("utf-8", "replace").strip() if path.is_file() else ""
    except OSError:
        return ""
