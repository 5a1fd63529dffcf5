"""What each sample contributes to a score, so that the score of all samples has bounds while only some are known.

A metric that is a weighted sum of stratum means is a sum over all units (samples, pairs, groups) of their values, each
with a known share of the full score: its stratum's weight over the number of units there. The shares of the units in a
block are its size in `sequences`. So accuracy, pair and group accuracy, MME's sum over categories and averages over
tasks all have bounds; a metric that is a quotient (F1) has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cambrian_eval.benchmark import Benchmark, Graded, Unit
from cambrian_eval.errors import ContractError, UserError
from cambrian_eval.formula import Ratio
from cambrian_eval.results import repeats
from cambrian_eval.results.sequences import TARGETS, Population, bounds
from cambrian_eval.running.stopping import Stop, in_blocks
from cambrian_eval.sample import Sample, Verdict

Verdicts = Mapping[str, Sequence[Verdict]]
"""Sample id -> its verdict in each repeat."""


@dataclass(frozen=True)
class Shares:
    """The shares of all units of a benchmark, by block."""

    benchmark: Benchmark
    scorer: str
    blocks: Sequence[Sequence[Sample]]
    of_unit: Mapping[str, float]
    """Stratum -> the share of each of its units."""
    full: float
    """The score where every unit is right."""
    population: Population
    first: Mapping[str, int]
    """Stratum -> the first block with a unit of it."""

    @classmethod
    def of(cls, benchmark: Benchmark, blocks: Sequence[Sequence[Sample]], scorer: str) -> Shares:
        """The shares before anything is known; an error where the metric has no bounds."""
        import numpy as np

        samples = [s for block in blocks for s in block]
        places = {s.id: i for i, block in enumerate(blocks) for s in block}
        nothing = Verdict(0.0, None, "not asked yet")
        units, ordered = _units(benchmark, samples, {s.id: [nothing] for s in samples}, scorer)
        formula = benchmark.metrics(sorted({u.stratum for u in units})).get("score", {})
        if isinstance(formula, Ratio) or any(weight < 0 for weight in formula.values()):
            raise UserError(
                f"{benchmark.name}: its score under {scorer!r} is a quotient, for which there are no bounds while "
                "samples come in; leave out --until and --until-different, or leave out this benchmark"
            )
        counted = [u for u in units if formula.get(u.stratum, 0) > 0]
        full = sum(formula[stratum] for stratum in {u.stratum for u in counted})
        if not full:
            raise UserError(f"{benchmark.name}: its samples contribute nothing to the headline metric")
        counts = {name: sum(u.stratum == name for u in counted) for name in {u.stratum for u in counted}}
        of_unit = {name: formula[name] / n / full for name, n in counts.items()}
        sizes = np.zeros(len(blocks))
        first: dict[str, int] = {}
        for unit in counted:
            where, *others = {places[ordered[i].id] for i in unit.members}
            if others:
                raise ContractError(f"{benchmark.name}: a unit spans two blocks")
            sizes[where] += of_unit[unit.stratum]
            first[unit.stratum] = min(where, first.get(unit.stratum, where))
        return cls(benchmark, scorer, blocks, of_unit, full, Population(sizes), first)

    def all_strata_in(self, n: int) -> bool:
        """Whether the first `n` blocks have units of every stratum, so that the score has all of its parts."""
        return max(self.first.values()) < n

    def value(self, number: int, verdicts: Verdicts) -> float:
        """The contribution of a block whose verdicts are all known, as a share of the full score."""
        units, _ = _units(self.benchmark, self.blocks[number], verdicts, self.scorer)
        counted = [u for u in units if u.stratum in self.of_unit]
        size = float(self.population.sizes[number])
        if abs(sum(self.of_unit[u.stratum] for u in counted) - size) > 1e-9:
            raise ContractError(f"{self.benchmark.name}: the units of some samples are not among those of all samples")
        return min(size, sum(self.of_unit[u.stratum] * u.value for u in counted))


def interval(
    benchmark: Benchmark, samples: Sequence[Sample], verdicts: Verdicts, scorer: str, stop: Stop
) -> tuple[float, float] | None:
    """The bounds on the score of all `samples` where a rule stopped; None where the metric has none."""
    import numpy as np

    try:
        shares = Shares.of(benchmark, in_blocks(benchmark, samples, stop.seed, stop.scorer), scorer)
    except UserError:
        return None
    values = np.array([shares.value(i, verdicts) for i in range(stop.blocks)])
    found = bounds(shares.population, values, TARGETS if stop.half_width is None else [stop.half_width])
    return found.low * shares.full, found.high * shares.full


def _units(
    benchmark: Benchmark, samples: Sequence[Sample], verdicts: Verdicts, scorer: str
) -> tuple[list[Unit], list[Sample]]:
    """Units with their mean values over the repeats, and the samples in dataset order, which their members count."""
    ordered = sorted(samples, key=lambda s: s.index)
    rows = [list(row) for row in zip(*(verdicts[s.id] for s in ordered), strict=True)]
    made = [benchmark.units([Graded(s, v) for s, v in zip(ordered, row, strict=True)], scorer) for row in rows]
    return repeats.mean(made), ordered
