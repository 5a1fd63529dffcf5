"""Figure: what a file of `figures/` declares.

A figure is one class: its name and line of help, what it reads, its own options, how its numbers are computed and how
they are drawn. Computing and drawing are apart because a report draws the same numbers in two styles. Third parties
add figures by an entry point in the group `cambrian_eval.figures`; `figures.figures` finds both. Importing a figure's
module must be fast: heavy imports belong inside `compute` and `draw`.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from cambrian_eval.errors import unknown

if TYPE_CHECKING:
    from .sources import Sources
    from .style import Drawing, Theme

Numbers = TypeVar("Numbers")
Chosen = TypeVar("Chosen")
Reads = Literal["scores", "results"]
Selection = Literal["models", "benchmarks", "scorer", "vision"]


@dataclass(frozen=True)
class NoOptions:
    """The options of a figure that has none of its own."""


def option(default: str | bool | None, help: str, choices: Sequence[str] = ()) -> Any:
    """A field of a figure's `Options`: text, one of several texts, or a flag."""
    return dataclasses.field(default=default, metadata={"help": help, "choices": tuple(choices)})


class Figure(ABC, Generic[Numbers, Chosen]):
    """The declaration of one figure."""

    name: ClassVar[str]
    """What `cambrian-eval plot` calls it; letters, digits and `_`."""
    summary: ClassVar[str]
    """One line for the help text: what the figure shows."""
    reads: ClassVar[Reads] = "scores"
    """`scores`: one table of models by benchmarks, from runs, CSV files or the paper's tables (`Sources.table`).
    `results`: several conditions or scorers, from runs or long CSV files (`Sources.results`)."""
    selects: ClassVar[tuple[Selection, ...]] = ("models", "benchmarks", "scorer", "vision")
    """Which of the shared options that select a part of the sources it takes."""
    options: ClassVar[type[Any]] = NoOptions
    """Its own options: a frozen dataclass whose fields are made by `option`; a field `x` is `--x` in the command."""

    @abstractmethod
    def compute(self, sources: Sources, options: Chosen) -> Numbers:
        """The numbers to draw. Raises `UserError` where the sources do not have them."""

    @abstractmethod
    def draw(self, numbers: Numbers, theme: Theme) -> Drawing:
        """The drawing in a style."""

    def in_report(self, sources: Sources) -> Mapping[str, Chosen]:
        """What a report of runs shows of this figure: the name of each drawing and its options.

        Empty where the figure does not apply to these runs. Where `compute` raises `UserError`, the report shows the
        reason instead.
        """
        return {self.name: self.options()}


@dataclass(frozen=True, slots=True)
class OptionField:
    """One option of a figure's own, as the command line shows it."""

    name: str
    default: Any
    """Text, None, or for a flag False."""
    help: str
    choices: tuple[str, ...]

    @property
    def flag(self) -> str:
        """How it is written on the command line."""
        return "--" + self.name.replace("_", "-")

    def checked(self, value: Any) -> Any:
        """The value; raises `UserError` where it is not among the choices. Case does not matter."""
        if not self.choices or value is None:
            return value
        if value.lower() not in self.choices:
            raise unknown(self.flag, value, self.choices)
        return value.lower()


def option_fields(figure: Figure[Any, Any]) -> list[OptionField]:
    """The options of a figure's own, in the order of its class."""
    return [
        OptionField(f.name, f.default, f.metadata["help"], f.metadata["choices"])
        for f in dataclasses.fields(figure.options)
    ]
