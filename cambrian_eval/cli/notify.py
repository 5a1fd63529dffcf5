"""`--notify-command`: runs a command when a run has ended, however it ended.

The command is the user's own and goes to the shell as written; it receives the facts of the run through the
environment only, so no text of a model or a dataset can become part of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cambrian_eval.cli.output import say
from cambrian_eval.numbers import number

if TYPE_CHECKING:
    from cambrian_eval.running.settings import RunOutcome

LONGEST = 60.0
"""Timeout of the command in seconds."""


class Notice:
    """Runs the command once, at the end."""

    def __init__(self, command: str | None, run: Path) -> None:
        self._command, self._run = command, run

    def ended(self, outcome: RunOutcome, code: int) -> None:
        """The run came to an end by itself or was interrupted."""
        scores = [
            f"{r.benchmark}.{r.condition}.{r.scorer} {number(r.score)}" for r in outcome.results if r.score is not None
        ]
        counts = f"{outcome.n} samples, {outcome.n_failed} failed"
        status = "interrupted" if outcome.interrupted else "done"
        self._send(status, code, "; ".join([counts, *scores]))

    def failed(self, error: BaseException) -> None:
        """The run ended with an error."""
        from cambrian_eval.errors import one_line

        interrupted = isinstance(error, KeyboardInterrupt)
        text = one_line(error, 2000) or type(error).__name__
        self._send("interrupted" if interrupted else "failed", 130 if interrupted else 2, text)

    def _send(self, status: str, code: int, summary: str) -> None:
        if self._command is None:
            return
        facts = {
            "CAMBRIAN_EVAL_RUN": str(self._run),
            "CAMBRIAN_EVAL_STATUS": status,
            "CAMBRIAN_EVAL_EXIT_CODE": str(code),
            "CAMBRIAN_EVAL_SUMMARY": summary.replace("\0", " "),
        }
        try:
            done = subprocess.run(
                self._command,
                shell=True,
                env={**os.environ, **facts},
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
                timeout=LONGEST,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            say(f"warning: --notify-command did not run: {error}")
            return
        if done.returncode:
            print(f"warning: --notify-command ended with exit code {done.returncode}", file=sys.stderr)
