"""Runs a command until standard input closes, then ends it with every process that it started.

    python watch.py COMMAND [WORD...]

`engines.server` starts inference servers in this way. Standard input is a pipe that closes however the run ends, also
by `kill -9`. A program of its own: it uses the standard library only and is not imported.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from types import FrameType

GRACE = 15.0
"""Seconds between SIGTERM and SIGKILL."""
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def main() -> int:
    """The exit code of the command; 128 and more where a signal ended it."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)  # processes that lose their parent become children of this one
    closed = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        closed.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, ask)
    child = subprocess.Popen(
        sys.argv[1:],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: _prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
    )
    threading.Thread(target=_until_closed, args=(closed,), daemon=True).start()
    threading.Thread(target=_end_when, args=(closed, child), daemon=True).start()
    code = child.wait()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    _kill_children()
    return code if code >= 0 else 128 - code


def _until_closed(closed: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    closed.set()


def _end_when(closed: threading.Event, child: subprocess.Popen[bytes]) -> None:
    closed.wait()
    for number, pause in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 0.0)):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        time.sleep(pause)


def _kill_children() -> None:
    """Ends what the command left running; each killed process hands its own children to this one."""
    while children := _children():
        for process in children:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(process, 0)


def _children() -> list[int]:
    """The children of this process, on Linux; none elsewhere."""
    found = []
    with suppress(OSError):
        for entry in os.listdir("/proc"):
            with suppress(OSError, ValueError, IndexError):
                if entry.isdigit():
                    with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                        if int(file.read().rpartition(")")[2].split()[1]) == os.getpid():
                            found.append(int(entry))
    return found


def _prctl(option: int, value: int) -> None:
    """The system call of that name, on Linux; nothing elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)


if __name__ == "__main__":
    sys.exit(main())
