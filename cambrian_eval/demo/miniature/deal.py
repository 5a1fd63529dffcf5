"""How the miniature suite draws lots: one `Deck` per group of rows that belong together.

Owns seeding and balance. Every choice follows from (benchmark, split, seed, group number) alone, so a group
looks the same however many rows are asked for. Answers are *dealt*: within a block of as many turns as there
are values, each value comes exactly once, in an order shuffled per block. Everything else is drawn freely.
What the lots are used for is left to the scenes and the row builders.
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
class Ask:
    """A question whose answer is one of a few values, with an image for each value."""

    question: str
    values: tuple[str, ...]
    image: Callable[[str], Sketch]
    """From the true value to its image. Everything else in the image is already settled."""
    claim: str = ""
    """The same as a yes/no question with {value} in it."""


@dataclass(frozen=True)
class Made:
    """One finished row whose images are still sketches."""

    columns: dict[str, Any]
    prior: float
    """Chance that the best guess from the text alone is right."""


@dataclass(frozen=True)
class Look:
    """How one image is rendered: its tint, its random details, and how far they may stray."""

    seed: int
    background: tuple[int, int, int]
    wide: bool
    """True on the train split: more jitter, more tints, faint marks in the background."""


class Deck:
    """All random choices of one group of rows."""

    def __init__(self, name: str, split: Split, seed: int, group: int) -> None:
        self._space = f"{name}/{split}/{seed}"
        self.split = split
        self.group = group
        self.turn = group
        """How often this kind of question was asked before; the position within the deal."""
        self._kind = ""
        self.rng = Random(f"{self._space}/group/{group}")

    def kind(self, kinds: Sequence[T]) -> T:
        """The kind of question whose turn it is; afterwards `deal` counts turns of that kind alone."""
        self.turn, position = divmod(self.group, len(kinds))
        self._kind = str(position)
        return kinds[position]

    def deal(self, label: str, values: Sequence[T]) -> T:
        """The value whose turn it is: each exactly once in every `len(values)` turns."""
        block, place = divmod(self.turn, len(values))
        order = list(range(len(values)))
        Random(f"{self._space}/{self._kind}/{label}/{len(values)}/{block}").shuffle(order)
        return values[order[place]]

    def look(self) -> Look:
        """A fresh rendering style: calm on the eval split, more varied on the train split."""
        wide = self.split == "train"
        low = 205 if wide else 228
        tint = tuple(self.rng.randrange(low, 256) for _ in range(3))
        return Look(self.rng.getrandbits(32), (tint[0], tint[1], tint[2]), wide)

    def ask(self, draw: Callable[[Look, str], Image], values: tuple[str, ...], question: str, claim: str = "") -> Ask:
        """A question about the one thing that `draw` shows, its look settled here and the value left open."""
        look = self.look()

        def image(value: str) -> Sketch:
            return partial(draw, look, value)

        return Ask(question, values, image, claim)

    def options(self, ask: Ask, k: int, label: str = "letter") -> tuple[list[str], int]:
        """`k` of the values as options and the dealt place of the right one.

        Which values are offered is drawn before the right one is known, so the options say nothing about it.
        """
        offered = self.rng.sample(ask.values, k)
        return offered, self.deal(label, range(k))
