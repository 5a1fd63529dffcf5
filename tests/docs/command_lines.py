"""Checks a command as the docs print it against the program itself: verbs, options and values must exist.

Nothing is run. `cambrian-eval` and `cvbench_builder` lines go through the real parsers; values that are names
(benchmarks, models, vision conditions, scorers, tables) go through the functions that read them in earnest.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, get_args

import click
import typer

from cambrian_eval.errors import UserError

from .pages import ROOT

Params = dict[str, Any]


def check(words: Sequence[str], whole: bool = True) -> None:
    """Raise where the command cannot be right. Not `whole`: it may lack what is required, as in running text."""
    program = words[0].rpartition("/")[2] if words else ""
    if program in ("cambrian-eval", "python", "python3") and not whole:
        words = [word for word in words if word != "..."]
    if program == "cambrian-eval":
        cambrian_eval(words[1:], whole)
    elif program in ("python", "python3"):
        python(words[1:], whole)
    elif program == "make":
        make(words[1:])
    elif program in ("pip", "pip3"):
        pip(words[1:])
    for word in words[1:]:
        if re.match(r"(docs|tools|tests)/[\w./-]+$", word) and not (ROOT / word).exists():
            raise UserError(f"{word} is not in the repository")


def python(words: Sequence[str], whole: bool) -> None:
    """`python -m PACKAGE ...` of this project, and `python tools/X.py ...`."""
    if words[:2] == ["-m", "cvbench_builder"]:
        from cvbench_builder.cli import app

        found = parsed(typer.main.get_command(app), "cvbench", words[2:], whole)
        values(found and (f"cvbench {found[0]}", found[1]))
    elif words[:2] == ["-m", "cambrian_eval"]:
        cambrian_eval(words[2:], whole)
    elif words and words[0].startswith("tools/"):
        known = flags_of(words[0])
        for word in words[1:]:
            if word.startswith("--") and word.partition("=")[0] not in known:
                raise UserError(f"{words[0]} has no option {word}; it has {', '.join(sorted(known))}")


@cache
def flags_of(script: str) -> frozenset[str]:
    """The options a script of `tools/` declares."""
    path = ROOT / script
    if not path.is_file():
        raise UserError(f"{script} is not in the repository")
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    adding = [c for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == "add_argument"]
    values = [a.value for c in adding for a in c.args if isinstance(a, ast.Constant)]
    return frozenset(["--help", *(v for v in values if isinstance(v, str) and v.startswith("--"))])


def make(words: Sequence[str]) -> None:
    """Targets of the Makefile."""
    targets = set(re.findall(r"^([\w-]+):(?!=)", (ROOT / "Makefile").read_text(), re.M))
    for word in words:
        if "=" not in word and not word.startswith("-") and word not in targets:
            raise UserError(f"make has no target {word}; it has {', '.join(sorted(targets))}")


def pip(words: Sequence[str]) -> None:
    """Extras of the package, where one is named."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for word in words:
        match = re.match(r"(?:cambrian-eval|\.)\[([\w,-]+)\]", word)
        for extra in match[1].split(",") if match else ():
            if extra not in extras:
                raise UserError(f"cambrian-eval has no extra {extra}; it has {', '.join(extras)}")


def cambrian_eval(words: Sequence[str], whole: bool = True) -> None:
    """A line of the command line, `--debug` and all."""
    from cambrian_eval.cli.main import app

    words = [word for word in words if word != "--debug"]
    values(parsed(typer.main.get_command(app), "cambrian-eval", words, whole))


def values(found: tuple[str, Params] | None) -> None:
    """Names behind options: the value must be one that the program knows."""
    verb, params = found or ("", {})
    for name, value in params.items():
        known = VALUES.get(name)
        if verb == "agreement" and name in ("a", "b"):
            known = scorer
        if verb == "fetch" and name == "benchmarks":
            known = benchmark
        if known is not None and value not in (None, [], (), True, False) and not stands_for(value):
            known(value)
    if verb in FORMATS and params["format"] is not None:
        one_of(*FORMATS[verb]())(params["format"])
    if "style" in params:
        theme(params)


def stands_for(value: Any) -> bool:
    """Whether a value is a placeholder: capitals, or three dots."""
    texts = [value] if isinstance(value, str) else value
    return all("..." in text or text.isupper() for text in texts)


def parsed(root: click.Command, name: str, words: Sequence[str], whole: bool) -> tuple[str, Params] | None:
    """The verb and its parameters as the program itself reads them; nothing where it would print help instead."""
    context: click.Context | None = None
    command, rest, path = root, list(words), name
    try:
        while True:
            for parameter in command.params:
                if parameter.name == "config":
                    parameter.callback = None  # it would read the file
                if not whole:
                    parameter.required = False
            context = command.make_context(name, rest, parent=context)
            if not isinstance(command, click.Group):
                return path.partition(" ")[2], context.params
            rest = [*context._protected_args, *context.args]
            if not rest:
                return None  # `--version`
            _, inner, rest = command.resolve_command(context, rest)
            assert inner is not None
            command, name = inner, inner.name or ""
            path += f" {name}"
    except (click.exceptions.Exit, click.exceptions.NoArgsIsHelpError):
        return None


@cache
def examples(group: str) -> frozenset[str]:
    """What the example packages of the guides would add to an entry-point group."""
    found: set[str] = set()
    for path in (ROOT / "docs" / "examples").glob("*/pyproject.toml"):
        points = tomllib.loads(path.read_text())["project"].get("entry-points", {})
        found.update(points.get(group, {}))
    return frozenset(found)


def benchmark(text: str | Sequence[str]) -> None:
    """Names of benchmarks or categories, or `all`."""
    from cambrian_eval.cli.output import benchmarks

    names = text.split(",") if isinstance(text, str) else text
    benchmarks(",".join(name for name in names if name not in examples("cambrian_eval.benchmarks")))


def model(spec: str | Sequence[str]) -> None:
    """A `--model` spec, or for `fetch` several hub ids."""
    from cambrian_eval.registry import locate

    for one in [spec] if isinstance(spec, str) else spec:
        if one.partition(":")[0] not in examples("cambrian_eval.models"):
            locate(one)


def vision(text: str) -> None:
    """Vision conditions, those of the example packages too."""
    from cambrian_eval.registry import load_condition

    for name in text.split(","):
        if name not in examples("cambrian_eval.conditions"):
            load_condition(name)


def scorer(text: str) -> None:
    """Names of scorers, those of the example packages too; `judge` is not a deterministic scorer, so not registered."""
    from cambrian_eval.registry import load_scorer

    for name in text.split(","):
        if name != "judge" and name not in examples("cambrian_eval.scorers"):
            load_scorer(name)


def recipe(text: str) -> None:
    """The name of a recipe; a file is the reader's own."""
    from cambrian_eval.models.recipes.catalog import load

    if not text.endswith(".toml"):
        load(text)


def data(text: str) -> None:
    """`hub`, `mini` or `mini:N`."""
    from cambrian_eval.data.rows import DataSpec

    DataSpec.parse(text, None)


def prompts(name: str) -> None:
    """A prompt style."""
    from cambrian_eval.benchmark import PromptStyle

    one_of(*get_args(PromptStyle))(name)


def settings(texts: Sequence[str]) -> None:
    """`benchmark.setting=value` items: the benchmark takes the setting and the value."""
    from cambrian_eval.cli.output import settings
    from cambrian_eval.registry import load_benchmark

    for name, chosen in settings(texts).items():
        if name not in examples("cambrian_eval.benchmarks"):
            load_benchmark(name, **chosen)


def published(name: str) -> None:
    """A table or figure of the paper."""
    from cambrian_eval.reports.scores import from_published

    if name not in ("figure3", "figure15"):
        from_published(name)


def shard(text: str) -> None:
    """`i/n`."""
    from cambrian_eval.running.sharding import Shard

    if "$" not in text:
        Shard.parse(text)


def theme(params: Params) -> None:
    """Style, width and formats of figures."""
    from cambrian_eval.reports import style

    style.theme_named(params["style"], params.get("width", "page"))
    style.formats_named(params["format"])


def one_of(*known: str) -> Callable[[str], None]:
    """A check that a value is one of these."""

    def check_value(value: str) -> None:
        if value not in known:
            raise UserError(f"{value} is none of {', '.join(known)}")

    return check_value


def table_formats() -> tuple[str, ...]:
    """What `table --format` takes."""
    from cambrian_eval.reports.tables import FORMATS as known

    return known


def agreement_formats() -> tuple[str, ...]:
    """What `agreement --format` takes."""
    from cambrian_eval.cli.agreement import FORMATS as known

    return known


def export_formats() -> tuple[str, ...]:
    """What `cvbench export --format` takes."""
    from cvbench_builder.export import FORMATS as known

    return known


FORMATS: dict[str, Callable[[], tuple[str, ...]]] = {
    "table": table_formats,
    "agreement": agreement_formats,
    "cvbench export": export_formats,
}

VALUES: dict[str, Callable[[Any], None]] = {
    "benchmark": benchmark,
    "model": model,
    "vision": vision,
    "vision_b": vision,
    "scorer": scorer,
    "recipe": recipe,
    "data": data,
    "prompts": prompts,
    "set_": settings,
    "published": published,
    "shard": shard,
    "engine": one_of("local", "ray"),
    "method": one_of("paper", "scores"),
    "correlation": one_of("pearson", "spearman"),
    "mmmu": one_of("by-type", "by-data"),
    "cvbench": one_of("one", "two"),
    "preset": one_of("published", "strict", "max"),
    "dtype": one_of("float32", "bfloat16", "float16", "auto"),
    "attention": one_of("sdpa", "flash_attention_2", "eager"),
    "quantize": one_of("4bit", "8bit"),
}
"""Parameter -> what its value must be, whichever verb has it."""
