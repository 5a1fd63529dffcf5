"""The figures of the page in dark mode: every color has a readable value there, and light mode is unchanged."""

from __future__ import annotations

import re

import pytest

from cambrian_eval.reports import style
from cambrian_eval.reports.figures import figures
from cambrian_eval.reports.page.dark import BACK, adaptive, dark
from cambrian_eval.reports.sources import Sources


def luminance(color: str) -> float:
    """The relative luminance as the Web Content Accessibility Guidelines 2 define it."""
    values = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return sum(w * ((v + 0.055) / 1.055) ** 2.4 for w, v in zip((0.2126, 0.7152, 0.0722), values, strict=True))


def contrast(color: str) -> float:
    return (luminance(color) + 0.05) / (luminance("#" + bytes(BACK).hex()) + 0.05)


@pytest.mark.parametrize("color", [*style.COLORS.values(), *style.SERIES, "#123456", "#5a1020"])
def test_data_colors_stand_out_on_the_dark_background(color: str) -> None:
    assert contrast(dark(color)) >= (4.5 if color in style.COLORS.values() else 3.0)


@pytest.mark.parametrize("category", [*style.COLORS, "another"])
def test_names_of_categories_can_be_read(category: str) -> None:
    assert contrast(dark(style.text_color(category))) >= 4.5


def test_neutral_colors_keep_their_order() -> None:
    shown = [luminance(dark(f"#{v:02x}{v:02x}{v:02x}")) for v in (0, 0x55, 0x88, 0xDD, 0xFF)]
    assert shown == sorted(shown, reverse=True) and dark("#ffffff") == "#" + bytes(BACK).hex()


def test_every_color_of_a_figure_has_a_dark_value_and_text_on_cells_stays() -> None:
    theme = style.theme_named("web")
    figure = figures()["correlation"]
    drawing = figure.draw(figure.compute(Sources(published="figure15"), figure.options()), theme)
    before = style.render(drawing, "svg", theme).decode()
    after = adaptive(before.encode()).decode()
    rules = re.search(r"@media \(prefers-color-scheme: dark\)\{(.*)\}", after)
    assert rules is not None and "#cell{fill:#000000;--000000:#000000;--ffffff:#ffffff}" in rules[1]
    used = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", before))
    assert used and all(f"--{color[1:]}:#" in rules[1] for color in used)
    light = re.sub(r"var\(--[0-9a-f]{6}, (#[0-9a-f]{6})\)", r"\1", after)
    assert light.replace(rules[0], "") == before
