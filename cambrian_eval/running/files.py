"""Reading and writing whole files of a run folder, with one clear line for what the disk refuses."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError

State = tuple[tuple[int, int, int] | None, ...]
"""What changes when another program, or this one, writes one of some files."""


def state_of(*paths: Path) -> State:
    """The state of some files; None for one that is not there."""
    found: list[tuple[int, int, int] | None] = []
    for path in paths:
        try:
            about = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((about.st_ino, about.st_mtime_ns, about.st_size))
    return tuple(found)


def lines_of(path: Path) -> Iterator[tuple[bytes, str]]:
    """The lines of a file with their places for error messages."""
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                yield line, f"{path} line {number}"
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def content_of(path: Path) -> bytes:
    """The content of a file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def dumps(value: Any) -> bytes:
    """A value as JSON in UTF-8; raises TypeError for a lone surrogate."""
    import orjson

    return orjson.dumps(value)


def replace_file(path: Path, content: str | bytes | Iterable[bytes], durable: bool = True) -> None:
    """Writes a whole file, at once or line by line, so that a reader sees the old content or the new, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            if isinstance(content, str | bytes):
                file.write(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)
            else:
                file.writelines(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:  # also of what gives the lines
        with suppress(OSError):  # a read-only file system refuses it, whether the file is there or not
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise disk_error(path, error) from error
        raise


def is_temporary(path: Path) -> bool:
    """Whether a file is what `replace_file` leaves when it is killed."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def disk_error(path: Path, error: OSError) -> UserError:
    """One clear line for a full disk, a read-only folder and their like."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"{path}: the disk is full; nothing written so far is lost, free some space and run again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UserError(f"{path} is not writable ({error.strerror}); nothing written so far is lost")
    return UserError(f"{path} cannot be written: {error.strerror or error}; nothing written so far is lost")
