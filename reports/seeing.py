"""Which samples need their image, and which models see: the verdicts of runs, their estimates, and what is written.

The estimates are those of `results.seeing_estimates`. They read vision on and off, and `no_question` and `nothing`
where all runs have both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cambrian_eval.errors import UserError
from cambrian_eval.results.rows import Rows, rows_of
from cambrian_eval.results.subsets import Subset
from cambrian_eval.running.records import Cell
from cambrian_eval.sample import Sample, clusters

from .catalogue import entry, in_order

if TYPE_CHECKING:
    from cambrian_eval.results.seeing_estimates import Estimates

    from .runs import NamedRun

NEEDED = ("on", "off")
"""Conditions that every run must have."""
FURTHER = ("no_question", "nothing")
"""Conditions that split what the image adds in two; used where all runs have both."""
SUBSET = "needs-vision"
"""Name of the subset of samples that need their image."""
NO_VERDICT = ("failed", "undecided", "withheld")
"""Outcomes that say nothing about what a model knows."""
ONE_MODEL = (
    "one model, so a simpler estimate from its own verdicts: the image is needed where it is right with the image and "
    "wrong without, and not right by a guess; name the runs of several models for abilities and visual information, "
    "and do not score the model on the subset that its own verdicts chose"
)
"""What is said where the simpler estimate is used."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The estimates of one benchmark."""

    benchmark: str
    models: tuple[str, ...]
    conditions: tuple[str, ...]
    samples: tuple[Sample, ...]
    estimates: Estimates
    scorer: str
    rows: Rows
    """Whether a program drew the rows, and whether they are a subset."""
    chance_known: bool
    """Whether the chance of a blind guess is known for any sample; else right guesses count as known."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know."""
        from cambrian_eval.results.seeing_model import FEW

        found = [] if len(self.models) > 1 else [ONE_MODEL]
        if 1 < len(self.models) < FEW:
            found.append(f"visual information needs at least {FEW} models")
        if misfits := self.estimates.misfits:
            worst = max(misfits, key=lambda m: abs(m.right - m.fitted))
            found.append(
                f"the model does not fit the scores of {len({m.model for m in misfits})} of "
                f"{len(self.models)} models ({self.models[worst.model]} under {worst.condition}: "
                f"{100 * worst.right:.0f} % right, {100 * worst.fitted:.0f} % fitted); leave out blind baselines"
            )
        if not self.chance_known:
            found.append("free-form answers: a right guess counts as known")
        if not self.estimates.converged:
            found.append("the fit did not converge; the estimates are rough")
        if self.rows.synthetic:
            found.append("synthetic data: this says nothing about the published benchmark")
        if self.rows.subset:
            found.append(self.rows.subset)
        return tuple(found)

    def chosen(self, at_least: float) -> tuple[str, ...]:
        """Ids of the samples that need their image with such a probability; of a group all, by its mean, or none."""
        of_group: dict[str, list[float]] = {}
        for sample, p in zip(self.samples, self.estimates.needed, strict=True):
            of_group.setdefault(sample.group or f"\0{sample.id}", []).append(float(p))
        taken = {name for name, row in of_group.items() if sum(row) / len(row) >= at_least}
        return tuple(s.id for s in self.samples if (s.group or f"\0{s.id}") in taken)


def seen(runs: Sequence[NamedRun], scorer: str, benchmarks: Sequence[str] | None = None) -> list[Seen]:
    """The estimates of every benchmark that some of the runs have with vision on and off."""
    has = {n for named in runs for n in named.run.benchmarks()}
    wanted = has if benchmarks is None else has.intersection(benchmarks)
    if not wanted:
        raise UserError(f"no run has {', '.join(benchmarks or ())}; the runs have: {', '.join(in_order(has))}")
    found = []
    for name in in_order(wanted):
        mine = [n for n in runs if all(Cell(name, c) in n.run.cells() for c in NEEDED)]
        if mine and (one := _seen(mine, name, scorer)) is not None:
            found.append(one)
    if not found:
        raise UserError("no benchmark has scores with vision on and off; run with --vision on,off,no_question,nothing")
    return found


def _seen(runs: Sequence[NamedRun], name: str, scorer: str) -> Seen | None:
    """The estimates of one benchmark; None where answers are withheld."""
    import numpy as np

    from cambrian_eval.results.seeing_estimates import estimate, estimate_alone

    conditions: tuple[str, ...] = (*NEEDED, *FURTHER)
    if not all(Cell(name, c) in named.run.cells() for named in runs for c in conditions):
        conditions = NEEDED
    samples = _samples(runs, name)
    values = np.full((len(runs), len(samples), len(conditions)), np.nan)
    place = {s.id: i for i, s in enumerate(samples)}
    for m, named in enumerate(runs):
        for c, condition in enumerate(conditions):
            for identity, value in _values(named, Cell(name, condition), scorer).items():
                values[m, place[identity], c] = value
    answered = [i for i, s in enumerate(samples) if s.answers and not np.isnan(values[:, i, :2]).all(axis=0).any()]
    if not answered:
        return None
    kept = [samples[i] for i in answered]
    values = values[:, answered]
    floor = np.array([sum(g in s.answers for g in s.guesses) / len(s.guesses) if s.guesses else 0.0 for s in kept])
    floor = np.minimum(floor, 0.95)
    made = (
        estimate(values, floor, clusters(kept), conditions)
        if len(runs) > 1
        else estimate_alone(values[0, :, :2], floor, clusters(kept))
    )
    return Seen(
        name,
        tuple(named.name for named in runs),
        conditions,
        tuple(kept),
        made,
        scorer,
        rows_of(name, *(named.run for named in runs)),
        bool(floor.any()),
    )


def _samples(runs: Sequence[NamedRun], name: str) -> list[Sample]:
    """The samples of all runs, each once; one that is a different question in another run is an error."""
    found: dict[str, Sample] = {}
    for named in runs:
        for s in named.run.samples(name):
            other = found.setdefault(s.id, s)
            if (s.question, s.answers, s.choices) != (other.question, other.answers, other.choices):
                raise UserError(
                    f"{name}: sample {s.id} is a different question in {named.run.path}; the runs used different data"
                )
    return list(found.values())


def _values(named: NamedRun, cell: Cell, scorer: str) -> dict[str, float]:
    """The value of each sample, the mean over repeats; none where a verdict is missing or says nothing."""
    if (message := named.unusable.get((cell.benchmark, cell.condition, scorer))) is not None:
        raise UserError(message)
    verdicts = named.run.all_verdicts(cell, scorer)
    if not verdicts:
        has = ", ".join(named.run.scorers(cell)) or "none"
        raise UserError(
            f"{named.run.path} has no {scorer!r} verdicts for {cell.stem} (it has: {has}); "
            f"create them with: cambrian-eval score {named.run.path} --scorer {scorer}"
        )
    found: dict[str, list[float]] = {}
    for (identity, _), verdict in verdicts.items():
        if verdict.outcome not in NO_VERDICT:
            found.setdefault(identity, []).append(verdict.value)
    return {identity: sum(row) / len(row) for identity, row in found.items()}


def subset(found: Sequence[Seen], at_least: float) -> Subset:
    """The samples that need their image, of all benchmarks."""
    recipe = {
        "made by": "cambrian-eval seeing",
        "samples": f"the image is needed with a probability of at least {at_least:g}",
        "scorer": found[0].scorer,
        "models": {s.benchmark: list(s.models) for s in found},
        "conditions": {s.benchmark: list(s.conditions) for s in found},
    }
    return Subset(
        SUBSET,
        {s.benchmark: s.chosen(at_least) for s in found},
        {s.benchmark: len(s.samples) for s in found},
        recipe,
    )


def as_values(found: Sequence[Seen], *, samples: bool) -> dict[str, Any]:
    """All estimates as plain JSON values; with `samples`, also the labels of each sample."""
    return {s.benchmark: _as_values(s, samples) for s in found}


def _as_values(one: Seen, samples: bool) -> dict[str, Any]:
    e = one.estimates
    body: dict[str, Any] = {
        "n": len(one.samples),
        "scorer": one.scorer,
        **asdict(one.rows),
        "conditions": list(one.conditions),
        "needs_image": asdict(e.needed_share),
        "visual_information": None if e.visual is None else asdict(e.visual),
        "models": {
            name: {part: asdict(interval) for part, interval in mine.items()}
            for name, mine in zip(one.models, e.abilities or [{}] * len(one.models), strict=True)
        },
        "notes": list(one.notes),
    }
    if samples:
        body["samples"] = {
            s.id: {
                "needs_image": round(float(e.needed[i]), 4),
                **{part: round(float(row[i]), 3) for part, row in e.easiness.items()},
            }
            for i, s in enumerate(one.samples)
        }
    return body


def notes(found: Sequence[Seen]) -> tuple[str, ...]:
    """What a reader must know, each with the benchmarks it is about."""
    about: dict[str, list[str]] = {}
    for s in found:
        for note in s.notes:
            about.setdefault(note, []).append(s.benchmark)
    return tuple(f"{', '.join(names)}: {note}" for note, names in about.items())


def findings(found: Sequence[Seen]) -> tuple[str, ...]:
    """Each benchmark in words."""
    lines = []
    for s in found:
        e = s.estimates
        text = f"{entry(s.benchmark).short}: {percent(e.needed_share.value)} % of the samples need their image"
        if e.visual is not None:
            text += f"; {percent(e.visual.value)} % of the information about the models is visual"
        lines.append(text + ".")
    return tuple(lines)


def percent(value: float) -> str:
    """A share in percent without its sign."""
    return f"{100 * value:.1f}"
