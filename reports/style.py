"""How figures look and how they are saved: themes, the colors of categories, deterministic files with companions.

A figure is saved in each format with the same stem, beside a CSV of the numbers drawn and a JSON sidecar with the
command, the inputs and the versions. Bytes depend on the numbers and the versions alone: no dates, no random ids.
What is drawn is left to `figures`.
"""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cambrian_eval.errors import UserError, unknown
from cambrian_eval.safe_text import csv_text

from .catalogue import OTHER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("pdf", "svg", "png")

COLORS = {
    "General": "#2f6db5",
    "Knowledge": "#e8a838",
    "OCR & Chart": "#1d9a78",
    "Vision-Centric": "#7d2150",
    OTHER: "#8a8a8a",
}
"""Told apart by people with any color blindness, and by lightness alone when printed in gray."""

MARKERS = {"General": "o", "Knowledge": "s", "OCR & Chart": "^", "Vision-Centric": "D", OTHER: "X"}
HATCHES = {"General": "", "Knowledge": "///", "OCR & Chart": "...", "Vision-Centric": "xx", OTHER: "--"}

SERIES = ("#27496d", "#e8a838", "#1d9a78", "#b5533c", "#86a5d9", "#7d2150", "#6b6b6b", "#c9b458")
"""Colors of models, in order; neighbors differ in lightness."""
SHAPES = "osD^v"
"""Markers of models, in order; their number has no common divisor with that of colors, so that no pair returns soon."""

CHANCE = "#000000"
"""Color of the score of random guessing."""
_DARK = {"Knowledge": "#8a5a00", "OCR & Chart": "#0f6b52", OTHER: "#555555"}
"""Text needs more contrast than a filled area: darker shades of the light category colors."""


def tint(color: str, share: float = 0.38) -> str:
    """A light version of a color: this share of it on white."""
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = (1 - share * (1 - c) for c in to_rgb(color))
    return to_hex((red, green, blue))


def shade(color: str, share: float = 0.6) -> str:
    """A dark version of a color, to be read as text on white."""
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = (share * c for c in to_rgb(color))
    return to_hex((red, green, blue))


def color_of(category: str) -> str:
    """The color of a category; the paper's four have their own."""
    return COLORS.get(category, COLORS[OTHER])


def marker_of(category: str) -> str:
    """The marker of a category; the paper's four have their own."""
    return MARKERS.get(category, MARKERS[OTHER])


def text_color(category: str) -> str:
    """A category's color, dark enough to read as text on white."""
    return _DARK.get(category) or COLORS.get(category, _DARK[OTHER])


@dataclass(frozen=True)
class Theme:
    """How figures look: sizes, fonts, lines, and matplotlib's settings beyond these."""

    name: str
    column: float
    """Width of a narrow figure in inches."""
    page: float
    size: float
    """Font size in points."""
    families: tuple[str, ...]
    line: float
    grid: bool
    dpi: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    asked: bool = False
    """Whether the width was asked for by a name or in inches: then every figure has exactly this width."""
    live_text: bool = False
    """Whether SVG files keep text as text, instead of outlines."""

    @property
    def computer_modern(self) -> bool:
        """Whether text is set in Computer Modern, whose fonts have their own codes."""
        return self.families[0] == "cmr10"

    @property
    def narrow(self) -> bool:
        """Whether a figure has to fit into one column of text."""
        return self.page / self.size < 0.6

    def part(self, share: float) -> float:
        """The width of a figure that does not need the whole page: a share of it, unless a width was asked for."""
        return self.page if self.narrow or self.asked else self.page * share

    def height(self, share: float) -> float:
        """A height in inches: a share of the width, but never less than eighteen lines of text."""
        return max(self.page * share, self.size / 72 * 18)


THEMES = {
    "paper": Theme(
        "paper",
        3.25,
        6.75,
        8.0,
        ("cmr10", "STIXGeneral", "DejaVu Serif"),
        0.8,
        False,
        300,
        {"mathtext.fontset": "cm"},
    ),
    "web": Theme("web", 6.0, 9.6, 11.0, ("DejaVu Sans",), 1.0, True, 144),
    "slides": Theme("slides", 6.6, 12.0, 16.0, ("DejaVu Sans",), 1.6, True, 160),
}


VENUES = {
    "neurips": 5.5,
    "icml": 3.25,
    "icml-page": 6.75,
    "cvpr": 3.28,
    "cvpr-page": 6.875,
    "acl": 3.03,
    "acl-page": 6.3,
}
"""Widths of the text in inches, of one column where a venue has two; `-page` is that of both."""
WIDTHS = ("page", "column", *VENUES)
NARROWEST, WIDEST = 2.5, 20.0
"""Inches that a width may have."""
_INCHES = re.compile(r"(\d+(?:\.\d+)?)\s*(?:in|inch|inches|\")?", re.ASCII)


def inches(width: str) -> float:
    """The width of a venue, or one written as `5.5in`."""
    name = width.strip().lower()
    if name in VENUES:
        return VENUES[name]
    found = _INCHES.fullmatch(name)
    if found is None:
        raise unknown("width", width, (*WIDTHS, "5.5in"))
    if not NARROWEST <= float(found[1]) <= WIDEST:
        raise UserError(f"--width {width}: give between {NARROWEST:g} and {WIDEST:g} inches")
    return float(found[1])


def theme_named(name: str, width: str = "page", live_text: bool = False) -> Theme:
    """A theme by name, at the width of its page or column, of a venue, or in inches."""
    if name not in THEMES:
        raise unknown("style", name, THEMES)
    theme = THEMES[name]
    chosen = width.strip().lower()
    page = theme.page if chosen == "page" else theme.column if chosen == "column" else inches(width)
    theme = replace(theme, page=page, asked=chosen != "page")
    if not live_text:
        return theme
    if not theme.computer_modern:
        return replace(theme, live_text=True)
    # The codes of Computer Modern are not those of Unicode: as text, its signs would be wrong where it is installed.
    return replace(
        theme, live_text=True, families=("STIXGeneral", "DejaVu Serif"), settings={"mathtext.fontset": "stix"}
    )


def formats_named(text: str) -> tuple[str, ...]:
    """Formats from a comma-separated list."""
    wanted = [part.strip().lower() for part in text.split(",") if part.strip()]
    for name in wanted:
        if name not in FORMATS:
            raise unknown("figure format", name, FORMATS)
    if not wanted:
        raise UserError(f"--format is empty; give one or more of {', '.join(FORMATS)}")
    return tuple(dict.fromkeys(wanted))


_CM_LOOKALIKES = {
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "\\": "$\\backslash$",
    "{": "$\\{$",
    "}": "$\\}$",
    "_": "$\\_$",
    '"': "''",
    "±": "$\\pm$",
    "°": "$^\\circ$",
    "§": "$\\S$",
    "µ": "$\\mu$",
}
"""Characters that have other codes in the Computer Modern fonts, as mathtext."""


def typeset(text: str, theme: Theme) -> str:
    """Any text, escaped so that matplotlib shows it as it is: no mathematics, no wrong glyphs.

    Control characters become blanks.
    """
    table = {"$": "\\$", **(_CM_LOOKALIKES if theme.computer_modern else {})}
    return "".join(table.get(c, c if c.isprintable() else " ") for c in text)


@contextmanager
def styled(theme: Theme) -> Iterator[None]:
    """Draw in a theme; the caller's matplotlib settings are restored afterwards."""
    import matplotlib

    settings: dict[str, Any] = {
        "font.family": list(theme.families),
        "font.size": theme.size,
        "axes.titlesize": theme.size,
        "axes.labelsize": theme.size,
        "xtick.labelsize": theme.size * 0.9,
        "ytick.labelsize": theme.size * 0.9,
        "legend.fontsize": theme.size * 0.9,
        "axes.linewidth": theme.line * 0.8,
        "lines.linewidth": theme.line,
        "patch.linewidth": theme.line * 0.5,
        "hatch.linewidth": theme.line * 0.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": theme.grid,
        "axes.axisbelow": True,
        "grid.color": "#dddddd",
        "grid.linewidth": theme.line * 0.6,
        "legend.frameon": False,
        # Computer Modern has its minus sign in the math font alone.
        "axes.formatter.use_mathtext": theme.computer_modern,
        "axes.unicode_minus": True,
        "pdf.fonttype": 42,  # whole TrueType fonts embedded: editable, accepted by publishers
        "ps.fonttype": 42,
        # Outlines look the same where the fonts are not installed; text can be searched and edited.
        "svg.fonttype": "none" if theme.live_text else "path",
        "svg.hashsalt": "cambrian-eval",
        "savefig.dpi": theme.dpi,
        "figure.dpi": theme.dpi,
        "path.simplify": False,
        **theme.settings,
    }
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        for key, value in settings.items():
            matplotlib.rcParams[key] = value  # type: ignore[index]
        yield


def figure(width: float, height: float, **grid: Any) -> tuple[Figure, Any]:
    """A figure and its axes, on a canvas that needs no screen and that is freed with the figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made, made.subplots(**grid)


def legend_above(fig: Figure, handles: Sequence[Any], theme: Theme) -> None:
    """A legend above the figure, in as many columns as its longest entry leaves room for."""
    longest = max(len(str(h.get_label()).replace("$", "").replace("\\", "")) for h in handles)
    columns = int(fig.get_figwidth() * 72 / (theme.size * 0.9 * (0.55 * longest + 4)))
    columns = max(1, min(len(handles), columns))
    # Rows of equal length: five entries in four columns would leave one alone.
    columns = -(-len(handles) // -(-len(handles) // columns))
    fig.legend(handles=handles, loc="outside upper center", ncols=columns, columnspacing=1.2, handlelength=1.6)


def panels(theme: Theme, count: int, height: float) -> tuple[Figure, list[Any]]:
    """Equal panels in one row, or in two where the theme's font is large; `height` is that of one row."""
    wide = count <= 2 or theme.page / theme.size > 0.8
    columns = count if wide else (count + 1) // 2
    rows = -(-count // columns)
    made, grid = figure(
        theme.page,
        theme.page * height * (1.0 if wide else 2.6 if theme.narrow else 1.5),
        nrows=rows,
        ncols=columns,
        squeeze=False,
    )
    axes = list(grid.flat)
    for spare in axes[count:]:
        spare.set_visible(False)
    for first in grid[:, 0]:
        first.set_ylabel("average score")
    return made, axes[:count]


@dataclass(frozen=True)
class Drawing:
    """A figure with the numbers it shows."""

    name: str
    figure: Figure
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    """The numbers drawn, a row for each mark."""
    caption: str
    """What the figure shows, in words; also the alternative text on the page."""
    source: str
    """Where the numbers come from, in words."""
    findings: tuple[str, ...] = ()
    """The result in sentences; empty where a figure has none."""
    notes: tuple[str, ...] = ()
    """What a reader must know about the numbers, one line each."""


@dataclass(frozen=True)
class Provenance:
    """The command and the files a figure was made from."""

    command: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    """File -> SHA-256."""


def render(drawing: Drawing, kind: str, theme: Theme) -> bytes:
    """The bytes of a figure in one format, equal for equal numbers."""
    metadata: dict[str, dict[str, str | None]] = {
        "pdf": {"CreationDate": None, "ModDate": None, "Creator": "cambrian-eval", "Title": drawing.caption},
        "svg": {"Date": None, "Creator": "cambrian-eval", "Title": drawing.caption},
        "png": {"Software": "cambrian-eval", "Description": drawing.caption},
    }
    out = io.BytesIO()
    # fontTools warns about dates inside the fonts, which a reader of the figure cannot change.
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    with styled(theme):
        drawing.figure.savefig(out, format=kind, metadata=_latin(metadata[kind]) if kind == "png" else metadata[kind])
    return out.getvalue()


def _latin(values: Mapping[str, str | None]) -> dict[str, str | None]:
    """Text chunks of PNG files are Latin-1."""
    return {k: None if v is None else v.encode("latin-1", "replace").decode("latin-1") for k, v in values.items()}


def save(drawing: Drawing, out: Path, formats: Sequence[str], theme: Theme, provenance: Provenance) -> list[Path]:
    """Writes NAME.pdf and so on, NAME.csv and NAME.json; returns what was written."""
    base = stem(drawing.name)
    sidecar = {
        "figure": drawing.name,
        "caption": drawing.caption,
        "command": provenance.command,
        "source": drawing.source,
        "style": theme.name,
        "inputs": dict(provenance.inputs),
        "versions": versions(),
        "files": [f"{base}.{kind}" for kind in formats] + [f"{base}.csv"],
    }
    contents = {f"{base}.{kind}": render(drawing, kind, theme) for kind in formats}
    contents[f"{base}.csv"] = csv_text(drawing.columns, drawing.rows).encode()
    contents[f"{base}.json"] = (json.dumps(sidecar, indent=2, ensure_ascii=False) + "\n").encode()
    return [write(out / name, content) for name, content in contents.items()]


def stem(name: str) -> str:
    """The file name of a figure without its ending."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)


def versions() -> dict[str, str]:
    """The versions that a figure's bytes depend on."""
    import matplotlib

    from cambrian_eval.version import __version__

    return {"cambrian-eval": __version__, "matplotlib": matplotlib.__version__}


def write(path: Path, content: bytes | str) -> Path:
    """One output file; an error of one line where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}); choose another --out") from error
    return path
