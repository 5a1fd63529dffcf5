"""The console script: lists the commands, imports the one that is used, and turns errors into one line.

Exit codes: 0 done · 1 done, but too many samples failed or a check failed · 2 usage or bad input · 130 interrupted.
"""

from __future__ import annotations

import math
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from importlib import import_module
from io import TextIOWrapper
from typing import Any

import click
import typer
from typer.core import TyperGroup

from cambrian_eval.cli import letter_case, output
from cambrian_eval.collector import collect_rarely
from cambrian_eval.errors import CambrianEvalError, UserError, unknown
from cambrian_eval.safe_text import SafeStream

COMMANDS = {
    "list": ("cambrian_eval.cli.list_:list_", "Benchmarks, models, vision conditions and scorers."),
    "show": ("cambrian_eval.cli.show:show", "Images, exact prompt and gold answer of the first samples."),
    "run": ("cambrian_eval.cli.run:run", "Run a model over benchmarks, or resume a run."),
    "score": ("cambrian_eval.cli.score:score", "Score stored responses again, by rules or by an LLM judge."),
    "bias": ("cambrian_eval.cli.bias:bias", "What can be solved without the image, and a subset that cannot."),
    "gain": ("cambrian_eval.cli.gain:gain", "Multimodal gain and leakage of a run."),
    "seeing": ("cambrian_eval.cli.seeing:seeing", "Which samples need their image, and which models see."),
    "compare": ("cambrian_eval.cli.compare:compare", "Paired differences between runs, with p-values."),
    "power": ("cambrian_eval.cli.power:power", "How many samples detect a difference of two models."),
    "explain": ("cambrian_eval.cli.explain:explain", "Why two scores differ, in parts that add up."),
    "import": ("cambrian_eval.cli.import_:import_", "Import logs of other harnesses, or any predictions, as a run."),
    "verify": ("cambrian_eval.cli.verify:verify", "Recompute everything that a run or a report states."),
    "seal": ("cambrian_eval.cli.verify:seal", "Write a manifest of a run with the hash of every file."),
    "grade": ("cambrian_eval.cli.grade:grade", "Score a file of rows and predictions."),
    "agreement": ("cambrian_eval.cli.agreement:agreement", "Agreement of two scorers, and where they differ."),
    "adjudicate": ("cambrian_eval.cli.adjudicate:adjudicate", "A page for a person to decide which scorer was right."),
    "report": ("cambrian_eval.cli.report:report", "Tables, figures and one HTML page of runs."),
    "export": ("cambrian_eval.cli.export:export", "Runs as CSV, Hub dataset, model card, wandb or lm-eval files."),
    "view": ("cambrian_eval.cli.view:view", "The report in the browser, refreshed while a run goes on."),
    "analyze": ("cambrian_eval.cli.analyze:analyze", "Correlation, PCA and clusters of benchmarks."),
    "plot": ("cambrian_eval.cli.plot:app", "One figure, with its numbers as CSV."),
    "table": ("cambrian_eval.cli.table:table", "The results table as text, Markdown, LaTeX, CSV or HTML."),
    "paper": ("cambrian_eval.cli.paper:paper", "The paper's figures and tables, your runs beside them."),
    "cvbench": ("cvbench_builder.cli:app", "Build, review and audit CV-Bench from source annotations."),
    "status": ("cambrian_eval.cli.status:status", "Progress of a run, from another terminal."),
    "merge": ("cambrian_eval.cli.merge:merge", "Merge the shards of a run, with every check."),
    "cache": ("cambrian_eval.cli.cache:app", "What a response cache holds, and removing from it."),
    "inspect": ("cambrian_eval.cli.inspect_:inspect", "What a Cambrian checkpoint contains, and what is missing."),
    "fetch": ("cambrian_eval.cli.fetch:fetch", "Download datasets and models into the cache."),
    "doctor": ("cambrian_eval.cli.doctor:doctor", "Versions, devices, caches, and missing packages."),
}
"""Command -> where it is and what it does in one line. Its module is imported when the command is used."""


EXIT_CODES = "Exit codes: 0 done; 1 too many samples or a check failed; 2 wrong input; 130 interrupted."
COMPLETING = "_CAMBRIAN_EVAL_COMPLETE"
"""The environment variable with which a shell asks for completions."""


class Commands(TyperGroup):
    """The commands of `COMMANDS`, imported one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names from `COMMANDS`, in its order; none of them is imported for it."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the module of this command alone; a module with an app of its own becomes a group."""
        cmd_name = cmd_name.lower()
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        target = getattr(import_module(module), attribute)
        if isinstance(target, typer.Typer):
            target.rich_markup_mode = None
            return _prepared(typer.main.get_group(target))
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(cmd_name)(target)
        return _prepared(typer.main.get_command(single))

    def invoke(self, ctx: click.Context) -> Any:
        """Ctrl-C is left to `main`, which says so: Typer would end without a word."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.Abort from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """An unknown command is an error with the nearest names, as for every other unknown name."""
        if args and not args[0].startswith("-") and args[0].lower() not in COMMANDS:
            raise unknown("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands with the texts of `COMMANDS`; click would import every module for its help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _prepared(command: click.Command) -> click.Command:
    """The command with what all commands have in common: finite numbers, exit codes in its help, completion."""
    if os.environ.get(COMPLETING):
        from cambrian_eval.cli.completion import attach

        attach(command)
    letter_case.attach(command)
    command.epilog = command.epilog or EXIT_CODES
    return _finite(command)


def _finite(command: click.Command) -> click.Command:
    """The command with every numeric option refusing `nan` and infinities, which no range excludes."""
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        letter_case.attach(inner)
        _finite(inner)
    for parameter in command.params:
        if isinstance(parameter.type, click.types.FloatParamType):
            parameter.callback = _finite_only(parameter.callback)
    return command


def _finite_only(inner: Any) -> Any:
    def check(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            raise click.BadParameter(f"{value} is not a finite number", context, parameter)
        return value if inner is None else inner(context, parameter, value)

    return check


app = typer.Typer(
    name="cambrian-eval",
    cls=Commands,
    help="Vision-centric evaluation of multimodal LLMs, after the Cambrian-1 paper.",
    epilog=f"{EXIT_CODES}\n\nAdd --debug to any command for the traceback of an error.",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def version(
    version: bool = typer.Option(False, "--version", help="Print the version and exit.", is_eager=True),
) -> None:
    """Options before any command; the commands are found by `Commands`."""
    if version:
        from cambrian_eval import __version__

        print(f"cambrian-eval {__version__}")
        raise typer.Exit


def main() -> None:
    """Runs the command line; never shows a traceback without `--debug`."""
    _open_descriptors()
    collect_rarely()  # a quarter of `score`
    before = sys.stdout, sys.stderr
    for stream in before:  # responses may hold what no encoding has
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    out, err = (SafeStream(s, result) for s, result in zip(before, (True, False), strict=True))
    sys.stdout, sys.stderr = out, err
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _say_once()
            code = _command()
        try:
            out.flush()
        except CambrianEvalError as error:
            code = _end(f"error: {error}", 2)
        err.flush()
        _discard(out, err)
    finally:
        sys.stdout, sys.stderr = before
    sys.exit(code)


def _command() -> int:
    """Runs the command and returns the exit code, with every error as one line."""
    debug = "--debug" in sys.argv[1:]
    arguments = [a for a in sys.argv[1:] if a != "--debug" or "cvbench" in sys.argv]
    try:
        return int(app(args=arguments, standalone_mode=False) or 0)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.ClickException as error:
        return _end(f"error: {_one_line(error)}", 2)
    except CambrianEvalError as error:
        if debug:
            traceback.print_exc()
        details = error.details if isinstance(error, UserError) else ()
        return _end("\n".join((*(f"  {line}" for line in details), f"error: {error}")), 2)
    except (KeyboardInterrupt, click.Abort):
        return _end("interrupted", 130)
    except Exception as error:
        if debug:
            traceback.print_exc()
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return _end(f"internal error: {text} (please report it; --debug shows where)", 2)


def _say_once() -> Callable[..., None]:
    """Shows warnings of Python as one line each, once, without the place in the code."""
    said: set[str] = set()

    def show(message: Warning | str, *place: object, **more: object) -> None:
        text = f"warning: {' '.join(str(message).split())}"
        if text not in said:
            said.add(text)
            output.say(text)

    return show


def _open_descriptors() -> None:
    """Opens closed standard streams on the null device, so that no file of a run gets one of their numbers."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(opened)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - lives as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _discard(*streams: SafeStream) -> None:
    """What a stream without a reader still holds goes to the null device when Python ends."""
    for stream in streams:
        if stream.reader_gone:
            try:
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            except (OSError, ValueError):
                continue


def _one_line(error: click.ClickException) -> str:
    """A wrong flag or argument, and what to write instead: for options of other harnesses, and of other spelling."""
    if isinstance(error, click.NoSuchOption) and (hint := _instead(error)) is not None:
        return f"no such option {error.option_name}; {hint}"
    text = " ".join(error.format_message().split())
    context = error.ctx if isinstance(error, click.UsageError) else None
    return text if context is None else f"{text.rstrip('.')}; see {context.command_path} --help"


def _instead(error: click.NoSuchOption) -> str | None:
    """What to write for an option that is written with underscores, or that another harness has."""
    from cambrian_eval.other_harnesses import instead_of_option

    known = [] if error.ctx is None else [o for p in error.ctx.command.params for o in p.opts]
    ours = "--" + error.option_name.lstrip("-").replace("_", "-").lower()
    if ours in known and ours != error.option_name:
        return f"use {ours}"
    return instead_of_option(error.option_name)


def _end(text: str, code: int) -> int:
    output.say(text)
    return code
