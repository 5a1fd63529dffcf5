"""How a metric is computed from the means of strata: a weighted sum, or a sum of quotients of weighted sums.

Both are plain values, so that the bootstrap can compute any metric of any resample with matrix products.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Weights = Mapping[str, float]
"""Stratum -> weight of its mean."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A sum of quotients, each of two weighted sums of stratum means: F1, precision, a relative score.

    A quotient whose lower side is 0 counts 0.
    """

    terms: tuple[tuple[Weights, Weights], ...]
    """The upper and the lower side of each quotient."""


Formula = Weights | Ratio
"""A metric."""


def strata_of(formula: Formula) -> frozenset[str]:
    """The strata that a metric reads.

    >>> sorted(strata_of(Ratio((({"hits": 2.0}, {"said": 1.0, "are": 1.0}),))))
    ['are', 'hits', 'said']
    """
    if isinstance(formula, Ratio):
        return frozenset(name for sides in formula.terms for side in sides for name in side)
    return frozenset(formula)


def value(formula: Formula, means: Mapping[str, float]) -> float:
    """The metric for the means of strata; a stratum without a mean adds nothing.

    >>> value({"a": 50.0, "b": 50.0}, {"a": 0.5, "b": 1.0})
    75.0
    >>> value(Ratio((({"hits": 200.0}, {"said": 1.0, "are": 1.0}),)), {"hits": 0.25, "said": 0.5, "are": 0.5})
    50.0
    """
    if not isinstance(formula, Ratio):
        return _sum(formula, means)
    found = 0.0
    for upper, lower in formula.terms:
        below = _sum(lower, means)
        found += _sum(upper, means) / below if below else 0.0
    return found


def _sum(weights: Weights, means: Mapping[str, float]) -> float:
    from math import fsum

    return fsum(weight * means[name] for name, weight in weights.items() if name in means)
