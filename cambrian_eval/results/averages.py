"""Category averages and the overall average, by the paper's formulas.

A category is the plain mean of its four benchmarks, the overall average that of all sixteen; MME perception
is divided by 20 first. Averages over fewer benchmarks, or over incomplete results, are partial.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cambrian_eval.benchmark import PAPER
from cambrian_eval.registry import average_divisor, suites
from cambrian_eval.results.basis import STALE, mixed_rules

if TYPE_CHECKING:
    from cambrian_eval.sample import Result

JUDGED_BY = "judged by "
"""How the note of a result begins that names its judge."""
OVERALL = "overall"
"""Name of the average over all sixteen."""


@dataclass(frozen=True, slots=True)
class Average:
    """A mean over benchmarks and what it was computed from."""

    name: str
    """A category, or the overall average."""
    value: float | None
    """None where no member has a score."""
    members: tuple[str, ...]
    """The benchmarks it includes."""
    missing: tuple[str, ...]
    """Benchmarks of the formula that have no score."""
    incomplete: tuple[str, ...] = ()
    """Members whose own score covers only some of their rows."""

    @property
    def partial(self) -> bool:
        """Whether the value covers less than the paper's average."""
        return bool(self.missing or self.incomplete)

    @property
    def label(self) -> str:
        """The name, with "(partial, 3 of 4)" where it is partial."""
        if not self.partial:
            return self.name
        count = f"{len(self.members)} of {len(self.members) + len(self.missing)}"
        return f"{self.name} (partial, {count})"


def averages(scores: Mapping[str, float | None], incomplete: Collection[str] = ()) -> dict[str, Average]:
    """The four category averages and the overall one, from headline scores by benchmark name.

    Benchmarks outside the sixteen are not included. A score of None (withheld answers) is missing, not 0.
    """
    formulas = {**PAPER, OVERALL: tuple(name for names in PAPER.values() for name in names)}
    return {name: _average(name, members, scores, incomplete) for name, members in formulas.items()}


def suite_averages(scores: Mapping[str, float | None], incomplete: Collection[str] = ()) -> dict[str, Average]:
    """The averages of the suites whose benchmarks are all among the scores, the paper's left out.

    A suite's average is its own: it enters no category and no overall average.
    """
    others = {name: suite for name, suite in suites().items() if name != "paper"}
    return {
        name: _average(name, suite.benchmarks, scores, incomplete)
        for name, suite in others.items()
        if set(suite.benchmarks) <= scores.keys()
    }


def judges(results: Iterable[Result]) -> list[str]:
    """Which LLM judges decided the results, as their notes name them; empty for rules."""
    named = (note.removeprefix(JUDGED_BY) for r in results for note in r.notes if note.startswith(JUDGED_BY))
    return list(dict.fromkeys(named))


def unaveraged(results: Sequence[Result]) -> str | None:
    """Why the results of one condition and scorer have no average, in words; None where they have one.

    An average over two judges, or two versions of the rules, is a score of neither.
    """
    if len(different := judges(results)) > 1:
        return f"the judges differ ({'; '.join(different)})"
    if (mixed := mixed_rules(results)) is not None:
        return f"they were scored by different versions ({mixed})"
    stale = [r.benchmark for r in results if any(note.startswith(STALE) for note in r.notes)]
    return f"the results of {', '.join(stale)} no longer belong to their responses" if stale else None


def by_run(results: Iterable[Result]) -> list[dict[str, Any]]:
    """The averages of every condition and scorer among the results, as plain JSON; none without a score."""
    cells: dict[tuple[str, str], list[Result]] = {}
    ran: dict[str, dict[str, float | None]] = {}
    for result in results:
        ran.setdefault(result.condition, {})[result.benchmark] = None
        cells.setdefault((result.condition, result.scorer), []).append(result)
    found = []
    for (condition, scorer), mine in cells.items():
        if unaveraged(mine) is not None:
            continue
        scores = {r.benchmark: r.score for r in mine}
        partial = [r.benchmark for r in mine if r.partial]
        own = suite_averages({**ran[condition], **scores}, partial)
        named = [(f"suite {name}", average) for name, average in own.items()]
        for name, average in [*averages(scores, partial).items(), *named]:
            if average.value is not None:
                about = {"name": name, "value": average.value, "partial": average.partial}
                found.append({"condition": condition, "scorer": scorer, **about, "members": list(average.members)})
    return found


def cvbench(scores: Mapping[str, float | None], incomplete: Collection[str] = ()) -> Average:
    """The combined CV-Bench number, (2D + 3D) / 2; no average includes it."""
    return _average("CV-Bench", ("cvbench_2d", "cvbench_3d"), scores, incomplete)


def _average(
    name: str, formula: tuple[str, ...], scores: Mapping[str, float | None], incomplete: Collection[str]
) -> Average:
    values = {m: score / average_divisor(m) for m in formula if (score := scores.get(m)) is not None}
    return Average(
        name=name,
        value=sum(values.values()) / len(values) if values else None,
        members=tuple(values),
        missing=tuple(m for m in formula if m not in values),
        incomplete=tuple(m for m in values if m in incomplete),
    )
