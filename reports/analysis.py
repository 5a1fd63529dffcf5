"""The whole analysis of benchmarks: correlation, components, clusters, categories; files, figures and a summary.

Owns the order of the steps and what is written where. Each step's arithmetic is in its own module.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cambrian_eval.errors import UserError
from cambrian_eval.numbers import number
from cambrian_eval.safe_text import csv_text

from . import assignment, clustering, pca, style
from .catalogue import OTHER, entry, paper_category
from .correlation import Correlations, correlate, prepared, restrict, shipped_matrix
from .figures import load_figure
from .scores import ScoreTable

GROUPS = 4


@dataclass(frozen=True)
class Options:
    """Which components and correlation, how MMMU and CV-Bench count, and the number of resamples for clusters."""

    method: str = "paper"
    """Components of the rows of the correlation matrix (`paper`) or of standardized scores (`scores`)."""
    kind: str = "pearson"
    """`pearson` or `spearman`."""
    mmmu: str = "by-type"
    """MMMU's category: `by-type`, as in the paper, or `by-data`."""
    cvbench: str = "one"
    impute: bool = False
    resamples: int = 200
    seed: int = 0


@dataclass(frozen=True)
class Analysis:
    """Everything that was found."""

    table: ScoreTable | None
    correlations: Correlations
    components: pca.Components
    clusterings: tuple[clustering.Clustering, ...]
    clustered: tuple[str, ...]
    """The benchmarks that were clustered: without MMMU when that is placed by type."""
    assignments: tuple[assignment.Assignment, ...]
    options: Options


def analyze(table: ScoreTable | None, options: Options) -> Analysis:
    """All steps on a score table, or on the paper's printed matrix where the table is None."""
    import sklearn.cluster  # noqa: F401  (only libraries that are loaded can be limited)
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    # Matrices of fifteen benchmarks are too small for several threads: these would only wait for each other.
    with threadpool_limits(1):
        return _analyze(table, options)


def _analyze(table: ScoreTable | None, options: Options) -> Analysis:
    used = None if table is None else prepared(table, options.cvbench, options.impute)
    if used is None:
        if options.method == "scores" or options.kind == "spearman":
            raise UserError(
                "figure15 is a Pearson matrix without scores: --method scores and spearman need a score table"
            )
        found = shipped_matrix()
    else:
        found = correlate(used, options.kind, seed=options.seed)
    components = pca.of_scores(used) if options.method == "scores" and used is not None else pca.of_matrix(found)
    return Analysis(
        used,
        found,
        components,
        *_clusters(found, used, options),
        tuple(assignment.assign(found, used, options.mmmu, seed=options.seed)),
        options,
    )


def _clusters(
    found: Correlations, table: ScoreTable | None, options: Options
) -> tuple[tuple[clustering.Clustering, ...], tuple[str, ...]]:
    """The clusterings and what they were made of. Benchmarks without a category cannot be checked and are left out."""
    names = [
        b for b in found.benchmarks if paper_category(b) != OTHER and not (b == "mmmu" and options.mmmu == "by-type")
    ]
    if len(names) <= GROUPS:
        return (), tuple(names)
    truth = [entry(b).category for b in names]
    made = clustering.cluster(
        restrict(found, names),
        None if table is None else table.select(names),
        truth,
        options.method,
        GROUPS,
        options.resamples,
        options.seed,
    )
    return tuple(made), tuple(names)


def summary(found: Analysis) -> list[str]:
    """The findings in sentences and short lists (Markdown)."""
    c, parts = found.correlations, found.components
    means = c.mean_with_others()
    lowest = min(means, key=lambda b: means[b])
    models = "" if found.table is None else f" over {len(found.table.models)} models"
    share = ", ".join(f"PC{k + 1} {v:.1%}" for k, v in enumerate(parts.explained[:4]))
    recipe = (
        "rows of the correlation matrix, centered (the paper's recipe)"
        if parts.method == "paper"
        else "standardized scores, benchmarks as points"
    )
    lines = [
        f"# Analysis of {len(c.benchmarks)} benchmarks{models}",
        f"Source: {c.source}. Correlation: {c.kind.capitalize()}.",
        *(f"- {note}" for note in c.notes),
        "## Correlation",
        f"Least correlated with the others: {entry(lowest).short} (mean r {number(means[lowest], 2)}).",
        "## Principal components",
        f"Of {recipe}. Explained variance: {share}.",
        "## Clusters",
    ]
    if not found.clusterings:
        lines.append(f"Too few benchmarks ({len(found.clustered)}) for {GROUPS} groups: not clustered.")
    else:
        if "mmmu" in c.benchmarks and "mmmu" not in found.clustered:
            lines.append(
                "MMMU is left out: the paper assigned it manually, by question type (--mmmu by-data clusters it)."
            )
        lines += _cluster_table(found)
    lines.append("## Categories by data")
    differ = assignment.disagreements(found.assignments)
    agree = sum(a.agrees for a in found.assignments)
    known = sum(a.paper != OTHER for a in found.assignments)
    lines.append(f"The data and the paper's manual categories agree for {agree} of {known} benchmarks.")
    lines += [f"- {line}" for line in differ] or ["- They agree everywhere."]
    return lines


def _cluster_table(found: Analysis) -> list[str]:
    rows = [
        "| method | purity | matched | adjusted Rand | silhouette | stability |",
        "| :-- | --: | --: | --: | --: | --: |",
    ]
    for c in found.clusterings:
        cells = [c.purity, c.matched, c.rand, c.silhouette, c.stability]
        rows.append(f"| {c.method} | " + " | ".join("–" if math.isnan(x) else number(x, 2) for x in cells) + " |")
    for c in found.clusterings:
        groups = [
            ", ".join(entry(b).short for b, g in zip(found.clustered, c.labels, strict=True) if g == group)
            for group in sorted(set(c.labels))
        ]
        rows.append(f"- {c.method}: " + " · ".join(f"{{{g}}}" for g in groups))
    return ["\n".join(rows)]


def files(found: Analysis) -> dict[str, str]:
    """File name -> content of everything but the figures."""
    c = found.correlations
    means = c.mean_with_others()
    contents = {
        "correlation_matrix.csv": csv_text(
            ("benchmark", *c.benchmarks),
            [(b, *map(float, c.matrix[i])) for i, b in enumerate(c.benchmarks)],
        ),
        "mean_correlation.csv": csv_text(("benchmark", "mean_r"), [(b, means[b]) for b in c.benchmarks]),
        "explained_variance.csv": csv_text(
            ("component", "explained"),
            [(f"pc{k + 1}", float(v)) for k, v in enumerate(found.components.explained)],
        ),
        "clusters.csv": csv_text(
            ("benchmark", "category", *(m.method for m in found.clusterings)),
            [(b, entry(b).category, *(m.labels[i] for m in found.clusterings)) for i, b in enumerate(found.clustered)],
        ),
        "cluster_quality.csv": csv_text(
            ("method", "how", "purity", "matched", "adjusted_rand", "silhouette", "stability"),
            [
                (m.method, clustering.METHODS[m.method], m.purity, m.matched, m.rand, m.silhouette, m.stability)
                for m in found.clusterings
            ],
        ),
        "together.csv": csv_text(("method", "benchmark_a", "benchmark_b", "together"), _together(found)),
        "assignment.csv": csv_text(
            ("benchmark", "paper", "assigned", "by", "confidence", "preferred_by_data", "mean_r", "margin", "agrees"),
            [
                (
                    a.benchmark,
                    a.paper,
                    a.assigned,
                    a.by,
                    a.confidence,
                    a.data,
                    a.mean_r,
                    a.margin,
                    str(a.agrees).lower(),
                )
                for a in found.assignments
            ],
        ),
        "summary.md": "\n\n".join(summary(found)) + "\n",
        "analysis.json": json.dumps(as_values(found), indent=2, ensure_ascii=False) + "\n",
    }
    if found.table is not None:
        contents["scores.csv"] = csv_text(
            ("model", *found.table.benchmarks),
            [(m, *map(float, found.table.values[i])) for i, m in enumerate(found.table.models)],
        )
    return contents


def _together(found: Analysis) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for m in found.clusterings:
        if m.together is None:
            continue
        for i, a in enumerate(found.clustered):
            rows += [(m.method, a, b, float(m.together[i, j])) for j, b in enumerate(found.clustered) if j > i]
    return rows


def as_values(found: Analysis) -> dict[str, object]:
    """The findings as plain JSON values."""

    def clean(value: float) -> float | None:
        return None if math.isnan(value) else float(value)

    c = found.correlations
    return {
        "source": c.source,
        "models": None if found.table is None else list(found.table.models),
        "benchmarks": list(c.benchmarks),
        "correlation": {"kind": c.kind, "matrix": np.round(c.matrix, 12).tolist(), "mean": c.mean_with_others()},
        "pca": {
            "method": found.components.method,
            "explained": [float(v) for v in found.components.explained],
            "positions": {
                b: {"x": float(x), "y": float(y)}
                for b, (x, y) in zip(found.components.benchmarks, found.components.xy, strict=True)
            },
        },
        "clusters": {
            m.method: {
                "labels": dict(zip(found.clustered, m.labels, strict=True)),
                "purity": m.purity,
                "matched": m.matched,
                "adjusted_rand": m.rand,
                "silhouette": clean(m.silhouette),
                "stability": clean(m.stability),
            }
            for m in found.clusterings
        },
        "assignment": {
            a.benchmark: {
                "paper": a.paper,
                "assigned": a.assigned,
                "by": a.by,
                "confidence": a.confidence,
                "data": a.data,
            }
            for a in found.assignments
        },
        "notes": list(c.notes),
    }


def write(
    found: Analysis, out: Path, theme: style.Theme, formats: Sequence[str], provenance: style.Provenance
) -> list[Path]:
    """All files and figures of an analysis."""
    written = [style.write(out / name, content) for name, content in files(found).items()]
    for name, numbers in (("pca", found.components), ("correlation", found.correlations)):
        written += style.save(load_figure(name).draw(numbers, theme), out, formats, theme, provenance)
    return written
