"""Figures: structure, labels, colors, companions, bytes. How they look is judged by looking at them."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex, to_rgb
from matplotlib.text import Text

from cambrian_eval.errors import UserError
from cambrian_eval.registry import CATEGORIES
from cambrian_eval.reports import labels, style
from cambrian_eval.reports.catalogue import entry
from cambrian_eval.reports.correlation import correlate, shipped_matrix
from cambrian_eval.reports.figures import load_figure
from cambrian_eval.reports.scores import build, from_published
from cambrian_eval.reports.sources import Sources, narrowed

pytestmark = pytest.mark.slow

PAPER = style.THEMES["paper"]
PROVENANCE = style.Provenance("cambrian-eval plot x")


def drawn(name: str, theme: style.Theme = PAPER, sources: Sources | None = None, **options: object) -> style.Drawing:
    """A figure as the command line makes it."""
    figure = load_figure(name)
    return figure.draw(figure.compute(sources or Sources(), figure.options(**options)), theme)


def published(table: str, models: str | None = None) -> Sources:
    return Sources(published=table, models=models)


def cambrians() -> style.Drawing:
    table = narrowed(from_published("table9"), "8B", None)
    return load_figure("categories").draw(replace(table, own=frozenset({"Cambrian-1-8B"})), PAPER)


@cache
def every_drawing(name: str, width: str = "page") -> list[style.Drawing]:
    theme = style.theme_named(name, width)
    cambrian = published("table9", "cambrian")
    return [
        drawn("pca", theme, published("figure15")),
        drawn("correlation", theme, published("figure15")),
        drawn("ablation", theme),
        drawn("categories", theme, cambrian),
        drawn("radar", theme, cambrian),
        drawn("radar", theme, cambrian, axes="benchmarks"),
        drawn("boxes", theme, published("table14")),
        drawn("scaling", theme, published("table9")),
        drawn("agreement", theme),
    ]


def overlapping(texts: Sequence[Text]) -> list[tuple[str, str]]:
    """Pairs of texts whose drawn boxes share more than an edge."""
    boxes = [(text.get_text(), *text.get_window_extent().extents) for text in texts]
    return [
        (a, b)
        for (a, left_a, low_a, right_a, high_a), (b, left_b, low_b, right_b, high_b) in itertools.combinations(boxes, 2)
        if left_a < right_b and left_b < right_a and low_a < high_b and low_b < high_a
    ]


@pytest.mark.parametrize("width", ["icml", "neurips"])
def test_a_heatmap_of_many_benchmarks_has_the_width_and_readable_names(width: str) -> None:
    count = 37
    scores = {
        f"m{i}": {f"benchmark number {j}": float((7 * i * j + i + j) % 97) for j in range(count)} for i in range(9)
    }
    found = correlate(build(scores, "drawn"), resamples=2)
    theme = style.theme_named("paper", width)
    figure = load_figure("correlation")
    drawing = figure.draw(found, theme)
    drawing.figure.draw_without_rendering()
    assert drawing.figure.get_figwidth() == pytest.approx(style.inches(width))
    names = drawing.figure.axes[0].get_yticklabels()
    assert len(names) == count and min(t.get_fontsize() for t in names) >= 7
    assert overlapping(names) == []
    assert overlapping([t for t in drawing.figure.axes[0].get_xticklabels() if t.get_rotation() == 0]) == []
    assert any("numbered like the rows" in note for note in drawing.notes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "width"), [("paper", "page"), ("paper", "column"), ("web", "page"), ("slides", "page")]
)
def test_no_two_written_labels_overlap_in_any_style(name: str, width: str) -> None:
    for drawing in every_drawing(name, width):
        drawing.figure.draw_without_rendering()
        for axes in drawing.figure.axes:
            assert overlapping([t for t in axes.texts if t.get_text()]) == [], drawing.name


@hypothesis_settings(max_examples=15)
@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=25))
def test_labels_never_overlap_wherever_the_points_are(points: list[tuple[float, float]]) -> None:
    with style.styled(PAPER):
        figure, axes = style.figure(3.25, 2.5)
        axes.set_xlim(-1.2, 1.2)
        axes.set_ylim(-1.2, 1.2)
        texts = labels.place(axes, points, [f"RealWorldQA {i}" for i in range(len(points))], [3.0] * len(points))
        figure.draw_without_rendering()
        assert overlapping(texts) == []


def test_bubbles_have_the_area_of_their_size_and_the_color_of_their_category() -> None:
    drawing = drawn("pca", sources=published("figure15"))
    axes = drawing.figure.axes[0]
    bubbles = [c for c in axes.collections if len(c.get_offsets()) and c.get_alpha() == 0.55]
    assert len(bubbles) == 4 and sum(len(c.get_offsets()) for c in bubbles) == 15
    area = {}
    for collection, category in zip(bubbles, CATEGORIES, strict=True):
        assert to_hex(collection.get_facecolor()[0][:3]) == style.COLORS[category]
        for (x, y), size in zip(collection.get_offsets(), collection.get_sizes(), strict=True):
            area[round(float(x), 6), round(float(y), 6)] = float(size)
    rows = [dict(zip(drawing.columns, row, strict=True)) for row in drawing.rows]
    per_question = {area[round(r["x"], 6), round(r["y"], 6)] / r["size"] for r in rows}
    assert max(per_question) == pytest.approx(min(per_question))


def test_matrix_shows_every_cell_with_its_number() -> None:
    drawing = drawn("correlation", sources=published("figure15"))
    texts = [t.get_text() for t in drawing.figure.axes[0].texts]
    assert len(texts) == 225 and texts.count("1.00") == 15
    assert texts == [f"{v:.2f}" for v in shipped_matrix().matrix.ravel()]


def test_ablation_draws_a_bar_for_each_benchmark_and_condition() -> None:
    drawing = drawn("ablation")
    heights = [p.get_height() for p in drawing.figure.axes[0].patches]
    rows = [dict(zip(drawing.columns, row, strict=True)) for row in drawing.rows]
    assert heights == [r["on"] for r in rows] + [r["off"] for r in rows]
    names = [t.get_text() for t in drawing.figure.axes[0].get_xticklabels()]
    assert names == [entry(r["benchmark"]).short for r in rows] and names[0] == "SQA-I" and names[-1] == "MMB"


def test_own_models_are_set_apart_when_mixed_with_others() -> None:
    axes = cambrians().figure.axes[0]
    widths = {round(p.get_linewidth(), 3) for p in axes.patches}
    edges = [to_hex(p.get_edgecolor()) for p in axes.patches]
    assert len(widths) == 2 and edges.count("#000000") == 4  # one own model, four categories
    alone = drawn("categories", sources=published("table9", "Cambrian-1-8B"))
    assert "#000000" not in [to_hex(p.get_edgecolor()) for p in alone.figure.axes[0].patches]


def test_too_many_models_for_bars_is_refused_with_a_way_out() -> None:
    with pytest.raises(UserError, match="--models"):
        drawn("categories", sources=published("table14"))


def luminance(color: str) -> float:
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return float(np.dot(channels, [0.2126, 0.7152, 0.0722]))


def test_categories_differ_in_grey_and_their_names_can_be_read() -> None:
    grays = sorted(116 * luminance(style.COLORS[c]) ** (1 / 3) - 16 for c in CATEGORIES)
    assert min(b - a for a, b in itertools.pairwise(grays)) > 8
    for category in CATEGORIES:
        assert 1.05 / (luminance(style.text_color(category)) + 0.05) >= 4.5  # against white


@pytest.mark.parametrize("kind", style.FORMATS)
def test_equal_numbers_give_equal_bytes(kind: str) -> None:
    first, second = (style.render(cambrians(), kind, PAPER) for _ in range(2))
    assert first == second
    text = first.decode("latin-1")
    assert "CreationDate" not in text and "<dc:date>" not in text


def test_pdf_embeds_computer_modern() -> None:
    data = style.render(cambrians(), "pdf", PAPER)
    assert re.search(rb"/BaseFont /[A-Z]{6}\+\S*[Cc]mr10", data)
    streams = re.findall(rb"stream\r?\n(.*?)endstream", data, re.S)
    assert b"/FontFile2" in data or any(b"/FontFile2" in _inflated(s) for s in streams)


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompress(data)
    except zlib.error:
        return b""


def test_widths_are_those_of_a_page_and_a_column() -> None:
    assert cambrians().figure.get_size_inches()[0] == 6.75
    assert {d.figure.get_size_inches()[0] for d in every_drawing("paper", "column") if d.name != "correlation"} == {
        3.25
    }
    assert all(d.figure.get_size_inches()[0] <= 6.75 for d in every_drawing("paper"))


def test_companions_hold_the_numbers_and_the_command(tmp_path: Path) -> None:
    drawing = cambrians()
    written = style.save(drawing, tmp_path, ("svg",), PAPER, PROVENANCE)
    assert [p.name for p in written] == ["categories.svg", "categories.csv", "categories.json"]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "categories.csv").read_text())))
    ours = {r["category"]: float(r["average"]) for r in rows if r["model"] == "Cambrian-1-8B"}
    assert ours["Vision-Centric"] == pytest.approx((51.3 + 64.2 + 72.3 + 72.0) / 4)
    assert ours["General"] == pytest.approx((1547.1 / 20 + 75.9 + 74.7 + 64.6) / 4)
    sidecar = json.loads((tmp_path / "categories.json").read_text())
    assert sidecar["command"] == "cambrian-eval plot x" and sidecar["style"] == "paper"
    assert not re.search(r"20\d\d-\d\d-\d\d", json.dumps(sidecar))


@hypothesis_settings(max_examples=20)
@given(st.text(st.characters(max_codepoint=0x17F), max_size=30))
def test_any_name_can_be_written_on_a_figure(name: str) -> None:
    for theme in (PAPER, style.THEMES["web"]):
        with style.styled(theme):
            figure, axes = style.figure(6, 1)
            axes.set_axis_off()
            text = axes.text(0, 0, style.typeset(name, theme))
            figure.draw_without_rendering()
            assert text.get_window_extent().width >= 0


def test_one_models_own_look_survives_odd_names() -> None:
    table = build({"my_model <v2> 50% $x$ | {a}": {"gqa": 50.0, "ai2d": 40.0, "mmvp": 30.0}}, "x")
    for theme in style.THEMES.values():
        assert style.render(load_figure("categories").draw(table, theme), "svg", theme)


def test_formats_and_styles_are_checked() -> None:
    assert style.formats_named("PDF, svg,pdf") == ("pdf", "svg")
    with pytest.raises(UserError, match="figure format 'jpg'"):
        style.formats_named("jpg")
    with pytest.raises(UserError, match="did you mean paper"):
        style.theme_named("papr")
