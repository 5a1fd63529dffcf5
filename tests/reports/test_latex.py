"""LaTeX tables, compiled: they are as wide as asked, and nothing sticks out.

What TeX measures is independent of the program's own estimate of widths.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from cambrian_eval.errors import UserError
from cambrian_eval.reports import style, tables
from cambrian_eval.reports.latex import latex
from cambrian_eval.reports.scores import build, from_published
from cambrian_eval.reports.sources import narrowed

DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs,graphicx}
\hfuzz=0pt
\begin{document}
\setbox0=\hbox{\input{table.tex}}
\typeout{WIDTH \the\wd0 HEIGHT \the\dimexpr\ht0+\dp0}
\copy0
\end{document}
"""
PAGE = 8.7 * 72.27
"""The text of a page of ICML and NeurIPS has 9 inches; a caption of two lines takes 0.3 of them."""


@pytest.fixture(scope="module")
def pdflatex() -> str:
    found = shutil.which("pdflatex")
    if found is None:
        message = "no pdflatex on this machine: LaTeX tables are not compiled"
        if os.environ.get("CAMBRIAN_EVAL_REQUIRE_TEX") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return found


def compiled(program: str, folder: Path, text: str) -> float:
    """The width of a table in points; fails where TeX finds an error, something too wide, or a table above a page."""
    (folder / "table.tex").write_text(text)
    (folder / "t.tex").write_text(DOCUMENT)
    words = [program, "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-1000:]
    assert "in alignment" not in done.stdout
    found = re.search(r"WIDTH ([\d.]+)pt *HEIGHT ([\d.]+)pt", done.stdout)
    assert found is not None and float(found[2]) < PAGE
    return float(found[1])


def made(name: str = "table9", models: str | None = None, columns: str | None = None) -> tables.Layout:
    table = narrowed(from_published(name), models, None)
    return tables.layout(table, tables.columns_named(columns, table))


AVERAGES = "avg,avg_general,avg_knowledge,avg_ocr,avg_vision"


@pytest.mark.parametrize(
    ("width", "models", "columns", "transpose"),
    [
        ("icml-page", None, None, False),
        ("cvpr", None, AVERAGES, False),
        ("neurips", "8B,13B", None, True),
        ("acl", "8B", None, True),
        ("9in", None, None, False),
    ],
)
def test_a_table_is_as_wide_as_asked(
    pdflatex: str, tmp_path: Path, width: str, models: str | None, columns: str | None, transpose: bool
) -> None:
    inches = style.inches(width)
    text = latex(made(models=models, columns=columns), inches, transpose)
    size = re.search(r"\\fontsize\{([\d.]+)\}", text)
    assert size is not None and float(size[1]) >= 7
    assert compiled(pdflatex, tmp_path, text) == pytest.approx(inches * 72.27, abs=0.01)


def test_a_table_without_a_width_and_odd_names_compile(pdflatex: str, tmp_path: Path) -> None:
    table = build({"[a] 50% $x_1$ {": {"gqa": 60.0, "mme": 1500.5}, "*b* & \\ ~ ^ #": {"gqa": 50.0, "mme": 1.0}}, "x")
    table = replace(table, groups={m: f"group {i} & {m}" for i, m in enumerate(table.models)})
    for transpose in (False, True):
        layout = tables.layout(table, tables.columns_named(None, table))
        assert 50 < compiled(pdflatex, tmp_path, latex(layout, transpose=transpose)) < 900


@pytest.mark.parametrize(
    ("name", "width", "transpose"),
    [("table12", "neurips", False), ("table14", "icml-page", False), ("table9", "neurips", False)],
)
def test_columns_that_do_not_fit_are_split_into_blocks(
    pdflatex: str, tmp_path: Path, name: str, width: str, transpose: bool
) -> None:
    layout, inches = made(name), style.inches(width)
    text = latex(layout, inches, transpose)
    sizes = [float(size) for size in re.findall(r"\\fontsize\{([\d.]+)\}", text)]
    assert len(sizes) == 1 and sizes[0] >= 7
    assert compiled(pdflatex, tmp_path, text) == pytest.approx(inches * 72.27, abs=0.01)
    blocks = text.count(r"\toprule")
    assert 1 < blocks <= 4 and f"in {blocks} blocks" in text
    numbers = re.findall(r"(?<=& )(?:\\textbf\{)?(\d+\.\d)", text)
    whole = re.findall(r"(?<=& )(?:\\textbf\{)?(\d+\.\d)", latex(layout, transpose=transpose))
    assert sorted(numbers) == sorted(whole)


@pytest.mark.parametrize("transpose", [False, True])
def test_what_cannot_fit_is_refused_with_a_remedy(transpose: bool) -> None:
    with pytest.raises(UserError, match=r"columns does not fit into 3.03 by 8.5 inches at 7 points.*--transpose"):
        latex(made("table12"), 3.03, transpose)


def test_transposed_has_benchmarks_as_rows_and_the_same_numbers() -> None:
    text = latex(made(models="8B"), transpose=True)
    line = next(li for li in text.splitlines() if li.startswith("MMVP"))
    cells = [re.sub(r"\\textbf\{(.*)\}", r"\1", c.strip()) for c in line.removesuffix(r"\\").split("&")]
    assert cells == ["MMVP", "--", "18.7", "38.7", "51.3"]
    assert r"\textit{Vision-Centric}" in text and "Average over all" in text


def test_heads_of_many_columns_are_rotated_and_rules_are_booktabs() -> None:
    many, few = latex(made()), latex(made(columns="gqa,mmvp"))
    assert r"\rotatebox{90}{MMVP}" in many and r"\cmidrule(lr)" in many and "{booktabs,graphicx}" in many
    assert r"\rotatebox" not in few and "{booktabs}" in few
    for text in (many, few):
        assert r"\toprule" in text and r"\bottomrule" in text and r"\hline" not in text
