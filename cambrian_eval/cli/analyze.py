"""`cambrian-eval analyze`: which benchmarks measure the same thing, from any table of models by benchmarks."""

from __future__ import annotations

from pathlib import Path

import typer

from cambrian_eval.cli.score_sources import HELP


def analyze(
    context: typer.Context,
    runs: list[Path] = typer.Argument(None, help=HELP["runs"]),
    scores: list[Path] = typer.Option(None, "--scores", help=HELP["scores"]),
    published: str = typer.Option(None, "--published", help=HELP["published"]),
    out: Path = typer.Option(Path("analysis"), "--out", help="Folder for the files and figures."),
    method: str = typer.Option("paper", help="PCA: paper (rows of the correlation matrix) or scores (standardized)."),
    correlation: str = typer.Option("pearson", help="Kind of correlation: pearson or spearman."),
    mmmu: str = typer.Option("by-type", help="MMMU's category: by-type, as in the paper, or by-data."),
    cvbench: str = typer.Option("one", help="CV-Bench as one column, as in the paper's figures, or two."),
    impute: bool = typer.Option(False, "--impute", help="Fill missing cells by a rank-2 fit."),
    models: str = typer.Option(None, help=HELP["models"]),
    benchmarks: str = typer.Option(None, help=HELP["benchmarks"]),
    scorer: str = typer.Option("fuzzy", help=HELP["scorer"]),
    vision: str = typer.Option("on", "--vision", help=HELP["vision"]),
    resamples: int = typer.Option(200, min=10, help="Bootstrap resamples of models for the stability of clusters."),
    seed: int = typer.Option(0, help="Random seed of the bootstrap."),
    style: str = typer.Option("paper", help=HELP["style"]),
    width: str = typer.Option("page", help=HELP["width"]),
    live_text: bool = typer.Option(False, "--live-text", help=HELP["live_text"]),
    format: str = typer.Option("pdf,svg,png", "--format", help=HELP["format"]),
) -> None:
    """Which benchmarks measure the same: correlation, components, clusters, redundancy, missing scores."""
    from cambrian_eval.errors import unknown
    from cambrian_eval.reports import analysis, analysis_files, findings
    from cambrian_eval.reports import style as styles
    from cambrian_eval.reports.correlation import RESAMPLES
    from cambrian_eval.reports.provenance import command_line
    from cambrian_eval.reports.sampling import sampling
    from cambrian_eval.reports.sources import Sources

    for name, value, known in (
        ("--method", method, ("paper", "scores")),
        ("--correlation", correlation, ("pearson", "spearman")),
        ("--mmmu", mmmu, ("by-type", "by-data")),
        ("--cvbench", cvbench, ("one", "two")),
    ):
        if value not in known:
            raise unknown(name, value, known)
    theme, formats = styles.theme_named(style, width, live_text), styles.formats_named(format)
    sources = Sources(
        tuple(runs or ()), tuple(scores or ()), published, scorer, vision, models=models, benchmarks=benchmarks
    )
    options = analysis.Options(method, correlation, mmmu, cvbench, impute, resamples, seed)
    if sources.matrix_alone:
        found = analysis.analyze(None, options)
    else:
        found = analysis.analyze(sources.table, options, sampling(sources, max(resamples, RESAMPLES), seed))
    written = analysis_files.write(found, out, theme, formats, sources.provenance(command_line(context)))
    print("\n".join(findings.summary(found)))
    print(f"\n{len(written)} files in {out}")
