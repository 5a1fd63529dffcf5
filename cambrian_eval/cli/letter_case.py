"""Names of benchmarks, conditions and scorers in any letter case, in every command that takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click


def _benchmarks() -> Iterable[str]:
    from cambrian_eval.registry import declared_benchmarks

    return declared_benchmarks()


def _conditions() -> Iterable[str]:
    from cambrian_eval.registry import conditions

    return conditions()


def _scorers() -> Iterable[str]:
    from cambrian_eval.registry import scorers

    return [*scorers(), "judge"]


NAMES: dict[str, Callable[[], Iterable[str]]] = {
    "benchmark": _benchmarks,
    "vision": _conditions,
    "vision_b": _conditions,
    "scorer": _scorers,
}
"""Parameters, and the names that they take, one or several with commas between."""


def attach(command: click.Command) -> None:
    """Makes a command read these parameters in any letter case; unknown names are left to the command."""
    for parameter in command.params:
        if parameter.name in NAMES and parameter.type.name == "text" and not parameter.multiple:
            parameter.callback = _reading(NAMES[parameter.name], parameter.callback)


def _reading(known: Callable[[], Iterable[str]], inner: Any) -> Any:
    def read(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        value = spelled(value, known()) if isinstance(value, str) and value != value.lower() else value
        return value if inner is None else inner(context, parameter, value)

    return read


def spelled(text: str, known: Iterable[str]) -> str:
    """`MMVP, Gqa` as the known names are spelled; an amount behind a colon stays."""
    from cambrian_eval.plugins import folded

    names = list(known)

    def one(part: str) -> str:
        name, colon, amount = part.strip().partition(":")
        return f"{folded(name, names)}{colon}{amount}"

    return ",".join(map(one, text.split(",")))
