"""A report folder from runs: tables, figures, exports and report.html. Owns what goes into it and in which order."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cambrian_eval.errors import UserError

from . import ablation, agreement, exports, style, tables
from .correlation import FEWEST
from .page import images
from .page.build import Figure, Page, render
from .page.records import browsable
from .runs import NamedRun, score_table
from .scores import ScoreTable, build, combine

LARGE = 150 << 20
"""A page of more characters than this is slow to open and to share."""

Draw = Callable[[style.Theme], style.Drawing]


@dataclass(frozen=True)
class Options:
    """What a report shows and in which forms it is written."""

    scorer: str = "fuzzy"
    title: str = "Evaluation report"
    images: bool = True
    theme: str = "paper"
    formats: tuple[str, ...] = style.FORMATS


@dataclass(frozen=True)
class Report:
    """What was written, and what the reader should hear about it."""

    files: tuple[Path, ...]
    table: str
    """The score table as Markdown."""
    reading: tuple[str, ...]
    notes: tuple[str, ...]


def write(runs: Sequence[NamedRun], out: Path, options: Options, provenance: style.Provenance) -> Report:
    """Everything a report holds."""
    scores = score_table(runs, options.scorer)
    seen, reading, unseen = _vision(runs, options.scorer)
    drawings, skipped = figures(runs, scores, options.scorer, seen)
    layout = tables.layout(
        _with_references(runs, scores, options.scorer), tables.columns_named(None, scores), intervals=True
    )
    written = [
        style.write(out / "tables" / f"scores.{suffix}", tables.write(layout, kind))
        for kind, suffix in (("markdown", "md"), ("latex", "tex"), ("csv", "csv"), ("html", "html"))
    ]
    written += _exports(runs, out / "exports", options.scorer)
    theme, web = style.theme_named(options.theme), style.theme_named("web")
    on_page = []
    for draw in drawings:
        made = draw(theme)
        written += style.save(made, out / "figures", options.formats, theme, provenance)
        shown = made if theme == web else draw(web)
        on_page.append(Figure(style.render(shown, "svg", web), shown.caption))
    notes = [*unseen, *skipped]
    data = browsable(runs)
    where: dict[str, object] = {}
    blocks: list[dict[str, str]] = []
    if options.images and data.images:
        where, blocks, missing = images.gathered(runs, data.images, out)
        notes += missing
    page = Page(
        options.title, tables.write(replace(layout, notes=()), "html"), (*layout.notes, *notes), tuple(reading),
        tuple(on_page), provenance.command,
    )  # fmt: skip
    text = render(page, runs, data, where, blocks)
    if len(text) > LARGE:
        notes.append(
            f"report.html holds {len(text) >> 20} MB; for a page that opens quickly, report fewer runs at once"
        )
    written.append(style.write(out / "report.html", text))
    return Report(tuple(written), tables.write(layout, "markdown"), tuple(reading), tuple(notes))


def _vision(runs: Sequence[NamedRun], scorer: str) -> tuple[ablation.Ablation | None, list[str], list[str]]:
    """The ablation where vision was switched, its reading, and what to note about it."""
    if not any({"on", "off"} <= set(named.conditions) for named in runs):
        return None, [], ["no vision ablation: no run has vision both on and off (--vision on,off)"]
    found = ablation.from_runs(runs, scorer)
    return found, ablation.reading(found), list(found.notes)


def _with_references(runs: Sequence[NamedRun], scores: ScoreTable, scorer: str) -> ScoreTable:
    """The runs, above them what guessing gives and, for a model of the paper, the paper's own numbers."""
    from cambrian_eval.results.published_scores import nearest

    cells: dict[str, dict[str, float]] = {}
    for model in scores.models:
        printed = {b: rows[0] for b in scores.benchmarks if (rows := nearest(model, b))}
        if printed:
            name = f"{next(iter(printed.values())).model} (as printed)"
            cells[name] = {b: row.score for b, row in printed.items()}
    groups = {model: "The paper's own numbers" for model in cells}
    chance = _chance(runs, scores, scorer)
    if chance:
        cells["Chance"], groups["Chance"] = chance, "Guessing"
    if not cells:
        return scores
    joined = combine([replace(build(cells, "references"), groups=groups), scores])
    # Beside guessing alone nobody mistakes the runs for something else.
    return joined if len(cells) > bool(chance) else replace(joined, own=frozenset())


def _chance(runs: Sequence[NamedRun], scores: ScoreTable, scorer: str) -> dict[str, float]:
    """The exact chance score per benchmark; the mean where runs cover different samples."""
    found = {}
    for name in scores.benchmarks:
        known = [r.chance for n in runs if (r := n.result(name, "on", scorer)) and r.chance is not None]
        if known:
            found[name] = sum(known) / len(known)
    return found


def figures(
    runs: Sequence[NamedRun], scores: ScoreTable, scorer: str, seen: ablation.Ablation | None
) -> tuple[list[Draw], list[str]]:
    """The figures these runs can carry, and why others are absent where a reader might miss them."""
    from .figures import ablation as vision
    from .figures import agreement as scorers
    from .figures import categories, scaling

    found: list[Draw] = []
    notes: list[str] = []

    def offer(name: str, draw: Draw) -> None:
        draw = _remembered(draw)
        try:
            draw(style.THEMES["web"])
        except UserError as error:
            notes.append(f"no {name} figure: {error}")
        else:
            found.append(draw)

    if seen is not None:
        found.append(lambda theme: vision.draw(seen, theme))
    offer("categories", lambda theme: categories.bars(scores, theme))
    offer("radar", lambda theme: categories.radar(scores, theme))
    others = sorted({s for named in runs for s in named.scorers} - {scorer})
    for other in others:
        pairs = agreement.between(runs, scorer, other)
        found.append(
            lambda theme, other=other, pairs=pairs: replace(  # type: ignore[misc]
                scorers.draw(pairs, scorer, other, theme, "own runs"), name=f"agreement-{other}"
            )
        )
    for attribute in ("visual_tokens", "resolution", "params"):
        if len({a[attribute] for a in scores.attributes.values() if attribute in a}) > 1:
            offer("scaling", lambda theme, a=attribute: replace(scaling.draw(scores, theme, a), name=f"scaling-{a}"))  # type: ignore[misc]
    if len(runs) >= FEWEST:
        offer("boxes", lambda theme: categories.boxes(scores, theme))
        _benchmarks(scores, found, notes)
    return found, notes


def _remembered(draw: Draw) -> Draw:
    """The same figure, drawn once for each theme."""
    made: dict[str, style.Drawing] = {}

    def once(theme: style.Theme) -> style.Drawing:
        if theme.name not in made:
            made[theme.name] = draw(theme)
        return made[theme.name]

    return once


def _benchmarks(scores: ScoreTable, found: list[Draw], notes: list[str]) -> None:
    """The analysis of benchmarks, for five models or more."""
    from . import analysis, pca
    from .correlation import correlate
    from .figures import matrix, plane

    try:
        correlations = correlate(analysis.prepared(scores, analysis.Options()))
    except UserError as error:
        notes.append(f"no analysis of benchmarks: {error}")
        return
    notes += [note for note in correlations.notes if note not in scores.notes]
    components = pca.of_matrix(correlations)
    found.append(lambda theme: plane.draw(components, theme, correlations.source))
    found.append(lambda theme: matrix.draw(correlations, theme))


def _exports(runs: Sequence[NamedRun], out: Path, scorer: str) -> list[Path]:
    written = [
        style.write(out / "results.csv", exports.results_csv(runs)),
        style.write(out / "breakdown.csv", exports.breakdown_csv(runs)),
    ]
    for named in runs:
        stem = exports.sanitised(named.name)
        values = json.dumps(exports.lm_eval(named), indent=2, ensure_ascii=False) + "\n"
        written.append(style.write(out / "lm-eval" / f"{stem}.json", values))
        card = exports.model_index(named, scorer)
        if card:
            written.append(style.write(out / "model-index" / f"{stem}.yaml", card))
    return written
