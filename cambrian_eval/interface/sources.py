"""The arguments that `table`, `plot` and `analyze` share, as the sources of the reports."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from cambrian_eval.interface.runs import AnyRun, folder
from cambrian_eval.reports.sources import Sources

Paths = str | Path | Sequence[str | Path]


def sources(
    runs: Sequence[AnyRun],
    scores: Paths,
    published: str | None,
    scorer: str,
    vision: str,
    models: str | Sequence[str] | None = None,
    benchmarks: str | Sequence[str] | None = None,
) -> Sources:
    """Run folders, CSV files and published tables, and which part of them is used."""
    files = [scores] if isinstance(scores, str | Path) else scores
    return Sources(
        tuple(map(folder, runs)),
        tuple(map(Path, files)),
        published,
        scorer,
        vision,
        _joined(models),
        _joined(benchmarks),
    )


def _joined(names: str | Sequence[str] | None) -> str | None:
    return names if names is None or isinstance(names, str) else ",".join(names)


def warn(notes: Sequence[str]) -> None:
    """Says what a reader must know about numbers that are returned without their notes."""
    for note in dict.fromkeys(notes):
        warnings.warn(note.removeprefix("warning: "), UserWarning, stacklevel=3)
