"""A table of scores with its correlations and their resamples: what every step with an interval begins from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from . import pca, positions
from .correlation import RESAMPLES, Correlations, bootstrap, correlate, prepared, resampled
from .sampling import Sampling, sampling
from .scores import ScoreTable

if TYPE_CHECKING:
    from .sources import Sources

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Resampled:
    """The table an analysis uses and its correlation matrices over resampled models and samples."""

    table: ScoreTable
    correlations: Correlations
    matrices: Array
    """Resamples x benchmarks x benchmarks."""
    changes: Array | None
    """The variation of each score over its own samples, where it is known: resamples x models x benchmarks."""
    seed: int

    def components(self, method: str) -> pca.Components:
        """The principal components by the paper's recipe, or of standardized scores."""
        return pca.of_scores(self.table) if method == "scores" else pca.of_matrix(self.correlations)

    def positions(self, method: str) -> positions.Positions | None:
        """The plane of principal components with the region of each benchmark; None with too few resamples."""
        tables = resampled(self.table.values, len(self.matrices), self.seed, self.changes)
        drawn = positions.drawn_components(self.correlations, self.table, method, self.matrices, tables)
        return positions.positions(self.components(method), drawn)


def resample(
    table: ScoreTable, kind: str, cvbench: str, impute: bool, seed: int = 0, varying: Sampling | None = None
) -> Resampled:
    """The usable part of a table, correlated and resampled."""
    used = prepared(table, cvbench, impute)
    changes = None
    if varying is not None and varying.note:
        changes = varying.of(used, RESAMPLES)
        used = replace(used, notes=(*used.notes, f"intervals: {varying.note}"))
    found = correlate(used, kind, seed=seed, changes=changes)
    return Resampled(used, found, bootstrap(used.values, kind, RESAMPLES, seed, changes), changes, seed)


def resample_sources(sources: Sources, kind: str, cvbench: str, impute: bool) -> Resampled:
    """The same for the sources of a figure."""
    return resample(sources.table, kind, cvbench, impute, varying=sampling(sources, RESAMPLES))


def sparse(table: ScoreTable) -> str:
    """Why nothing can be said about uncertainty, and what to do."""
    return (
        f"{table.source}: too few resamples of the models have a correlation for every pair of benchmarks; leave out "
        "sparse benchmarks with --benchmarks, or fill gaps with --impute"
    )
