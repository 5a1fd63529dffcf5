"""The files of a build that are derived from its rows: statistics, figures, card, review page, manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cvbench_builder import dataset
from cvbench_builder.stats import statistics


def write(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write them into `folder`; the manifest comes last and marks the build as complete."""
    from cvbench_builder import card, figures, review

    stats = statistics(rows)
    dataset.write_json(stats, folder / "stats.json")
    figures.draw_all(folder, rows)
    build, funnel = dataset.read_record(folder / dataset.BUILD), dataset.read_record(folder / dataset.FUNNEL)
    (folder / "README.md").write_text(card.text(stats, build, funnel), encoding="utf-8")
    review.write_page(folder, rows)
    dataset.write_manifest(folder)
