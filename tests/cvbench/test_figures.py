"""The figures of the card: every word is inside its figure, however long an answer is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cvbench_builder import dataset, figures

LONG = "the wall-mounted wardrobe with a mirror behind the chest of drawers is farther away"


@pytest.fixture
def drawn(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The figures of a build in which every option of two tasks is long, by file name."""
    kept: dict[str, Any] = {}
    monkeypatch.setattr(figures, "_save", lambda plt, figure, path: kept.update({path.name: figure}))
    rows = dataset.read_rows(built)
    for row in rows:
        if row["task"] in ("Relation", "Depth"):
            row["choices"] = [f"{choice}: {LONG}" for choice in row["choices"]]
    (tmp_path / "img").symlink_to(built / "img")
    monkeypatch.setattr(figures, "inside", lambda folder, name: folder / name)
    figures.draw_all(tmp_path, rows)
    return kept


def test_no_text_is_clipped(drawn: dict[str, Any]) -> None:
    import matplotlib.pyplot as plt

    assert {"examples_relation.png", "examples_depth.png", "answers.png"} <= drawn.keys()
    for name, figure in drawn.items():
        figure.canvas.draw()
        inked, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert inked.x0 >= -0.01 and inked.y0 >= -0.01, name
        assert inked.x1 <= width + 0.01 and inked.y1 <= height + 0.01, name
    for name in ("examples_relation.png", "examples_depth.png"):
        columns = [axis for axis in drawn[name].axes if axis.texts]
        assert LONG.replace(" ", "") in columns[0].texts[0].get_text().replace("\n", "").replace(" ", "")
        for axis in columns:  # the words of a column end before the next one
            assert axis.texts[0].get_window_extent().x1 <= axis.bbox.x1 + 1
    plt.close("all")
