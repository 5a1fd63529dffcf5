"""What shells complete: names from the registries and run folders, by the name of the parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import click
from click.shell_completion import CompletionItem

MOST_FOLDERS = 500
"""The most entries of a folder that are looked at."""


def _benchmarks() -> Iterable[str]:
    from cambrian_eval.registry import CATEGORIES, declared_benchmarks, suites

    return [*declared_benchmarks(), *suites(), "all", "everything", *(c for c in CATEGORIES if " " not in c)]


def _single_benchmarks() -> Iterable[str]:
    from cambrian_eval.registry import declared_benchmarks

    return declared_benchmarks()


def _conditions() -> Iterable[str]:
    from cambrian_eval.condition import Dose
    from cambrian_eval.registry import conditions

    return [f"{name}:" if isinstance(value, Dose) else name for name, value in conditions().items()]


def _scorers() -> Iterable[str]:
    from cambrian_eval.registry import scorers

    return [*scorers(), "judge"]


def _models() -> Iterable[str]:
    from cambrian_eval.registry import adapter_names

    alone = ("chance", "demo")
    return [name if name in alone else f"{name}:" for name in adapter_names()]


def _adapters() -> Iterable[str]:
    from cambrian_eval.registry import adapter_names

    return adapter_names()


def _recipes() -> Iterable[str]:
    from cambrian_eval.registry import recipe_files

    return recipe_files()


LISTS: dict[str, Callable[[], Iterable[str]]] = {
    "benchmark": _benchmarks,
    "benchmarks": _benchmarks,
    "vision": _conditions,
    "vision_b": _conditions,
    "scorer": _scorers,
}
"""Parameters that take names separated by commas."""
NAMES: dict[str, Callable[[], Iterable[str]]] = {
    "model": _models,
    "recipe": _recipes,
    "options": _adapters,
}
"""Parameters that take one name."""
RUNS = ("run", "runs", "a", "b", "language_model", "out")
"""Parameters that take a run folder, where they are paths."""


def attach(command: click.Command) -> None:
    """Gives every parameter of a command, and of its subcommands, what it completes."""
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        attach(inner)
    for parameter in command.params:
        found = _of(command.name or "", parameter)
        if found is not None:
            setattr(parameter, "shell_complete", found)  # noqa: B010 - a method of the class


Complete = Callable[[click.Context, str], list[CompletionItem]]


def _of(command: str, parameter: click.Parameter) -> Complete | None:
    name = parameter.name or ""
    if name == "kind" and command == "list":
        from cambrian_eval.cli.list_ import KINDS

        return lambda context, text: _begins(KINDS, text)
    if name == "benchmark" and command in ("show", "grade"):
        return lambda context, text: _begins(_single_benchmarks(), text)
    if isinstance(parameter.type, click.Path):
        return (lambda context, text: run_folders(text)) if name in RUNS else None
    if name in LISTS:
        return lambda context, text: in_list(LISTS[name](), text)
    if name in NAMES:
        return lambda context, text: _begins(NAMES[name](), text)
    return None


def _begins(names: Iterable[str], text: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.lower().startswith(text.lower())]


def in_list(names: Iterable[str], text: str) -> list[CompletionItem]:
    """Completes the last name of `a,b,c`; those before it are not offered again."""
    before, comma, last = text.rpartition(",")
    taken = before.split(",")
    found = _begins((name for name in names if name not in taken), last)
    return [CompletionItem(f"{before}{comma}{item.value}") for item in found]


def run_folders(text: str) -> list[CompletionItem]:
    """Run folders whose path begins with the text, also those one folder further down."""
    folder, _, name = text.rpartition("/")
    base = Path(folder or ("/" if text.startswith("/") else ".")).expanduser()
    found: list[str] = []
    for path in _folders(base):
        if not path.name.startswith(name) or (path.name.startswith(".") and not name):
            continue
        written = f"{folder}/{path.name}" if "/" in text else path.name
        if (path / "run.json").is_file():
            found.append(written)
        else:
            found += [f"{written}/{inner.name}" for inner in _folders(path) if (inner / "run.json").is_file()]
    return [CompletionItem(written) for written in found]


def _folders(base: Path) -> list[Path]:
    try:
        return sorted(path for path in islice(base.iterdir(), MOST_FOLDERS) if path.is_dir())
    except OSError:
        return []
