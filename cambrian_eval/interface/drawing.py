"""`plot`: a figure of the registry as a matplotlib `Figure`, which a notebook shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from cambrian_eval.errors import unknown
from cambrian_eval.interface.runs import AnyRun
from cambrian_eval.interface.sources import Paths, sources, warn
from cambrian_eval.reports import style as styles
from cambrian_eval.reports.figure import option_fields
from cambrian_eval.reports.figures import load_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot(
    figure: str,
    *runs: AnyRun,
    scores: Paths = (),
    published: str | None = None,
    models: str | Sequence[str] | None = None,
    benchmarks: str | Sequence[str] | None = None,
    scorer: str = "fuzzy",
    vision: str = "on",
    style: str = "web",
    width: str = "page",
    **options: Any,
) -> Figure:
    """The figure of that name, such as `"ablation"`, drawn from runs, CSV files or the paper's tables.

    `options` are those of `cambrian-eval plot FIGURE`. What a reader must know about the numbers is a warning. The
    figure's label is its caption.
    """
    declared, theme = load_figure(figure), styles.theme_named(style, width)
    known = {field.name: field for field in option_fields(declared)}
    for name in options:
        if name not in known:
            raise unknown(f"option of plot {figure}", name, known)
    own = declared.options(**{name: field.checked(options.get(name, field.default)) for name, field in known.items()})
    read = sources(runs, scores, published, scorer, vision, models, benchmarks)
    drawing = declared.draw(declared.compute(read, own), theme)
    warn(drawing.notes)
    found = drawing.figure
    found.set_label(drawing.caption)
    # Figures that pyplot did not make are shown by no notebook; this one has the bytes that `plot` writes to a file.
    found._repr_png_ = partial(styles.render, drawing, "png", theme)  # type: ignore[attr-defined]
    return found
