"""The command-line options that are generated from declarations: presets, tasks, sources and rules.

Commands of the class `BuildCommand` have these options beside their own. They are made when the command is used,
because the declarations import numpy.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from typer.core import TyperCommand, TyperOption

from cvbench_builder.errors import BuilderError

if TYPE_CHECKING:
    from cvbench_builder.inputs import Inputs
    from cvbench_builder.settings import BuildSettings, Declared


class BuildCommand(TyperCommand):
    """A command with the generated options; their values are in the `obj` of its context.

    Options that take several values accept them at once: `--omni3d a.json b.json`.
    """

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own options, the generated ones, and `--help`."""
        try:
            generated = [*source_options(), *setting_options()]
        except BuilderError as error:
            raise click.UsageError(str(error)) from None
        *own, last = super().get_params(ctx)
        return [*own, *generated, last]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeats an option before each of its further values, which is the form that click accepts."""
        many = {o for p in self.get_params(ctx) if getattr(p, "multiple", False) for o in p.opts}
        spread: list[str] = []
        option, values = "", 0
        for token in args:
            if token.startswith("-"):
                option, values = token, 0
            else:
                values += 1
                if values > 1 and option in many:
                    spread.append(option)
            spread.append(token)
        return super().parse_args(ctx, spread)

    def invoke(self, ctx: click.Context) -> Any:
        """Hand over the values of the generated options in `ctx.obj`."""
        names = [option.name for option in (*source_options(), *setting_options())]
        ctx.obj = {name: ctx.params.pop(name) for name in names}
        return super().invoke(ctx)


@cache
def source_options() -> tuple[TyperOption, ...]:
    """One option per declared field of `Inputs`."""
    from cvbench_builder.inputs import Inputs
    from cvbench_builder.settings import declared

    return tuple(_option(item, "Sources", item.default) for item in declared(Inputs))


@cache
def setting_options() -> tuple[TyperOption, ...]:
    """Preset, seed and tasks, the wanted rows of each task, and one option per rule."""
    from cvbench_builder.presets import DEFAULT, PRESETS, rule_groups
    from cvbench_builder.settings import COMMON_RULES, declared
    from cvbench_builder.tasks import all_tasks

    presets = "; ".join(f"`{name}`: {preset.help}" for name, preset in PRESETS.items())
    names = [task.name.lower() for task in all_tasks()]
    options = [
        TyperOption(
            param_decls=["--preset"],
            type=str,
            default=DEFAULT,
            show_default=True,
            metavar=_choices(PRESETS),
            help=f"Where the rules start from. {presets}.",
        ),
        TyperOption(
            param_decls=["--seed"], type=int, default=1, show_default=True, help="Random seed of the sampling."
        ),
        TyperOption(
            param_decls=["--task"],
            type=click.Choice(names, case_sensitive=False),
            multiple=True,
            help="Only these tasks (default: those of CV-Bench).",
        ),
    ]
    for task in all_tasks():
        flag, text = f"--{task.name.lower()}-rows", f"Wanted rows of {task.name} (default: {task.rows})."
        options.append(TyperOption(param_decls=[flag], type=int, help=text, rich_help_panel="Sampling"))
    for group in rule_groups():
        prefix = "" if group in COMMON_RULES else f"{group.title}: "
        options += [_option(rule, group.title, None, prefix) for rule in declared(group)]
    return tuple(options)


def _option(item: Declared, panel: str, default: Any, prefix: str = "") -> TyperOption:
    text = item.meta.help if not prefix else prefix + item.meta.help[0].lower() + item.meta.help[1:]
    default_text = "" if item.many or not item.default_text else f" (default: {item.default_text})"
    flag = f"--{item.flag}"
    return TyperOption(
        param_decls=[f"{flag}/--no-{item.flag}" if item.type is bool else flag],
        type=click.Path(path_type=Path) if item.type is Path else item.type,
        multiple=item.many,
        is_flag=item.type is bool or None,
        default=default if not item.many else None,
        metavar=_choices(item.meta.choices) if item.meta.choices else None,
        help=f"{text.removesuffix('.')}{default_text}.",
        rich_help_panel=panel,
    )


def _choices(values: Any) -> str:
    return f"[{'|'.join(values)}]"


def settings_from(values: dict[str, Any]) -> BuildSettings:
    """The settings that the options give."""
    from cvbench_builder.presets import all_rules, make
    from cvbench_builder.tasks import all_tasks

    return make(
        values["preset"],
        seed=values["seed"],
        tasks=values["task"],
        sizes={task.name: values[f"{task.name.lower()}_rows"] for task in all_tasks()},
        **{rule.name: values[rule.name] for rule in all_rules()},
    )


def inputs_from(values: dict[str, Any], cache_dir: Path | None, no_cache: bool, workers: int) -> Inputs:
    """The sources that the options give."""
    from cvbench_builder.cache import Cache, default_folder
    from cvbench_builder.inputs import Inputs

    cache = Cache(None if no_cache else cache_dir or default_folder())
    return Inputs(**{option.name: values[option.name] for option in source_options()}, cache=cache, workers=workers)
