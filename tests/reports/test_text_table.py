"""Score tables on a terminal: aligned, as wide as it is, transposed where it is narrow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cambrian_eval.reports import tables, text_table
from cambrian_eval.reports.category_means import by_category
from cambrian_eval.reports.cells import Cell, number
from cambrian_eval.reports.scores import build

SCORES = {
    "nyu-visionx/cambrian-8b": {
        "mmvp": 51.25,
        "realworldqa": 64.2,
        "cvbench_2d": 72.3,
        "cvbench_3d": 72.0,
        "gqa": 64.6,
    },
    "llava": {"mmvp": 38.7, "realworldqa": 60.1, "cvbench_2d": 62.2, "cvbench_3d": 65.3},
}


def lines(width: int) -> list[str]:
    table = build(SCORES, "x")
    made = tables.layout(table, tables.columns_named(None, table))
    return text_table.plain(text_table.lines(made, width)).splitlines()


def test_models_are_rows_where_they_fit() -> None:
    found = lines(200)
    heads = next(line for line in found if line.startswith("model"))
    row = next(line for line in found if line.startswith("nyu-visionx/cambrian-8b"))
    assert row.split()[1:] == ["64.6*", "64.6", "64.9", "51.3", "64.2", "72.3", "72.0", "64.9*"]
    for head, value in (("MMVP", "51.3"), ("CV-Bench3D", "72.0")):
        assert heads.index(head) + len(head) == row.index(value) + len(value)  # aligned at the right


@pytest.mark.parametrize("width", [40, 60])
def test_benchmarks_are_rows_where_they_do_not(width: int) -> None:
    found = lines(width)
    assert max(map(len, found)) <= width
    cells = {line.split()[0]: line.split()[1:] for line in found if line.startswith("  ")}
    assert cells["MMVP"] == ["51.3", "38.7"] and cells["GQA"] == ["64.6", "-"]
    assert "Vision-Centric" in found


def test_many_models_stand_in_blocks() -> None:
    table = build({f"a-model-with-a-name-of-many-words-{i}": {"mmvp": float(i)} for i in range(30)}, "x")
    made = tables.layout(table, ["mmvp"])
    found = text_table.plain(text_table.lines(made, 40)).splitlines()
    assert max(map(len, found)) <= 40
    values = [v for line in found if line.startswith("  MMVP") for v in line.split()[1:]]
    assert values == [f"{i}.0" for i in range(30)]


def test_half_a_width_that_would_pass_a_limit_has_two_sides() -> None:
    assert number(Cell(98.0, 94.0, 100.0), intervals=True) == "98.0 +2.0/-4.0"
    assert number(Cell(1.0, 0.0, 3.0), intervals=True) == "1.0 +2.0/-1.0"
    assert number(Cell(50.0, 44.0, 56.0), intervals=True) == "50.0 ±6.0"
    assert number(Cell(1550.0, 1450.0, 1650.0, most=2000.0), intervals=True) == "1,550.0 ±100.0"


def test_the_interval_of_an_average_stays_within_those_of_its_members() -> None:
    """Each side is the root of the summed squares of the members' sides, over their number: sqrt(10^2 + 10^2) / 2."""
    names = ("mmvp", "cvbench_2d")
    table = build({"m": dict.fromkeys(names, 100.0)}, "x")
    table = replace(table, intervals={("m", n): (90.0, 100.0) for n in names})
    mean = by_category(table)["m", "Vision-Centric"]
    assert mean.value == 100.0 and mean.high == 100.0 and mean.low == pytest.approx(100 - 200**0.5 / 2)
