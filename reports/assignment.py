"""Which of the four categories each benchmark belongs to, by data, and where that contradicts the paper.

A benchmark goes to the category whose other members it correlates with best on average. Confidence is how often
that category still wins when models are resampled; where only a matrix is known, how often it wins when any one
other benchmark is left out. The paper assigned MMMU manually (by the type of its questions): `by-type` keeps it in
Knowledge and leaves it out of the means of other benchmarks, `by-data` treats it as any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cambrian_eval.numbers import number
from cambrian_eval.registry import CATEGORIES

from .catalogue import OTHER, entry, paper_category
from .correlation import Correlations, bootstrap
from .scores import ScoreTable

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Assignment:
    """One benchmark's category."""

    benchmark: str
    paper: str
    """The paper's manual category (`Other` for a benchmark it does not have)."""
    assigned: str
    by: str
    """`data`, or `question type` for MMMU under `by-type`."""
    confidence: float
    """Share of resamples in which the data suggest the same category."""
    data: str
    """The category that the data suggest; for MMMU it may differ from the assigned one."""
    mean_r: float
    """Mean correlation with that category's other members."""
    margin: float
    """How much that is above the next category."""

    @property
    def agrees(self) -> bool:
        """Whether data and the paper's category are the same."""
        return self.data == self.paper


def assign(
    found: Correlations, table: ScoreTable | None, mmmu: str = "by-type", resamples: int = 500, seed: int = 0
) -> list[Assignment]:
    """Every benchmark of the matrix with its category, where another benchmark has one."""
    names = found.benchmarks
    paper = [paper_category(name) for name in names]
    voters = [
        c if c != OTHER and not (n == "mmmu" and mmmu == "by-type") else None for n, c in zip(names, paper, strict=True)
    ]
    draws = [] if table is None else list(bootstrap(table.values, found.kind, resamples, seed))
    results = []
    for i, name in enumerate(names):
        means = _means(found.matrix[i], voters, i)
        if not means:
            continue
        ranked = sorted(means, key=lambda c: -means[c])
        best = ranked[0]
        others: Iterable[dict[str, float]]
        if table is not None:
            others = (_means(drawn[i], voters, i) for drawn in draws)
        else:
            others = (_means(found.matrix[i], voters, i, j) for j in range(len(names)) if j != i)
        won = [max(m, key=lambda c: m[c]) == best for m in others if m]
        margin = means[best] - means[ranked[1]] if len(ranked) > 1 else float("nan")
        hand = name == "mmmu" and mmmu == "by-type"
        results.append(
            Assignment(
                name,
                paper[i],
                paper[i] if hand else best,
                "question type" if hand else "data",
                float(np.mean(won)),
                best,
                means[best],
                margin,
            )
        )
    return results


def _means(row: Array, voters: Sequence[str | None], me: int, without: int | None = None) -> dict[str, float]:
    """Mean correlation of one benchmark with the voting members of each category."""
    found: dict[str, float] = {}
    for category in CATEGORIES:
        cells = [row[j] for j, c in enumerate(voters) if c == category and j not in (me, without)]
        cells = [r for r in cells if not np.isnan(r)]
        if cells:
            found[category] = round(float(np.mean(cells)), 12)  # rounded, so that equal means are a tie
    return found


def disagreements(found: Sequence[Assignment]) -> list[str]:
    """Where the data and the paper's categories disagree, a sentence each."""
    lines = []
    for a in found:
        if a.agrees or a.paper == OTHER:
            continue
        placed = " It stays there by its question type." if a.by != "data" else ""
        lines.append(
            f"{entry(a.benchmark).short}: the paper's category is {a.paper}, the data suggest {a.data} "
            f"(mean r {number(a.mean_r, 2)}, {number(a.margin, 2)} above the next, "
            f"confidence {a.confidence:.0%}).{placed}"
        )
    return lines
