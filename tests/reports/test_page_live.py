"""The page of `cambrian-eval view` in a browser while a run grows: progress, renewal in place, and the end."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval.cli.view import serve
from cambrian_eval.running.store import open_run
from tests.cli.test_view import live
from tests.command import call

pytestmark = pytest.mark.slow


def test_the_open_page_follows_the_run_and_keeps_the_readers_place(browser: Any, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    words = ("--benchmark", "mmvp,ai2d", "--data", "mini:60", "--vision", "on,off", "--scorer", "fuzzy")
    assert call("run", "--model", "chance", *words, "--out", whole).returncode == 0
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    results = json.loads((whole / "results.json").read_text())
    part = [r for r in results["results"] if r["benchmark"] == "mmvp"]
    (run / "results.json").write_text(json.dumps({**results, "results": part, "averages": []}))
    found = live(run, tmp_path / "out")
    server = serve(found, 0)
    try:
        with open_run(run).writing():
            assert found.refresh()
            page = browser.new_context(viewport={"width": 1300, "height": 900}).new_page()
            page.goto(f"http://127.0.0.1:{server.server_address[1]}/#?outcome=wrong")
            until(page, "document.getElementById('live').textContent === 'chance: running, 240 of 240 responses'")
            assert page.locator(".dumbbells tbody tr").count() == 1
            page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
            page.evaluate("scrollTo(0, 700)")
            (run / "results.json").write_text(json.dumps(results))
            assert found.refresh()
            until(page, "document.querySelectorAll('.dumbbells tbody tr').length === 2")
            until(page, "document.documentElement.dataset.ready === 'true'")
            assert page.evaluate("[location.hash, scrollY, document.getElementById('outcome').value]") == [
                "#?outcome=wrong",
                700,
                "wrong",
            ]
            assert page.evaluate("[...document.querySelectorAll('details')].every((d) => d.open)")
        assert not found.refresh()
        until(page, "document.getElementById('live').textContent === 'chance: complete, 240 of 240 responses'")
        page.context.close()
    finally:
        server.shutdown()
        server.server_close()


def until(page: Any, condition: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            if page.evaluate(condition):
                return
        except Exception as error:
            if "context was destroyed" not in str(error) and "null" not in str(error):
                raise  # anything else than a page that is being loaded again
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)
