"""The review page in a real browser: press the keys, read the export back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cvbench_builder import dataset
from cvbench_builder.review import read_decisions, write_page
from tests.cvbench.conftest import run

pytestmark = pytest.mark.slow


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
        page.wait_for_function(
            "document.readyState === 'complete' && document.querySelector('article img').naturalWidth"
        )
        assert len([u for u in asked if "/img/" in u]) < 300
    finally:
        big.unlink(missing_ok=True)
        (built / "review.html").write_text(original)
    context.close()


@pytest.fixture
def page(browser: Any, built: Path) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    opened = context.new_page()
    opened.goto((built / "review.html").as_uri())
    yield opened
    context.close()


def exported(page: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in page.evaluate("reviewText()").splitlines() if line]


def test_undo_takes_back_the_last_verdicts_in_order_and_a_reload_goes_on(page: Any, built: Path) -> None:
    keys = {r["idx"]: r["key"] for r in dataset.read_rows(built)}
    order = [keys[i] for i in shown(page)]
    for _ in range(3):
        page.keyboard.press("a")
    page.keyboard.press("k")
    page.keyboard.press("k")
    page.keyboard.press("r")  # the second verdict on the second row
    page.keyboard.press("1")
    page.keyboard.press("Home")  # the focus is elsewhere
    page.keyboard.press("u")
    assert [line["status"] for line in exported(page)] == ["accepted"] * 3
    page.click("#undo")
    assert [line["key"] for line in exported(page)] == order[:2]
    page.reload()
    place = page.evaluate("[...document.querySelectorAll('article')].findIndex(a => a.classList.contains('current'))")
    assert place == 2  # the first card that is still open
    page.keyboard.press("u")  # the stack survives
    assert [line["key"] for line in exported(page)] == order[:1]


def test_a_note_before_the_verdict_is_kept(page: Any) -> None:
    page.keyboard.press("n")
    page.keyboard.type("two lamps in the mirror")
    page.keyboard.press("Enter")
    page.reload()
    page.keyboard.press("r")
    page.keyboard.press("9")
    (line,) = exported(page)
    assert (line["note"], line["reason"]) == ("two lamps in the mirror", "depiction")


def test_blind_mode_shows_the_key_after_the_answer(page: Any, built: Path) -> None:
    page.select_option("#task", "Relation")
    row = {r["idx"]: r for r in dataset.read_rows(built)}[shown(page)[0]]
    page.check("#blind")
    card = page.locator("article.current")
    assert page.locator("li.answer").count() == 0 and card.locator("button", has_text="Accept").count() == 0
    page.keyboard.press("m")  # correcting needs the key, so nothing happens
    assert page.locator("#ask.open").count() == 0
    wrong = 1 - (ord(row["answer"][1]) - 65)
    card.locator("button", has_text=row["choices"][wrong]).click()
    assert card.locator("li.answer").inner_text() == row["choices"][1 - wrong]
    assert "0 of 1 answers equal the key" in page.inner_text("#counts")
    card.locator("button", has_text="Accept").click()
    assert exported(page)[0]["blind_answer"] == row["choices"][wrong]


def test_full_size_zooms_and_switches_boxes(page: Any, built: Path) -> None:
    page.select_option("#task", "Count")
    row = {r["idx"]: r for r in dataset.read_rows(built)}[shown(page)[0]]
    page.locator("article.current .image").click()
    page.wait_for_function(
        "document.querySelector('#sheet img').complete && document.querySelector('#sheet').style.transform"
    )

    def scale() -> float:
        return float(page.evaluate("new DOMMatrix(getComputedStyle(document.querySelector('#sheet')).transform).a"))

    fitted = scale()
    width, height = page.evaluate(
        "[document.querySelector('#stage').clientWidth, document.querySelector('#stage').clientHeight]"
    )
    natural = page.evaluate("(i => [i.naturalWidth, i.naturalHeight])(document.querySelector('#sheet img'))")
    assert fitted == pytest.approx(min(width / natural[0], height / natural[1]))
    page.keyboard.press("+")
    assert scale() == pytest.approx(1.5 * fitted)
    page.click("#bar button[data-zoom=one]")
    assert scale() == pytest.approx(1)
    page.mouse.move(width / 2, height / 2)
    page.mouse.wheel(0, -400)
    page.wait_for_function("new DOMMatrix(getComputedStyle(document.querySelector('#sheet')).transform).a > 1.5")
    assert scale() == pytest.approx(2.718281828, rel=1e-3)
    assert page.locator("#sheet svg rect").count() == 0
    page.click("#bar button[data-act=boxes]")
    assert page.locator("#sheet svg rect").count() == len(row["boxes"])
    page.locator("#panel button", has_text="Accept").click()
    page.keyboard.press("Escape")
    assert not page.is_visible("#full") and exported(page)[0]["key"] == row["key"]


def test_boxes_can_be_hidden(page: Any, built: Path, tmp_path: Path) -> None:
    page.select_option("#task", "Depth")
    row = {r["idx"]: r for r in dataset.read_rows(built)}[shown(page)[0]]
    (clean,) = (built / "img/clean").glob(row["filename"].removeprefix("img/").replace(".png", ".*"))

    def seen(name: str) -> Any:
        page.wait_for_function("(i => i.complete && i.naturalWidth)(document.querySelector('#sheet img'))")
        path = tmp_path / f"{name}.png"
        page.locator("#sheet img").screenshot(path=path)
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB")).astype(int)

    page.locator("article.current .image").click()
    page.click("#bar button[data-zoom=one]")
    button = page.locator("#bar button[data-act=boxes]")
    with Image.open(built / row["filename"]) as drawn, Image.open(clean) as source:
        pictures = [np.asarray(i.convert("RGB")).astype(int) for i in (drawn, source)]
    assert button.inner_text() == "Boxes: as asked"
    assert np.abs(seen("asked") - pictures[0]).max() <= 3
    button.click()
    assert button.inner_text() == "Boxes: all recorded"
    button.click()
    page.wait_for_function("document.querySelector('#sheet img').getAttribute('src').includes('clean')")
    assert button.inner_text() == "Boxes: none" == page.inner_text("#boxes")
    # the same zoom, another image: no line of a box is left
    assert np.abs(seen("none") - pictures[1]).max() <= 3
    assert np.abs(pictures[0] - pictures[1]).max() > 100
    page.keyboard.press("b")
    page.wait_for_function("!document.querySelector('#sheet img').getAttribute('src').includes('clean')")
    assert np.abs(seen("again") - pictures[0]).max() <= 3


@pytest.mark.parametrize("width", [390, 1440])
def test_no_text_is_clipped(browser: Any, built: Path, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    page = context.new_page()
    page.goto((built / "review.html").as_uri())
    page.add_style_tag(content="article { content-visibility: visible !important; }")
    clipped = page.evaluate(
        """() => [...document.querySelectorAll(".question, li, .key, .tags, .decision, button, #counts")]
            .filter((n) => n.scrollWidth > n.clientWidth + 1 && getComputedStyle(n).display !== "inline")
            .map((n) => n.textContent)"""
    )
    assert clipped == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_touch_dark_colors_and_long_names(browser: Any, built: Path) -> None:
    rows = dataset.read_rows(built)
    rows[0]["source_filename"] = "n008-2018-08-01-15-16-36-0400__CAM_FRONT__" + "1533151603512404" * 8 + ".jpg"
    original = (built / "review.html").read_text()
    context = browser.new_context(
        viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True, color_scheme="dark", offline=True
    )
    phone = context.new_page()
    try:
        write_page(built, rows)
        phone.goto((built / "review.html").as_uri())
        head = phone.locator("article .head", has_text=f"{rows[0]['idx']} ·").first
        first, last = (head.locator("span").nth(i).bounding_box() for i in (0, 1))
        assert first["height"] < 25 and last["height"] < 25  # one line each
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390
        background = "getComputedStyle(document.body).backgroundColor"
        assert phone.evaluate(background) == "rgb(22, 22, 22)"
        phone.select_option("#colors", "light")
        assert phone.evaluate(background) == "rgb(245, 245, 243)"
        phone.locator("article").first.locator("button", has_text="Reject").tap()
        phone.locator("#ask button", has_text="too small").tap()
        assert exported(phone)[0]["reason"] == "too small"
    finally:
        (built / "review.html").write_text(original)
        context.close()


def test_two_reviewers_are_compared_and_merged(page: Any, built: Path, tmp_path: Path) -> None:
    page.fill("#reviewer", "ann")
    page.keyboard.press("Escape")
    for _ in range(4):
        page.keyboard.press("a")
    mine = exported(page)
    theirs = [{**line, "reviewer": "bob", "note": "seen twice"} for line in mine]
    theirs[3] |= {"status": "rejected", "reason": "unclear"}
    for name, lines in (("ann", mine), ("bob", theirs)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page.set_input_files("#other", tmp_path / "bob.jsonl")
    page.wait_for_function("document.querySelector('#agreement').textContent")
    assert "4 common rows, agreement 75.0 %, kappa 0.000, 1 disagreements" in page.inner_text("#agreement")
    page.select_option("#state", "disagreement")
    assert len(shown(page)) == 1
    said = run("merge-reviews", tmp_path / "ann.jsonl", tmp_path / "bob.jsonl", "--out", tmp_path / "both.jsonl")
    assert "ann and bob: 4 common rows, agreement 75.0%, kappa 0.000" in said and mine[3]["key"] in said
    merged = [json.loads(line) for line in (tmp_path / "both.jsonl").read_text().splitlines()]
    assert [line["key"] for line in merged] == [line["key"] for line in mine[:3]]
    assert {(line["reviewer"], line["note"]) for line in merged} == {("ann, bob", "seen twice")}
    assert len(read_decisions(tmp_path / "both.jsonl")) == 3  # what `finalize` reads
