"""Figures at the widths of venues: sizes, readable text, and what their SVG files show where.

Positions and labels are read back from the SVG text, not from the program's own objects.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from cambrian_eval.errors import UserError
from cambrian_eval.reports import style
from cambrian_eval.reports.catalogue import SIXTEEN
from cambrian_eval.reports.figures import load_figure
from cambrian_eval.reports.scorer_pairs import ScorerPair, ScorerPairs
from cambrian_eval.reports.sources import Sources
from tests.command import call

SVG = "{http://www.w3.org/2000/svg}"


def drawn(name: str, sources: Sources, theme: style.Theme, **options: object) -> style.Drawing:
    figure = load_figure(name)
    return figure.draw(figure.compute(sources, figure.options(**options)), theme)


def results_csv(path: Path, models: int, without: Iterable[tuple[int, str, str]] = ()) -> Sources:
    """Scores of several models on all sixteen benchmarks; `without` are (model, benchmark, condition) left out."""
    lacking = set(without)
    with path.open("w") as file:
        out = csv.writer(file)
        out.writerow(["model", "benchmark", "condition", "scorer", "score", "low", "high", "chance", "n"])
        for m, (i, b), c in itertools.product(range(models), enumerate(SIXTEEN), ("on", "off", "shuffled")):
            if (m, b, c) not in lacking:
                score = {"on": 60 + 6 * m + i, "off": 20 + 2 * m + i, "shuffled": 22 + m + i}[c]
                scale = 20 if b == "mme" else 1
                out.writerow([f"model-{m}", b, c, "fuzzy", *(scale * (score + d) for d in (0, -3, 4)), 25 * scale, 99])
    return Sources(scores=(path,))


@pytest.mark.parametrize(
    ("width", "inches"),
    [
        ("neurips", 5.5),
        ("ICML", 3.25),
        ("icml-page", 6.75),
        ("cvpr", 3.28),
        ("acl", 3.03),
        ("5in", 5.0),
        ("4.25", 4.25),
    ],
)
def test_widths_are_those_of_venues_or_inches(width: str, inches: float) -> None:
    assert style.theme_named("paper", width).page == inches


@pytest.mark.parametrize("inches", [5.5, 3.03])
def test_files_are_as_wide_as_asked(inches: float) -> None:
    theme = style.theme_named("paper", f"{inches}in")
    drawing = drawn("categories", Sources(published="table9", models="cambrian"), theme)
    root = ET.fromstring(style.render(drawing, "svg", theme))
    assert float(root.attrib["width"].removesuffix("pt")) == pytest.approx(inches * 72)
    assert b"/MediaBox [ 0 0 %g" % round(inches * 72, 6) in style.render(drawing, "pdf", theme)


@pytest.mark.parametrize("width", ["5.5cm", "wide", "0.5in", "400in", "nan"])
def test_a_width_that_is_none_is_refused(width: str) -> None:
    with pytest.raises(UserError, match="width"):
        style.theme_named("paper", width)


@cache
def all_at(width: str) -> list[style.Drawing]:
    theme = style.theme_named("paper", width)
    table9, figure15 = Sources(published="table9"), Sources(published="figure15")
    return [
        drawn("ablation", Sources(), theme),
        drawn("agreement", Sources(), theme),
        drawn("pca", figure15, theme),
        drawn("correlation", figure15, theme, lower=True),
        drawn("boxes", Sources(published="table14"), theme),
        drawn("scaling", table9, theme),
        drawn("dots", Sources(published="table9", models="8B"), theme),
        drawn("categories", Sources(published="table9", models="cambrian"), theme),
        drawn("radar", Sources(published="table9", models="cambrian"), theme),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("width", ["neurips", "acl"])
def test_text_is_seven_points_or_more_and_the_width_is_kept(width: str) -> None:
    for drawing in all_at(width):
        assert drawing.figure.get_size_inches()[0] == pytest.approx(style.inches(width)), drawing.name
        texts = [t for t in drawing.figure.findobj(Text) if t.get_text() and t.get_visible()]
        assert min(t.get_fontsize() for t in texts) >= 7.0, drawing.name


def points_of(root: ET.Element, prefix: str) -> dict[tuple[int, int], ET.Element]:
    """Groups by the numbers in their ids: panel and model."""
    found = {}
    for group in root.iter(f"{SVG}g"):
        if match := re.fullmatch(rf"{prefix}-(\d+)-(\d+)", group.attrib.get("id", "")):
            found[int(match[1]), int(match[2])] = group
    return found


@dataclass(frozen=True)
class Label:
    name: str
    x: float
    y: float

    def distance(self, point: tuple[float, float]) -> float:
        """From the edge of the text to a point; letters are about half as wide as 7 points."""
        half = 0.25 * 7 * len(self.name)
        return math.hypot(max(abs(point[0] - self.x) - half, 0), max(abs(point[1] - self.y + 2.4) - 3, 0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attribute", "width"), [("visual_tokens", "page"), ("visual_tokens", "icml"), ("params", "neurips")]
)
def test_scaling_names_every_model_once_beside_its_own_marker(attribute: str, width: str) -> None:
    theme = style.theme_named("paper", width, live_text=True)
    drawing = drawn("scaling", Sources(published="table9"), theme, x=attribute)
    root = ET.fromstring(style.render(drawing, "svg", theme))
    at = {}
    for key, group in points_of(root, "point").items():
        use = next(group.iter(f"{SVG}use"))
        at[key] = float(use.attrib["x"]), float(use.attrib["y"])
    rows = [dict(zip(drawing.columns, row, strict=True)) for row in drawing.rows]
    models = list(dict.fromkeys(str(r["model"]) for r in rows))
    categories = list(dict.fromkeys(str(r["category"]) for r in rows))
    assert len(at) == len(rows) == 36
    for p, category in enumerate(categories):
        values = {models.index(str(r["model"])): float(str(r["average"])) for r in rows if r["category"] == category}
        heights = [at[p, k][1] for k in values]
        # Heights in the file are a straight line of the averages.
        slope, start = np.polyfit(list(values.values()), heights, 1)
        assert slope < 0
        assert np.allclose(heights, [slope * v + start for v in values.values()], atol=0.01)
    labels = {}
    for (p, k), group in points_of(root, "label").items():
        text = next(group.iter(f"{SVG}text"))
        labels[p, k] = Label("".join(text.itertext()), float(text.attrib["x"]), float(text.attrib["y"]))
    assert sorted(label.name for label in labels.values()) == sorted(models)
    for (p, k), label in labels.items():
        assert label.name == models[k]
        own = label.distance(at[p, k])
        assert own < 12
        for other in (i for (panel, i) in at if panel == p and i != k):
            assert own <= label.distance(at[p, other]) + 1.0, (label.name, models[other])
    assert not [g for g in root.iter(f"{SVG}g") if g.attrib.get("id") == "lead"]


@pytest.mark.slow
def test_live_text_can_be_read_and_has_minus_signs() -> None:
    theme = style.theme_named("paper", "page", live_text=True)
    svg = style.render(drawn("scaling", Sources(published="table9"), theme), "svg", theme).decode()
    assert "Vision-Centric</text>" in svg
    assert "rank r \N{MINUS SIGN}0.46" in svg and "rank r -" not in svg
    theme, models = style.theme_named("paper"), Sources(published="table9", models="Cambrian-1-8B")
    assert "<text" not in style.render(drawn("categories", models, theme), "svg", theme).decode()


def test_several_models_are_each_drawn_by_themselves(tmp_path: Path) -> None:
    sources = results_csv(tmp_path / "r.csv", 3, [(1, "docvqa", "on")])
    drawing = drawn("ablation", sources, style.THEMES["paper"])
    axes = drawing.figure.axes[0]
    assert not axes.patches  # no bars, so no means
    rows = [dict(zip(drawing.columns, row, strict=True)) for row in drawing.rows]
    assert len(rows) == 3 * 16 - 1
    marked = sorted(float(line.get_ydata()[0]) for line in axes.lines if len(line.get_ydata()) == 1)
    assert marked == pytest.approx(sorted(float(str(r[c])) for r in rows for c in ("on", "off", "shuffled")))
    assert any("DocVQA" in note and "model-1" in note for note in drawing.notes)
    colors = {line.get_color() for line in axes.lines if line.get_marker() in "os^"}
    assert colors == set(style.SERIES[:3])


def test_means_are_on_request_and_never_mix_numbers_of_models(tmp_path: Path) -> None:
    sources = results_csv(tmp_path / "r.csv", 5, [(1, "docvqa", "on"), (2, "gqa", "shuffled")])
    alone = drawn("ablation", sources, style.THEMES["paper"])
    assert not alone.figure.axes[0].patches and any("--means" in note for note in alone.notes)
    drawing = drawn("ablation", sources, style.THEMES["paper"], means=True)
    rows = {r[0]: dict(zip(drawing.columns, r, strict=True)) for r in drawing.rows}
    i = SIXTEEN.index("docvqa")
    # Models 0, 2, 3, 4 have DocVQA on and off; the off score of model 1 is not in the other bar either.
    assert rows["docvqa"]["on"] == pytest.approx(60 + 6 * 9 / 4 + i) and rows["docvqa"]["models"] == 4
    assert rows["docvqa"]["off"] == pytest.approx(20 + 2 * 9 / 4 + i)
    assert rows["gqa"]["shuffled"] is None and rows["gqa"]["models"] == 5
    axes = drawing.figure.axes[0]
    assert max(p.get_height() for p in axes.patches) <= 100
    assert any("n = 4" in t.get_text() for t in axes.get_xticklabels())
    for line in axes.collections:
        for path in line.get_paths():
            assert path.vertices[:, 1].min() >= 0 and path.vertices[:, 1].max() <= 100


def test_off_is_a_light_tint_of_on() -> None:
    bars = drawn("ablation", Sources(), style.THEMES["paper"]).figure.axes[0].patches
    on, off = bars[:14], bars[14:]
    for a, b in zip(on, off, strict=True):
        for dark, light in zip(a.get_facecolor()[:3], b.get_facecolor()[:3], strict=True):
            assert light == pytest.approx(1 - 0.38 * (1 - dark), abs=0.01)


def test_few_models_are_dots_and_not_boxes() -> None:
    axes = drawn("boxes", Sources(published="table9"), style.THEMES["paper"]).figure.axes[0]
    assert not axes.patches  # groups of three models and one
    boxes = drawn("boxes", Sources(published="table14"), style.THEMES["paper"]).figure.axes[0].patches
    assert len(boxes) == 2  # of three groups one has four models


def test_models_that_cannot_be_drawn_are_named(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("model,gqa,visual_tokens\nmine,60,576\n")
    sources = Sources(scores=(tmp_path / "s.csv",), published="table9")
    for name in ("boxes", "scaling"):
        drawing = drawn(name, sources, style.THEMES["paper"])
        assert any("not drawn" in note and "mine" in note for note in drawing.notes)


def test_equal_scores_are_folded_into_the_caption() -> None:
    pairs = [("gqa", 60.0, 64.0), ("ai2d", 70.0, 70.0), ("mmvp", 40.0, 40.0), ("mme", 75.0, 74.0)]
    rows = tuple(ScorerPair("m", name, a, b, None, None, None) for name, a, b in pairs)
    figure = load_figure("agreement")
    drawing = figure.draw(ScorerPairs(rows, "a", "b", "a test"), style.THEMES["paper"])
    names = [t.get_text() for t in drawing.figure.axes[0].get_yticklabels()]
    assert names == ["MME", "GQA"] and "not drawn: AI2D, MMVP" in drawing.caption
    assert len(drawing.rows) == 4 and "difference is 1.3 points" in drawing.caption  # 5 / 4


def test_the_lower_triangle_has_every_pair_once() -> None:
    theme = style.THEMES["paper"]
    drawing = drawn("correlation", Sources(published="figure15"), theme, lower=True)
    assert len(drawing.figure.axes[0].texts) == 15 * 14 // 2
    assert len(drawing.rows) == 15 * 15


def test_dots_show_every_score_and_name_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("model,gqa,ai2d,mmvp,mme\na,60,50,,1500\nb,61,,40,1600\n")
    drawing = drawn("dots", Sources(scores=(tmp_path / "s.csv",)), style.THEMES["paper"])
    shown = sorted(float(line.get_xdata()[0]) for line in drawing.figure.axes[0].lines if len(line.get_xdata()) == 1)
    assert [x for x in shown if not math.isnan(x)] == [40, 50, 60, 61, 75, 80]
    assert drawing.notes == ("a: no MMVP", "b: no AI2D")
    with pytest.raises(UserError, match="radar needs three"):
        drawn("radar", Sources(scores=(tmp_path / "s.csv",)), style.THEMES["paper"])


def test_twelve_models_have_twelve_looks(tmp_path: Path) -> None:
    lines = [f"model-{k},{50 + k},{40 + k}" for k in range(12)]
    (tmp_path / "s.csv").write_text("\n".join(["model,gqa,ai2d", *lines, ""]))
    drawing = drawn("dots", Sources(scores=(tmp_path / "s.csv",)), style.THEMES["paper"])
    looks = [(li.get_color(), li.get_marker()) for li in drawing.figure.axes[0].lines if len(li.get_xdata()) == 1]
    assert len(looks) == 24 and len(set(looks)) == 12


def test_a_radar_names_the_categories_it_leaves_out() -> None:
    drawing = drawn("radar", Sources(published="table9", models="8B"), style.THEMES["paper"], axes="benchmarks")
    (note,) = drawing.notes
    assert "some models lack" in note and "GQA" in note


CONES = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}
"""Linear RGB as seen without one kind of cone (Machado and others, 2009)."""


def lab(color: str, seen: tuple[tuple[float, ...], ...]) -> np.ndarray:
    """CIE L*a*b* of a color as somebody sees it."""
    linear = np.array([c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)])
    xyz = np.array(((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))) @ np.clip(
        np.array(seen) @ linear, 0, 1
    )
    f = np.cbrt(np.maximum(xyz / (0.9505, 1.0, 1.089), 1e-6))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("colors", [tuple(style.COLORS.values())[:4], style.SERIES[:4]])
def test_colors_differ_without_one_kind_of_cone_and_in_gray(colors: tuple[str, ...]) -> None:
    for seen in CONES.values():
        for a, b in itertools.combinations(colors, 2):
            assert np.linalg.norm(lab(a, seen) - lab(b, seen)) > 15
    grays = sorted(lab(c, tuple(map(tuple, np.eye(3))))[0] for c in colors)
    assert min(b - a for a, b in itertools.pairwise(grays)) > 8


@pytest.mark.slow
def test_the_papers_figures_and_tables_and_ones_own_runs_in_one_command(
    runs_on_files: tuple[Path, Path], tmp_path: Path
) -> None:
    done = call("paper", *runs_on_files, "--out", tmp_path, "--format", "svg", "--width", "neurips")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "figures").glob("*.svg"))) == 7
    tables = {p.name for p in (tmp_path / "tables").iterdir()}
    assert {f"table{n}.{kind}" for n in (2, 3, 9, 12, 14, 24) for kind in ("md", "csv", "tex")} <= tables
    rows = {r["model"]: r for r in csv.DictReader((tmp_path / "tables" / "table9.csv").open())}
    assert float(rows["Cambrian-1-8B"]["mmvp"]) == 51.3 and "good" not in rows
    sidecar = json.loads((tmp_path / "figures" / "figure3-ablation.json").read_text())
    assert sidecar["command"].endswith(f"--out {tmp_path} --width neurips --format svg")
    beside = tmp_path / "with-runs"
    own = {r["model"] for r in csv.DictReader((beside / "table9.csv").open()) if r["own"] == "yes"}
    assert own == {"good", "poor"}
    dots = {r["model"] for r in csv.DictReader((beside / "table9-dots.csv").open())}
    assert dots == {"good", "poor", "Cambrian-1-8B", "Cambrian-1-13B", "Cambrian-1-34B"}
    ablation = next(csv.DictReader((beside / "figure3-ablation.csv").open()))
    assert ablation["model"] == "good" and "paper_on" in ablation


@pytest.mark.slow
def test_runs_on_synthetic_data_do_not_stand_beside_the_paper(runs: tuple[Path, Path], tmp_path: Path) -> None:
    done = call("paper", runs[0], "--out", tmp_path / "p")
    assert done.returncode == 2 and "synthetic data" in done.stderr and not (tmp_path / "p").exists()


def test_layouts_of_different_themes_are_not_confused() -> None:
    theme = style.theme_named("slides", "5.5in")
    assert theme == replace(style.THEMES["slides"], page=5.5, asked=True)
