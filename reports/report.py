"""A report folder from runs: tables, figures, exports and report.html. Owns its contents and their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cambrian_eval.collector import collector_off
from cambrian_eval.errors import UserError
from cambrian_eval.processes import in_processes

from . import style, tables
from .export import stems
from .exports.csv_files import breakdown_csv, results_csv
from .exports.lm_eval import lm_eval_text
from .exports.model_card import model_index
from .figures import figures
from .page import images, shards
from .page.build import PageFigure, ReportPage, render
from .page.dark import adaptive
from .page.hover import marks
from .page.overview import overview
from .page.records import browsable
from .runs import NamedRun
from .scores import ScoreTable, build, combine
from .sources import Sources

PAGE = "report.html"
MARK = b'<meta name="generator" content="cambrian-eval'
"""What the head of every report has."""
MOST_IMAGES = 4000
"""Thumbnails that a report has unless it is told otherwise."""


@dataclass(frozen=True)
class Options:
    """What a report shows and in which forms it is written."""

    title: str = "Evaluation report"
    images: bool = True
    theme: str = "paper"
    formats: tuple[str, ...] = ("pdf",)
    data_root: Path | None = None
    """Where the images of runs over a data folder are."""
    most_images: int = MOST_IMAGES
    """The most thumbnails; 0 for all."""
    live: str = ""
    """The version of a page that is served while the run goes on and asks for a newer one; empty for other pages."""
    width: str = "page"
    """Width of the figures that can be downloaded, as `plot --width` takes it."""


@dataclass(frozen=True)
class WrittenReport:
    """What was written, and what the command line prints about it."""

    files: tuple[Path, ...]
    table: str
    """The score table as Markdown."""
    layout: tables.Layout
    """The same table, not yet written."""
    findings: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Made:
    """A figure of a report: its files, how it is on the page, and what it says."""

    files: tuple[Path, ...]
    page: PageFigure
    findings: tuple[str, ...]
    notes: tuple[str, ...]


@collector_off()  # looking for circles among millions of values that are read takes a quarter of the time
def write(sources: Sources, out: Path, options: Options, command: str, processes: int = 1) -> WrittenReport:
    """Everything a report of runs has; figures are made in so many processes, beside the samples."""
    _refuse_foreign(out / PAGE)
    runs, scores = sources.opened, sources.table
    shown = [(kind, name) for kind, figure in figures().items() for name in figure.in_report(sources)]
    provenance = sources.provenance(command)
    with in_processes(processes) as each:
        making = each(partial(_made, sources, out / "figures", options, provenance), shown)
        data = _Data.of(runs, out, options)
        made = list(making)
    absent = [reason for reason in made if isinstance(reason, str)]
    drawn = [figure for figure in made if isinstance(figure, _Made)]
    findings = tuple(line for figure in drawn for line in figure.findings)
    notes = [note for figure in drawn for note in figure.notes if note not in scores.notes]
    unusable = [text for named in runs for text in named.unusable.values()]
    notes = list(dict.fromkeys([*notes, *absent, *unusable, *_seals(runs)]))
    layout = tables.layout(
        _with_references(runs, scores, sources.scorer), tables.columns_named(None, scores), intervals=True
    )
    written = [
        style.write(out / "tables" / f"scores.{suffix}", tables.write(layout, kind))
        for kind, suffix in (("markdown", "md"), ("latex", "tex"), ("csv", "csv"), ("html", "html"))
    ]
    written += _exports(runs, out / "exports", sources.scorer)
    for figure in drawn:
        written += figure.files
    page = ReportPage(
        options.title,
        sources.scorer,
        tuple(named.name for named in runs if named.synthetic),
        overview(runs, sources.scorer),
        layout,
        tuple(dict.fromkeys((*layout.notes, *notes, *data.notes))),
        findings,
        tuple(figure.page for figure in drawn),
        command,
    )
    index = {**data.index, "live": options.live}
    written += [*data.written, style.write(out / PAGE, render(page, runs, index, data.embedded))]
    return WrittenReport(
        tuple(written), tables.write(layout, "markdown"), layout, findings, tuple((*notes, *data.notes))
    )


@dataclass(frozen=True)
class _Data:
    """The samples and thumbnails: what is in the page and what is beside it."""

    index: dict[str, object]
    embedded: tuple[shards.Part, ...]
    written: tuple[Path, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, runs: Sequence[NamedRun], out: Path, options: Options) -> _Data:
        """All in the page where it is small enough to be sent as one file, else in folders beside it."""
        data = browsable(runs)
        parts = list(shards.parts(data))
        thumbnails = images.Thumbnails()
        if options.images and data.images:
            thumbnails = images.gathered(runs, data.images, out, options.data_root, options.most_images)
        mark = shards.stamp(parts)
        encoded = thumbnails.base64
        whole = not thumbnails.files and shards.size(parts, encoded) <= shards.EMBEDDED
        beside: list[Path] = []
        of_image: dict[str, int] = {}
        if whole:
            more, of_image = shards.image_parts(encoded, 25)
            parts += more
        else:
            thumbnails.to_files(out)
            beside = shards.write_beside(parts, out, mark)
        shards.remove_others(out, beside)
        index: dict[str, object] = {
            **data.index,
            "stamp": mark,
            "folder": "" if whole else shards.FOLDER,
            "images": {"embedded": of_image} if whole else {"files": images.FOLDER, "known": sorted(thumbnails.files)},
        }
        return cls(index, tuple(parts) if whole else (), (*beside, *thumbnails.written), tuple(thumbnails.notes))


def _made(
    sources: Sources, out: Path, options: Options, provenance: style.Provenance, which: tuple[str, str]
) -> _Made | str:
    """A drawing of a kind of figure, its files written; why it is absent, where the runs do not have the numbers."""
    kind, name = which
    figure = figures()[kind]
    try:
        numbers = figure.compute(sources, figure.in_report(sources)[name])
    except UserError as error:
        return f"no {name} figure: {error}"
    theme, web = style.theme_named(options.theme, options.width), style.theme_named("web")
    file = replace(figure.draw(numbers, theme), name=name)
    written = style.save(file, out, options.formats, theme, provenance)
    shown = file if theme == web else replace(figure.draw(numbers, web), name=name)
    return _Made(tuple(written), _on_page(shown, web, options.formats), file.findings, file.notes)


def _on_page(shown: style.Drawing, web: style.Theme, formats: Sequence[str]) -> PageFigure:
    """A figure with its values under the pointer and links to its files."""
    svg = adaptive(style.render(shown, "svg", web))
    stem = style.stem(shown.name)
    links = tuple((kind.upper(), f"figures/{stem}.{kind}") for kind in (*formats, "csv"))
    width, height = (round(96 * float(inches)) for inches in shown.figure.get_size_inches())
    return PageFigure(shown.name, svg, shown.caption, width, height, tuple(marks(shown.figure)), links)


def _seals(runs: Sequence[NamedRun]) -> list[str]:
    """The root hash of each sealed run, and whether it still holds."""
    from cambrian_eval.running.seal import check_seal

    found = [(named, check) for named in runs if (check := check_seal(named.run)) is not None]
    return [
        f"{named.name}: sealed, root hash {check.root}"
        + (f"; {len(check.problems)} files have changed since, see cambrian-eval verify" if check.problems else "")
        for named, check in found
    ]


def _refuse_foreign(path: Path) -> None:
    """A page that no report wrote is not replaced."""
    if not path.is_symlink() and not path.exists():
        return
    try:
        with path.open("rb") as file:
            ours = MARK in file.read(4096)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); choose another --out") from error
    if not ours:
        raise UserError(f"{path} was not written by this command; choose another --out")


def _with_references(runs: Sequence[NamedRun], scores: ScoreTable, scorer: str) -> ScoreTable:
    """The runs, above them the score of guessing and, for a model of the paper, the paper's numbers.

    The paper's numbers are shown for every scorer, a third party's included.
    """
    from cambrian_eval.results.published_scores import nearest

    cells: dict[str, dict[str, float]] = {}
    for model in (n.name for n in runs if not n.synthetic):
        printed = {b: rows[0] for b in scores.benchmarks if (rows := nearest(model, b))}
        if printed:
            name = f"{next(iter(printed.values())).model} (as printed)"
            cells[name] = {b: row.score for b, row in printed.items()}
    groups = {model: "The paper's numbers" for model in cells}
    chance = _chance(runs, scores, scorer)
    if chance:
        cells["Chance"], groups["Chance"] = chance, "Guessing"
    if not cells:
        return scores
    joined = combine([replace(build(cells, "references"), groups=groups), scores])
    # Beside the score of guessing alone, the runs need no mark.
    return joined if len(cells) > bool(chance) else replace(joined, own=frozenset())


def _chance(runs: Sequence[NamedRun], scores: ScoreTable, scorer: str) -> dict[str, float]:
    """The exact chance score per benchmark; the mean where runs have different samples."""
    found = {}
    for name in scores.benchmarks:
        known = [r.chance for n in runs if (r := n.result(name, "on", scorer)) and r.chance is not None]
        if known:
            found[name] = sum(known) / len(known)
    return found


def _exports(runs: Sequence[NamedRun], out: Path, scorer: str) -> list[Path]:
    written = [
        style.write(out / "results.csv", results_csv(runs)),
        style.write(out / "breakdown.csv", breakdown_csv(runs)),
    ]
    for named, stem in zip(runs, stems(runs), strict=True):
        written.append(style.write(out / "lm-eval" / f"{stem}.json", lm_eval_text(named)))
        card = model_index(named, scorer)
        path = out / "model-index" / f"{stem}.yaml"
        if card:
            written.append(style.write(path, card))
        else:
            path.unlink(missing_ok=True)  # one of an earlier report of another run
    return written
