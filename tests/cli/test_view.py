"""`cambrian-eval view`: the report over HTTP on this machine, written again when results change."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cambrian_eval.cli.view import LiveReport, serve
from cambrian_eval.errors import UserError
from cambrian_eval.reports import report
from cambrian_eval.reports.sources import Sources
from cambrian_eval.running.store import open_run
from tests.command import call, refused


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    words = ("--benchmark", "mmvp,ai2d", "--data", "mini:6", "--vision", "on,off", "--scorer", "fuzzy")
    assert call("run", "--model", "chance", *words, "--out", folder).returncode == 0
    return folder


def live(run: Path, folder: Path) -> LiveReport:
    def write(out: Path, version: str) -> None:
        report.write(Sources((run,)), out, report.Options(images=False, formats=(), live=version), "command")

    return LiveReport([run], folder, write)


@pytest.fixture
def served(run: Path, tmp_path: Path) -> Iterator[tuple[LiveReport, int]]:
    found = live(run, tmp_path / "out")
    assert found.refresh() and not found.refresh()
    server = serve(found, 0)
    yield found, server.server_address[1]
    server.shutdown()
    server.server_close()


def get(port: int, path: str, host: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_page_news_and_nothing_else(served: tuple[LiveReport, int], tmp_path: Path) -> None:
    found, port = served
    (tmp_path / "secret").write_text("secret")
    status, page = get(port, "/")
    assert status == 200 and page == (found.folder / "report.html").read_text()
    index = re.search(r'<script type="application/json" id="index">(.*?)</script>', page, re.S)
    assert index is not None and json.loads(index[1])["live"] == found.version
    status, news = get(port, "/live.js?123")
    assert (status, json.loads(news.removeprefix('cambrianReport("live","",\'').removesuffix("');\n"))) == (
        200,
        {"version": found.version, "progress": ""},
    )
    assert get(port, "/tables/")[0] == get(port, "/../secret")[0] == get(port, "/%2e%2e/secret")[0] == 404
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example"):
        assert get(port, "/", host)[0] == get(port, "/live.js", host)[0] == 403
    assert get(port, "/", f"localhost:{port}")[0] == 200


def test_a_port_in_use_is_one_line(served: tuple[LiveReport, int]) -> None:
    found, port = served
    with pytest.raises(UserError, match=f"port {port} cannot be used"):
        serve(found, port)


def test_a_run_that_has_no_results_yet_is_waited_for(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    results = (copy / "results.json").read_bytes()
    (copy / "results.json").unlink()
    found = live(copy, tmp_path / "out")
    with pytest.raises(UserError, match="no results yet"):  # nobody is writing it
        found.refresh()
    with open_run(copy).writing():
        assert found.refresh() and found.version == ""
        assert found.progress == "chance: running, 24 of 24 responses"
        waiting = (found.folder / "report.html").read_text()
        assert "Waiting for the first results" in waiting and found.progress in waiting and "http-equiv" in waiting
        (copy / "results.json").write_bytes(results)
        assert found.refresh() and found.version and "24 of 24" in found.news()
    assert "Waiting" not in (found.folder / "report.html").read_text()
    assert not found.refresh() and found.progress == ""
    stored = json.loads(results)
    stored["results"] = stored["results"][:2]
    before = found.version
    (copy / "results.json").write_text(json.dumps(stored))
    assert found.refresh() and found.version != before


def test_the_command_prints_the_address_and_ends_with_ctrl_c(run: Path, tmp_path: Path) -> None:
    words = ("view", run, "--no-open", "--no-images", "--out", tmp_path / "out")
    line = [sys.executable, "-m", "cambrian_eval", *map(str, words)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/  \(Ctrl-C ends it\)\n", process.stdout.readline())
    assert address is not None
    assert get(int(address[1]), "/")[0] == 200
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    assert "is not a run folder" in refused("view", tmp_path, "--no-open")
