"""`cambrian-eval plot`: one figure, from runs, a CSV, the published tables, or a mix with one's own runs set apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cambrian_eval.errors import UserError, unknown

if TYPE_CHECKING:
    from cambrian_eval.reports.scores import ScoreTable
    from cambrian_eval.reports.sources import Asked
    from cambrian_eval.reports.style import Drawing, Theme

app = typer.Typer(help="One figure: pca, correlation, ablation, categories, radar, boxes, agreement, scaling.")

Runs = Annotated[list[Path], typer.Argument(help="Run folders.")]
Scores = Annotated[list[Path], typer.Option("--scores", help="A CSV of models by benchmarks (wide or long).")]
Results = Annotated[
    list[Path], typer.Option("--scores", help="A long CSV with a column condition, as `report` writes it.")
]
Table = Annotated[str, typer.Option("--published", help="The paper's tables: table9, table14, figure15 ...")]
Out = Annotated[Path, typer.Option("--out", help="Folder for the figure, its CSV and its sidecar.")]
Style = Annotated[str, typer.Option("--style", help="paper, web or slides.")]
PaperMeans = Annotated[str | None, typer.Option("--published", help="figure3: the paper's means beside one's own.")]
Width = Annotated[str, typer.Option("--width", help="page, or column for one column of text.")]
Format = Annotated[str, typer.Option("--format", help="pdf, svg, png, or several, comma-separated.")]
Models = Annotated[str, typer.Option("--models", help="Only these: names or parts of names, comma-separated.")]
Benchmarks = Annotated[str, typer.Option("--benchmarks", help="Only these, comma-separated.")]
Scorer = Annotated[str, typer.Option("--scorer", help="Which scores of the runs.")]
Vision = Annotated[str, typer.Option("--vision", help="Which vision condition of the runs.")]
Correlation = Annotated[str, typer.Option("--correlation", help="pearson or spearman.")]
CVBench = Annotated[str, typer.Option("--cvbench", help="CV-Bench as one column, as in the paper, or two.")]
Impute = Annotated[bool, typer.Option("--impute", help="Fill missing cells by a rank-2 fit.")]

FIGURES = Path("figures")


def _one_of(flag: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise unknown(flag, value, known)


def _asked(
    runs: list[Path] | None, scores: list[Path] | None, published: str | None, scorer: str, vision: str
) -> Asked:
    from cambrian_eval.reports.sources import Asked

    return Asked(tuple(runs or ()), tuple(scores or ()), published, scorer, vision)


def _theme(style: str, width: str) -> Theme:
    from cambrian_eval.reports.style import theme_named

    return theme_named(style, width)


def _save(
    context: typer.Context, drawing: Drawing, out: Path, style: str, format: str, asked: Asked, source: str
) -> None:
    from cambrian_eval.reports import style as looks
    from cambrian_eval.reports.provenance import command_line

    formats = looks.formats_named(format)
    written = looks.save(
        drawing, out, formats, looks.theme_named(style), asked.provenance(command_line(context), source)
    )
    print(drawing.caption)
    for path in written:
        print(path)


def _scores(asked: Asked, models: str | None, benchmarks: str | None) -> ScoreTable:
    from cambrian_eval.reports import sources

    return sources.narrowed(sources.table(asked), models, benchmarks)


@app.command()
def pca(
    context: typer.Context,
    runs: Runs = None,  # type: ignore[assignment]
    scores: Scores = None,  # type: ignore[assignment]
    published: Table = None,  # type: ignore[assignment]
    out: Out = FIGURES,
    style: Style = "paper",
    width: Width = "page",
    format: Format = "pdf,svg,png",
    models: Models = None,  # type: ignore[assignment]
    benchmarks: Benchmarks = None,  # type: ignore[assignment]
    scorer: Scorer = "fuzzy",
    vision: Vision = "on",
    method: Annotated[str, typer.Option("--method", help="paper or scores.")] = "paper",
    correlation: Correlation = "pearson",
    cvbench: CVBench = "one",
    impute: Impute = False,
) -> None:
    """Benchmarks in the plane of two principal components (Figure 3, right)."""
    from cambrian_eval.reports import analysis
    from cambrian_eval.reports import pca as components
    from cambrian_eval.reports.correlation import correlate, shipped_matrix
    from cambrian_eval.reports.figures import plane

    _one_of("--method", method, ("paper", "scores"))
    _one_of("--correlation", correlation, ("pearson", "spearman"))
    asked = _asked(runs, scores, published, scorer, vision)
    if asked.matrix and not asked.files:
        if method == "scores":
            raise UserError("figure15 is a correlation matrix without scores; --method scores needs a score table")
        source, found = "the paper's Figure 15", components.of_matrix(shipped_matrix())
    else:
        options = analysis.Options(cvbench=cvbench, impute=impute)
        table = analysis.prepared(_scores(asked, models, benchmarks), options)
        source = table.source
        if method == "scores":
            found = components.of_scores(table)
        else:
            found = components.of_matrix(correlate(table, correlation, resamples=2))  # type: ignore[arg-type]
        _say(table.notes)
    _save(context, plane.draw(found, _theme(style, width), source), out, style, format, asked, source)


@app.command()
def correlation(
    context: typer.Context,
    runs: Runs = None,  # type: ignore[assignment]
    scores: Scores = None,  # type: ignore[assignment]
    published: Table = None,  # type: ignore[assignment]
    out: Out = FIGURES,
    style: Style = "paper",
    width: Width = "page",
    format: Format = "pdf,svg,png",
    models: Models = None,  # type: ignore[assignment]
    benchmarks: Benchmarks = None,  # type: ignore[assignment]
    scorer: Scorer = "fuzzy",
    vision: Vision = "on",
    correlation: Correlation = "pearson",
    cvbench: CVBench = "one",
    impute: Impute = False,
) -> None:
    """Correlation between benchmarks over models, with intervals in the CSV (Figure 15)."""
    from cambrian_eval.reports import analysis
    from cambrian_eval.reports.correlation import correlate, shipped_matrix
    from cambrian_eval.reports.figures import matrix

    _one_of("--correlation", correlation, ("pearson", "spearman"))
    asked = _asked(runs, scores, published, scorer, vision)
    if asked.matrix and not asked.files:
        found = shipped_matrix()
    else:
        options = analysis.Options(cvbench=cvbench, impute=impute)
        found = correlate(
            analysis.prepared(_scores(asked, models, benchmarks), options),
            correlation,  # type: ignore[arg-type]
        )
    _say(found.notes)
    _save(context, matrix.draw(found, _theme(style, width)), out, style, format, asked, found.source)


@app.command()
def ablation(
    context: typer.Context,
    runs: Runs = None,  # type: ignore[assignment]
    results: Results = None,  # type: ignore[assignment]
    published: PaperMeans = None,
    out: Out = FIGURES,
    style: Style = "paper",
    width: Width = "page",
    format: Format = "pdf,svg,png",
    scorer: Scorer = "fuzzy",
) -> None:
    """Vision on, off and chance; without runs, the paper's own figure from shipped data (Figure 3, left)."""
    from cambrian_eval.reports import ablation as numbers
    from cambrian_eval.reports import sources
    from cambrian_eval.reports.figures import ablation as draws

    if published is not None:
        _one_of("--published", published.lower(), ("figure3",))
    asked = _asked(runs, results, None, scorer, "on")
    paper = numbers.published() if published and asked.files else None
    if asked.files:
        source = "own runs" if not asked.scores else ", ".join(path.name for path in asked.scores)
        found = numbers.from_runs(sources.scored(asked), scorer, source)
    else:
        found = numbers.published()
    _save(context, draws.draw(found, _theme(style, width), paper), out, style, format, asked, found.source)
    print("\n".join(numbers.reading(found)))
    _say(found.notes)


@app.command()
def categories(
    context: typer.Context,
    runs: Runs = None,  # type: ignore[assignment]
    scores: Scores = None,  # type: ignore[assignment]
    published: Table = None,  # type: ignore[assignment]
    out: Out = FIGURES,
    style: Style = "paper",
    width: Width = "page",
    format: Format = "pdf,svg,png",
    models: Models = None,  # type: ignore[assignment]
    scorer: Scorer = "fuzzy",
    vision: Vision = "on",
) -> None:
    """Category averages per model as grouped bars, with intervals where known."""
    from cambrian_eval.reports.figures import categories as draws

    asked = _asked(runs, scores, published, scorer, vision)
    table = _scores(asked, models, None)
    _save(context, draws.bars(table, _theme(style, width)), out, style, format, asked, table.source)


@app.command()
def radar(
    context: typer.Context,
    runs: Runs = None,  # type: ignore[assignment]
    scores: Scores = None,  # type: ignore[assignment]
    published: Table = None,  # type: ignore[assignment]
    out: Out = FIGURES,
    style: Style = "paper",
    width: Width = "page",
    format: Format = "pdf,svg,png",
    models: Models = None,  # type: ignore[assignment]
    scorer: Scorer = "fuzzy",
    vision: Vision = "on",
    axes: Annotated[str, typer.Option("--axes", help="categories or benchmarks.")] = "categories",
) -> None:
    """A polygon per model over the categories or the benchmarks."""
    from cambrian_eval.reports.figures import categories as draws

    _one_of("--axes", axes, ("categories", "benchmarks"))
    asked = _asked(runs, scores, published, scorer, vision)
    table = _scores(asked, models, None)
    _save(context, draws.radar(table, _theme(style, width), axes), out, style, format, asked, table.source)


@app.command()
def boxes(
    context: typer.Context,
    runs: Runs = None,  # type: ignore[assignment]
    scores: Scores = None,  # type: ignore[assignment]
    published: Table = None,  # type: ignore[assignment]
    out: Out = FIGURES,
    style: Style = "paper",
    width: Width = "page",
    format: Format = "pdf,svg,png",
    models: Models = None,  # type: ignore[assignment]
    scorer: Scorer = "fuzzy",
    vision: Vision = "on",
) -> None:
    """Spread of category averages over groups of models (as Figure 5)."""
    from cambrian_eval.reports.figures import categories as draws

    asked = _asked(runs, scores, published, scorer, vision)
    table = _scores(asked, models, None)
    _save(context, draws.boxes(table, _theme(style, width)), out, style, format, asked, table.source)


@app.command()
def scaling(
    context: typer.Context,
    runs: Runs = None,  # type: ignore[assignment]
    scores: Scores = None,  # type: ignore[assignment]
    published: Table = None,  # type: ignore[assignment]
    out: Out = FIGURES,
    style: Style = "paper",
    width: Width = "page",
    format: Format = "pdf,svg,png",
    models: Models = None,  # type: ignore[assignment]
    scorer: Scorer = "fuzzy",
    vision: Vision = "on",
    x: Annotated[str, typer.Option("--x", help="visual_tokens, resolution or params.")] = "visual_tokens",
) -> None:
    """Category averages against an attribute of the model."""
    from cambrian_eval.reports.figures import scaling as draws
    from cambrian_eval.reports.scores import ATTRIBUTE_KEYS, ATTRIBUTES

    key = x.lower().replace("-", "_")
    key = ATTRIBUTE_KEYS.get(key, key)
    _one_of("--x", key, tuple(k for k in ATTRIBUTES if k not in ATTRIBUTE_KEYS))
    asked = _asked(runs, scores, published, scorer, vision)
    table = _scores(asked, models, None)
    _save(context, draws.draw(table, _theme(style, width), key), out, style, format, asked, table.source)


@app.command()
def agreement(
    context: typer.Context,
    runs: Runs = None,  # type: ignore[assignment]
    results: Results = None,  # type: ignore[assignment]
    out: Out = FIGURES,
    style: Style = "paper",
    width: Width = "page",
    format: Format = "pdf,svg,png",
    a: Annotated[str, typer.Option("--a", help="A scorer.")] = "fuzzy",
    b: Annotated[str, typer.Option("--b", help="Another scorer.")] = "official",
    vision: Vision = "on",
) -> None:
    """Two scorers over the same responses; without runs, the paper's fuzzy matching against GPT-3.5 (Table 24)."""
    from cambrian_eval.reports import agreement as numbers
    from cambrian_eval.reports import sources
    from cambrian_eval.reports.figures import agreement as draws

    asked = _asked(runs, results, None, a, vision)
    if asked.files:
        found = numbers.between(sources.scored(asked), a, b, vision)
        source = "own runs" if not asked.scores else ", ".join(path.name for path in asked.scores)
    else:
        found, source, a, b = numbers.published(), "the paper's Table 24", "fuzzy matching", "GPT-3.5 grading"
    _save(context, draws.draw(found, a, b, _theme(style, width), source), out, style, format, asked, source)


def _say(notes: tuple[str, ...]) -> None:
    for note in notes:
        print(note if note.startswith("warning") else f"note: {note}")
