"""`table`: scores of models by benchmarks and categories, as a data frame and in every format of the command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cambrian_eval.interface.runs import AnyRun
from cambrian_eval.interface.sources import Paths, sources
from cambrian_eval.reports import tables, text_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Table:
    """A table of scores; a notebook shows it as HTML."""

    layout: tables.Layout
    """Columns, groups of models, and cells as printed."""

    @property
    def frame(self) -> pd.DataFrame:
        """The numbers in full precision: a row for each model, a column for each benchmark and average."""
        import pandas as pd

        models = [model for _, members in self.layout.groups for model in members]
        columns = [column.name for column in self.layout.columns]
        values = [[self.layout.cells[m, c].value for c in columns] for m in models]
        index = pd.Index(models, name="model")
        return pd.DataFrame(values, index=index, columns=columns, dtype="float64")

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know about the numbers."""
        return self.layout.notes

    def to(self, format: str) -> str:
        """The table as `markdown`, `latex`, `csv` or `html`."""
        from cambrian_eval.errors import unknown

        if format not in tables.FORMATS:
            raise unknown("table format", format, tables.FORMATS)
        return tables.write(self.layout, format)

    def __repr__(self) -> str:
        from shutil import get_terminal_size

        return text_table.plain(text_table.lines(self.layout, get_terminal_size().columns)).rstrip("\n")

    def _repr_html_(self) -> str:
        return self.to("html")


def table(
    *runs: AnyRun,
    scores: Paths = (),
    published: str | None = None,
    columns: str | Sequence[str] | None = None,
    intervals: bool = False,
    ranks: bool = False,
    models: str | Sequence[str] | None = None,
    scorer: str = "fuzzy",
    vision: str = "on",
) -> Table:
    """Models by benchmarks, with averages by category; from runs, CSV files and the paper's tables."""
    found = sources(runs, scores, published, scorer, vision, models).table
    if ranks:
        return Table(tables.rank_layout(found))
    wanted = columns if columns is None or isinstance(columns, str) else ",".join(columns)
    return Table(tables.layout(found, tables.columns_named(wanted, found), intervals))
