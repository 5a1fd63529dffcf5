"""`cambrian-eval status`: how far a run is, from another terminal or another machine that sees the folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from cambrian_eval.running.status import RunStatus


def status(
    run: Path = typer.Argument(help="A run folder."),
    watch: bool = typer.Option(False, help="Repeat until the run ends."),
    interval: float = typer.Option(2.0, min=0.1, help="Seconds between two updates."),
    json: bool = typer.Option(False, "--json", help="One JSON object for each update instead of text."),
) -> None:
    """Progress, rate, time left, failures and GPU memory of a run, while it is running or after."""
    import sys
    import time
    from dataclasses import asdict

    from cambrian_eval.cli import output
    from cambrian_eval.running.status import Watcher
    from cambrian_eval.running.store import open_run

    watcher = Watcher(open_run(run))
    redraw = watch and not json and sys.stdout.isatty()
    while True:
        seen = watcher.look()
        if redraw:
            output.control(sys.stdout, "\x1b[H\x1b[2J")
        print(output.as_json(asdict(seen)) if json else _in_words(seen), flush=True)
        if not watch or not seen.running or getattr(sys.stdout, "reader_gone", False):
            return
        time.sleep(interval)


def _in_words(seen: RunStatus) -> str:
    """A status as text."""
    from cambrian_eval.cli.cell_lines import clock
    from cambrian_eval.cli.output import table

    rows = [["benchmark.condition", "done", "of", "", "failed"]]
    for c in seen.cells:
        share = f"{100 * c.done / c.total:.0f}%" if c.total else "-"
        rows.append([c.cell, str(c.done), str(c.total), share, str(c.failed) if c.failed else ""])
    lines = [f"{seen.run}: {seen.model}, {seen.state}" + (f" ({seen.writer})" if seen.writer else "")]
    lines.append(table(rows, right=(1, 2, 3, 4)))
    summary = f"{seen.done} of {seen.total} responses, {seen.failed} failed"
    if seen.per_second is not None:
        summary += f", {seen.per_second:.1f}/s"
    if seen.seconds_left is not None and seen.running:
        summary += f", {clock(seen.seconds_left)} left"
    lines.append(summary)
    lines += [f"{c.cell}: stopped by rule ({c.stopped})" for c in seen.cells if c.stopped]
    if seen.replicas is not None:
        r = seen.replicas
        lines.append(f"replicas: {r['ready']} of {r['of']} running, {r['replaced']} replaced")
    for gpu in seen.gpus:
        where = f" on {gpu['place']}" if gpu.get("place") else ""
        lines.append(f"GPU {gpu['name']}{where}: {gpu['used'] / 2**30:.1f} of {gpu['total'] / 2**30:.1f} GiB in use")
    if seen.state == "stopped":
        lines.append("the process ended without a word (killed?); run the same command again to resume")
    return "\n".join(lines)
