"""Confidence sequences: bounds on the score of all samples that hold at every moment while samples come in.

Samples come in blocks, in random order and without replacement. Each block contributes between 0 and its known size to
a total between 0 and 1, the share of the full score. A bettor on "the total is larger than x" who bets before each
block multiplies the wealth by

    1 + bet * (Z - E[Z | blocks so far, total x]),    Z = blocks * (value - guess * size)

which is fair or a loss where the total is at most x, whatever the bets. By Ville's inequality the wealth then reaches
1 / a with probability at most a, at any time; the lower bound is the largest x whose wealth has reached it. The guess
is the mean so far, so that blocks of unequal sizes cost no precision. The upper bound is the lower one of 1 - value.
Method: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (2024), section 4 (sampling
without replacement), with bets for the half-widths that are wanted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cambrian_eval.results.statistics import LEVEL

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

MOST_BET = 0.75
"""The largest share of the wealth that one block may lose."""
PRIOR_VARIANCE = 0.25
"""The variance that is assumed of the first block; it weighs as much as one block."""
TARGETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
"""Half-widths, as shares of the full score, that bets are spread over where none is wanted in particular."""
LOOKS = 100
"""How often a benchmark is looked at, at most: bounds take a few milliseconds."""
PRECISION = 1e-5
"""Bounds are found to this share of the full score, rounded outwards."""


@dataclass(frozen=True)
class Population:
    """The blocks that all samples form: the largest contribution of each, in the order in which they come."""

    sizes: Array
    """Non-negative; they add up to 1."""

    @property
    def n(self) -> int:
        """Number of blocks."""
        return len(self.sizes)

    @property
    def looks(self) -> range:
        """After how many blocks bounds are looked at; never after all of them."""
        every = max(1, self.n // LOOKS)
        return range(every, self.n, every)


class Game:
    """What a bettor knows before each of the blocks that came so far, whatever the total."""

    def __init__(self, population: Population, values: Array) -> None:
        """`values` has the blocks in its last axis; other axes are independent repetitions."""
        import numpy as np

        t, blocks = values.shape[-1], population.n
        sizes = population.sizes[:t]
        zero = np.zeros((*values.shape[:-1], 1))
        before = np.concatenate([zero, values.cumsum(axis=-1)[..., :-1]], axis=-1)
        left = 1.0 - np.concatenate([[0.0], sizes.cumsum()[:-1]])
        guess = (before + 0.5 / blocks) / (1.0 - left + 1.0 / blocks)
        self._gains = blocks * (values - guess * sizes)
        squares = np.concatenate([zero, (self._gains**2).cumsum(axis=-1)[..., :-1]], axis=-1)
        self._variance = (PRIOR_VARIANCE + squares) / np.arange(1, t + 1)
        self._scale = blocks / (blocks - np.arange(t))
        self._known = before + guess * left
        self._most = guess * (blocks * population.sizes.max())

    def factors(self, total: float | Array, target: float) -> Array:
        """By what each block multiplies the wealth of a bettor on a total that is larger than `total`, as logarithms.

        `total` is one number, or an array that ends in an axis of length 1. `target` is the distance between the total
        and the bound for which the bets are chosen.
        """
        import numpy as np

        fair = self._scale * (total - self._known)
        distance = target * self._scale
        bet = np.minimum(distance / (self._variance + distance**2), MOST_BET / np.maximum(fair + self._most, 1e-12))
        return np.asarray(np.log1p(bet * (self._gains - fair)))


def log_wealth(population: Population, values: Array, total: float | Array, target: float) -> Array:
    """The logarithm of the wealth after each block; see `Game`."""
    return Game(population, values).factors(total, target).cumsum(axis=-1)


def _lower(population: Population, values: Array, targets: Sequence[float], level: float) -> float:
    """The lower bound on the total after the blocks in `values`."""
    import numpy as np

    enough = math.log(2.0 / (1.0 - level))  # half of the error for each side
    low = float(values.sum())  # the rest adds nothing, or all of it
    high = min(1.0, low + 1.0 - float(population.sizes[: len(values)].sum()))
    game = Game(population, values)

    def reached(total: float) -> bool:
        logs = [game.factors(total, target).sum() for target in targets]
        return float(np.logaddexp.reduce(logs)) - math.log(len(logs)) >= enough

    if high - low <= PRECISION or not len(values) or not reached(low + PRECISION):
        return low
    while high - low > PRECISION:
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) else (low, middle)
    return low


@dataclass(frozen=True, slots=True)
class Bounds:
    """An interval that holds the total, whenever one looks."""

    low: float
    high: float

    @property
    def half(self) -> float:
        """Half of its width."""
        return (self.high - self.low) / 2


def bounds(population: Population, values: Array, targets: Sequence[float], level: float = LEVEL) -> Bounds:
    """The bounds on the total after the blocks in `values`, narrowest for the half-widths in `targets`."""
    low = _lower(population, values, targets, level)
    high = 1.0 - _lower(population, population.sizes[: len(values)] - values, targets, level)
    return Bounds(low, max(low, high))
