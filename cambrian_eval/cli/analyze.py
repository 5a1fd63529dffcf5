"""`cambrian-eval analyze`: which benchmarks measure the same thing, from any table of models by benchmarks."""

from __future__ import annotations

from pathlib import Path

import typer


def analyze(
    context: typer.Context,
    runs: list[Path] = typer.Argument(None, help="Run folders, each one a model."),
    scores: list[Path] = typer.Option(None, "--scores", help="A CSV of models by benchmarks (wide or long)."),
    published: str = typer.Option(
        None, "--published", help="The paper's tables: table14, table12+table14, backbones, figure15 ..."
    ),
    out: Path = typer.Option(Path("analysis"), "--out", help="Folder for the files and figures."),
    method: str = typer.Option("paper", help="PCA: paper (rows of the correlation matrix) or scores (standardised)."),
    correlation: str = typer.Option("pearson", help="pearson or spearman."),
    mmmu: str = typer.Option("by-type", help="MMMU's category: by-type, as in the paper, or by-data."),
    cvbench: str = typer.Option("one", help="CV-Bench as one column, as in the paper's figures, or two."),
    impute: bool = typer.Option(False, "--impute", help="Fill missing cells by a rank-2 fit."),
    models: str = typer.Option(None, help="Only these models: names or parts of names, comma-separated."),
    benchmarks: str = typer.Option(None, help="Only these benchmarks, comma-separated."),
    scorer: str = typer.Option("fuzzy", help="Which scores of the runs."),
    vision: str = typer.Option("on", "--vision", help="Which vision condition of the runs."),
    resamples: int = typer.Option(200, min=10, help="Bootstrap resamples of models for the stability of clusters."),
    seed: int = typer.Option(0, help="Seed of the bootstrap."),
    style: str = typer.Option("paper", help="paper, web or slides."),
    format: str = typer.Option("pdf,svg,png", "--format", help="Formats of the figures."),
) -> None:
    """Correlations, principal components, clusters and categories of benchmarks over models."""
    from cambrian_eval.errors import unknown
    from cambrian_eval.reports import analysis, sources
    from cambrian_eval.reports import style as looks
    from cambrian_eval.reports.provenance import command_line

    for name, value, known in (
        ("--method", method, ("paper", "scores")),
        ("--correlation", correlation, ("pearson", "spearman")),
        ("--mmmu", mmmu, ("by-type", "by-data")),
        ("--cvbench", cvbench, ("one", "two")),
    ):
        if value not in known:
            raise unknown(name, value, known)
    theme, formats = looks.theme_named(style), looks.formats_named(format)
    asked = sources.Asked(tuple(runs or ()), tuple(scores or ()), published, scorer, vision)
    options = analysis.Options(method, correlation, mmmu, cvbench, impute, resamples, seed)  # type: ignore[arg-type]
    table = None
    if not (asked.matrix and not asked.files):
        table = sources.narrowed(sources.table(asked), models, benchmarks)
    found = analysis.analyse(table, options)
    source = found.correlations.source
    written = analysis.write(found, out, theme, formats, asked.provenance(command_line(context), source))
    print("\n".join(analysis.summary(found)))
    print(f"\n{len(written)} files in {out}")
