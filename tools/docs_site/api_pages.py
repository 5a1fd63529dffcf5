"""MkDocs hook: pages of the Python interface, written from docstrings and types by mkdocstrings.

Owns `reference/api/` and the choice of modules: what people import to run, to score, to extend and to draw. Modules
that only the package itself needs are left out.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from navigation import spread

FOLDER = "reference/api"
INDEX = f"{FOLDER}/index.md"


@dataclass(frozen=True)
class Group:
    """Modules that share a page."""

    slug: str
    title: str
    says: str
    modules: tuple[str, ...]


GROUPS = (
    Group(
        "python",
        "Python and notebooks",
        "What `import cambrian_eval` gives: runs as data frames, tables, figures, comparisons.",
        tuple(f"cambrian_eval.interface.{name}" for name in ("runs", "tables", "drawing", "comparing", "analyzing")),
    ),
    Group(
        "values",
        "Values and errors",
        "What flows through a run, and the errors a person can act on.",
        ("cambrian_eval.sample", "cambrian_eval.image", "cambrian_eval.errors"),
    ),
    Group(
        "contracts",
        "Contracts",
        "What benchmarks, scorers, models and conditions declare, and how each is found by name.",
        (
            "cambrian_eval.benchmark",
            "cambrian_eval.source",
            "cambrian_eval.formula",
            "cambrian_eval.judging",
            "cambrian_eval.artist",
            "cambrian_eval.suite",
            "cambrian_eval.scorer",
            "cambrian_eval.model",
            "cambrian_eval.condition",
            "cambrian_eval.conditions",
            "cambrian_eval.decoding",
            "cambrian_eval.registry",
            "cambrian_eval.names",
            "cambrian_eval.plugins",
        ),
    ),
    Group(
        "running",
        "Running",
        "From benchmarks and a model to a run on disk.",
        (
            "cambrian_eval.results.evaluation",
            "cambrian_eval.running.settings",
            "cambrian_eval.running.runner",
            "cambrian_eval.running.engine",
            "cambrian_eval.data.rows",
            "cambrian_eval.imports.writing",
            "cambrian_eval.imports.log",
            "cambrian_eval.running.merging",
            "cambrian_eval.running.sharding",
            "cambrian_eval.running.stopping",
            "cambrian_eval.engines.local",
            "cambrian_eval.engines.ray",
        ),
    ),
    Group(
        "store",
        "A run on disk",
        "Reading and writing run folders; their files are described in [The files of a run](../../run-format.md).",
        ("cambrian_eval.running.store", "cambrian_eval.running.records", "cambrian_eval.running.status"),
    ),
    Group(
        "scoring",
        "Scoring",
        "From responses to verdicts and results, with and without a run.",
        (
            "cambrian_eval.results.grading",
            "cambrian_eval.results.prediction_files",
            "cambrian_eval.results.judging",
            "cambrian_eval.results.agreement",
            "cambrian_eval.results.adjudication",
        ),
    ),
    Group(
        "reading",
        "Reading answers",
        "The pure functions that scorers are made of. Those in `released` follow the published code, quirks included.",
        tuple(
            f"cambrian_eval.scoring.{name}"
            for name in (
                "reply",
                "thoughts",
                "letter",
                "options",
                "yes_no",
                "number",
                "phrase",
                "free_form",
                "relaxed",
                "anls",
                "vqa",
                "containment",
                "released",
            )
        ),
    ),
    Group(
        "judge",
        "The LLM judge",
        "What a judge is asked, how its reply is read, and where replies are kept.",
        (
            "cambrian_eval.scoring.judge.requests",
            "cambrian_eval.scoring.judge.prompt",
            "cambrian_eval.scoring.judge.certain",
            "cambrian_eval.scoring.judge.cache",
        ),
    ),
    Group(
        "statistics",
        "Statistics",
        "Means, intervals, paired differences, averages by category, and the paper's own numbers.",
        (
            "cambrian_eval.results.statistics",
            "cambrian_eval.results.sequences",
            "cambrian_eval.results.power",
            "cambrian_eval.results.averages",
            "cambrian_eval.results.comparison",
            "cambrian_eval.results.published_scores",
            "cambrian_eval.results.bias.study",
            "cambrian_eval.results.bias.measure",
        ),
    ),
    Group(
        "reports",
        "Reports and figures",
        "Score tables, the analysis of benchmarks, figures and the report page.",
        tuple(
            f"cambrian_eval.reports.{name}"
            for name in (
                "scores",
                "runs",
                "ablation",
                "analysis",
                "correlation",
                "pca",
                "clustering",
                "assignment",
                "category_means",
                "tables",
                "export",
                "sources",
                "figure",
                "report",
                "style",
            )
        ),
    ),
    Group(
        "cambrian",
        "The Cambrian network",
        "The published checkpoints as ordinary transformers classes.",
        tuple(
            f"cambrian_eval.models.cambrian.{name}"
            for name in ("config", "model", "processor", "loading", "prompts", "sva", "geometry", "inspect")
        ),
    ),
    Group(
        "miniature",
        "The miniature suite",
        "Drawn stand-ins for every benchmark, in its own row schema, and the checkpoint trained on them.",
        ("cambrian_eval.demo.miniature", "cambrian_eval.demo"),
    ),
    Group(
        "cvbench",
        "CV-Bench builder",
        "A package of its own that knows nothing of the harness.",
        tuple(
            f"cvbench_builder.{name}"
            for name in (
                "settings",
                "presets",
                "task",
                "tasks",
                "inputs",
                "build",
                "dataset",
                "review",
                "finalize",
                "audit",
                "debias",
                "fresh",
                "stats",
                "export",
                "diff",
                "errors",
            )
        ),
    ),
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, and put them into the navigation beside the index."""
    made = pages()
    for uri, content in made.items():
        files.append(File.generated(config, uri, content=content))
    spread(config.nav, INDEX, [{group.title: f"{FOLDER}/{group.slug}.md"} for group in GROUPS])
    return files


def pages() -> dict[str, str]:
    """Every page of the reference by its place, the index first."""
    made = {INDEX: index()}
    for group in GROUPS:
        blocks = [f"::: {module}" for module in group.modules]
        made[f"{FOLDER}/{group.slug}.md"] = "\n\n".join([f"# {group.title}", group.says, *blocks]) + "\n"
    return made


def index() -> str:
    """The names the package itself offers, then the groups of modules."""
    import cambrian_eval

    rows = ["| name | what it is |", "| --- | --- |"]
    for name in cambrian_eval.__all__:
        found = getattr(cambrian_eval, name)
        if inspect.ismodule(found):  # `published` is a module that can be called; the function in it is meant
            found = getattr(found, name)
        rows.append(f"| [`cambrian_eval.{name}`][{found.__module__}.{found.__qualname__}] | {first_line(found)} |")
    groups = ["| page | what is there | modules |", "| --- | --- | --- |"]
    for group in GROUPS:
        modules = ", ".join(f"[`{m.removeprefix('cambrian_eval.')}`][{m}]" for m in group.modules)
        groups.append(f"| [{group.title}]({group.slug}.md) | {group.says} | {modules} |")
    return "\n\n".join(
        [
            "# Python",
            "The names below can be imported from `cambrian_eval` itself. They are what most programs need.",
            "\n".join(rows),
            "## Modules",
            "Everything else is imported from its module. Names that begin with an underscore, and modules that are "
            "not listed here, may change at any time.",
            "\n".join(groups),
        ]
    )


def first_line(found: Any) -> str:
    """The summary of a docstring."""
    return (inspect.getdoc(found) or "").partition("\n\n")[0].replace("\n", " ").replace("|", r"\|")
