"""The whole table, a row each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adversity import image_cells, options, plugins, predictions, responses, rows, run_folders, tables
from tests.adversity.situation import Situation

pytestmark = pytest.mark.slow

AREAS = (image_cells, rows, options, run_folders, predictions, responses, tables, plugins)
TABLE: list[Situation] = [situation for area in AREAS for situation in area.table()]


def test_the_table_is_as_large_as_documented_and_its_names_are_unique() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text("utf-8")
    assert f"a table of {len(TABLE):,} situations" in page
    assert len({s.name for s in TABLE}) == len(TABLE) >= 1_500


@pytest.mark.parametrize("situation", [s.parameter for s in TABLE])
def test_situation(situation: Situation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    situation.check(situation.act(tmp_path / "here"))
