"""How far two scorers agree on the same stored responses, and where they do not.

Scores are as in results.json. Agreement itself is counted on answers both scorers decided: a verdict counts as right
from half the points on (partial credit exists), failed answers and what a judge left undecided are set apart.
Intervals resample whole images, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cambrian_eval.benchmark import Benchmark, Graded
from cambrian_eval.errors import UserError
from cambrian_eval.results import statistics
from cambrian_eval.results.grading import benchmark_of
from cambrian_eval.results.published_scores import nearest
from cambrian_eval.running.store import Cell, Record, Run
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.sample import clusters as clusters_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

RIGHT_FROM = 0.5
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Confusion:
    """Answers by what the two scorers say of them."""

    both_right: int
    only_a: int
    """Right for a, wrong for b."""
    only_b: int
    both_wrong: int

    @property
    def n(self) -> int:
        """Answers both scorers decided."""
        return self.both_right + self.only_a + self.only_b + self.both_wrong

    @property
    def raw(self) -> float | None:
        """Share of equal verdicts."""
        return (self.both_right + self.both_wrong) / self.n if self.n else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa; None where agreement by chance is certain (a constant scorer on both sides)."""
        if not self.n:
            return None
        cells = (self.both_right, self.only_a, self.only_b, self.both_wrong)
        found = float(_kappas(_row(cells))[0])
        return None if found != found else found


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One answer the scorers differ on, with everything needed to see who is right."""

    benchmark: str
    condition: str
    id: str
    question: str
    options: Mapping[str, str]
    answers: tuple[str, ...]
    prompt: str
    response: str
    a: Verdict
    b: Verdict

    @property
    def key(self) -> str:
        """Names the answer within a run."""
        return f"{self.benchmark}.{self.condition}/{self.id}"


@dataclass(frozen=True, slots=True)
class PublishedPair:
    """What the paper prints for the model: fuzzy matching against grading by GPT-3.5 (Table 24)."""

    a: float
    b: float

    @property
    def difference(self) -> float:
        """What the judge gives beyond fuzzy matching, in points; negative where it gives less."""
        return self.b - self.a


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two scorers on one benchmark under one condition."""

    benchmark: str
    condition: str
    n: int
    """Answers both scorers have a verdict on."""
    score_a: float | None
    score_b: float | None
    difference: float | None
    """b minus a, on the benchmark's scale."""
    interval: tuple[float, float] | None
    confusion: Confusion
    kappa_interval: tuple[float, float] | None
    failed: int
    undecided: int
    disagreements: tuple[Disagreement, ...]
    published: PublishedPair | None
    divisor: float
    """What a score is divided by before it enters an average (20 for MME)."""
    notes: tuple[str, ...] = ()


def agreement_of(
    run: Run, a: str, b: str, benchmarks: Iterable[str] | None = None, condition: str | None = None
) -> list[Agreement]:
    """Agreement on every stored cell that both scorers have judged."""
    if a == b:
        raise UserError(f"--a and --b are both {a!r}; name two scorers")
    wanted = None if benchmarks is None else set(benchmarks)
    cells = [c for c in run.cells() if (wanted is None or c.benchmark in wanted) and condition in (None, c.condition)]
    shared = [c for c in cells if {a, b} <= set(run.scorers(c))]
    if not shared:
        have = sorted({s for c in cells for s in run.scorers(c)})
        lacking = [s for s in (a, b) if s not in have] or [a, b]
        hint = f"cambrian-eval score {run.path} --scorer {lacking[0]}"
        raise UserError(
            f"{run.path} has no benchmark scored by both {a!r} and {b!r} (it has: {', '.join(have) or 'none'}); "
            f"make the verdicts with: {hint}"
        )
    model = str(run.info["model"]["name"])
    return [_compared(run, cell, a, b, model) for cell in shared]


def kappa(table: Sequence[Sequence[int]]) -> float | None:
    """Cohen's kappa of a 2 x 2 table: rows are a (right, wrong), columns b; None where it is undefined."""
    (both_right, only_a), (only_b, both_wrong) = table
    return Confusion(both_right, only_a, only_b, both_wrong).kappa


def mean_difference(found: Sequence[Agreement]) -> tuple[float, float] | None:
    """Mean difference and mean absolute difference over benchmarks, each on a scale of 100."""
    gaps = [r.difference / r.divisor for r in found if r.difference is not None]
    if not gaps:
        return None
    return sum(gaps) / len(gaps), sum(abs(g) for g in gaps) / len(gaps)


def _compared(run: Run, cell: Cell, a: str, b: str, model: str) -> Agreement:
    benchmark = benchmark_of(run, cell.benchmark)
    verdicts_a, verdicts_b = run.verdicts(cell, a), run.verdicts(cell, b)
    records = run.responses(cell)
    samples = [s for s in run.samples(cell.benchmark) if s.id in verdicts_a and s.id in verdicts_b]
    left, right = [verdicts_a[s.id] for s in samples], [verdicts_b[s.id] for s in samples]
    withheld = not any(s.answers for s in samples)
    failed = [x.outcome == "failed" for x in left]
    undecided = ["undecided" in (x.outcome, y.outcome) for x, y in zip(left, right, strict=True)]
    decided = [not (f or u or withheld) for f, u in zip(failed, undecided, strict=True)]
    clusters = clusters_of(samples)
    counts = _cells_by_cluster(left, right, decided, clusters)
    draws = _draws(len(counts))
    scores = [_metric(benchmark, samples, v, s, clusters) for v, s in ((left, a), (right, b))]
    if withheld or None in scores:
        score_a = score_b = bounds = None
    else:
        (score_a, table_a), (score_b, table_b) = (s for s in scores if s is not None)
        bounds = None if draws is None else _bounds(table_b.metric(draws) - table_a.metric(draws))
    differing = tuple(
        _disagreement(cell, s, records[s.id], x, y)
        for s, x, y, use in zip(samples, left, right, decided, strict=True)
        if use and _is_right(x) != _is_right(y)
    )
    total = counts.sum(axis=0)
    return Agreement(
        benchmark=cell.benchmark,
        condition=cell.condition,
        n=len(samples),
        score_a=score_a,
        score_b=score_b,
        difference=None if score_a is None or score_b is None else score_b - score_a,
        interval=bounds,
        confusion=Confusion(*(int(v) for v in total)),
        kappa_interval=None if draws is None else _bounds(_kappas(draws @ counts)),
        failed=sum(failed),
        undecided=sum(u and not f for u, f in zip(undecided, failed, strict=True)),
        disagreements=differing,
        published=_published(model, cell, a, b),
        divisor=benchmark.average_divisor,
        notes=_notes(run, cell, samples, (*left, *right), withheld),
    )


def _notes(
    run: Run, cell: Cell, samples: Sequence[Sample], verdicts: Sequence[Verdict], withheld: bool
) -> tuple[str, ...]:
    notes = []
    if withheld:
        notes.append("answers are withheld: there is nothing to agree on")
    if len(samples) < int(run.info["benchmarks"][cell.benchmark]["samples"]):
        notes.append("partial: not every sample has both verdicts")
    if skipped := sum(v.rule.startswith("settled without the judge") for v in verdicts):
        notes.append(f"{skipped} answers were settled without the judge and agree by construction")
    if any(0.0 < v.value < 1.0 for v in verdicts):
        notes.append("answers with partial credit count as right from half the points on")
    return tuple(notes)


def _is_right(verdict: Verdict) -> bool:
    return verdict.value >= RIGHT_FROM


def _disagreement(cell: Cell, sample: Sample, record: Record, a: Verdict, b: Verdict) -> Disagreement:
    return Disagreement(
        benchmark=cell.benchmark,
        condition=cell.condition,
        id=sample.id,
        question=sample.question,
        options=sample.options,
        answers=tuple(dict.fromkeys(sample.answers)),
        prompt=record.prompt,
        response=record.text,
        a=a,
        b=b,
    )


def _cells_by_cluster(
    a: Sequence[Verdict], b: Sequence[Verdict], decided: Sequence[bool], clusters: Sequence[int]
) -> Array:
    """Per cluster the four counts of the confusion table."""
    import numpy as np

    counts = np.zeros((max(clusters, default=-1) + 1, 4))
    for x, y, use, cluster in zip(a, b, decided, clusters, strict=True):
        if use:
            counts[cluster, 2 * (not _is_right(x)) + (not _is_right(y))] += 1
    return counts


def _metric(
    benchmark: Benchmark, samples: Sequence[Sample], verdicts: Sequence[Verdict], scorer: str, clusters: Sequence[int]
) -> tuple[float, statistics.Table] | None:
    """A scorer's headline, and its sums by cluster with a row for every cluster."""
    import numpy as np

    units = benchmark.units([Graded(s, v) for s, v in zip(samples, verdicts, strict=True)], scorer)
    weights = benchmark.metrics(sorted({u.stratum for u in units})).get("score", {})
    score = statistics.score(units, weights)
    if score is None:
        return None
    used = [u for u in units if u.stratum in weights]
    strata = {name: k for k, name in enumerate(sorted({u.stratum for u in used}))}
    sums, counts = (np.zeros((max(clusters) + 1, len(strata))) for _ in range(2))
    for unit in used:
        where = clusters[unit.members[0]], strata[unit.stratum]
        sums[where] += unit.value
        counts[where] += 1
    return score, statistics.Table(sums, counts, np.array([weights[name] for name in strata]))


def _draws(n: int, seed: int = 0) -> Array | None:
    """How often each of n clusters is drawn in each resample; None where there is nothing to resample."""
    import numpy as np

    if n < 2:
        return None
    rng = np.random.default_rng(seed)
    rows = (np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(RESAMPLES))
    return np.stack(list(rows)).astype(np.float64)


def _bounds(values: Array) -> tuple[float, float] | None:
    import numpy as np

    kept = values[~np.isnan(values)]
    if not kept.size:
        return None
    low, high = np.quantile(kept, [(1 - statistics.LEVEL) / 2, (1 + statistics.LEVEL) / 2])
    return float(low), float(high)


def _row(cells: Sequence[int]) -> Array:
    import numpy as np

    return np.array([cells], dtype=np.float64)


def _kappas(cells: Array) -> Array:
    """Cohen's kappa of each row (both right, only a, only b, both wrong); NaN where it is undefined."""
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        n = cells.sum(axis=1)
        right_a, right_b = (cells[:, 0] + cells[:, 1]) / n, (cells[:, 0] + cells[:, 2]) / n
        observed = (cells[:, 0] + cells[:, 3]) / n
        expected = right_a * right_b + (1 - right_a) * (1 - right_b)
        found = (observed - expected) / (1 - expected)
    return np.where(np.abs(1 - expected) < 1e-12, np.nan, found)


def _published(model: str, cell: Cell, a: str, b: str) -> PublishedPair | None:
    """Table 24 of the paper in the order asked for, where the model and the scorers are its own."""
    if cell.condition != "on" or {a, b} != {"fuzzy", "judge"}:
        return None
    rows = [r for r in nearest(model, cell.benchmark) if r.table == "Table 24"]
    fuzzy = next((r.score for r in rows if r.setting.startswith("fuzzy matching")), None)
    judge = next((r.score for r in rows if r.setting.startswith("GPT-3.5")), None)
    if fuzzy is None or judge is None:
        return None
    return PublishedPair(fuzzy, judge) if a == "fuzzy" else PublishedPair(judge, fuzzy)


def as_values(found: Agreement) -> dict[str, Any]:
    """Plain JSON values, derived figures included."""
    from dataclasses import asdict

    table = found.confusion
    published = found.published
    return {
        **{k: v for k, v in asdict(found).items() if k not in ("disagreements", "published", "divisor")},
        "raw_agreement": table.raw,
        "kappa": table.kappa,
        "decided": table.n,
        "published": None if published is None else {**asdict(published), "difference": published.difference},
        "disagreements": [{**asdict(d), "options": dict(d.options)} for d in found.disagreements],
    }
