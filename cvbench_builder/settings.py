"""How the rules of a build are declared, and the value that holds all rules of one build.

A rule is a field of a `Rules` class: its type, its default and, in `Annotated`, a `Meta` with help, range and the
values in presets. Command-line options, checks, error messages and the table in the documentation are
generated from these declarations. Rules that only one task needs are declared in the file of that task.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from types import UnionType
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

from cvbench_builder.errors import BuilderError


@dataclass(frozen=True)
class Meta:
    """What an option needs beside its type and its default."""

    help: str
    low: float | None = None
    """Smallest permitted value."""
    high: float | None = None
    """Largest permitted value."""
    choices: tuple[str, ...] = ()
    """Permitted values of a text."""
    presets: Mapping[str, Any] = field(default_factory=dict)
    """Values in the presets that do not use the default."""


class Rules:
    """Base class of the groups of rules, each of which is a frozen dataclass with an `Annotated` type per field."""

    title: ClassVar[str]
    """Heading of the group in the documentation."""


R = TypeVar("R", bound=Rules)


@dataclass(frozen=True)
class Declared:
    """One option as its class declares it."""

    name: str
    type: type
    """Such as `bool` or `float`, without `None`; of a tuple the type of its items."""
    many: bool
    default: Any
    meta: Meta

    @property
    def flag(self) -> str:
        """The command-line option without the dashes."""
        return self.name.replace("_", "-")

    def value(self, preset: str) -> Any:
        """The value in a preset."""
        return self.meta.presets.get(preset, self.default)

    @property
    def default_text(self) -> str:
        """The default, and the presets that have another value; empty where the help explains the default."""
        if self.default is None:
            return ""
        others = [f"{preset}: {_text(value)}" for preset, value in self.meta.presets.items()]
        return "; ".join([_text(self.default), *others])

    def check(self, value: Any) -> None:
        """Raise when the value is not permitted; `None` means the default."""
        low, high, choices = self.meta.low, self.meta.high, self.meta.choices
        if value is None and self.default is None:
            return
        if choices and value not in choices:
            raise BuilderError(f"--{self.flag} {value}: unknown; one of {', '.join(choices)}")
        if low is not None and high is not None and not low <= value <= high:
            raise BuilderError(f"--{self.flag} {value}: must lie between {low:g} and {high:g}")
        if low is not None and not value >= low:
            bound = "must not be negative" if low == 0 else f"must be at least {low:g}"
            raise BuilderError(f"--{self.flag} {value}: {bound}")
        if high is not None and not value <= high:
            raise BuilderError(f"--{self.flag} {value}: must be at most {high:g}")


def _text(value: Any) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def declared(owner: type) -> tuple[Declared, ...]:
    """The fields of a dataclass that have a `Meta`, in the order of their declaration."""
    hints = get_type_hints(owner, include_extras=True)
    found = []
    for item in fields(owner):
        if get_origin(hints[item.name]) is not Annotated:
            continue
        kind, meta = get_args(hints[item.name])[:2]
        if get_origin(kind) in (Union, UnionType):
            kind = next(k for k in get_args(kind) if k is not type(None))
        many = get_origin(kind) is tuple
        found.append(Declared(item.name, get_args(kind)[0] if many else kind, many, item.default, meta))
    return tuple(found)


@dataclass(frozen=True)
class ObjectRules(Rules):
    """Rules for all objects that a question names."""

    title = "Objects"

    min_area: Annotated[float, Meta("Smallest share of the image area that an object covers.", 0, 1)] = 0.0025
    names: Annotated[
        str,
        Meta(
            "Names of ADE20K classes: the `first` synonym, or the `annotated` word that annotators wrote most often.",
            choices=("first", "annotated"),
            presets={"published": "annotated"},
        ),
    ] = "first"
    any_name: Annotated[
        bool,
        Meta("Ask about stuff (wall, sky, road), mass nouns and plurals too.", presets={"published": True}),
    ] = False


@dataclass(frozen=True)
class SamplingRules(Rules):
    """Limits on what the rows of a task have in common."""

    title = "Sampling"

    one_row_per_image: Annotated[
        bool, Meta("At most one row per image and task, also for tasks that permit more.", presets={"published": True})
    ] = False
    balance: Annotated[
        bool,
        Meta(
            "Take only rows whose answers no clue gives away: class pair, class, box size, vertical order, distance in "
            "the plane; drop rows until the audit passes.",
            presets={"strict": True},
        ),
    ] = False
    per_scene: Annotated[int, Meta("Largest number of rows per scene and task.", 0)] = 10
    min_frame_distance: Annotated[int, Meta("Smallest distance in frames between two images of a scene.", 0)] = 4
    pair_share: Annotated[float, Meta("Largest share of a task's rows about one pair of classes.", 0, 1)] = 0.04
    class_share: Annotated[float, Meta("Largest share of a 2D task's rows about one class.", 0, 1)] = 0.10


@dataclass(frozen=True)
class DrawingRules(Rules):
    """How images are written."""

    title = "Drawing"

    palette: Annotated[
        str,
        Meta(
            "Box colors: `published` is red, blue and green; `safe` is distinguishable with color blindness.",
            choices=("published", "safe"),
        ),
    ] = "published"
    marker: Annotated[
        str, Meta("How objects are highlighted: a box, or a point in the middle of it.", choices=("box", "point"))
    ] = "box"
    twins: Annotated[bool, Meta("Also write a mirrored twin of every row to twins/.")] = False


COMMON_RULES: tuple[type[Rules], ...] = (ObjectRules, SamplingRules, DrawingRules)
"""Groups that apply to every build."""


@dataclass(frozen=True)
class BuildSettings:
    """All rules of one build. Two builds with equal hash, sources and seed are byte-identical."""

    preset: str
    """The preset that the rules started from."""
    seed: int
    """Determines the hash by which candidates are sampled."""
    tasks: tuple[str, ...]
    sizes: tuple[tuple[str, int], ...]
    """Wanted rows per task; empty: every valid question, without quotas and limits."""
    groups: tuple[Rules, ...]

    def __getitem__(self, group: type[R]) -> R:
        """The rules of one group."""
        for item in self.groups:
            if type(item) is group:
                return item
        raise KeyError(f"{group.__name__} is not a group of rules of the tasks {', '.join(self.tasks)}")

    def size(self, task: str) -> int | None:
        """Wanted rows of a task; None: no limit."""
        return dict(self.sizes).get(task) if self.sizes else None

    def as_dict(self) -> dict[str, Any]:
        """Every setting by its name, as `build.json` stores it."""
        head = {"preset": self.preset, "seed": self.seed, "tasks": list(self.tasks), "sizes": dict(self.sizes)}
        return head | {rule.name: getattr(group, rule.name) for group in self.groups for rule in declared(type(group))}

    @cached_property
    def sha256(self) -> str:
        """Hash of all settings; it changes when any rule changes."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()


def build_group(group: type[R], preset: str, changes: Mapping[str, Any]) -> R:
    """A group with the values of a preset and some changes; a change of None keeps the value of the preset."""
    values = {}
    for rule in declared(group):
        given = changes.get(rule.name)
        values[rule.name] = rule.value(preset) if given is None else given
        rule.check(values[rule.name])
    return group(**values)


def unique_groups(groups: Iterable[type[Rules]]) -> tuple[type[Rules], ...]:
    """The groups without repetitions; refuses two groups that declare the same rule."""
    found = tuple(dict.fromkeys(groups))
    owner: dict[str, type[Rules]] = {}
    for group in found:
        for rule in declared(group):
            if owner.setdefault(rule.name, group) is not group:
                other = owner[rule.name].__name__
                raise BuilderError(f"rule {rule.name!r} is declared by both {other} and {group.__name__}; rename one")
    return found
