"""The random choices of the miniature suite: one `Sampler` for each group of rows that belong together.

Seeds and balance are decided here alone. Every choice follows from (benchmark, split, seed, group number), so a group
looks the same however many rows are requested. Answers are *balanced*: within a block of as many turns as there are
values, each value comes exactly once, in an order shuffled per block. Everything else is independently random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from PIL.Image import Image

Split = Literal["eval", "train"]
Sketch = Callable[[], "Image"]
"""An image that is drawn when it is needed."""
T = TypeVar("T")


@dataclass(frozen=True)
class Template:
    """A question whose answer is one of a few values, with an image for each value."""

    text: str
    """The question."""
    values: tuple[str, ...]
    """All possible answers."""
    image: Callable[[str], Sketch]
    """From the true value to its image. Everything else in the image is already fixed."""
    claim: str = ""
    """The same as a yes/no question with {value} in it."""


@dataclass(frozen=True)
class DraftRow:
    """A complete row whose images are not drawn yet."""

    columns: dict[str, Any]
    prior: float
    """Probability that the best guess from the text alone is correct."""


@dataclass(frozen=True)
class Look:
    """How one image is rendered: its tint, its random details, and how much they vary."""

    seed: int
    background: tuple[int, int, int]
    varied: bool
    """True on the train split: more jitter, more tints, faint marks in the background."""


class Sampler:
    """All random choices of one group of rows."""

    def __init__(self, name: str, split: Split, seed: int, group: int) -> None:
        self._space = f"{name}/{split}/{seed}"
        self.split = split
        self.group = group
        self.occurrence = group
        """How many earlier groups have this kind of question; the position within the balanced order."""
        self._kind = ""
        self.rng = Random(f"{self._space}/group/{group}")

    def kind(self, kinds: Sequence[T]) -> T:
        """The kind of question of this group, in turn; afterwards `balanced` counts groups of that kind alone."""
        self.occurrence, position = divmod(self.group, len(kinds))
        self._kind = str(position)
        return kinds[position]

    def balanced(self, label: str, values: Sequence[T]) -> T:
        """One of the values: each exactly once in every `len(values)` consecutive occurrences."""
        block, place = divmod(self.occurrence, len(values))
        order = list(range(len(values)))
        Random(f"{self._space}/{self._kind}/{label}/{len(values)}/{block}").shuffle(order)
        return values[order[place]]

    def look(self) -> Look:
        """A new random look: plain on the eval split, more varied on the train split."""
        varied = self.split == "train"
        low = 205 if varied else 228
        tint = tuple(self.rng.randrange(low, 256) for _ in range(3))
        return Look(self.rng.getrandbits(32), (tint[0], tint[1], tint[2]), varied)

    def template(
        self, draw: Callable[[Look, str], Image], values: tuple[str, ...], text: str, claim: str = ""
    ) -> Template:
        """A question about the one thing that `draw` shows; the look is fixed here, the value is not."""
        look = self.look()

        def image(value: str) -> Sketch:
            return partial(draw, look, value)

        return Template(text, values, image, claim)

    def options(self, template: Template, k: int, label: str = "letter") -> tuple[list[str], int]:
        """`k` of the values as options, and the position of the correct one (balanced).

        The options are chosen before the correct one is known, so they reveal nothing about it.
        """
        offered = self.rng.sample(template.values, k)
        return offered, self.balanced(label, range(k))
