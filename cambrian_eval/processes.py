"""Independent pieces of work in several processes at the same time.

    with in_processes(4) as each:
        results = list(each(work, pieces))

`each` is used as `map` is, and is `map` where there is one process. What a piece returns depends on the piece alone, so
that results do not depend on the number of processes. Work and pieces are pickled: functions at the top of a module,
bound to arguments with `functools.partial`, and values.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any

from cambrian_eval.collector import collect_rarely
from cambrian_eval.errors import UserError

LARGE = 8_000_000
"""Bytes of responses from which several processes are sooner ready than one: they take half a second to start."""

Each = Callable[..., Iterator[Any]]
"""Applies a function to pieces, or to the arguments in several sequences, as `map` does; the results come in order."""


def processes_for(n_bytes: int) -> int:
    """How many processes work on responses of a size: one for each processor, and one alone where they are few."""
    if n_bytes < LARGE:
        return 1
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@contextmanager
def in_processes(number: int) -> Iterator[Each]:
    """`map` over so many processes. After the first error, pieces that have begun are finished; Ctrl-C ends all."""
    if number < 1:
        raise UserError(f"the number of processes is {number}; give 1 or more")
    if number == 1:
        yield map
        return
    # Not "fork": a copy of a process with threads can hang, and would hold the lock of a run.
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(number, multiprocessing.get_context("spawn"), _begin)

    def each(work: Callable[..., Any], *pieces: Iterable[Any]) -> Iterator[Any]:
        # Ctrl-C is for this process alone: those that begin here inherit that it is blocked.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            results = pool.map(partial(_recorded, work), *pieces)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return _repeated(results)

    try:
        yield each
    except KeyboardInterrupt:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()  # files are replaced whole, so that none is left in part
        raise
    except BrokenProcessPool:
        raise UserError(
            "a process was killed, perhaps because memory is used up; nothing stored is lost, try again with "
            "--processes 1"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _recorded(work: Callable[..., Any], *piece: Any) -> tuple[Any, list[Warning | str]]:
    """What a piece returns, with the warnings that it gave."""
    with warnings.catch_warnings(record=True) as given:
        found = work(*piece)
    return found, [warning.message for warning in given]


def _repeated(results: Iterable[tuple[Any, list[Warning | str]]]) -> Iterator[Any]:
    """The results; their warnings are given again here, where it is known how they are shown."""
    for found, given in results:
        for message in given:
            warnings.warn(message, stacklevel=2)
        yield found


def _begin() -> None:
    """In a new process, which has no work without the one that began it."""
    collect_rarely()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # numpy, which is not loaded yet: all processors have work
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
