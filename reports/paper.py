"""The paper's figures and tables from its published numbers, and your runs beside them.

Owns which figure shows what (`EXHIBITS`). Everything is drawn by the figures and tables that draw your runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cambrian_eval.errors import UserError

from . import style, tables
from .figures import load_figure
from .latex import HEIGHT, MOST_BLOCKS, latex
from .scores import from_published, published_tables
from .sources import Sources


@dataclass(frozen=True)
class Exhibit:
    """One figure of the paper, and how your runs are drawn beside it."""

    stem: str
    """The name of its files."""
    figure: str
    published: str | None = None
    """The table it is drawn from; None where the figure has the paper's numbers itself."""
    models: str | None = None
    """Only these models of it."""
    beside: Mapping[str, object] | None = None
    """The figure's options with your runs; None where runs cannot be added."""
    options: Mapping[str, object] = field(default_factory=dict)


EXHIBITS = (
    Exhibit("figure3-ablation", "ablation", beside={"published": "figure3"}),
    Exhibit("figure3-components", "pca", "figure15"),
    Exhibit("figure15-correlation", "correlation", "figure15"),
    Exhibit("table14-boxes", "boxes", "table14", beside={}),
    Exhibit("table9-dots", "dots", "table9", models="Cambrian-1", beside={}),
    Exhibit("table9-scaling", "scaling", "table9", beside={}),
    Exhibit("table24-agreement", "agreement", beside={}),
)
RANKS = {"table2": "table14"}
"""Tables of the paper that rank the models of another one."""
SCORES = "table9"
"""The table that your runs are added to."""


@dataclass(frozen=True)
class Options:
    """The style and the forms in which figures and tables are written."""

    theme: style.Theme
    formats: tuple[str, ...] = style.FORMATS


@dataclass(frozen=True)
class WrittenPaper:
    """What was written, the caption of each figure, and what the command line prints about it."""

    files: tuple[Path, ...]
    captions: Mapping[str, str]
    notes: tuple[str, ...]


def write(runs: Sequence[Path], scorer: str, out: Path, options: Options, command: str) -> WrittenPaper:
    """All figures and tables of the paper, and those with your runs beside it under `with-runs`."""
    mine = Sources(tuple(runs), scorer=scorer)
    if drawn := [named.name for named in mine.opened if named.synthetic]:
        raise UserError(
            f"{', '.join(drawn)}: scores on synthetic data cannot stand beside the paper's; name runs on the published "
            "datasets, or none"
        )
    files: list[Path] = []
    captions: dict[str, str] = {}
    notes: list[str] = []
    for exhibit in EXHIBITS:
        alone = Sources(published=exhibit.published, models=exhibit.models)
        files += _figure(exhibit, alone, exhibit.options, out / "figures", options, command, captions, notes)
        if not runs or exhibit.beside is None:
            continue
        try:
            files += _figure(
                exhibit, _with(mine, exhibit), exhibit.beside, out / "with-runs", options, command, captions, notes
            )
        except UserError as error:
            notes.append(f"no {exhibit.stem} with your runs: {error}")
    for name, title in published_tables().items():
        if title.startswith("Table "):
            layout = _layout(Sources(published=name))
            files += _table(layout, out / "tables" / name, options.theme, notes)
    for name, ranked in RANKS.items():
        layout = tables.rank_layout(Sources(published=ranked).table)
        files += _table(layout, out / "tables" / name, options.theme, notes)
    if runs:
        layout = _layout(replace(mine, published=SCORES))
        files += _table(layout, out / "with-runs" / SCORES, options.theme, notes)
    return WrittenPaper(tuple(files), captions, tuple(dict.fromkeys(notes)))


def _with(mine: Sources, exhibit: Exhibit) -> Sources:
    """Your runs, and the table of the figure; all of your runs are kept where only some of its models are."""
    if exhibit.models is None or exhibit.published is None:
        return replace(mine, published=exhibit.published)
    wanted = exhibit.models.lower()
    kept = [m for m in from_published(exhibit.published).models if wanted in m.lower()]
    return replace(mine, published=exhibit.published, models=",".join([*kept, *(n.name for n in mine.opened)]))


def _figure(
    exhibit: Exhibit,
    sources: Sources,
    chosen: Mapping[str, object],
    out: Path,
    options: Options,
    command: str,
    captions: dict[str, str],
    notes: list[str],
) -> list[Path]:
    figure = load_figure(exhibit.figure)
    drawing = figure.draw(figure.compute(sources, figure.options(**chosen)), options.theme)
    drawing = replace(drawing, name=exhibit.stem)
    captions[f"{out.name}/{exhibit.stem}"] = drawing.caption
    notes += [f"{out.name}/{exhibit.stem}: {note}" for note in drawing.notes]
    return style.save(drawing, out, options.formats, options.theme, sources.provenance(command))


def _layout(sources: Sources) -> tables.Layout:
    return tables.layout(sources.table, tables.columns_named(None, sources.table))


def _table(layout: tables.Layout, stem: Path, theme: style.Theme, notes: list[str]) -> list[Path]:
    """Markdown, CSV and LaTeX at the width of the theme, with models as columns where they do not fit as rows."""
    text = _latex(layout, theme.page, f"{stem.parent.name}/{stem.name}.tex", notes)
    contents = {".md": tables.write(layout, "markdown"), ".csv": tables.write(layout, "csv"), ".tex": text}
    return [style.write(stem.with_name(stem.name + suffix), content) for suffix, content in contents.items()]


PAGES = {style.VENUES[n.removesuffix("-page")]: width for n, width in style.VENUES.items() if n.endswith("-page")}
"""The width of a page in inches by that of a column; other widths have the least of these pages."""


def _latex(layout: tables.Layout, width: float, name: str, notes: list[str]) -> str:
    """A table of this width, else of a page: models as rows, else models as columns, else its columns in blocks."""
    page = PAGES.get(width, min(PAGES.values()))
    for inches in dict.fromkeys((width, max(width, page))):
        for most in (1, MOST_BLOCKS):
            for transpose in (False, True):
                try:
                    text = latex(layout, inches, transpose, most)
                except UserError:
                    continue
                ways = ["models as columns"] * transpose + ["its columns in blocks"] * (most > 1)
                notes += [f"{name} has {' and '.join(ways)}, to fit {inches:g} inches"] * bool(ways)
                notes += [f"{name} is {inches:g} inches wide: in {width:g} inches it would be higher than a page"] * (
                    inches > width
                )
                return text
    notes.append(f"{name} is larger than a page: it does not fit {width:g} by {HEIGHT:g} inches at 7 points")
    return latex(layout)
