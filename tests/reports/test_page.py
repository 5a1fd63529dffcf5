"""report.html in a real browser: filters, search, links, keys, safety, access, and nothing on the console."""

from __future__ import annotations

import io
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cambrian_eval.numbers import number
from cambrian_eval.reports import report
from cambrian_eval.reports.page import images
from cambrian_eval.reports.runs import open_runs
from cambrian_eval.reports.sources import Sources
from cambrian_eval.running.store import Cell, Record, create_or_open
from cambrian_eval.sample import Result, Sample, Verdict
from tests.reports.conftest import BENCHMARKS, ROWS

pytestmark = pytest.mark.slow

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
EVIL = "</script><script>window.broken=1</script><img src=x onerror='window.broken=1'><svg onload='window.broken=1'>"


@dataclass
class Opened:
    """A page with what it complained about and what it asked the network for."""

    page: Any
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    folder: Path = Path()

    def count(self) -> int:
        return int(self.page.inner_text("#count").split()[0])

    def choose(self, select: str, value: str) -> None:
        self.page.select_option(f"#{select}", value)
        self.page.wait_for_timeout(100)

    def until(self, condition: str) -> None:
        """Waits in Python: the page's policy allows no evaluation of text, which `wait_for_function` needs."""
        deadline = time.monotonic() + 20
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline, condition
            self.page.wait_for_timeout(30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        message = "no Chromium on this machine: the report page is not tested in a browser"
        if os.environ.get("CAMBRIAN_EVAL_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS.split())
        yield started
        started.close()


@pytest.fixture(scope="module")
def written(runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page")
    report.write(Sources(runs), out, report.Options(formats=("svg",)), "cambrian-eval report a b")
    return out / "report.html"


def opened(browser: Any, path: Path, address: str = "", **context: Any) -> Opened:
    page = browser.new_context(**{"viewport": {"width": 1300, "height": 900}, **context}).new_page()
    found = Opened(page, folder=path.parent)
    page.on("console", lambda m: found.console.append(f"{m.type}: {m.text}"))
    page.on("pageerror", lambda e: found.console.append(f"error: {e}"))
    page.on("request", lambda r: found.requests.append(r.url))
    page.goto(path.as_uri() + address)
    page.wait_for_selector("html[data-ready=true]", state="attached")
    return found


@pytest.fixture
def at(browser: Any, written: Path) -> Iterator[Opened]:
    found = opened(browser, written)
    yield found
    assert found.console == []
    assert [r for r in found.requests if not r.startswith(("file:", "data:"))] == []
    found.page.context.close()


def outcomes(run: Path, benchmark: str, condition: str) -> list[float]:
    cell = Cell(benchmark, condition)
    return [v.value for v in open_runs([run])[0].run.verdicts(cell, "fuzzy").values()]


def test_filters_count_what_the_verdicts_say(at: Opened, runs: tuple[Path, Path]) -> None:
    assert at.count() == ROWS * len(BENCHMARKS)
    at.choose("benchmark", "ai2d")
    assert at.count() == ROWS
    for model, run in zip(("good (synthetic data)", "poor (synthetic data)"), runs, strict=True):
        at.choose("model", model)
        for condition in ("on", "off"):
            at.choose("condition", condition)
            values = outcomes(run, "ai2d", condition)
            at.choose("outcome", "right")
            assert at.count() == sum(v == 1 for v in values)
            at.choose("outcome", "wrong")
            assert at.count() == sum(v < 1 for v in values)
            at.choose("outcome", "")
    at.page.click("#reset")
    at.choose("category", "OCR & Chart")
    assert at.count() == 2 * ROWS
    listed = at.page.eval_on_selector_all("#benchmark option", "all => all.map(o => o.value)")
    assert listed == ["", "textvqa", "docvqa"]


def test_two_views_side_by_side(at: Opened, runs: tuple[Path, Path]) -> None:
    at.choose("benchmark", "mmvp")
    options = at.page.eval_on_selector_all("#compare option", "all => all.map(o => [o.value, o.textContent])")
    off = next(value for value, text in options if text == "good (synthetic data), Vision off")
    at.choose("compare", off)
    at.choose("outcome", "only-a")
    run = open_runs([runs[0]])[0].run
    on, blind = (run.verdicts(Cell("mmvp", c), "fuzzy") for c in ("on", "off"))
    assert at.count() == sum(on[i].value == 1 and blind[i].value < 1 for i in on) > 0
    at.page.click("#list a >> nth=0")
    at.page.wait_for_timeout(100)
    titles = at.page.eval_on_selector_all("#sample .side", "all => all.map(s => s.getAttribute('aria-label'))")
    assert titles == [
        f"{name} (synthetic data), Vision {c}" for name, c in (("good", "on"), ("good", "off"), ("poor", "on"))
    ]
    assert at.page.locator("#sample .left img").count() == 1
    assert "No image was shown" in at.page.inner_text("#sample .side >> nth=1")
    assert "response changed" in at.page.inner_text("#sample .side >> nth=1")
    assert at.page.evaluate("document.querySelector('#sample img').naturalWidth") > 0


def test_search_finds_text_of_questions_and_responses(at: Opened, runs: tuple[Path, Path]) -> None:
    run = open_runs([runs[0]])[0].run
    sample = run.samples("docvqa")[3]
    at.page.fill("#search", sample.answers[0].upper())
    at.page.wait_for_timeout(300)
    assert 0 < at.count() < ROWS * len(BENCHMARKS)
    at.page.fill("#search", "no such words anywhere")
    at.page.wait_for_timeout(300)
    assert at.count() == 0 and "no sample matches" in at.page.inner_text("#count")


def test_a_deep_link_opens_its_sample_with_prompt_gold_and_rule(
    browser: Any, written: Path, runs: tuple[Path, Path]
) -> None:
    run = open_runs([runs[1]])[0].run
    sample = run.samples("ai2d")[5]
    cell = Cell("ai2d", "off")
    address = f"#?model=poor%20(synthetic%20data)&condition=off&sample=ai2d%2F{sample.id}"
    found = opened(browser, written, address)
    text = found.page.inner_text("#sample")
    assert run.responses(cell)[sample.id].prompt.split("\n")[0] in text
    verdict = run.verdicts(cell, "fuzzy")[sample.id]
    assert verdict.rule in text and sample.answers[0] in text and "poor (synthetic data), Vision off" in text
    assert found.page.evaluate("document.activeElement.id") == "sample"
    found.page.click("#sample button")
    found.page.wait_for_timeout(100)
    assert found.page.is_hidden("#sample")
    found.page.go_back()
    found.page.wait_for_timeout(100)
    assert found.page.is_visible("#sample") and found.console == []
    found.page.goto(written.as_uri() + "#?sample=ai2d%2Fnobody")
    found.page.wait_for_timeout(100)
    assert "no sample ai2d/nobody" in found.page.inner_text("#count")


def test_keys_walk_search_compare_and_close(at: Opened) -> None:
    press = at.page.keyboard.press
    label = "document.querySelector('#sample').getAttribute('aria-label')"
    press("j")
    at.until("!document.querySelector('#sample').hidden")
    first = at.page.get_attribute("#sample", "aria-label")
    press("j")
    at.until(f"{label} !== {first!r}")
    press("k")
    at.until(f"{label} === {first!r}")
    press("c")
    at.until("document.querySelectorAll('#sample .side').length === 3")
    assert at.page.get_attribute("#sample", "aria-label") == first
    press("/")
    at.until("document.activeElement.id === 'search'")
    press("Escape")
    press("Escape")
    at.until("document.querySelector('#sample').hidden")
    at.until("document.activeElement.closest('#list') !== null")
    press("n")
    at.until("document.querySelector('#page').innerText.startsWith('page 2')")
    press("?")
    at.until("!document.querySelector('#keys-help').hidden")


def test_a_pair_is_shown_together_with_how_many_are_right(at: Opened, runs: tuple[Path, Path]) -> None:
    at.choose("benchmark", "mmvp")
    run = open_runs([runs[0]])[0].run
    verdicts = run.verdicts(Cell("mmvp", "on"), "fuzzy")
    pairs: dict[str | None, list[str]] = {}
    for sample in run.samples("mmvp"):
        pairs.setdefault(sample.group, []).append(sample.id)
    expected = [f"Pair: {sum(verdicts[i].value == 1 for i in ids)} of 2 right" for ids in pairs.values()]
    assert at.page.eval_on_selector_all("#list .group > p", "all => all.map(p => p.textContent)") == expected
    at.choose("outcome", "wrong")
    wrong = sum(v.value < 1 for v in verdicts.values())
    assert at.count() == wrong < at.page.locator("#list .card").count()  # the other of a pair stays beside it
    assert at.page.locator("#list .card.other").count() == at.page.locator("#list .card").count() - wrong
    at.choose("groups", "apart")
    assert at.count() == at.page.locator("#list .card").count() == wrong
    at.page.click("#list a >> nth=0")
    at.until("!document.querySelector('#sample').hidden")
    assert at.page.locator("#sample .members a").count() == 2


def test_reading_rules_are_counted_and_filter(at: Opened, runs: tuple[Path, Path]) -> None:
    run = open_runs([runs[0]])[0].run
    counts: dict[str, int] = {}
    for benchmark in BENCHMARKS:
        for verdict in run.verdicts(Cell(benchmark, "on"), "fuzzy").values():
            counts[verdict.rule] = counts.get(verdict.rule, 0) + 1
    offered = at.page.eval_on_selector_all("#rule option", "all => all.map(o => [o.textContent, o.value])")
    assert {text for text, _ in offered} == {"all", *(f"{rule} ({n})" for rule, n in counts.items())}
    rule, n = max(counts.items(), key=lambda entry: entry[1])
    at.choose("rule", next(value for text, value in offered if text == f"{rule} ({n})"))
    assert at.count() == n


def test_two_scorers_are_compared_over_the_same_responses(at: Opened, runs: tuple[Path, Path]) -> None:
    run = open_runs([runs[0]])[0].run
    at.choose("compare", "s1")
    at.choose("outcome", "changed")
    expected = 0
    for benchmark in BENCHMARKS:
        one, two = (run.verdicts(Cell(benchmark, "on"), s) for s in ("fuzzy", "official"))
        expected += sum((one[i].value == 1) != (two[i].value == 1) for i in one)
    assert at.count() == expected


def test_the_grid_shows_thumbnail_gold_response_and_verdict(at: Opened, runs: tuple[Path, Path]) -> None:
    run = open_runs([runs[0]])[0].run
    at.choose("benchmark", "docvqa")
    sample = run.samples("docvqa")[0]
    at.page.wait_for_timeout(200)
    first = at.page.locator("#list .card >> nth=0")
    assert at.page.evaluate("document.querySelector('#list .card img').naturalWidth") > 0
    text = first.inner_text()
    assert sample.answers[0] in text and run.responses(Cell("docvqa", "on"))[sample.id].text in text
    verdict = run.verdicts(Cell("docvqa", "on"), "fuzzy")[sample.id]
    assert {1.0: "right", 0.0: "wrong"}.get(verdict.value, "partly right") in text


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Any, written: Path, scheme: str) -> None:
    found = opened(browser, written, color_scheme=scheme)
    found.page.keyboard.press("j")
    found.page.keyboard.press("c")
    found.page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    found.page.wait_for_timeout(300)
    found.page.evaluate(files("axe_core_python").joinpath("axe.min.js").read_text("utf-8"))
    result = found.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(v["id"], v["nodes"][0]["html"][:120]) for v in result["violations"]] == []


RATIOS = """() => {
  const channel = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const light = (c) => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const read = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const back = (node) => {
    for (let n = node; n; n = n.parentElement) {
      const c = read(getComputedStyle(n).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim());
    if (!own || !node.checkVisibility() || node.matches(":disabled, script, noscript *")) continue;
    const [a, b] = [light(read(getComputedStyle(node).color)), light(back(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(node.tagName + " " + node.className + " " + ratio.toFixed(2));
  }
  return poor;
}"""

NAMELESS = """() => [...document.querySelectorAll("button, a[href], input, select, img, [role=region], article")]
  .filter((n) => n.checkVisibility() && !(n.getAttribute("aria-label") || n.textContent.trim() || n.hasAttribute("alt")
    || (n.labels && n.labels.length))).map((n) => n.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 390])
def test_everything_is_named_legible_and_fits(browser: Any, written: Path, scheme: str, width: int) -> None:
    found = opened(browser, written, color_scheme=scheme, viewport={"width": width, "height": 844})
    page = found.page
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    page.keyboard.press("j")
    page.keyboard.press("c")
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    page.wait_for_timeout(150)
    assert page.evaluate(RATIOS) == []
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    levels = page.eval_on_selector_all("h1, h2", "all => all.map(h => h.tagName)")
    assert levels[0] == "H1" and levels.count("H1") == 1
    assert page.get_attribute("html", "lang") == "en"
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") != scheme
    assert page.evaluate(RATIOS) == []
    assert found.console == []


def test_focus_goes_in_reading_order(at: Opened) -> None:
    at.page.evaluate("document.body.focus()")
    seen = []
    for _ in range(250):
        at.page.keyboard.press("Tab")
        seen.append(at.page.evaluate("document.activeElement.id || document.activeElement.textContent.slice(0, 30)"))
        if seen[-1] == "keys":
            break
    assert seen[0] == "Skip to the samples"
    menus = ["model", "condition", "scorer", "category", "benchmark", "outcome", "rule", "compare", "groups"]
    wanted = ["print", "theme", *menus, "search", "reset", "keys"]
    assert [s for s in seen if s in wanted] == wanted


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
    assert len(list((tmp_path / "out" / "samples").iterdir())) == 201
    found = opened(browser, page)
    assert found.count() == 20_000
    assert found.page.locator("#list .card").count() == 48
    scripts = [r for r in found.requests if "/samples/" in r]
    assert {Path(r).name for r in scripts} == {"columns.js", "rows-0.js"}
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
