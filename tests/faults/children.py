"""Runs in child processes that can be killed, or limited in disk, memory and time.

The children are started by a fork server with the heavy imports done, so that a kill and a resume take a fraction of a
second.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cambrian_eval
from cambrian_eval.errors import CambrianEvalError, UserError
from tests.engines.models import Plain

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["cambrian_eval.running.runner", "tests.engines.models", "pyarrow.parquet", "PIL.PngImagePlugin", "scipy.stats"]
)
CONDITIONS = ["on", "shuffled"]


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code, and the error it raised, if any."""

    code: int | None
    error: str | None


def start(work: Callable[..., None], *arguments: Any) -> tuple[Any, Any]:
    """A running child, and the pipe through which it sends its error."""
    here, there = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_guarded, args=(there, work, arguments))
    process.start()
    there.close()
    return process, here


def ended(process: Any, pipe: Any) -> Ended:
    process.join(120)
    error = None
    if pipe.poll():
        try:
            error = pipe.recv()
        except EOFError:
            error = None
    return Ended(process.exitcode, error)


def child(work: Callable[..., None], *arguments: Any) -> Ended:
    return ended(*start(work, *arguments))


def _guarded(pipe: Any, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    try:
        work(*arguments)
    except CambrianEvalError as error:
        pipe.send(f"{type(error).__name__}: {error}")


# -- the work of the children


def evaluate(root: Path, out: Path, model: Any = None, **more: Any) -> Any:
    """A complete run."""
    settings = {"vision": CONDITIONS, **more}
    return cambrian_eval.run(model or Plain(delay=0.001), ["docvqa"], out, data_root=root, **settings)


def ordinary(root: Path, out: Path) -> None:
    evaluate(root, out)


def with_file_limit(root: Path, out: Path, most: int) -> None:
    """No file may be larger than `most` bytes, as with a quota."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    evaluate(root, out)


def as_nobody(root: Path, out: Path) -> None:
    """Without the rights of root, who may write anywhere."""
    os.setegid(65534)
    os.seteuid(65534)
    evaluate(root, out)


def with_wrong_clock(root: Path, out: Path, seed: int) -> None:
    """Every reading of the system clock gives a different year; the monotonic clock is unchanged."""
    import random

    rng = random.Random(seed)
    real = time.time, time.strftime, time.localtime

    def jumped(seconds: float | None = None) -> time.struct_time:
        return real[2](real[0]() + rng.uniform(-3e8, 3e8) if seconds is None else seconds)

    time.time = lambda: real[0]() + rng.uniform(-3e8, 3e8)
    time.localtime = jumped  # type: ignore[assignment]
    time.strftime = lambda form, when=None: real[1](form, jumped() if when is None else when)
    evaluate(root, out)


def on_slow_disk(root: Path, out: Path, seed: int) -> None:
    """Writes take milliseconds and are often partial; syncing takes longer."""
    import random

    rng = random.Random(seed)
    write, fsync = os.write, os.fsync

    def slow_write(handle: int, data: Any) -> int:
        time.sleep(rng.uniform(0, 0.004))
        return write(handle, data[: rng.randint(1, len(data))])

    def slow_fsync(handle: Any) -> None:
        time.sleep(0.05)
        fsync(handle)

    os.write, os.fsync = slow_write, slow_fsync  # type: ignore[assignment]
    evaluate(root, out)


def measured(root: Path, out: Path, most: int, options: dict[str, Any]) -> None:
    """An error where the run increases the memory of its process by more than `most` bytes."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    evaluate(root, out, **options)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    if grown > most:
        raise UserError(f"memory grew by {grown >> 20} MiB")


def on_cluster(root: Path, out: Path, address: str, mode: str | None) -> None:
    """The driver of a Ray run on an existing cluster."""
    if mode is not None:
        os.environ["RAY_AUTH_MODE"] = mode
    from cambrian_eval.engines.ray import RayEngine

    evaluate(root, out, Plain(delay=0.005), engine=RayEngine(replicas=2, address=address))
