"""How much scores vary with the samples of their benchmarks, for resampling a table of scores.

Runs know the verdict of every sample: the images of a benchmark are resampled, the same ones for all runs that were
scored on the same samples, and each score is computed again. A CSV that has only an interval for a score gives normal
variation of that width, independent between models. A score with neither varies with the models alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cambrian_eval.results import statistics
from cambrian_eval.results.comparison import cell_units
from cambrian_eval.results.grading import benchmark_of
from cambrian_eval.running.records import Cell
from cambrian_eval.sample import clusters

from .scores import ScoreTable

if TYPE_CHECKING:
    from .runs import NamedRun
    from .sources import Sources

Array = npt.NDArray[np.float64]

HALVES = ("cvbench_2d", "cvbench_3d")
NORMAL_WIDTH = 2 * 1.959964
"""Standard deviations in a 95 % interval."""


@dataclass(frozen=True)
class Sampling:
    """(model, benchmark) -> the change of the score in each resample; scores that are not here do not change."""

    changes: Mapping[tuple[str, str], Array] = field(default_factory=dict)
    n_resampled: int = 0
    """Scores whose samples were resampled."""
    n_normal: int = 0
    """Scores whose variation was drawn from their interval."""

    def of(self, table: ScoreTable, resamples: int) -> Array | None:
        """Resamples x models x benchmarks: what to add to the table; None where no score varies."""
        if not self.changes:
            return None
        found = np.zeros((resamples, *table.values.shape))
        for i, model in enumerate(table.models):
            for j, benchmark in enumerate(table.benchmarks):
                if (change := self._change(model, benchmark)) is not None:
                    found[:, i, j] = np.resize(change, resamples)
        return found

    def _change(self, model: str, benchmark: str) -> Array | None:
        if benchmark == "cvbench" and (model, benchmark) not in self.changes:
            halves = [self.changes[model, half] for half in HALVES if (model, half) in self.changes]
            return sum(halves) / 2 if halves else None  # type: ignore[return-value]
        return self.changes.get((model, benchmark))

    @property
    def note(self) -> str | None:
        """What the intervals contain beside the choice of models."""
        parts = []
        if self.n_resampled:
            parts.append(f"the samples of {self.n_resampled} scores were resampled")
        if self.n_normal:
            parts.append(f"the variation of {self.n_normal} scores was drawn from their intervals")
        return "; ".join(parts) or None


def sampling(sources: Sources, resamples: int, seed: int = 0) -> Sampling:
    """The variation of every score of the sources' table that has samples or an interval."""
    changes: dict[tuple[str, str], Array] = {}
    for benchmark in sorted({r.benchmark for named in sources.opened for r in named.results}):
        scored = [n for n in sources.opened if n.result(benchmark, sources.condition, sources.scorer) is not None]
        changes |= {
            (name, benchmark): change for name, change in _resampled(scored, benchmark, sources, resamples, seed)
        }
    n_resampled = len(changes)
    rng = np.random.default_rng(seed)
    table = sources.table
    for (model, benchmark), (low, high) in table.intervals.items():
        drawn = rng.standard_normal(resamples)
        if (model, benchmark) not in changes and benchmark in table.benchmarks and model in table.models:
            changes[model, benchmark] = drawn * (high - low) / NORMAL_WIDTH
    return Sampling(changes, n_resampled, len(changes) - n_resampled)


def _resampled(
    scored: list[NamedRun], benchmark: str, sources: Sources, resamples: int, seed: int
) -> list[tuple[str, Array]]:
    """Each run's change of score in each resample of the images."""
    found = []
    cell = Cell(benchmark, sources.condition)
    for named in scored:
        run = named.run
        verdicts = run.verdicts(cell, sources.scorer)
        samples = [s for s in run.samples(benchmark) if s.id in verdicts]
        if not samples or not any(s.answers for s in samples):
            continue
        # Sorted by id, so that equal seeds draw the same images for all runs on the same samples.
        samples.sort(key=lambda s: s.id)
        declared, cluster_of = benchmark_of(run, benchmark), clusters(samples)
        units = cell_units(declared, samples, run, cell, sources.scorer)
        weights = declared.metrics(sorted({u.stratum for u in units})).get("score", {})
        table = statistics.cluster_table(units, weights, cluster_of, keep_empty=True)
        if len(table.sums) < 2 or not table.sums.size:
            continue
        (drawn,) = statistics.Draws(len(table.sums), resamples, seed).metrics(table)
        # A resample without a unit of some stratum has no score: it changes nothing.
        found.append((named.name, np.nan_to_num(drawn - table.metric)))
    return found
