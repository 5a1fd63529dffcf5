"""Renders report.html from values: the template, its style and script, and the data blocks.

A content security policy lets the page load nothing but images from itself or the folder beside it. The policy allows
inline scripts and `eval`, which auditing tools need; text from models and datasets never becomes markup (Jinja escapes
it, the script only sets text).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from cambrian_eval.decoding import in_words
from cambrian_eval.numbers import number, span
from cambrian_eval.results.circumstances import recipe_of
from cambrian_eval.sample import Result

from ..catalogue import condition_style, entry
from ..runs import NamedRun
from .records import Browsable, script_json

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


@dataclass(frozen=True)
class PageFigure:
    """A figure on the page."""

    svg: bytes
    caption: str

    @property
    def data(self) -> str:
        """The image in base64, for a `data:` address in the page."""
        return base64.b64encode(self.svg).decode("ascii")


@dataclass(frozen=True)
class ReportPage:
    """What the page shows."""

    title: str
    synthetic: tuple[str, ...]
    """Models whose rows a program drew; the page has a banner that names them."""
    summary_html: str
    """The score table, already escaped."""
    notes: tuple[str, ...]
    findings: tuple[str, ...]
    figures: tuple[PageFigure, ...]
    command: str


def render(
    page: ReportPage, runs: Sequence[NamedRun], data: Browsable, where: dict[str, Any], images: Sequence[dict[str, str]]
) -> str:
    """The whole file."""
    import jinja2
    from markupsafe import Markup

    from cambrian_eval import __version__

    folder = files("cambrian_eval.reports.page")
    style, script = (_asset(folder, name) for name in ("report.css", "report.js"))
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(_asset(folder, "report.html.jinja"))
    return template.render(
        title=page.title,
        synthetic=page.synthetic,
        version=__version__,
        summary=Markup(page.summary_html),
        notes=page.notes,
        findings=page.findings,
        figures=page.figures,
        command=page.command,
        detail_heads=DETAIL_HEADS,
        details=[_detail(named, r) for named in runs for r in named.results],
        runs=[_settings(named) for named in runs],
        style=Markup(style),
        script=Markup(script),
        index=Markup(script_json({**data.index, "images": where})),
        blocks=[Markup(script_json(block)) for block in data.blocks],
        images=[Markup(script_json(block)) for block in images],
    )


def _asset(folder: Traversable, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")


def _detail(named: NamedRun, r: Result) -> tuple[str, ...]:
    return (
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
