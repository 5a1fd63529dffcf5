"""The review page in a real browser: press the keys, read the export back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cvbench_builder import dataset
from cvbench_builder.review import write_page
from tests.cvbench.conftest import run

pytestmark = pytest.mark.slow

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        if os.environ.get("CAMBRIAN_EVAL_REQUIRE_BROWSER") == "1":
            pytest.fail(f"{CHROMIUM} is missing and CAMBRIAN_EVAL_REQUIRE_BROWSER=1")
        pytest.skip(f"browser tests need Debian's chromium at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield chromium
        chromium.close()


def shown(page: Any) -> list[int]:
    # text_content, not inner_text: cards out of sight are not laid out
    heads = page.locator("article:not([hidden]) .head span:first-child")
    return [int(text.split(" ")[0]) for text in heads.all_text_contents()]


def test_keys_make_decisions_that_finalize_accepts(browser: Any, built: Path, tmp_path: Path) -> None:
    rows = {r["idx"]: r for r in dataset.read_rows(built)}
    context = browser.new_context(accept_downloads=True, offline=True)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((built / "review.html").as_uri())
    order = shown(page)
    assert sorted(order) == sorted(rows)
    page.fill("#reviewer", "ann")
    page.keyboard.press("Escape")
    page.keyboard.press("a")  # accept the first
    page.keyboard.press("r")  # reject the second: occluded
    page.keyboard.press("3")
    relation = next(i for i, idx in enumerate(order) if i > 2 and rows[idx]["task"] == "Relation")
    for _ in range(relation - 2):
        page.keyboard.press("j")
    page.keyboard.press("m")  # correct a relation: the other word
    page.keyboard.press("b" if rows[order[relation]]["answer"] == "(A)" else "a")
    page.keyboard.press("a")
    page.keyboard.press("k")  # back, and take that one back
    page.keyboard.press("u")
    with page.expect_download() as download:
        page.keyboard.press("e")
    path = tmp_path / "review.jsonl"
    download.value.save_as(path)
    assert download.value.suggested_filename == "review.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    by_key = {line["key"]: line for line in lines}
    first, second, third = (rows[order[i]] for i in (0, 1, relation))
    assert len(lines) == 3 and {line["reviewer"] for line in lines} == {"ann"}
    assert by_key[first["key"]]["status"] == "accepted"
    assert by_key[second["key"]]["status"] == "rejected" and by_key[second["key"]]["reason"] == "occluded"
    other = next(c for c in third["choices"] if c != third["choices"][ord(third["answer"][1]) - 65])
    assert by_key[third["key"]]["status"] == "modified" and by_key[third["key"]]["answer"] == other

    page.reload()  # progress is saved
    assert page.locator("article.accepted").count() == 1 and page.locator("article.rejected").count() == 1
    page.select_option("#state", "rejected")
    assert shown(page) == [order[1]]
    page.select_option("#state", "")
    page.select_option("#task", "Depth")
    assert {rows[i]["task"] for i in shown(page)} == {"Depth"}
    assert wrong == []
    context.close()
    out = run("finalize", built, "--review", path, "--out", tmp_path / "final")
    assert "1 accepted" in out and "1 modified" in out and "1 rejected" in out


def test_a_count_can_become_another_number(browser: Any, built: Path) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto((built / "review.html").as_uri())
    page.select_option("#task", "Count")
    page.keyboard.press("m")
    page.keyboard.press("#")
    page.keyboard.type("17")
    page.keyboard.press("Enter")
    assert json.loads(page.evaluate("reviewText()"))["answer"] == "17"
    page.keyboard.press("b")
    context.close()


def test_images_show_and_names_are_text(browser: Any, built: Path) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    rows = dataset.read_rows(built)
    rows[0]["question"] = '</script><img src=x onerror="window.broken=1"><b>'
    folder = built
    page_path = folder / "hostile.html"
    original = (folder / "review.html").read_text()
    try:
        write_page(folder, rows)
        (folder / "review.html").rename(page_path)
        page.goto(page_path.as_uri())
        page.wait_for_function("document.querySelector('article img').naturalWidth > 0")
        assert page.evaluate("window.broken") is None
    finally:
        page_path.unlink(missing_ok=True)
        (folder / "review.html").write_text(original)
    context.close()


def test_three_thousand_rows_load_few_images(browser: Any, built: Path) -> None:
    rows = dataset.read_rows(built)
    many = [{**rows[i % len(rows)], "key": f"{i:024x}", "idx": i} for i in range(3000)]
    original = (built / "review.html").read_text()
    big = built / "many.html"
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    try:
        write_page(built, many)
        (built / "review.html").rename(big)
        page.goto(big.as_uri(), wait_until="domcontentloaded")
        page.keyboard.press("a")
        assert page.locator("article.accepted").count() == 1
        page.wait_for_load_state("networkidle")
        assert len([u for u in asked if "/img/" in u]) < 300
    finally:
        big.unlink(missing_ok=True)
        (built / "review.html").write_text(original)
    context.close()
