"""Where a figure's or table's numbers come from: runs, a CSV, the published tables, or a mix of them.

Owns the reading of the command line's common options (`--scores`, `--published`, run folders, `--models`,
`--benchmarks`) into one ScoreTable, and the record of what was read. Own runs are set apart when mixed with others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cambrian_eval.errors import UserError, unknown

from .catalogue import canonical
from .runs import NamedRun, Scored, inputs, open_runs, read_results, score_table
from .scores import ScoreTable, combine, from_published, published_tables, read_csv
from .style import Provenance

MATRIX = ("figure15", "fig15")
"""Names under which `--published` gives the paper's correlation matrix instead of a table."""


@dataclass(frozen=True)
class Asked:
    """The sources a command was given."""

    runs: tuple[Path, ...] = ()
    scores: tuple[Path, ...] = ()
    published: str | None = None
    scorer: str = "fuzzy"
    condition: str = "on"

    @property
    def matrix(self) -> bool:
        """Whether only the paper's correlation matrix was asked for."""
        return (self.published or "").lower().replace(" ", "") in MATRIX

    @property
    def files(self) -> tuple[Path, ...]:
        """What was read from disk."""
        return (*self.runs, *self.scores)

    def provenance(self, command: str, source: str) -> Provenance:
        """The record that goes beside every figure."""
        return Provenance(command, source, inputs(self.files))


def table(asked: Asked) -> ScoreTable:
    """All sources as one table: published first, then CSV files, then one's own runs."""
    if asked.matrix:
        raise UserError("--published figure15 is a correlation matrix without scores; use it with analyze or plot")
    parts: list[ScoreTable] = []
    if asked.published:
        parts.append(from_published(asked.published))
    parts += [read_csv(path) for path in asked.scores]
    if asked.runs:
        parts.append(score_table(open_runs(asked.runs), asked.scorer, asked.condition))
    if not parts:
        raise UserError(
            "nothing to read: name run folders, --scores FILE.csv, or --published NAME "
            f"({', '.join([*published_tables(), 'backbones', 'figure15'])})"
        )
    return combine(parts)


def runs(asked: Asked) -> list[NamedRun]:
    """The run folders alone, for what needs samples."""
    return open_runs(asked.runs)


def scored(asked: Asked) -> list[Scored]:
    """Runs and CSV files of results, for figures that need several conditions or scorers."""
    found: list[Scored] = [model for path in asked.scores for model in read_results(path)]
    return [*found, *open_runs(asked.runs)]


def narrowed(found: ScoreTable, models: str | None, benchmarks: str | None) -> ScoreTable:
    """Only the models and benchmarks named, in that order; a part of a name means every model that has it."""
    if benchmarks:
        names = [canonical(part) or part.strip() for part in benchmarks.split(",") if part.strip()]
        found = found.select(list(dict.fromkeys(names)))
    if models:
        wanted = [m for part in models.split(",") if part.strip() for m in _models(found, part.strip())]
        keep = [found.models.index(m) for m in dict.fromkeys(wanted)]
        found = replace(found, models=tuple(found.models[i] for i in keep), values=found.values[keep])
        found = replace(found, own=found.own & set(found.models))
    return found


def _models(found: ScoreTable, part: str) -> list[str]:
    if part in found.models:
        return [part]
    holding = [m for m in found.models if part.lower() in m.lower()]
    if not holding:
        raise unknown("model", part, found.models)
    return holding
