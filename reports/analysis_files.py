"""What `analyze` writes: CSV files, a summary, everything as one JSON object, and the figures."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cambrian_eval.safe_text import csv_text

from . import clustering, style
from .analysis import Analysis
from .catalogue import entry
from .figures import load_figure
from .findings import summary


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
            (
                *("method", "how", "purity", "matched", "adjusted_rand", "silhouette", "stability"),
                *("adjusted_rand_low", "adjusted_rand_high", "p"),
            ),
            [
                (
                    *(m.method, clustering.METHODS[m.method], m.purity, m.matched, m.rand, m.silhouette, m.stability),
                    *(m.rand_low, m.rand_high, m.p),
                )
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
    if found.redundancy is not None:
        contents["choices.csv"] = csv_text(
            ("k", "benchmarks", "rank_correlation", "held_out", "low", "high", "at_random"),
            [
                (len(c.benchmarks), " ".join(c.benchmarks), c.rank_correlation, c.held_out, c.low, c.high, c.at_random)
                for c in found.redundancy.choices
            ],
        )
    if found.completion is not None and found.completion.missing:
        contents["predicted_scores.csv"] = csv_text(
            ("model", "benchmark", "predicted", "low", "high"),
            [(p.model, p.benchmark, p.value, p.low, p.high) for p in found.completion.missing],
        )
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
                "adjusted_rand_interval": [clean(m.rand_low), clean(m.rand_high)],
                "p": clean(m.p),
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
        **_added_values(found),
        "notes": list(c.notes),
    }


def _added_values(found: Analysis) -> dict[str, object]:
    """What is known of components, redundancy and missing scores; steps that were not possible are absent."""
    values: dict[str, object] = {}
    if found.parallel is not None:
        p = found.parallel
        values["parallel"] = {
            "eigenvalues": p.eigenvalues.tolist(),
            "threshold": p.threshold.tolist(),
            "count": p.count,
            "share": p.share,
        }
    if found.redundancy is not None:
        r = found.redundancy
        values["redundancy"] = {
            "models": r.models,
            "added": {a.benchmark: {"share": a.share, "low": a.low, "high": a.high} for a in r.added},
            "choices": [dataclasses.asdict(c) for c in r.choices],
        }
    if found.completion is not None:
        m = found.completion
        values["missing"] = {
            "factors": m.factors,
            "coverage": m.coverage,
            "error": m.error,
            "baseline": m.baseline,
            "predicted": [
                {"model": p.model, "benchmark": p.benchmark, "score": p.value, "low": p.low, "high": p.high}
                for p in m.missing
            ],
        }
    return values


def write(
    found: Analysis, out: Path, theme: style.Theme, formats: Sequence[str], provenance: style.Provenance
) -> list[Path]:
    """All files and figures of an analysis."""
    written = [style.write(out / name, content) for name, content in files(found).items()]
    figures = (
        ("pca", found.components),
        ("pca_intervals", found.positions),
        ("components", found.parallel),
        ("correlation", found.correlations),
        ("partial", found.partials[0]),
        ("dendrogram", found.tree),
        ("redundancy", found.redundancy),
        ("missing", found.completion),
    )
    for name, numbers in figures:
        if numbers is None:
            continue
        written += style.save(load_figure(name).draw(numbers, theme), out, formats, theme, provenance)
    return written
