"""Renders report.html from values: the template, its style and scripts, and the data that is in the page.

A content security policy lets the page run its own script and those in the folder beside it, and load images from
itself or that folder; nothing else, so nothing from the network. Text from models and datasets never becomes markup:
Jinja escapes it, the script only sets text.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from cambrian_eval.decoding import in_words
from cambrian_eval.numbers import number, span
from cambrian_eval.results.circumstances import recipe_of
from cambrian_eval.sample import Result

from .. import cells
from ..catalogue import condition_style, entry
from ..runs import NamedRun
from .hover import Mark
from .overview import Overview, address, score_rows
from .records import script_json
from .shards import Part

SCRIPTS = ("data.js", "filters.js", "samples.js", "page.js")
"""Joined in this order into one script."""
DETAIL_HEADS = (
    "Model",
    "Benchmark",
    "Vision",
    "Scorer",
    "Score",
    "95 % interval",
    "Chance",
    "Samples",
    "Failed",
    "Unparsed",
    "Undecided",
    "All rows",
    "Notes",
)
DETAIL_NUMBERS = ("Score", "Chance", "Samples", "Failed", "Unparsed", "Undecided")


@dataclass(frozen=True)
class PageFigure:
    """A figure on the page."""

    name: str
    svg: bytes
    caption: str
    width: int
    """In pixels, as is the height: the page has room for it before it is shown."""
    height: int
    marks: tuple[Mark, ...] = ()
    """Where a value is shown under the pointer."""
    files: tuple[tuple[str, str], ...] = ()
    """Format in words and address of each file that can be downloaded."""

    @property
    def data(self) -> str:
        """The image in base64, for a `data:` address in the page."""
        return base64.b64encode(self.svg).decode("ascii")


@dataclass(frozen=True)
class ReportPage:
    """What the page shows."""

    title: str
    scorer: str
    synthetic: tuple[str, ...]
    """Models whose rows a program drew; the page has a banner that names them."""
    top: Overview
    layout: cells.Layout
    """The score table."""
    notes: tuple[str, ...]
    findings: tuple[str, ...]
    figures: tuple[PageFigure, ...]
    command: str


@dataclass(frozen=True)
class _Detail:
    """One row of the table of all results."""

    link: str
    cells: tuple[str, ...]


def render(page: ReportPage, runs: Sequence[NamedRun], index: dict[str, Any], parts: Sequence[Part]) -> str:
    """The whole file; `parts` are the data that is embedded."""
    import jinja2
    from markupsafe import Markup

    from cambrian_eval.version import __version__

    folder = files("cambrian_eval.reports.page")
    style = _asset(folder, "report.css")
    script = '"use strict";\n(() => {\n' + "\n".join(_asset(folder, name) for name in SCRIPTS) + "})();\n"
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["pieces"] = pieces
    template = environment.from_string(_asset(folder, "report.html.jinja"))
    return template.render(
        title=page.title,
        scorer=page.scorer,
        several=len(runs) > 1,
        synthetic=page.synthetic,
        version=__version__,
        top=page.top,
        heads=page.layout.columns,
        spans=cells.headings(page.layout),
        score_rows=score_rows(page.layout, [named.name for named in runs]),
        notes=page.notes,
        findings=page.findings,
        figures=page.figures,
        command=page.command,
        detail_heads=DETAIL_HEADS,
        detail_numbers=DETAIL_NUMBERS,
        details=[_detail(named, r) for named in runs for r in named.results],
        runs=[_settings(named) for named in runs],
        style=Markup(style),
        style_hash=_hash(style),
        script=Markup(script),
        script_hash=_hash(script),
        index=Markup(script_json(index)),
        parts=parts,
    )


def pieces(name: str) -> list[str]:
    """A column head in parts between which a line may break: `CV-`, `Bench2D`."""
    return re.split(r"(?<=-)(?=\w{3})|(?<=[a-z])(?=[A-Z]{2})|(?<=[a-z])(?=[A-Z][a-z])|(?<=[A-Z])(?=[A-Z][a-z])", name)


def _asset(folder: Traversable, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What a content security policy calls this text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _detail(named: NamedRun, r: Result) -> _Detail:
    return _Detail(
        address(model=named.name, condition=r.condition, benchmark=r.benchmark),
        (
            named.name,
            entry(r.benchmark).short,
            condition_style(r.condition).title,
            r.scorer,
            number(r.score, missing="–"),
            span(r.interval, missing="–", form="{} to {}"),
            number(r.chance, missing="–"),
            str(r.n),
            str(r.n_failed),
            str(r.n_unparsed),
            str(r.n_undecided),
            "yes" if r.complete else "no" if r.stopped is None else "no, stopped by rule",
            "; ".join(r.remarks),
        ),
    )


def _settings(named: NamedRun) -> tuple[str, ...]:
    info = named.run.info
    depends = info.get("responses_depend_on", {})
    return (
        named.name,
        named.run.path.name,
        str(info["model"].get("spec", "")),
        str(info["model"].get("fingerprint", "")),
        str(info.get("data", {}).get("kind", "")),
        recipe_of(info),
        str(depends.get("prompts", "")),
        str(depends.get("seed", "")),
        in_words(info),
    )
