"""`cambrian-eval plot`: one figure, from runs, a CSV, the published tables, or a mix in which your runs are set apart.

The commands of the group are the figures of the registry; each has the shared options and its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from cambrian_eval.cli.score_sources import HELP
from cambrian_eval.errors import unknown
from cambrian_eval.reports.figure import Figure, option_fields
from cambrian_eval.reports.figures import figures


class Figures(TyperGroup):
    """The figures of the registry, as commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return list(figures())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of one figure."""
        found = figures().get(cmd_name)
        return None if found is None else _command(found)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """An unknown figure gets the names that are similar, like every other unknown name."""
        if args and not args[0].startswith("-") and args[0] not in figures():
            raise unknown("figure", args[0], figures())
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=Figures, help="One figure as PDF, SVG and PNG, with its numbers as CSV.", no_args_is_help=True)


@app.callback()
def _plot() -> None:
    """One figure as PDF, SVG and PNG, with its numbers as CSV."""


def _command(figure: Figure[Any, Any]) -> click.Command:
    """Shared options first, then those that select a part of the sources, then the figure's own."""
    folder = click.Path(path_type=Path)
    options: list[click.Parameter] = [
        TyperArgument(param_decls=["runs"], nargs=-1, type=folder, required=False, help=HELP["runs"]),
        _option("scores", help=HELP[figure.reads], multiple=True, type=folder),
    ]
    if figure.reads == "scores":
        options.append(_option("published", help=HELP["published"]))
    options += [
        _option("out", default="figures", type=folder, help="Folder for the figure, its CSV and its sidecar."),
        _option("style", default="paper", help=HELP["style"]),
        _option("width", default="page", help=HELP["width"]),
        _option("live-text", default=False, is_flag=True, help=HELP["live_text"]),
        _option("format", default="pdf,svg,png", help=HELP["format"]),
    ]
    defaults = {"scorer": "fuzzy", "vision": "on"}
    options += [_option(name, default=defaults.get(name), help=HELP[name]) for name in figure.selects]
    options += [
        _option(field.name, default=field.default, help=field.help, is_flag=isinstance(field.default, bool))
        for field in option_fields(figure)
    ]

    @click.pass_context
    def draw(context: click.Context, /, **values: Any) -> None:
        _draw(figure, context, values)

    summary = figure.summary
    return TyperCommand(
        figure.name, callback=draw, params=options, help=summary, short_help=summary, rich_markup_mode=None
    )


def _option(name: str, **settings: Any) -> click.Option:
    """An option that shows its default where it has one."""
    return TyperOption(
        param_decls=[f"--{name.replace('_', '-')}", name.replace("-", "_")], show_default=True, **settings
    )


def _draw(figure: Figure[Any, Any], context: click.Context, values: dict[str, Any]) -> None:
    """Computes, draws and saves the figure, and prints the files and the result in sentences."""
    from cambrian_eval.reports import style
    from cambrian_eval.reports.provenance import command_line
    from cambrian_eval.reports.sources import Sources

    theme, formats = (
        style.theme_named(values["style"], values["width"], values["live_text"]),
        style.formats_named(values["format"]),
    )
    options = figure.options(**{field.name: field.checked(values[field.name]) for field in option_fields(figure)})
    sources = Sources(
        runs=tuple(values["runs"]),
        scores=tuple(values["scores"]),
        published=values["published"] if figure.reads == "scores" else None,
        scorer=values.get("scorer", "fuzzy"),
        condition=values.get("vision", "on"),
        models=values.get("models"),
        benchmarks=values.get("benchmarks"),
    )
    from cambrian_eval.cli import output

    drawing = figure.draw(figure.compute(sources, options), theme)
    written = style.save(drawing, values["out"], formats, theme, sources.provenance(command_line(context)))
    output.sentences([drawing.caption])
    for path in written:
        print(path)
    output.sentences(drawing.findings)
    output.sentences(note if note.startswith("warning") else f"note: {note}" for note in drawing.notes)
