"""The registry of tasks: the modules of this folder that hold a `TASK`, and third parties' entry points."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from cvbench_builder.candidates import CandidateTable
from cvbench_builder.catalog import Catalog
from cvbench_builder.errors import BuilderError
from cvbench_builder.settings import BuildSettings
from cvbench_builder.task import Task

GROUP = "cvbench_builder.tasks"
"""Entry points of third parties' tasks: each names a `Task` object."""


@cache
def all_tasks() -> tuple[Task, ...]:
    """Every task, in the declared order."""
    found: list[tuple[str, object]] = []
    for module in pkgutil.iter_modules(__path__):
        own = import_module(f"{__name__}.{module.name}")
        if hasattr(own, "TASK"):
            found.append((own.__name__, own.TASK))
    for point in entry_points(group=GROUP):
        found.append((f"entry point {point.name!r} ({point.value})", point.load()))
    by_name: dict[str, Task] = {}
    for place, task in found:
        if not isinstance(task, Task):
            raise BuilderError(f"{place}: is not a cvbench_builder Task; fix or uninstall the package")
        if by_name.setdefault(task.name.lower(), task) is not task:
            raise BuilderError(f"{place}: a second task with the name {task.name}; rename or uninstall one")
    return tuple(sorted(by_name.values(), key=lambda t: (t.order, t.name)))


def task_named(name: str) -> Task:
    """The task with this name, in upper or lower case."""
    for task in all_tasks():
        if task.name.lower() == name.lower():
            return task
    known = ", ".join(task.name for task in all_tasks())
    raise BuilderError(f"task {name!r}: unknown; one of {known}, or install the package that provides it")


def chosen_tasks(settings: BuildSettings) -> list[Task]:
    """The tasks of a build."""
    return [task for task in all_tasks() if task.name in settings.tasks]


def enumerate_candidates(task: Task, catalog: Catalog, settings: BuildSettings) -> Iterator[CandidateTable]:
    """Tables of candidates, in image order; nothing for a source that the task cannot use."""
    if task.applies(catalog):
        yield from task.candidates(catalog, settings)
