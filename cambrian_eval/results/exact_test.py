"""The exact test of a difference between two runs: all exchanges of the two, image by image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def exchanged(gaps: Sequence[int]) -> float:
    """The exact two-sided p-value of exchanging the two runs image by image, from the gain of each image.

    Each gain keeps or changes its sign with equal probability; the distribution of their sum is the product over the
    sizes of gains of a binomial distribution each. With one question an image this is McNemar's exact test.
    """
    import numpy as np

    total = abs(sum(gaps))
    chances = np.ones(1)  # of the sums from -s to s, where s is the sum of the absolute gains so far
    for size, times in sorted(Counter(abs(gap) for gap in gaps if gap).items()):
        steps = np.zeros(2 * size * times + 1)
        steps[:: 2 * size] = _fair_coins(times)
        chances = np.convolve(chances, steps)
    middle = len(chances) // 2
    if total == 0:
        return 1.0
    return min(1.0, float(chances[: middle - total + 1].sum() + chances[middle + total :].sum()))


def _fair_coins(n: int) -> list[float]:
    """The probability of k heads among n coins, for k from 0 to n; each is rounded once.

    In whole numbers: `scipy.stats`, which has this function, takes half a second to import.
    """
    ways, found = 1, []
    for k in range(n // 2 + 1):
        found.append(ways / (1 << n))
        ways = ways * (n - k) // (k + 1)
    return found + found[: (n + 1) // 2][::-1]
