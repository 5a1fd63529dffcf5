"""The top of report.html in a real browser: summary, tables, figures."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cambrian_eval.numbers import number
from cambrian_eval.reports import report
from cambrian_eval.reports.runs import open_runs
from cambrian_eval.reports.sources import Sources
from tests.reports.conftest import BENCHMARKS, ROWS
from tests.reports.opened import Opened, opened

pytestmark = pytest.mark.slow


def test_the_top_has_date_data_headline_cards_and_what_was_left_out(at: Opened, runs: tuple[Path, Path]) -> None:
    named = open_runs(runs)
    day = named[0].run.info["passes"][0]["start"][:10]
    about = at.page.inner_text(".about")
    assert day in about and f"mini:{ROWS}" in about and f"{ROWS * len(BENCHMARKS)} samples" in about

    def score(condition: str, benchmark: str) -> float:
        result = named[0].result(benchmark, condition, "fuzzy")
        assert result is not None and result.score is not None
        return result.score

    assert f"{sum(score('on', b) for b in BENCHMARKS) / 4:.1f}" in at.page.inner_text(".card.headline .row >> nth=0")
    card = at.page.inner_text(".card[aria-label='OCR & Chart']")
    on, off = ((score(c, "docvqa") + score(c, "textvqa")) / 2 for c in ("on", "off"))
    assert f"{on:.1f}" in card and f"off {off:.1f} · chance 0.0" in card and "2 of 4 benchmarks" in card
    assert "not run: MME, MMB, SEED-I" in at.page.inner_text(".left-out")


def test_a_dumbbell_is_drawn_to_scale_and_opens_its_samples(at: Opened, runs: tuple[Path, Path]) -> None:
    named = open_runs(runs)[0]
    row = at.page.locator(".dumbbells tbody tr", has_text="MMVP").first
    for condition in ("on", "off"):
        result = named.result("mmvp", condition, "fuzzy")
        assert result is not None and result.score is not None
        assert float(row.locator(f"circle.{condition}").get_attribute("cx")) == pytest.approx(
            6 + 188 * result.score / 100, abs=0.1
        )
    row.locator("th a").click()
    at.until("document.querySelector('#benchmark').value === 'mmvp'")
    at.page.wait_for_timeout(200)
    assert at.count() == ROWS
    top = at.page.evaluate("document.querySelector('#browser').getBoundingClientRect().top")
    assert abs(top) < 100


def test_tables_sort_by_number_and_by_name(at: Opened) -> None:
    column = "all => all.map(tr => [tr.cells[0].textContent, Number(tr.cells[4].dataset.value)])"
    at.page.click(".dumbbells th:nth-child(5) button")
    rows = at.page.eval_on_selector_all(".dumbbells tbody tr", column)
    assert [n for _, n in rows] == sorted((n for _, n in rows), reverse=True)
    assert at.page.get_attribute(".dumbbells th:nth-child(5)", "aria-sort") == "descending"
    at.page.click(".dumbbells th:nth-child(5) button")
    rows = at.page.eval_on_selector_all(".dumbbells tbody tr", column)
    assert [n for _, n in rows] == sorted(n for _, n in rows)
    at.page.click(".dumbbells th:nth-child(1) button")
    names = [name for name, _ in at.page.eval_on_selector_all(".dumbbells tbody tr", column)]
    assert names == sorted(names)


def test_figures_follow_dark_mode_and_show_values(at: Opened, runs: tuple[Path, Path]) -> None:
    texts = at.page.eval_on_selector_all("#figures title", "all => all.map(t => t.textContent)")
    for named in open_runs(runs):
        for condition in ("on", "off"):
            result = named.result("mmvp", condition, "fuzzy")
            assert result is not None and result.score is not None
            assert any(re.search(rf"MMVP · .*\b{number(result.score)}$", text) for text in texts), [
                t for t in texts if "MMVP" in t
            ]
    at.page.eval_on_selector_all(".drawing img", "all => all.forEach(i => i.loading = 'eager')")
    shown = {at.page.evaluate("document.documentElement.dataset.theme"): _corner(at)}
    at.page.click("#theme")
    shown[at.page.evaluate("document.documentElement.dataset.theme")] = _corner(at)
    assert shown == {"light": (255, 255, 255), "dark": (0x12, 0x16, 0x1B)}
    links = at.page.eval_on_selector_all("#figures figure a", "all => all.map(a => a.getAttribute('href'))")
    assert links and all((at.folder / link).is_file() for link in links)


def _corner(at: Opened) -> tuple[int, ...]:
    """The color near the upper left corner of the first figure, as the browser shows it."""
    at.page.wait_for_timeout(100)
    shot = at.page.locator(".drawing").first.screenshot()
    pixel = Image.open(io.BytesIO(shot)).convert("RGB").getpixel((8, 8))
    assert isinstance(pixel, tuple)
    return tuple(int(v) for v in pixel)


def test_the_vision_centric_columns_and_the_average_are_visible_at_1440_pixels(
    browser: Any, all_sixteen: Path, tmp_path: Path
) -> None:
    report.write(Sources((all_sixteen,)), tmp_path, report.Options(images=False, formats=()), "command")
    found = opened(browser, tmp_path / "report.html", viewport={"width": 1440, "height": 900})
    boxes = found.page.eval_on_selector_all(
        "table.main thead tr:last-child th",
        "all => all.map(t => { const b = t.getBoundingClientRect(); return [t.textContent, b.right, b.bottom]; })",
    )
    heads = [name for name, *_ in boxes]
    assert heads[-6:] == ["Avg", "MMVP", "RealWorldQA", "CV-Bench2D", "CV-Bench3D", "Avg"] and len(heads) == 22
    assert max(right for _, right, _ in boxes) <= 1440 and max(bottom for *_, bottom in boxes) < 800


@pytest.fixture(scope="module")
def all_sixteen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sixteen") / "run"
    run_chance(out)
    return out


def run_chance(out: Path) -> None:
    from cambrian_eval import run
    from cambrian_eval.registry import suites

    run("chance", suites()["paper"].benchmarks, out, vision=("on", "off"), data="mini:6")
