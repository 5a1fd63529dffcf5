"""Help texts of the options that `plot`, `table`, `analyze` and `report` share; see `reports.sources`."""

from __future__ import annotations

from cambrian_eval.registry import conditions, scorers

HELP = {
    "runs": "Run folders, each one a model.",
    "scores": "A CSV of models by benchmarks (wide or long).",
    "results": "A long CSV with a column condition, as `report` writes it.",
    "published": "The paper's tables: table9, table12+table14, backbones, figure15 ...",
    "models": "Only these models: names or parts of names, comma-separated.",
    "benchmarks": "Only these benchmarks, comma-separated.",
    "scorer": f"Scorer whose scores are used: {', '.join(scorers())}, or a judge.",
    "vision": f"Vision condition of the runs: {', '.join(conditions())}.",
    "style": "Style of the figures: paper, web or slides.",
    "width": "page, column, neurips, icml, cvpr, acl (one column), icml-page ..., or inches: 5.5in.",
    "live_text": "Keep text in SVG files as text, to edit or search it.",
    "format": "Formats of the figures: pdf, svg, png, or several, comma-separated.",
}
"""Option -> its help text."""
