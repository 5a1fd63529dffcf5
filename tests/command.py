"""The command line as a user types it: in this process, which is fast, or in one of its own."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

COMMAND = (sys.executable, "-m", "cambrian_eval")
Word = str | int | float | Path


@dataclass(frozen=True)
class Done:
    """How a command ended and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def call(*words: Word) -> Done:
    """Runs `cambrian-eval` in this process: the same entry point, without the start of an interpreter."""
    from cambrian_eval.cli.main import main

    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    arguments, sys.argv = sys.argv, ["cambrian-eval", *map(str, words)]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv = arguments
        for number, handler in handlers.items():
            signal.signal(number, handler)
    said = [stream.buffer.getvalue().decode("utf-8") for stream in (out, err)]  # type: ignore[attr-defined]
    return Done(code, *said)


def spawn(*words: Word, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Done:
    """Runs `cambrian-eval` in a process of its own, with `env` added to the environment."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env={**os.environ, **(env or {})},
    )
    return Done(done.returncode, done.stdout, done.stderr)


def refused(*words: Word) -> str:
    """The one line that a wrong call prints."""
    done = call(*words)
    assert done.returncode == 2, (done.stdout, done.stderr)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("warning:")]
    assert len(lines) == 1 and "Traceback" not in done.stderr, done.stderr
    return lines[0]
