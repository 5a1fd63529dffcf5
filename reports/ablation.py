"""Scores by vision condition and by chance: the numbers of the paper's Figure 3 (left), and their result in sentences.

From runs: each model gives its scores with 95 % intervals and paired tests; on request several give means and one
standard deviation over models. From shipped data: the published figure. All values are on a common 0 to 100 axis (MME
divided by 20). `on` and `off` are compared; every further condition is shown beside them. Drawing is left to `figures`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cambrian_eval.conditions import Off, On
from cambrian_eval.errors import UserError
from cambrian_eval.numbers import p_equals, rounded, signed
from cambrian_eval.results.statistics import holm

from .catalogue import condition_style, conditions_in_order, entry, in_order, shipped

if TYPE_CHECKING:
    from .runs import Scored

ON, OFF = On.name, Off.name
"""The two conditions whose difference is what vision adds."""

HARDLY = 5.0
"""A benchmark whose scores with vision on and off differ by fewer points hardly needs vision (as in the paper)."""
FAR = 10.0
"""A score with vision off that is this many points above chance is far above it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score and how far it is known or spread."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Paired:
    """The paired test of on against off for one model."""

    model: str
    difference: float
    low: float | None
    high: float | None
    p_value: float
    p_holm: float
    test: str
    n: int


@dataclass(frozen=True, slots=True)
class Row:
    """One benchmark of the ablation."""

    benchmark: str
    scores: dict[str, Estimate]
    """By condition: on, off, and every further one that was run."""
    chance: float | None
    tests: tuple[Paired, ...] = ()
    models: int = 1
    """How many models its scores are the mean of."""

    @property
    def gap(self) -> float:
        """On minus off: what vision adds."""
        return self.scores[ON].value - self.scores[OFF].value

    @property
    def above_chance(self) -> float | None:
        """Off minus chance: what is answered without an image."""
        return None if self.chance is None else self.scores[OFF].value - self.chance


@dataclass(frozen=True)
class Ablation:
    """All benchmarks, the smallest gap first."""

    rows: tuple[Row, ...]
    models: tuple[str, ...]
    bars: str
    """What the error bars are."""
    source: str
    notes: tuple[str, ...] = ()

    @property
    def conditions(self) -> list[str]:
        """Conditions any benchmark has, in the registry's order."""
        return conditions_in_order(c for row in self.rows for c in row.scores)


def published() -> Ablation:
    """The published figure: 14 benchmarks, mean and one standard deviation over the paper's models."""
    rows = []
    for r in shipped("figure3_ablation.csv"):
        scores = {}
        for condition in (ON, OFF):
            mean, sd = float(r[f"{condition}_mean"]), float(r[f"{condition}_sd"])
            scores[condition] = Estimate(mean, mean - sd, mean + sd)
        rows.append(Row(r["benchmark"], scores, float(r["chance"])))
    notes = (
        "values measured on the published figure, accurate to about 0.1",
        "TextVQA's prompt contains OCR reference tokens, so its score with vision off contains text of the image",
        "chance as drawn in the paper: MMBench after circular evaluation; MME 50 (its accuracy-plus gives 37.5)",
    )
    return Ablation(_sorted(rows), (), "one standard deviation over models", "the paper's Figure 3", notes)


def from_runs(runs: Sequence[Scored], scorer: str, source: str) -> Ablation:
    """The ablation of one run, or the means over several.

    A benchmark's mean is over the models that have it both on and off, and is the same models under every condition
    and for chance: a condition that some of them lack is left out, with a note.
    """
    return _ablation(runs, scorer, source, _tests(runs, scorer))


def series(runs: Sequence[Scored], scorer: str, source: str) -> tuple[Ablation, ...]:
    """One ablation for each model that has any; paired tests are corrected over all of them together."""
    found = []
    for named, tests in zip(runs, _by_model(runs, _tests(runs, scorer)), strict=True):
        try:
            found.append(_ablation([named], scorer, source, tests))
        except UserError:
            continue
    if not found:
        raise UserError(_absent(runs, scorer))
    return tuple(found)


def _by_model(runs: Sequence[Scored], tests: dict[str, list[Paired]]) -> list[dict[str, list[Paired]]]:
    """The tests of each model alone."""
    return [{name: [t for t in of if t.model == named.name] for name, of in tests.items()} for named in runs]


def _absent(runs: Sequence[Scored], scorer: str) -> str:
    where = ", ".join(n.name for n in runs)
    return f"{where}: no benchmark has {scorer!r} scores with vision both on and off; run with --vision on,off"


def _ablation(runs: Sequence[Scored], scorer: str, source: str, paired: dict[str, list[Paired]]) -> Ablation:
    names = in_order(r.benchmark for named in runs for r in named.results if r.scorer == scorer)
    conditions = conditions_in_order(c for named in runs for c in named.conditions)
    rows, notes = [], []
    for name in names:
        having = [n for n in runs if all(_score(n, name, c, scorer) is not None for c in (ON, OFF))]
        if not having:
            continue
        if len(having) < len(runs):
            notes.append(f"{entry(name).short}: {len(having)} of {len(runs)} models have it with vision on and off")
        scores = {}
        for condition in conditions:
            known = sum(_score(n, name, condition, scorer) is not None for n in having)
            if 0 < known < len(having):
                notes.append(
                    f"{entry(name).short}, {condition}: left out; only {known} of the {len(having)} models have it"
                )
            estimate = _estimate(having, name, condition, scorer) if known == len(having) else None
            if estimate is not None:
                scores[condition] = estimate
        chances = [r.chance for n in having if (r := n.result(name, ON, scorer)) and r.chance is not None]
        # The chance of some of the models is not that of all.
        chance = sum(chances) / len(chances) / entry(name).divisor if len(chances) == len(having) else None
        rows.append(Row(name, scores, chance, tuple(paired.get(name, ())), len(having)))
    if not rows:
        raise UserError(_absent(runs, scorer))
    bars = "95 % intervals" if len(runs) == 1 else f"one standard deviation over {len(runs)} models"
    return Ablation(_sorted(rows), tuple(n.name for n in runs), bars, source, tuple(notes))


def _sorted(rows: Sequence[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda r: r.gap))


def _score(named: Scored, benchmark: str, condition: str, scorer: str) -> float | None:
    result = named.result(benchmark, condition, scorer)
    return None if result is None else result.score


def _estimate(runs: Sequence[Scored], benchmark: str, condition: str, scorer: str) -> Estimate | None:
    """One model: its score and interval. Several: mean and one standard deviation (n - 1) of those that have it."""
    divisor = entry(benchmark).divisor
    values = [s / divisor for n in runs if (s := _score(n, benchmark, condition, scorer)) is not None]
    if not values:
        return None
    if len(runs) == 1:
        result = runs[0].result(benchmark, condition, scorer)
        if result is None or result.interval is None:
            return Estimate(values[0])
        return Estimate(values[0], result.interval[0] / divisor, result.interval[1] / divisor)
    mean = sum(values) / len(values)
    if len(values) < 2:
        return Estimate(mean)
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
    return Estimate(mean, mean - spread, mean + spread)


def _tests(runs: Sequence[Scored], scorer: str) -> dict[str, list[Paired]]:
    """Paired tests of on against off, per model; Holm's correction over all of them together."""
    from cambrian_eval.results.comparison import compare_runs

    from .runs import NamedRun

    found: list[tuple[str, Paired]] = []
    for named in runs:
        if not isinstance(named, NamedRun):
            continue  # scores alone cannot be paired
        ready = [
            r.benchmark
            for r in named.results
            if r.scorer == scorer
            and r.condition == ON
            and r.score is not None
            and _score(named, r.benchmark, OFF, scorer) is not None
        ]
        if not ready:
            continue
        for c in compare_runs(named.run, named.run, OFF, ON, scorer):
            if c.benchmark not in ready:
                continue
            divisor, p = entry(c.benchmark).divisor, c.paired
            low, high = (None, None) if p.interval is None else (p.interval[0] / divisor, p.interval[1] / divisor)
            test = Paired(named.name, p.difference / divisor, low, high, p.p_value, p.p_value, p.test, p.n)
            found.append((c.benchmark, test))
    corrected = holm([t.p_value for _, t in found])
    tests: dict[str, list[Paired]] = {}
    for (name, t), p_holm in zip(found, corrected, strict=True):
        tests.setdefault(name, []).append(replace(t, p_holm=p_holm))
    return tests


def reading(found: Ablation) -> list[str]:
    """The result in sentences."""
    lines = []
    hardly = [r for r in found.rows if r.gap < HARDLY]
    if hardly:
        lines.append(
            f"Hardly need vision (on minus off under {HARDLY:.0f} points): "
            + ", ".join(f"{entry(r.benchmark).short} ({signed(r.gap)})" for r in hardly)
            + "."
        )
    else:
        unsure = [r for r in found.rows if not all(t.p_holm < 0.05 for t in r.tests)]
        lines.append(_all_lose(len(found.rows), unsure))
    most = found.rows[-1]
    if most.gap >= HARDLY:
        doubt = "" if all(t.p_holm < 0.05 for t in most.tests) else ", not significant"
        lines.append(f"Needs vision most: {entry(most.benchmark).short} ({signed(most.gap)}{doubt}).")
    known = [(r, r.above_chance) for r in found.rows if r.above_chance is not None]
    far = sorted(((r, a) for r, a in known if a >= FAR), key=lambda pair: -pair[1])
    if far:
        lines.append(
            f"Far above chance with vision off (by {FAR:.0f} points or more): "
            + ", ".join(f"{entry(r.benchmark).short} ({signed(a)})" for r, a in far)
            + "."
        )
    below = sorted(((r, a) for r, a in known if rounded(a) < 0), key=lambda pair: pair[1])
    if below:
        names = ", ".join(f"{entry(r.benchmark).short} ({signed(a)})" for r, a in below)
        lines.append(f"Below chance with vision off: {names}.")
    lines += _tested(found)
    for condition in found.conditions:
        have = [r for r in found.rows if condition in r.scores]
        if condition in (ON, OFF) or not have:
            continue
        gap = sum(r.scores[condition].value - r.scores[OFF].value for r in have) / len(have)
        shown = condition_style(condition)
        what = f"{shown.title} ({shown.summary})" if shown.summary else shown.title
        lines.append(f"{what}: {signed(gap)} points against {condition_style(OFF).title.lower()}, on average.")
    return lines


def _all_lose(n: int, unsure: Sequence[Row]) -> str:
    """The sentence for runs in which no benchmark loses few points; nothing is claimed that the tests do not show."""
    if not unsure:
        return f"Every benchmark loses at least {HARDLY:.0f} points without vision."
    names = ", ".join(f"{entry(r.benchmark).short} ({signed(r.gap)})" for r in unsure)
    sure = f"{n - len(unsure)} of {n} benchmarks lose at least {HARDLY:.0f} points without vision"
    return (
        f"{sure}; for the others the loss is not significant: {names}."
        if n > len(unsure)
        else (f"No loss without vision is significant: {names}.")
    )


def _tested(found: Ablation) -> list[str]:
    """The result of the paired tests in a sentence."""
    tested = [r for r in found.rows if r.tests]
    if not tested:
        return []
    unsure = [r for r in tested if not all(t.p_holm < 0.05 for t in r.tests)]
    whole = f"Paired tests of on against off ({len(tested)} benchmarks, Holm-corrected over all tests): "
    if not unsure:
        return [whole + "the difference is significant (p < 0.05) everywhere."]
    if not any(t.p_holm < 0.05 for r in tested for t in r.tests):
        return [whole + "no difference is significant (p < 0.05)."]
    parts = []
    for r in unsure:
        sure = sum(t.p_holm < 0.05 for t in r.tests)
        each = p_equals(r.tests[0].p_holm) if len(r.tests) == 1 else f"{sure} of {len(r.tests)} models"
        parts.append(f"{entry(r.benchmark).short} ({each})")
    return [whole + "no significant difference (p < 0.05) for " + ", ".join(parts) + "."]
