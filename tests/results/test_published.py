"""The paper's scores as package data, checked against what the paper prints of itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cambrian_eval.results.averages import averages
from cambrian_eval.results.published_scores import Published, nearest, published


def scores(table: str, model: str, setting: str | None = None) -> dict[str, float]:
    return {
        row.benchmark: row.score
        for row in published()
        if row.table == table and row.model == model and setting in (None, row.setting)
    }


def test_all_rows_have_a_place_a_setting_and_a_source() -> None:
    rows = published()
    assert len(rows) == 1995
    assert all(row.table and row.model and row.setting and row.source for row in rows)
    assert rows[0] == Published(
        table="Table 12",
        model="OpenAI CLIP ViT-L/14@336",
        group="backbone:language-supervised",
        setting="0M adapter + 737K, frozen vision",
        benchmark="mme",
        score=1419.43,
        visual_tokens=576,
        source="arXiv 2406.16860, Table 12",
    )


@pytest.mark.parametrize(
    ("table", "models"),
    [("Table 12", 23), ("Table 13", 18), ("Table 14", 18), ("Table 15", 13), ("Table 3", 7)],
)
def test_tables_have_all_their_rows(table: str, models: int) -> None:
    assert len({row.model for row in published() if row.table == table}) == models


def test_printed_averages_follow_from_the_printed_cells() -> None:
    ours = averages(scores("Table 9", "Cambrian-1-8B"))
    printed = scores("Table 9", "Cambrian-1-8B")
    for category, name in (
        ("General", "avg_general"),
        ("Knowledge", "avg_knowledge"),
        ("OCR & Chart", "avg_ocr"),
    ):
        assert ours[category].value == pytest.approx(printed[name], abs=0.0501)
    assert ours["Vision-Centric"].value == pytest.approx(printed["avg_vision"], abs=0.0501)


def test_table_14_reproduces_the_chart_on_the_project_site() -> None:
    for model in {row.model for row in published() if row.table == "Table 14"}:
        chart = scores("site figure 4", model)
        ours = averages(scores("Table 14", model))
        assert ours["General"].value == pytest.approx(chart["avg_general"], abs=0.003)
        assert ours["OCR & Chart"].value == pytest.approx(chart["avg_ocr"], abs=0.003)


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("cambrian-8b", 51.3),
        ("nyu-visionx/cambrian-8b", 51.3),
        ("/data/hub/models--nyu-visionx--cambrian-13b/snapshots/1f2e", 41.3),
        ("C:\\ckpt\\Cambrian-1-34B", 52.7),
        ("nyu-visionx/cambrian-phi3-3b", 40.0),
        ("cambrian-phi3", 40.0),
        ("gpt-4v", 50.0),
    ],
)
def test_nearest_finds_the_papers_models(name: str, score: float) -> None:
    assert nearest(name, "mmvp")[0].score == score


def test_nearest_puts_the_main_table_first_and_leaves_the_misprint_out() -> None:
    rows = nearest("cambrian-13b", "seed")
    assert (rows[0].table, rows[0].score) == ("Table 9", 74.4)
    assert "GPT-3.5 grading" in {row.setting for row in rows}
    assert 74.7 not in {row.score for row in rows}


def test_nearest_knows_nobody_else() -> None:
    assert nearest("llava-hf/llava-1.5-7b-hf", "mmvp") == ()
    assert nearest("cambrian-8b-finetuned-on-mmvp", "mmvp") == ()
    assert nearest("cambrian-8b", "no_such_benchmark") == ()


def test_reading_needs_no_heavy_import() -> None:
    code = (
        "import sys, cambrian_eval.results.published_scores as p; p.nearest('cambrian-8b', 'mme');"
        "assert not {'pandas', 'numpy', 'torch', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_scores_that_an_adapter_declares_are_found_by_the_checkpoints_id() -> None:
    [found] = nearest("nyu-visionx/cambrian-8b", "naturalbench")
    assert (found.model, found.score, found.source) == ("Cambrian-1-8B", 19.4, "arXiv 2410.14669, Table 1, G-Acc")
    assert [row.score for row in nearest("Qwen2-VL-7B", "naturalbench")] == [29.1]
    assert not nearest("no-such-model", "naturalbench")
