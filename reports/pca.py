"""Principal components of benchmarks: by the paper's recovered recipe, or of standardized scores.

`paper`: the rows of the benchmarks x benchmarks correlation matrix, centered by column, no further scaling; the
figure draws the second component to the right and the first upwards. `scores`: every benchmark is a point in the
space of models (scores standardized within the benchmark over models), centered; first component to the right.
The sign of a component is arbitrary; a rule fixes it. Drawing is left to `figures`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cambrian_eval.errors import UserError

from .catalogue import entry
from .correlation import Correlations
from .scores import ScoreTable

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """Every benchmark as a point, with what each axis explains."""

    benchmarks: tuple[str, ...]
    positions: Array
    """benchmarks x components, by falling explained variance."""
    explained: Array
    """Share of variance of each component."""
    method: str
    """`paper` or `scores`."""
    axes: tuple[int, int]
    """Which component is drawn to the right and which upwards."""
    source: str
    """Where the numbers come from, in words."""
    notes: tuple[str, ...] = ()

    @property
    def xy(self) -> Array:
        """The two components that are drawn, the one to the right first."""
        return self.positions[:, list(self.axes)]


def principal(rows: Array) -> tuple[Array, Array]:
    """PCA of centered rows as points: positions (rows x components) and explained shares."""
    centered = rows - rows.mean(axis=0)
    u, s, _ = np.linalg.svd(centered, full_matrices=False)
    variance = s**2
    return u * s, variance / variance.sum()


def of_matrix(found: Correlations) -> Components:
    """The paper's recipe on a correlation matrix."""
    positions, explained = principal(found.matrix)
    signed = _signed(found.benchmarks, positions, (1, 0))
    return Components(found.benchmarks, signed, explained, "paper", (1, 0), found.source, found.notes)


def of_scores(table: ScoreTable) -> Components:
    """Standardized scores, benchmarks as points. Every cell must have a value."""
    if np.isnan(table.values).any():
        row, column = np.argwhere(np.isnan(table.values))[0]
        raise UserError(
            f"{table.source}: {table.models[row]} has no score for {table.benchmarks[column]}, and --method scores "
            "needs every cell; give --impute, leave columns out with --benchmarks, or use --method paper"
        )
    positions, explained = principal(standardized(table.values).T)
    signed = _signed(table.benchmarks, positions, (0, 1))
    return Components(table.benchmarks, signed, explained, "scores", (0, 1), table.source, table.notes)


def standardized(values: Array) -> Array:
    """Columns with mean 0 and (population) standard deviation 1."""
    return np.asarray((values - values.mean(axis=0)) / values.std(axis=0), dtype=np.float64)


def _signed(benchmarks: tuple[str, ...], positions: Array, axes: tuple[int, int]) -> Array:
    """Signs as in the paper's figure: General to the right, OCR & Chart upwards; else the largest is positive."""
    signs = np.ones(positions.shape[1])
    categories = np.array([entry(name).category for name in benchmarks])
    wanted = {axes[0]: "General", axes[1]: "OCR & Chart"}
    for k in range(positions.shape[1]):
        column = positions[:, k]
        members = column[categories == wanted[k]] if k in wanted else column[:0]
        lead = float(members.mean()) if members.size else 0.0
        if abs(lead) < 1e-9:
            lead = float(column[np.argmax(np.abs(column))])
        signs[k] = -1.0 if lead < 0 else 1.0
    return positions * signs
