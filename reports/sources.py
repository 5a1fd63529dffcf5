"""Where the numbers of a figure or table come from: run folders, CSV files, the published tables, or a mix of them.

Owns the options that all commands share (`--scores`, `--published`, run folders, `--models`, `--benchmarks`,
`--scorer`, `--vision`) and the record of what was read. Your runs are set apart when they are mixed with others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from cambrian_eval.errors import UserError, unknown

from .catalogue import canonical
from .runs import NamedRun, Scored, inputs, label_of, open_runs, read_results, refuse_mixed_rules, score_table
from .scores import ScoreTable, combine, from_published, published_tables, read_csv
from .style import Provenance

MATRIX = ("figure15", "fig15")
"""Names under which `--published` gives the paper's correlation matrix instead of a table."""


@dataclass(frozen=True)
class Sources:
    """The sources of a command and which part of them it uses. Run folders are opened once."""

    runs: tuple[Path, ...] = ()
    """Run folders, each one a model."""
    scores: tuple[Path, ...] = ()
    """CSV files."""
    published: str | None = None
    """A table of the paper."""
    scorer: str = "fuzzy"
    """Which scores of the runs."""
    condition: str = "on"
    """Which vision condition of the runs."""
    models: str | None = None
    """Only these models: names or parts of names, comma-separated."""
    benchmarks: str | None = None
    """Only these benchmarks, comma-separated."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What is read from disk."""
        return (*self.runs, *self.scores)

    @cached_property
    def beside_paper(self) -> str | None:
        """What `--published` names, unless the runs may not stand beside it."""
        return None if self._incomparable else self.published

    @property
    def _incomparable(self) -> str | None:
        """Why no published score may stand beside the runs."""
        if any(named.synthetic for named in self.opened):
            return "synthetic data"
        return "a subset" if any(named.on_subset for named in self.opened) else None

    @property
    def matrix_alone(self) -> bool:
        """Whether the paper's correlation matrix is the only source."""
        return self._matrix and not self.files

    @property
    def _matrix(self) -> bool:
        return (self.published or "").lower().replace(" ", "") in MATRIX

    @property
    def label(self) -> str:
        """The files in words: the names of CSV files, and your runs."""
        return ", ".join([*(path.name for path in self.scores), *([label_of(self.opened)] if self.runs else [])])

    @cached_property
    def opened(self) -> list[NamedRun]:
        """The run folders alone, for what needs samples."""
        return open_runs(self.runs)

    @cached_property
    def results(self) -> list[Scored]:
        """Run folders and CSV files of results, for figures that need several conditions or scorers."""
        found: list[Scored] = [model for path in self.scores for model in read_results(path)]
        refuse_mixed_rules(r for named in self.opened for r in named.results)
        return [*found, *self.opened]

    @cached_property
    def table(self) -> ScoreTable:
        """All sources as one table, the published first, then CSV files, then your runs; only what is selected."""
        if self._matrix:
            raise UserError(
                "--published figure15 is a correlation matrix without scores; use it alone, with analyze, plot pca "
                "or plot correlation"
            )
        parts: list[ScoreTable] = []
        notes: tuple[str, ...] = ()
        if self.beside_paper:
            parts.append(from_published(self.beside_paper))
        elif self.published:
            why = self._incomparable
            notes = (f"--published {self.published} is left out: scores on {why} cannot be compared with it",)
        parts += [read_csv(path, self.scorer, self.condition) for path in self.scores]
        if self.runs:
            parts.append(score_table(self.opened, self.scorer, self.condition))
        if not parts:
            raise UserError(
                "nothing to read: name run folders, --scores FILE.csv, or --published NAME "
                f"({', '.join([*published_tables(), 'backbones', 'figure15'])})"
            )
        found = narrowed(combine(parts), self.models, self.benchmarks)
        return replace(found, notes=(*found.notes, *notes))

    def provenance(self, command: str) -> Provenance:
        """The record that goes beside every figure."""
        return Provenance(command, inputs(self.files))


def narrowed(found: ScoreTable, models: str | None, benchmarks: str | None) -> ScoreTable:
    """Only the models and benchmarks named, in that order; a part of a name means every model that has it."""
    if benchmarks:
        names = [canonical(part) or part.strip() for part in benchmarks.split(",") if part.strip()]
        found = found.select(list(dict.fromkeys(names)))
    if models:
        keep = [found.models.index(name) for name in dict.fromkeys(_models(found, models))]
        found = replace(found, models=tuple(found.models[i] for i in keep), values=found.values[keep])
        found = replace(found, own=found.own & set(found.models))
    return found


def _models(found: ScoreTable, models: str) -> Iterator[str]:
    for part in (text.strip() for text in models.split(",") if text.strip()):
        holding = [part] if part in found.models else [m for m in found.models if part.lower() in m.lower()]
        if not holding:
            raise unknown("model", part, found.models)
        yield from holding
