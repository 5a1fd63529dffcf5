"""Some gold answers missing is one line that names row and column, in every benchmark; all missing is withheld."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval.data.rows import DataSpec, load_samples
from cambrian_eval.demo import miniature
from cambrian_eval.errors import UserError
from cambrian_eval.registry import load_benchmark
from tests.conftest import write_parquet

COLUMN = {"docvqa": "answers", "textvqa": "answers", "mmvp": "Correct Answer"}


@pytest.mark.parametrize("name", sorted(miniature.NAMES))
def test_half_of_the_answers(name: str, tmp_path: Path) -> None:
    column = COLUMN.get(name, "answer")
    rows = [dict(row) for row in miniature.rows(name, 8)]
    for row in rows[1::2]:
        row[column] = None
    write_parquet(tmp_path / name / "rows.parquet", rows)
    with pytest.raises(UserError) as caught:
        load_samples(load_benchmark(name), DataSpec(root=tmp_path))
    assert "row 1" in str(caught.value) and repr(column) in str(caught.value)


@pytest.mark.parametrize("empty", [None, "", math.nan])
def test_a_benchmark_may_withhold_all(empty: Any, tmp_path: Path) -> None:
    rows = [dict(row) | {"answer": empty} for row in miniature.rows("mmbench", 8)]
    write_parquet(tmp_path / "mmbench" / "rows.parquet", rows)
    loaded = load_samples(load_benchmark("mmbench"), DataSpec(root=tmp_path))
    assert not any(s.answers for s in loaded.samples)


def test_a_gold_answer_that_is_no_option_is_said(tmp_path: Path) -> None:
    rows = [dict(row) for row in miniature.rows("mmbench", 8)]
    rows[3]["answer"] = "Z"
    write_parquet(tmp_path / "mmbench" / "rows.parquet", rows)
    loaded = load_samples(load_benchmark("mmbench"), DataSpec(root=tmp_path))
    assert any("not among their options" in w for w in loaded.warnings)
