"""Several responses to each request: their mean, its interval, best of N, majority vote, and how much they agree.

Everything combines units (samples, pairs, groups) of one repeat at a time: a pair counts in a repeat where both of its
responses are right in that repeat. A metric with quotients is that of the means over the repeats.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cambrian_eval.benchmark import Benchmark, Graded, Unit
from cambrian_eval.errors import ContractError
from cambrian_eval.formula import Formula, Ratio
from cambrian_eval.results import statistics
from cambrian_eval.sample import Repeats, Sample, Verdict

Verdicts = Sequence[Sequence[Verdict]]
"""The verdicts of each repeat, in the order of the samples."""


def units_of(benchmark: Benchmark, samples: Sequence[Sample], verdicts: Verdicts, scorer: str) -> list[list[Unit]]:
    """The units of each repeat.

    Where a judge decides, units of responses that it left undecided in any repeat are left out of all repeats.
    """
    found = [benchmark.units([Graded(s, v) for s, v in zip(samples, row, strict=True)], scorer) for row in verdicts]
    if benchmark.judging is not None:
        found = in_all(*found)
    first = [(u.stratum, u.members) for u in found[0]] if len(found) > 1 else []
    if any([(u.stratum, u.members) for u in units] != first for units in found[1:]):
        raise ContractError(f"benchmark {benchmark.name} makes other units of other responses; repeats need equal ones")
    return found


def in_all(*units: Sequence[Unit]) -> list[list[Unit]]:
    """The units of each sequence that all others have too."""
    common = set.intersection(*({(u.stratum, u.members) for u in one} for one in units))
    return [[u for u in one if (u.stratum, u.members) in common] for one in units]


def mean(units: Sequence[Sequence[Unit]]) -> list[Unit]:
    """The units with their mean values over the repeats."""
    if len(units) == 1:
        return list(units[0])
    return [u[0]._replace(value=sum(x.value for x in u) / len(u)) for u in zip(*units, strict=True)]


def interval(
    units: Sequence[Sequence[Unit]], formula: Formula, cluster_of: Sequence[int], seed: int
) -> tuple[float, float] | None:
    """The interval of the mean score over the repeats; None with fewer than two clusters, which need no arrays."""
    if max(cluster_of, default=0) < 1:
        return None
    tables = [statistics.cluster_table(one, formula, cluster_of) for one in units]
    return statistics.interval(tables[0], seed) if len(tables) == 1 else statistics.repeat_interval(tables, seed)


def majority(verdicts: Verdicts) -> list[Verdict]:
    """For each sample the verdict on the answer that most repeats gave; the first of equals.

    Responses without a readable answer have no vote.
    """
    found = []
    for row in zip(*verdicts, strict=True):
        votes = Counter(_answer(v) for v in row if v.parsed)
        most = votes.most_common(1)[0][0] if votes else None
        found.append(next((v for v in row if v.parsed and _answer(v) == most), row[0]))
    return found


def _answer(verdict: Verdict) -> str:
    return " ".join((verdict.extracted or "").casefold().split())


def summary(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    verdicts: Verdicts,
    units: Sequence[Sequence[Unit]],
    formula: Formula,
    scorer: str,
) -> Repeats:
    """What the repeats of a result say beside its mean score."""
    # The parts of a quotient have no better and worse: saying "yes" more often is neither.
    best = (
        None if isinstance(formula, Ratio) else [max(u, key=lambda unit: unit.value) for u in zip(*units, strict=True)]
    )
    voted = units_of(benchmark, samples, [majority(verdicts)], scorer)[0]
    changed = sum(len({round(v.value, 9) for v in row}) > 1 for row in zip(*verdicts, strict=True))
    return Repeats(
        n=len(verdicts),
        scores=tuple(statistics.score(one, formula) for one in units),
        best=None if best is None else statistics.score(best, formula),
        majority=statistics.score(voted, formula),
        changed=changed / len(samples) if samples else 0.0,
    )
