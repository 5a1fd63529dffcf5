"""The data of report.html in the page and beside it: hostile text, many samples, many images, a missing folder."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval.reports import report
from cambrian_eval.reports.page import images
from cambrian_eval.reports.sources import Sources
from cambrian_eval.running.records import Cell, Record
from cambrian_eval.running.store import create_or_open
from cambrian_eval.sample import Result, Sample, Verdict
from tests.reports.opened import opened

pytestmark = pytest.mark.slow

EVIL = "</script><script>window.broken=1</script><img src=x onerror='window.broken=1'><svg onload='window.broken=1'>"


def stored(out: Path, n: int, text: str, name: str = "m") -> Path:
    """A run written through the store, without a model or data."""
    run = create_or_open(out)
    about = {"samples": n, "complete": True, "settings": {}, "data": {"fingerprint": "f"}, "warnings": []}
    run.save_info(
        {
            "model": {"name": name, "spec": name, "fingerprint": "f", "details": {}, "options": {}},
            "responses_depend_on": {"prompts": "official", "seed": 0, "limit": None},
            "conditions": ["on"],
            "scorers": ["fuzzy"],
            "data": {"kind": "folder", "root": str(out / "gone")},
            "benchmarks": {"ai2d": about},
            "passes": [],
        }
    )
    samples = [
        Sample(f"{i}{text}", i, f"Question {i} {text}", ("A",), (f"yes {text}", "no"), tags={"t": text or "x"})
        for i in range(n)
    ]
    cell = Cell("ai2d", "on")
    with run.writing():
        run.save_samples("ai2d", samples)
        writer = run.writer(cell)
        for i, s in enumerate(samples):
            writer.append(Record(s.id, "k", s.question, (f"{i:064x}",), f"A {text}", "stop", None, 1, 1, 0.1, {}))
        writer.close()
        verdict = Verdict(1.0, f"A{text}", f"rule {text}")
        run.save_verdicts(cell, "fuzzy", [s.id for s in samples], [verdict] * n)
        run.save_results([Result("ai2d", "on", "fuzzy", 100.0, (100.0, 100.0), n, 0, 0, 100.0, 25.0, {}, True)], [])
    return out


def test_hostile_text_stays_text(browser: Any, tmp_path: Path) -> None:
    run = stored(tmp_path / "run", 3, EVIL, name=f"model {EVIL}")
    options = report.Options(title=EVIL, formats=("svg",))
    report.write(Sources((run,)), tmp_path / "out", options, f"command {EVIL}")
    found = opened(browser, tmp_path / "out" / "report.html")
    found.page.keyboard.press("j")
    found.page.wait_for_timeout(150)
    assert EVIL in found.page.inner_text("#sample") and EVIL in found.page.title()
    assert found.page.evaluate("window.broken") is None
    assert found.page.locator("#sample script, #sample svg, #list img").count() == 0
    assert found.console == []


def test_many_samples_are_beside_the_page_and_read_when_needed(browser: Any, tmp_path: Path) -> None:
    run = stored(tmp_path / "run", 20_000, "")
    report.write(Sources((run,)), tmp_path / "out", report.Options(images=False, formats=()), "command")
    page = tmp_path / "out" / "report.html"
    assert page.stat().st_size < 1 << 20
    names = [p.name for p in (tmp_path / "out" / "samples").iterdir()]
    assert sum(name.startswith("rows-") for name in names) == 200 and "columns.js" in names
    found = opened(browser, page)
    assert found.count() == 20_000
    assert found.page.locator("#list .card").count() == 48
    scripts = [r for r in found.requests if "/samples/" in r]
    assert {Path(r).name for r in scripts if "/texts-" not in r} == {"columns.js", "rows-0.js"}
    texts = {name for name in names if name.startswith("texts-")}
    assert texts
    deadline = time.monotonic() + 20
    while not texts <= {Path(r).name for r in found.requests}:  # loaded ahead of the first search
        assert time.monotonic() < deadline
        found.page.wait_for_timeout(30)
    found.page.fill("#search", "question 19999")
    found.until("document.getElementById('count').textContent.startsWith('1 of')")
    assert found.page.get_attribute("#list a", "href") == "#?q=question+19999&sample=ai2d%2F19999"
    assert found.console == [] and all(r.startswith(("file:", "data:")) for r in found.requests)


def test_a_missing_or_foreign_folder_is_said_on_the_page(browser: Any, tmp_path: Path) -> None:
    run = stored(tmp_path / "run", 20_000, "")
    out = tmp_path / "out"
    report.write(Sources((run,)), out, report.Options(images=False, formats=()), "command")
    columns = out / "samples" / "columns.js"
    text = columns.read_text()
    columns.write_text(text.replace('"columns","', '"columns","0'))
    assert "belongs to another report" in opened(browser, out / "report.html").page.inner_text("#count")
    shutil.rmtree(out / "samples")
    assert "samples that was written beside this page is missing" in opened(
        browser, out / "report.html"
    ).page.inner_text("#count")
    small = stored(tmp_path / "small", 3, "")
    columns.parent.mkdir()
    columns.write_text(text)
    (columns.parent / "mine.txt").write_text("kept")
    report.write(Sources((small,)), out, report.Options(images=False, formats=()), "command")
    assert [p.name for p in columns.parent.iterdir()] == ["mine.txt"]
    assert opened(browser, out / "report.html").count() == 3


def test_many_images_go_into_files_beside_the_page(
    browser: Any, runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "EMBEDDED", 3)
    report.write(Sources(runs[:1]), tmp_path, report.Options(formats=()), "command")
    assert len(list((tmp_path / "images").glob("*.jpg"))) > 3
    found = opened(browser, tmp_path / "report.html")
    found.page.keyboard.press("j")
    found.until("document.querySelector('#sample img') !== null")
    found.page.wait_for_timeout(300)
    assert found.page.evaluate("document.querySelector('#sample img').naturalWidth") > 0
    assert found.console == []
