"""The exact test of a difference between two runs: all exchanges of the two, image by image."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]


def exchanged(gaps: Sequence[int]) -> float:
    """The exact two-sided p-value of exchanging the two runs image by image, from the gain of each image.

    Each gain keeps or changes its sign with equal probability; the distribution of their sum is the product over the
    sizes of gains of a binomial distribution each. With one question an image this is McNemar's exact test.
    """
    import numpy as np

    total = abs(sum(gaps))
    if total == 0:
        return 1.0
    chances = np.ones(1)  # of the sums from -s to s, where s is the sum of the absolute gains so far
    for size, times in sorted(Counter(abs(gap) for gap in gaps if gap).items()):
        steps = np.zeros(2 * size * times + 1)
        steps[:: 2 * size] = _coins(times)
        chances = np.convolve(chances, steps)
    middle = len(chances) // 2
    return min(1.0, float(chances[: middle - total + 1].sum() + chances[middle + total :].sum()))


def _coins(n: int) -> Array:
    """The probabilities of 0 to n heads of n fair coins, from the exact one in the middle outwards.

    Without `scipy.stats`, which has this function and takes half a second to import.
    """
    import numpy as np

    heads = np.arange(n // 2, n)
    upper = np.cumprod([math.comb(n, n // 2) / 2**n, *((n - heads) / (heads + 1))])  # of n // 2 heads and more
    return np.concatenate([upper[::-1][: n // 2], upper])
