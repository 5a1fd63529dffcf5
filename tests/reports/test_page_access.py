"""Whether everyone can use report.html: names, contrast, width, order of focus."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tests.reports.opened import Opened, opened

pytestmark = pytest.mark.slow

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
def test_axe_finds_nothing(browser: Any, written: Path, scheme: str) -> None:
    found = opened(browser, written, color_scheme=scheme)
    found.page.keyboard.press("j")
    found.page.keyboard.press("c")
    found.page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    found.page.wait_for_timeout(300)
    found.page.evaluate(files("axe_core_python").joinpath("axe.min.js").read_text("utf-8"))
    result = found.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(v["id"], v["nodes"][0]["html"][:120]) for v in result["violations"]] == []


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
