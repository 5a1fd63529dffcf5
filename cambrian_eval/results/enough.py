"""The rules of `--until`: whether a benchmark has enough samples, decided after every few blocks of a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cambrian_eval.benchmark import Benchmark
from cambrian_eval.errors import UserError
from cambrian_eval.results.comparison import check_equal
from cambrian_eval.results.grading import responses_of, usable_scorers
from cambrian_eval.results.sequences import TARGETS, Bounds, bounds
from cambrian_eval.results.shares import Shares
from cambrian_eval.results.verdicts import verdicts_of
from cambrian_eval.running.engine import Engine
from cambrian_eval.running.records import Cell, Record
from cambrian_eval.running.settings import Settings
from cambrian_eval.running.sharding import by_image
from cambrian_eval.running.stopping import Stop, Until, Watch, in_blocks
from cambrian_eval.running.store import Run, open_run
from cambrian_eval.sample import Sample, Verdict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]


def check_rule(settings: Settings, benchmarks: Sequence[Benchmark], engine: Engine, batches: bool) -> None:
    """Refuses a rule where it cannot be applied; called before anything is loaded."""
    if settings.until is None:
        return
    rule = "--until" if settings.until.against is None else "--until-different"
    for given, flag in (
        (settings.shard is not None, "--shard"),
        (not getattr(engine, "in_order", True), "--engine ray"),
        (batches, "--batch-api"),
    ):
        if given:
            raise UserError(f"{rule} decides while responses come in, in one order; leave out {flag}")
    for benchmark in benchmarks:
        if benchmark.judging is not None:
            raise UserError(
                f"{benchmark.name} is graded by a judge after the run, so {rule} cannot decide during it; "
                "leave out the rule or the benchmark"
            )


def watch(settings: Settings, until: Until, benchmark: Benchmark, cell: Cell, samples: Sequence[Sample]) -> Watch:
    """What decides for one cell."""
    if not any(s.answers for s in samples):
        raise UserError(f"{benchmark.name}: the answers are withheld, so it is not known when there is enough")
    scorer = usable_scorers(benchmark, settings.scorers)[0]
    if until.half_width is not None:
        return _Width(settings, until, benchmark, samples, scorer)
    return _Difference(settings, until, benchmark, samples, scorer, cell)


class _Rule(ABC):
    """Verdicts as responses come, the contributions of complete blocks, and the looks."""

    def __init__(
        self, settings: Settings, until: Until, benchmark: Benchmark, samples: Sequence[Sample], scorer: str
    ) -> None:
        self.settings, self.until, self.benchmark, self.scorer = settings, until, benchmark, scorer
        blocks = in_blocks(benchmark, samples, settings.seed, scorer)
        self.shares = Shares.of(benchmark, blocks, scorer)
        self.order: Sequence[Sample] = [s for block in blocks for s in by_image(block)]
        self.stop: Stop | None = None
        self._samples = {s.id: s for s in samples}
        self._verdicts: dict[str, dict[int, Verdict]] = {s.id: {} for s in samples}
        self._values: list[float] = []

    def take(self, record: Record) -> bool:
        """One more response; looks where enough blocks have been completed in their order."""
        if self.stop is None and record.id in self._verdicts and not record.outage:
            self._accept(record)
            while self.stop is None and self._complete():
                self._add(len(self._values))
                n = len(self._values)
                if n in self.shares.population.looks and self.shares.all_strata_in(n):
                    self._look(n)
        return self.stop is not None

    def _accept(self, record: Record) -> None:
        sample = self._samples[record.id]
        raw = self.settings.official_raw
        (verdict,) = verdicts_of(self.benchmark, [sample], [record], self.scorer, official_raw=raw)
        self._verdicts[record.id][record.repeat] = verdict

    def _complete(self) -> bool:
        n = len(self._values)
        if n == len(self.shares.blocks):
            return False
        return all(len(self._verdicts[s.id]) >= self.settings.repeats for s in self.shares.blocks[n])

    def _own(self, number: int) -> float:
        rows = {
            s.id: [self._verdicts[s.id][n] for n in range(self.settings.repeats)] for s in self.shares.blocks[number]
        }
        return self.shares.value(number, rows)

    def _add(self, number: int) -> None:
        self._values.append(self._own(number))

    @abstractmethod
    def _look(self, n: int) -> None:
        """Decides after `n` completed blocks whether there is enough."""

    def _bounds(self, targets: Sequence[float]) -> Bounds:
        import numpy as np

        return bounds(self.shares.population, np.array(self._values), targets)

    def _stopped(self, n: int, half_width: float | None, found: str) -> None:
        used = sum(map(len, self.shares.blocks[:n]))
        self.stop = Stop(
            rule=self.until.text,
            scorer=self.scorer,
            seed=self.settings.seed,
            blocks=n,
            samples=used,
            of=len(self.order),
            half_width=half_width,
            found=found,
        )


class _Width(_Rule):
    """Enough where the interval is narrow enough."""

    def _look(self, n: int) -> None:
        target = (self.until.half_width or 0.0) / 100
        if self._bounds([target]).half <= target:
            self._stopped(n, target, "")


class _Difference(_Rule):
    """Enough where the difference from another run is known to be one, or to be within the margin."""

    def __init__(
        self,
        settings: Settings,
        until: Until,
        benchmark: Benchmark,
        samples: Sequence[Sample],
        scorer: str,
        cell: Cell,
    ) -> None:
        super().__init__(settings, until, benchmark, samples, scorer)
        assert until.against is not None
        self._other = open_run(until.against)
        self._cell = cell
        self._theirs, self._images = _other_verdicts(self._other, benchmark, cell, samples, scorer, settings)

    def _accept(self, record: Record) -> None:
        theirs = self._images.get(record.id, ())
        if self._cell.condition == "on" and any(x != y for x, y in zip(record.images, theirs, strict=False)):
            raise UserError(
                f"{self._cell.benchmark}: sample {record.id!r} was shown another image in {self._other.path}; "
                "the runs use different data, so they cannot be compared"
            )
        super()._accept(record)

    def _add(self, number: int) -> None:
        """A difference between -size and size, moved to 0 .. size."""
        size = float(self.shares.population.sizes[number])
        self._values.append((size + self._own(number) - self.shares.value(number, self._theirs)) / 2)

    def _look(self, n: int) -> None:
        found = self._bounds([target / 2 for target in TARGETS])
        low, high = 200 * found.low - 100, 200 * found.high - 100  # in points
        if (says := conclusion(low, high, self.until.margin)) is not None:
            factor = self.shares.full / 100
            span = f"{low * factor:+.1f} .. {high * factor:+.1f}"
            self._stopped(n, None, f"the difference from {self.until.against} is {says} ({span})")


def conclusion(low: float, high: float, margin: float) -> str | None:
    """What is known about a difference within these bounds; None while that is nothing."""
    if low > 0 or high < 0:
        return "established"
    unit = "point" if margin == 1 else "points"
    return f"smaller than {margin:g} {unit}" if -margin < low and high < margin else None


def _other_verdicts(
    other: Run, benchmark: Benchmark, cell: Cell, samples: Sequence[Sample], scorer: str, settings: Settings
) -> tuple[dict[str, list[Verdict]], dict[str, tuple[str, ...]]]:
    """The other run's verdicts on all samples, made anew by the present rules, and the images it was shown."""
    if cell not in other.cells():
        raise UserError(f"{other.path} has no responses to {cell.stem}; run it first, or leave out this benchmark")
    answered, records = responses_of(other, cell)
    theirs = {s.id: s for s in answered}
    if missing := [s.id for s in samples if s.id not in theirs]:
        raise UserError(
            f"{other.path} has no response to {len(missing)} of {len(samples)} samples of {cell.stem} (first: "
            f"{missing[0]!r}); --until-different needs a run over the same samples"
        )
    for sample in samples:
        check_equal(benchmark.name, sample, theirs[sample.id], other)
    rows = [verdicts_of(benchmark, answered, row, scorer, official_raw=settings.official_raw) for row in records]
    verdicts = {s.id: [row[i] for row in rows] for i, s in enumerate(answered)}
    return verdicts, {r.id: r.images for r in records[0]}
