"""The three presets, and settings made from a preset and the values a user gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cvbench_builder.errors import BuilderError
from cvbench_builder.settings import (
    COMMON_RULES,
    BuildSettings,
    Declared,
    Rules,
    build_group,
    declared,
    unique_groups,
)
from cvbench_builder.tasks import all_tasks, task_named


@dataclass(frozen=True)
class Preset:
    """A starting point for the rules; each rule declares the values that differ between presets."""

    help: str
    everything: bool = False
    """Take every valid question, without quotas and limits."""


PRESETS = {
    "published": Preset("the published sizes, options and wording; at most one row per image and task"),
    "strict": Preset("the same sizes over the given sources; correct plurals, only unambiguous counts"),
    "max": Preset("every valid question", everything=True),
}
DEFAULT = "strict"


def rule_groups() -> tuple[type[Rules], ...]:
    """All groups of rules: the common ones, then those of each task."""
    return unique_groups([*COMMON_RULES, *(group for task in all_tasks() for group in task.rules)])


def all_rules() -> list[Declared]:
    """Every rule of every group."""
    return [rule for group in rule_groups() for rule in declared(group)]


def make(
    preset: str = DEFAULT,
    *,
    seed: int = 1,
    tasks: tuple[str, ...] = (),
    sizes: Mapping[str, int | None] | None = None,
    **changes: Any,
) -> BuildSettings:
    """Settings from a preset.

    `tasks` are task names (none given: those of CV-Bench), `sizes` the wanted rows by task name, `changes` rules by
    their name; None means unchanged.
    """
    if preset not in PRESETS:
        raise BuilderError(f"--preset {preset}: unknown; one of {', '.join(PRESETS)}")
    wrong = sorted(set(changes) - {rule.name for rule in all_rules()})
    if wrong:
        raise BuilderError(f"rule {wrong[0]!r}: unknown; one of {', '.join(r.name for r in all_rules())}")
    named = {task_named(t).name for t in tasks} or {task.name for task in all_tasks() if not task.extra}
    chosen = [task for task in all_tasks() if task.name in named]
    wanted = {task.name: task.rows for task in chosen}
    for name, rows in (sizes or {}).items():
        if rows is None:
            continue
        if PRESETS[preset].everything:
            raise BuilderError(f"--{name.lower()}-rows: preset {preset} takes every valid row; use --preset {DEFAULT}")
        if rows < 0:
            raise BuilderError(f"--{name.lower()}-rows {rows}: must not be negative")
        wanted |= {name: rows} if name in wanted else {}
    # every value is checked; the settings keep the rules of the chosen tasks alone
    made = {group: build_group(group, preset, changes) for group in rule_groups()}
    kept = unique_groups([*COMMON_RULES, *(group for task in chosen for group in task.rules)])
    return BuildSettings(
        preset=preset,
        seed=seed,
        tasks=tuple(task.name for task in chosen),
        sizes=() if PRESETS[preset].everything else tuple(wanted.items()),
        groups=tuple(made[group] for group in kept),
    )


def rules_table() -> list[str]:
    """Every rule with its default and its values in presets, as the lines of a Markdown table."""
    lines = ["| option | default | rule |", "| --- | --- | --- |"]
    for group in rule_groups():
        lines.append(f"| **{group.title}** | | |")
        for rule in declared(group):
            help = rule.meta.help.replace("|", "\\|")
            values = f" One of {', '.join(f'`{c}`' for c in rule.meta.choices)}." if rule.meta.choices else ""
            lines.append(f"| `--{rule.flag}` | {rule.default_text} | {help}{values} |")
    return lines
