"""The console script: registers every verb and turns errors into one line and an exit code.

0 done · 1 done, but too many samples failed or a check did not hold · 2 usage or bad input · 130 interrupted.
"""

from __future__ import annotations

import os
import sys

import typer

from cambrian_eval.cli import compare, doctor, fetch, grade, import_, list_, run, score, show
from cambrian_eval.errors import CambrianEvalError

app = typer.Typer(
    name="cambrian-eval",
    help="Vision-centric evaluation of multimodal LLMs, after the Cambrian-1 paper.",
    epilog="Add --debug to any command for the traceback of an error.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    rich_markup_mode=None,
)
app.command("list")(list_.list_)
app.command("show")(show.show)
app.command("run")(run.run)
app.command("score")(score.score)
app.command("compare")(compare.compare)
app.command("import")(import_.import_)
app.command("grade")(grade.grade)
app.command("fetch")(fetch.fetch)
app.command("doctor")(doctor.doctor)


@app.callback(invoke_without_command=True)
def version(
    version: bool | None = typer.Option(None, "--version", help="Print the version and end.", is_eager=True),
) -> None:
    if version:
        from cambrian_eval import __version__

        print(f"cambrian-eval {__version__}")
        raise typer.Exit


def main() -> None:
    """Runs the command line; never shows a traceback without `--debug`."""
    debug = "--debug" in sys.argv[1:]
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    try:
        app(args=arguments)
    except CambrianEvalError as error:
        if debug:
            raise
        _end(f"error: {error}", 2)
    except KeyboardInterrupt:
        _end("interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if debug:
            raise
        text = " ".join(f"{type(error).__name__}: {error}".split())
        _end(f"internal error: {text} (please report it; --debug shows where)", 2)


def _end(text: str, code: int) -> None:
    print(text, file=sys.stderr)
    sys.exit(code)
