"""Independent pieces of work in several processes at the same time.

    with in_processes(4) as each:
        results = list(each(work, pieces))

`each` is used as `map` is, and is `map` where there is one process. What a piece returns depends on the piece alone, so
that results do not depend on the number of processes. Work and pieces are pickled: functions at the top of a module,
bound to arguments with `functools.partial`, and values.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from cambrian_eval.errors import UserError

LARGE = 8_000_000
"""Bytes of files from which several processes are sooner ready: starting them takes as long as reading a tenth."""


Each = Callable[..., Iterator[Any]]
"""Applies a function to pieces, or to the arguments in several sequences, as `map` does; the results come in order."""


def processes_for(n_bytes: int) -> int:
    """How many processes work on files of a size: one for each processor, and one alone for small files."""
    if n_bytes < LARGE:
        return 1
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@contextmanager
def in_processes(number: int) -> Iterator[Each]:
    """`map` over so many processes. The first error ends the work; pieces that have begun are finished first."""
    if number == 1:
        yield map
        return
    # Not "fork": a copy of a process with threads can hang, and would hold the lock of a run.
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    pool = ProcessPoolExecutor(number, multiprocessing.get_context(method), _begin)
    try:
        yield pool.map
    except BrokenProcessPool:
        raise UserError(
            "a process was killed, perhaps because memory is used up; nothing stored is lost, try again with "
            "--processes 1"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """In a new process: Ctrl-C is for the one that began it, and without that one there is no work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(100_000, 20, 100)  # as in the process of a command
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # numpy, which is not loaded yet: all processors have work
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
