"""`cambrian-eval view`: the report of runs in the browser, served from this machine to this machine alone.

The report is written into a folder (a temporary one unless `--out` names it) and again whenever the results of a run
change, so that a run can be watched while it goes on; the open page asks for news every two seconds.
"""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import typer

from cambrian_eval.cli.score_sources import HELP
from cambrian_eval.errors import UserError

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
"""What a browser on this machine calls it; a request for another name comes from a page that should not read this."""
EVERY = 2.0
"""Seconds between two looks at the runs."""


def view(
    context: typer.Context,
    runs: list[Path] = typer.Argument(help=HELP["runs"]),
    out: Path = typer.Option(None, "--out", help="Folder of the report; without it a temporary one."),
    port: int = typer.Option(0, min=0, max=65535, help="Port of the server; 0 takes a free one."),
    open_: bool = typer.Option(True, "--open/--no-open", help="Open the page in the browser."),
    scorer: str = typer.Option("fuzzy", help=HELP["scorer"]),
    images: bool = typer.Option(True, "--images/--no-images", help="Thumbnails of the images."),
    data_root: Path = typer.Option(None, help="Data folder of the runs, to show its images."),
) -> None:
    """Serve the report of runs on this machine and open it; it refreshes while a run goes on. Ctrl-C ends it."""
    import webbrowser

    from cambrian_eval.reports import report
    from cambrian_eval.reports.provenance import command_line
    from cambrian_eval.reports.sources import Sources

    def write(folder: Path, version: str) -> None:
        options = report.Options(images=images, formats=(), data_root=data_root, live=version)
        report.write(Sources(tuple(runs), scorer=scorer), folder, options, command_line(context))

    with TemporaryDirectory(prefix="cambrian-eval-view-") as temporary:
        live = LiveReport(runs, out or Path(temporary), write)
        live.refresh()
        server = serve(live, port)
        address = f"http://{HOST}:{server.server_address[1]}/"
        print(f"{address}  (Ctrl-C ends it)", flush=True)
        if open_ and not webbrowser.open(address):
            print("no browser could be opened; open the address yourself", flush=True)
        try:
            while True:
                time.sleep(EVERY)
                live.refresh()
        except KeyboardInterrupt:
            return
        finally:
            server.shutdown()
            server.server_close()


@dataclass
class LiveReport:
    """A report that is written again when the results of its runs change."""

    runs: Sequence[Path]
    folder: Path
    write: Callable[[Path, str], None]
    """Writes the report into a folder; the text is its version."""
    version: str = ""
    progress: str = ""
    """How far the runs are that are being written now; empty where none is."""
    ended: str = ""
    """How the runs ended that were being written at an earlier look."""
    _watchers: dict[Path, Any] = field(default_factory=dict)
    _seen: set[Path] = field(default_factory=set)

    def refresh(self) -> bool:
        """Looks at the runs, and writes the report where it is not up to date; whether it was written."""
        states = self._look()
        version = self._results()
        if version == self.version:
            return False
        try:
            self.write(self.folder, version)
        except UserError:
            if not self.progress:  # nothing will change: the reader is told why there is no report
                raise
            self._write_waiting(states)
        else:
            self.version = version
        return True

    def news(self) -> str:
        """What the open page asks for."""
        from cambrian_eval.reports.page.records import script_json
        from cambrian_eval.reports.page.shards import call

        said = "; ".join(filter(None, (self.progress, self.ended)))
        return call("live", "", script_json({"version": self.version, "progress": said}))

    def _look(self) -> list[str]:
        """A line for each run that is being written."""
        from cambrian_eval.running.status import Watcher
        from cambrian_eval.running.store import open_run

        lines, ended = [], []
        for path in self.runs:
            if path not in self._watchers:
                self._watchers[path] = Watcher(open_run(path))
            seen = self._watchers[path].look()
            if seen.running:
                self._seen.add(path)
                lines.append(f"{seen.model}: running, {seen.done:,} of {seen.total:,} responses")
            elif path in self._seen:
                state = "complete" if seen.state == "done" else seen.state
                ended.append(f"{seen.model}: {state}, {seen.done:,} of {seen.total:,} responses")
        self.progress, self.ended = "; ".join(lines), "; ".join(ended)
        return lines

    def _results(self) -> str:
        """A text that changes when the results of a run do."""
        marks = []
        for path in self.runs:
            try:
                about = (path / "results.json").stat()
                marks.append(f"{about.st_mtime_ns}-{about.st_size}")
            except OSError:
                marks.append("none")
        return " ".join(marks)

    def _write_waiting(self, states: Sequence[str]) -> None:
        from cambrian_eval.reports import report
        from cambrian_eval.reports.style import write

        lines = "".join(f"<p>{html.escape(line)}</p>" for line in states)
        mark = report.MARK.decode()
        write(
            self.folder / report.PAGE,
            f'<!doctype html><html lang="en"><head><meta charset="utf-8">{mark}">'
            '<meta http-equiv="refresh" content="2"><link rel="icon" href="data:,">'
            f'<meta name="color-scheme" content="light dark"><title>Waiting for results</title></head><body><main>'
            f"<h1>Waiting for the first results</h1>{lines}<p>The report opens when the run has written its "
            "results.</p></main></body></html>\n",
        )


class _Handler(SimpleHTTPRequestHandler):
    """Files of the report folder, and the news; to this machine, for a name of this machine, without listings."""

    def __init__(self, *arguments: Any, live: LiveReport, **more: Any) -> None:
        self.live = live
        super().__init__(*arguments, directory=str(live.folder), **more)

    def do_GET(self) -> None:
        """A file, or the news."""
        if self._refused():
            return
        path = urlsplit(self.path).path
        if path == "/live.js":
            body = self.live.news().encode("utf-8")
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        if path == "/":
            self.path = "/report.html"
        super().do_GET()

    def do_HEAD(self) -> None:
        """As `do_GET`, without the content."""
        if not self._refused():
            super().do_HEAD()

    def _refused(self) -> bool:
        name = (self.headers.get("Host") or "").rpartition(":")[0] or self.headers.get("Host")
        if name in NAMES:
            return False
        self.send_error(403)
        return True

    def list_directory(self, path: Any) -> None:
        """No listings."""
        self.send_error(404)

    def end_headers(self) -> None:
        """Nothing is kept: the report changes under the same names."""
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests are not printed."""


def serve(live: LiveReport, port: int) -> ThreadingHTTPServer:
    """A server of the report in a thread; its port is in `server_address`."""
    try:
        server = ThreadingHTTPServer((HOST, port), partial(_Handler, live=live))
    except OSError as error:
        raise UserError(f"port {port} cannot be used ({error.strerror}); choose another --port") from error
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
