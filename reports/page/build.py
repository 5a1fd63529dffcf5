"""Renders report.html from values: the template, its style and script, and the data blocks.

The page may load nothing but images from itself or the folder beside it: a content security policy says so. The
policy lets scripts be added, because auditing tools work by that; text from models and data sets never becomes
markup in the first place (Jinja escapes it, the script only sets text).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from cambrian_eval.sample import Result

from ..catalogue import entry
from ..runs import NamedRun
from .records import Browsable, script_json

DETAIL_HEADS = (
    "Model", "Benchmark", "Vision", "Scorer", "Score", "95 % interval", "Chance", "Samples", "Failed", "Unparsed",
    "All rows", "Notes",
)  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """A figure on the page."""

    svg: bytes
    caption: str

    @property
    def data(self) -> str:
        """The image in base64, for a `data:` address in the page."""
        return base64.b64encode(self.svg).decode("ascii")


@dataclass(frozen=True)
class Page:
    """What the page shows."""

    title: str
    summary_html: str
    """The score table, already escaped."""
    notes: tuple[str, ...]
    reading: tuple[str, ...]
    figures: tuple[Figure, ...]
    command: str


def render(
    page: Page, runs: Sequence[NamedRun], data: Browsable, where: dict[str, Any], images: Sequence[dict[str, str]]
) -> str:
    """The whole file."""
    import jinja2
    from markupsafe import Markup

    from cambrian_eval import __version__

    room = files("cambrian_eval.reports.page")
    style, script = (_asset(room, name) for name in ("report.css", "report.js"))
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(_asset(room, "report.html.jinja"))
    return template.render(
        title=page.title,
        version=__version__,
        summary=Markup(page.summary_html),
        notes=page.notes,
        reading=page.reading,
        figures=page.figures,
        command=page.command,
        detail_heads=DETAIL_HEADS,
        details=[_detail(named, r) for named in runs for r in named.results],
        runs=[_repeat(named) for named in runs],
        style=Markup(style),
        script=Markup(script),
        index=Markup(script_json({**data.index, "images": where})),
        blocks=[Markup(script_json(block)) for block in data.blocks],
        images=[Markup(script_json(block)) for block in images],
    )


def _asset(room: Traversable, name: str) -> str:
    return (room / name).read_text(encoding="utf-8")


def _detail(named: NamedRun, r: Result) -> tuple[str, ...]:
    span = "–" if r.interval is None else f"{r.interval[0]:.1f} to {r.interval[1]:.1f}"
    return (
        named.name, entry(r.benchmark).short, r.condition, r.scorer, "–" if r.score is None else f"{r.score:.1f}", span,
        "–" if r.chance is None else f"{r.chance:.1f}", str(r.n), str(r.n_failed), str(r.n_unparsed),
        "yes" if r.complete else "no", "; ".join(r.notes),
    )  # fmt: skip


def _repeat(named: NamedRun) -> tuple[str, ...]:
    info = named.run.info
    depends = info.get("answers_depend_on", {})
    return (
        named.name, named.run.path.name, str(info["model"].get("spec", "")), str(info["model"].get("fingerprint", "")),
        str(info.get("data", {}).get("kind", "")), str(depends.get("prompts", "")), str(depends.get("seed", "")),
    )  # fmt: skip
