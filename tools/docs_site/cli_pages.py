"""MkDocs hook: a page for every command, written from the commands themselves.

Makes `reference/cli/`: usage, help, and a table of options with defaults and choices. Nothing is written into the
repository, so a page cannot differ from the code it was built with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from navigation import spread

FOLDER = "reference/cli"
INDEX = f"{FOLDER}/index.md"
STATED = re.compile(r"\s*\[default: ([^\]]+)\]$")
"""A default that is only in the help text, because the option itself has none."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, and put them into the navigation beside the index."""
    made = pages()
    for uri, content in made.items():
        files.append(File.generated(config, uri, content=content))
    verbs = [{uri.rpartition("/")[2].removesuffix(".md"): uri} for uri in made if uri != INDEX]
    spread(config.nav, INDEX, verbs)
    return files


def pages() -> dict[str, str]:
    """Every page of the reference by its place, the index first."""
    import typer

    from cambrian_eval.cli.main import COMMANDS, app

    root = typer.main.get_command(app)
    context = click.Context(root, info_name="cambrian-eval")
    made = {INDEX: index(root, {name: text for name, (_, text) in COMMANDS.items()})}
    for name, command, inner in subcommands(root, context):
        made[f"{FOLDER}/{name}.md"] = page(command, inner)
    return made


def index(root: click.Command, verbs: dict[str, str]) -> str:
    """The overview: the commands with one line each, and what they have in common."""
    rows = [(f"[`{name}`]({name}.md)", text(summary)) for name, summary in verbs.items()]
    return "\n\n".join(
        [
            "# Command line",
            text(root.help or ""),
            fenced("cambrian-eval COMMAND [OPTIONS]"),
            table(("command", "what it does"), rows),
            "`cambrian-eval --version` prints the version. `--help` after any command prints what its page says here. "
            "`--debug` with any command shows the traceback of an error.",
            "**Exit codes** of every command: 0 done · 1 done, but too many samples failed or a check did not hold · "
            "2 usage or bad input · 130 interrupted.",
        ]
    )


def page(command: click.Command, context: click.Context) -> str:
    """The page of one command; subcommands become its sections."""
    parts = [f"# {context.command_path}", *body(command, context)]
    for _, sub, inner in subcommands(command, context):
        parts += [f"## {inner.command_path}", *body(sub, inner)]
    return "\n\n".join(parts) + "\n"


def body(command: click.Command, context: click.Context) -> Iterator[str]:
    """Help, usage, arguments and options of one command."""
    yield text(command.help or "")
    yield fenced(f"{context.command_path} {' '.join(command.collect_usage_pieces(context))}")
    below = [
        (f"[`{name}`](#{slug(inner)})", text(sub.help or "")) for name, sub, inner in subcommands(command, context)
    ]
    if below:
        yield table(("command", "what it does"), below)
        return
    taken = [p for p in command.get_params(context) if isinstance(p, click.Argument)]
    if taken:
        rows = [(name(p, context), meaning(p, context)[0]) for p in taken]
        yield table(("argument", "meaning"), rows)
    chosen = [p for p in command.get_params(context) if isinstance(p, click.Option) and not p.hidden]
    for panel, members in groupby(chosen, key=lambda p: getattr(p, "rich_help_panel", None)):
        if panel:
            yield f"**{text(str(panel))}**"
        rows = [(name(p, context), *meaning(p, context)) for p in members]
        yield table(("option", "meaning", "default"), rows)


def subcommands(command: click.Command, context: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    """The commands of a group in the order of its help, each with a context that has its full name."""
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        if found is not None:
            yield name, found, click.Context(found, info_name=name, parent=context)


def name(parameter: click.Parameter, context: click.Context) -> str:
    """How a parameter is written: its flags and its value, or an argument's name."""
    if isinstance(parameter, click.Argument):
        return code(parameter.make_metavar(context))
    flags = "<br>".join(code(flag) for flag in [*parameter.opts, *parameter.secondary_opts])
    if getattr(parameter, "is_flag", False):
        return flags
    return f"{flags} {code(parameter.make_metavar(context).removesuffix(' RANGE'))}"


def meaning(parameter: click.Parameter, context: click.Context) -> tuple[str, str]:
    """What a parameter does, and its default."""
    said = getattr(parameter, "help", None) or ""
    stated = STATED.search(said)
    default = default_of(parameter, context)
    if stated:
        default = code(stated[1]) if re.fullmatch(r"[\w.,:-]+", stated[1]) else text(stated[1])
    parts = [text(STATED.sub("", said)), range_of(parameter)]
    if parameter.multiple and "repeated" not in said:
        parts.append("May be repeated.")
    return " ".join(part for part in parts if part), default


def range_of(parameter: click.Parameter) -> str:
    """The least and the largest number an option takes, in words."""
    if not isinstance(parameter.type, click.IntRange | click.FloatRange):
        return ""
    least, most = parameter.type.min, parameter.type.max
    if least is not None and most is not None:
        return f"From {least} to {most}."
    return f"At least {least}." if most is None else f"At most {most}."


def default_of(parameter: click.Parameter, context: click.Context) -> str:
    """The value without the option, as typed on the command line."""
    if parameter.required:
        return "required"
    value = parameter.get_default(context)
    if getattr(parameter, "is_flag", False):
        off = parameter.secondary_opts
        return code((parameter.opts if value else off)[0]) if off else ("on" if value else "off")
    if value is None or value == [] or value == ():
        return ""
    return code(str(value))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def text(said: str) -> str:
    """Help text as Markdown; special characters are escaped outside `code`."""
    pieces = re.split(r"(`[^`]*`)", " ".join(said.split()))
    return "".join(p if p.startswith("`") else re.sub(r"([\\*_|<>\[\]])", r"\\\1", p) for p in pieces)


def code(said: str) -> str:
    """A literal in a table cell."""
    return "`" + said.replace("|", r"\|") + "`"


def fenced(said: str) -> str:
    """A usage line as a block."""
    return f"```text\n{said}\n```"


def slug(context: click.Context) -> str:
    """The anchor of a sub-command's section."""
    return context.command_path.replace(" ", "-")
