"""The command that made a figure, rebuilt from the parsed command line.

It is rebuilt, not copied, so that it does not depend on how the program was started and can be pasted into a shell.
"""

from __future__ import annotations

import shlex
from typing import Any


def command_line(context: Any) -> str:
    """The command of a Typer context with every option that was given."""
    words = ["cambrian-eval", *_path(context)]
    given = [
        (parameter, context.params.get(parameter.name))
        for parameter in context.command.params
        if parameter.name in context.params
        and str(getattr(context.get_parameter_source(parameter.name), "name", "")) == "COMMANDLINE"
    ]
    for parameter, value in given:
        values = value if isinstance(value, list | tuple) else [value]
        if parameter.param_type_name == "argument":
            words += [str(v) for v in values]
        elif isinstance(value, bool):
            names = parameter.opts if value else parameter.secondary_opts
            words += [max(names, key=len)] if names else []
        else:
            for v in values:
                words += [max(parameter.opts, key=len), str(v)]
    return " ".join(shlex.quote(word) for word in words)


def _path(context: Any) -> list[str]:
    """The verb, and the sub-verb where there is one."""
    names: list[str] = []
    while context is not None and context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    return names
