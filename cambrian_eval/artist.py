"""What an adapter draws its miniature rows with: the demo room implements it, adapters only call it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Sketch = Callable[[], Any]
"""An image that is drawn when it is needed; in a row it stands where the image belongs."""


class Scene(Protocol):
    """A question whose answer is one of a few values, with an image for each value."""

    @property
    def text(self) -> str:
        """The question."""
        ...

    @property
    def values(self) -> tuple[str, ...]:
        """All possible answers."""
        ...

    @property
    def claim(self) -> str:
        """The same as a yes/no question with {value} in it."""
        ...

    @property
    def image(self) -> Callable[[str], Sketch]:
        """From the true value to its image; everything else in the image is already fixed."""
        ...


@dataclass(frozen=True, slots=True)
class MiniRow:
    """A row in the dataset's own columns."""

    columns: Mapping[str, Any]
    """Cells; a `Sketch` where an image belongs."""
    prior: float
    """Probability that the best guess from the text alone is correct."""


class Artist(Protocol):
    """Draws one group of rows; all its choices follow from the benchmark, the split, the seed and the group."""

    group: int
    """Number of the group."""
    rng: Random
    """For choices that need no balance."""

    def kind(self, kinds: Sequence[T]) -> T:
        """The kind of question of this group, in turn."""
        ...

    def balanced(self, label: str, values: Sequence[T]) -> T:
        """One of the values: each equally often over the groups of a kind."""
        ...

    def scene(self, name: str) -> Scene:
        """A scene by name; see `cambrian_eval.demo.miniature.scenes`."""
        ...

    def options(self, scene: Any, k: int) -> tuple[list[str], int]:
        """`k` of the values as options, and the position of the right one."""
        ...


def schema_of(columns: Mapping[str, str]) -> dict[str, str]:
    """Column -> type, from type -> columns.

    >>> schema_of({"string": "id question", "image": "image"})
    {'id': 'string', 'question': 'string', 'image': 'image'}
    """
    return {name: kind for kind, names in columns.items() for name in names.split()}
