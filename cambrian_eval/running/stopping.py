"""When a benchmark has enough samples: the rule of `--until`, the order in which samples then come, what is recorded.

The order is random but seeded, and made of blocks. A block is a few sets of samples that belong together (one image,
one pair, one group), from as many categories as there are, in proportion. Whether there is enough is looked at after
whole blocks, so it does not depend on batches or on how many requests are in flight: responses to later blocks are
stored and not used. What the bounds are is decided in `results.enough`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

from cambrian_eval.benchmark import Benchmark, Graded
from cambrian_eval.errors import UserError
from cambrian_eval.formula import strata_of
from cambrian_eval.running.records import Cell, Record
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Sample, Verdict, clusters

MARGIN = 1.0
"""Points by which two runs may differ and still count as equal, unless `--margin` says otherwise."""
MOST_TOGETHER = 8
"""The most sets of samples in one block; more cost precision, because there are fewer blocks."""
FEWEST_BLOCKS = 100
"""Blocks have more than one set only where there are at least so many blocks."""


@dataclass(frozen=True, slots=True)
class Until:
    """The rule that stops a benchmark. Points are of 100, also where a benchmark has another scale."""

    half_width: float | None = None
    """It stops when half of the width of the 95 % interval is at most so many points."""
    against: Path | None = None
    """It stops when the difference from this run is known to be one, or to be smaller than the margin."""
    margin: float = MARGIN
    """In points."""

    def __post_init__(self) -> None:
        if (self.half_width is None) == (self.against is None):
            raise UserError("give either --until POINTS, or --against RUN with --until-different")
        for name, value in (("--until", self.half_width), ("--margin", self.margin)):
            if value is not None and not 0 < value < 100:
                raise UserError(f"{name} must be more than 0 and less than 100 points, not {value:g}")

    @property
    def text(self) -> str:
        """As the command line has it."""
        if self.against is None:
            return f"--until {self.half_width:g}"
        return f"--against {self.against} --until-different --margin {self.margin:g}"


def rule_of(until: float | None, against: Path | None, different: bool, margin: float | None) -> Until | None:
    """The rule that the flags of `run` name, if any; those that need each other are refused alone."""
    if different != (against is not None):
        raise UserError("--until-different and --against RUN belong together; give both")
    if margin is not None and not different:
        raise UserError("--margin belongs to --until-different")
    if until is None and not different:
        return None
    return Until(until, against, MARGIN if margin is None else margin)


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a rule stopped a benchmark."""

    rule: str
    """As the command line had it."""
    scorer: str
    """Whose verdicts it looked at."""
    seed: int
    """The random seed of the order."""
    blocks: int
    """Blocks that were used."""
    samples: int
    """Samples in them."""
    of: int
    """Samples there are."""
    half_width: float | None
    """The half-width for which the bounds are narrowest, as a share of the full score; None where several are."""
    found: str
    """What the rule found, in words."""


class Watch(Protocol):
    """Decides while responses come in whether a cell has enough."""

    order: Sequence[Sample]
    """All samples of the cell in the order in which they are requested."""
    stop: Stop | None
    """Where the rule has stopped the cell; None while it has not."""

    def take(self, record: Record) -> bool:
        """One more response, in any order. Returns whether the cell has enough."""
        ...


class Halt(threading.Event):
    """Ends the requests of one cell: set by its rule, or where the whole run is stopped."""

    def __init__(self, whole: threading.Event) -> None:
        super().__init__()
        self._whole = whole

    def is_set(self) -> bool:
        """Whether no further request should be sent."""
        return super().is_set() or self._whole.is_set()


def stop_of(info: Mapping[str, Any], cell: Cell) -> Stop | None:
    """Where a rule stopped a cell, from run.json."""
    found = info.get("stopped", {}).get(cell.stem)
    return None if found is None else Stop(**found)


def record_stop(store: Run, cell: Cell, values: Mapping[str, Any] | None) -> None:
    """Writes down in run.json where a cell was stopped; None removes what an earlier start wrote."""
    info = store.info
    stopped = {stem: one for stem, one in info.get("stopped", {}).items() if stem != cell.stem}
    if values is not None:
        stopped[cell.stem] = dict(values)
    if stopped != info.get("stopped", {}):
        store.save_info({**{k: v for k, v in info.items() if k != "stopped"}, "stopped": stopped})


def used(info: Mapping[str, Any], cell: Cell, benchmark: Benchmark, samples: Sequence[Sample]) -> list[Sample]:
    """Those of all samples of a cell that its result is made of: all, unless run.json says that a rule stopped it."""
    if (stop := stop_of(info, cell)) is None:
        return list(samples)
    blocks = in_blocks(benchmark, samples, stop.seed, stop.scorer)[: stop.blocks]
    ids = {s.id for block in blocks for s in block}
    return [s for s in samples if s.id in ids]


def in_blocks(benchmark: Benchmark, samples: Sequence[Sample], seed: int, scorer: str) -> list[list[Sample]]:
    """The samples in blocks, blocks in random order; it depends on the seed and the samples alone.

    Sets that belong together are sorted by category, each category in random order, and dealt to the blocks in turn:
    so a category is spread over them evenly. The order of the blocks is random, too.
    """
    sets = _sets(benchmark, samples, scorer)
    kinds = len({kind for kind, _ in sets})
    together = max(1, min(kinds, MOST_TOGETHER, len(sets) // FEWEST_BLOCKS))
    dealt = sorted(sets, key=lambda one: (one[0], _mixed(seed, "set", one[1][0].id)))
    n = -(-len(sets) // together)
    places = sorted(range(n), key=lambda i: _mixed(seed, "block", str(i)))
    blocks: list[list[Sample]] = [[] for _ in range(n)]
    for i, (_, members) in enumerate(dealt):
        blocks[places[i % n]] += members
    return blocks


def _sets(benchmark: Benchmark, samples: Sequence[Sample], scorer: str) -> list[tuple[str, list[Sample]]]:
    """Samples that must come together, with the category of the set: its strata and its first sample's tags."""
    nothing = Verdict(0.0, None, "not asked yet")
    units = benchmark.units([Graded(s, nothing) for s in samples], scorer)
    headline = strata_of(benchmark.metrics(sorted({u.stratum for u in units})).get("score", {}))
    numbers = clusters(samples)
    root = list(range(max(numbers, default=-1) + 1))

    def top(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    for unit in units:
        first = top(numbers[unit.members[0]])
        for member in unit.members[1:]:
            root[top(numbers[member])] = first
    strata: dict[int, set[str]] = {}
    for unit in units:
        if unit.stratum in headline:
            strata.setdefault(top(numbers[unit.members[0]]), set()).add(unit.stratum)
    sets: dict[int, list[Sample]] = {}
    for number, sample in zip(numbers, samples, strict=True):
        sets.setdefault(top(number), []).append(sample)
    return [(f"{sorted(strata.get(i, ()))} {sorted(s[0].tags.items())}", s) for i, s in sets.items()]


def _mixed(seed: int, what: str, name: str) -> bytes:
    """A number that looks random and is the same on every machine, as bytes to sort by."""
    return blake2b(f"{seed}\0{what}\0{name}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
